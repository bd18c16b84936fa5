//! Bare pickles of any protocol.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    modelferry_fuzz::judged("model.pkl", data);
});
