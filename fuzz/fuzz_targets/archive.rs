//! Plain zips and tars.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    modelferry_fuzz::judged("data.zip", data);
    modelferry_fuzz::judged("data.tar", data);
});
