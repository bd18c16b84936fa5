//! Safetensors, beside the format's reference reader.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let ours = modelferry_fuzz::judged("model.safetensors", data);
    let theirs = safetensors::SafeTensors::deserialize(data);
    match (ours, theirs) {
        (Ok(()), Ok(_)) | (Err(_), Err(_)) => {}
        // Stricter on purpose, as the format's description is; or a program as well as tensors.
        (Err(message), Ok(_))
            if message.contains("appears twice")
                || message.contains("does not start with `{`")
                || message.contains("pickle") => {}
        (ours, theirs) => panic!("{ours:?} and {:?}", theirs.map(|_| ())),
    }
});
