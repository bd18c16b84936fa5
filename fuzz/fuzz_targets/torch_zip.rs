//! Zip checkpoints.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    modelferry_fuzz::judged("model.pt", data);
});
