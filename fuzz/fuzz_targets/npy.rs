//! NumPy arrays.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    modelferry_fuzz::judged("data.npy", data);
});
