//! Checkpoints of before PyTorch 1.6.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    modelferry_fuzz::judged("model.pth", data);
});
