//! Pictures, sound, video, scenes, text.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    modelferry_fuzz::judged("picture.png", data);
    modelferry_fuzz::judged("config.json", data);
});
