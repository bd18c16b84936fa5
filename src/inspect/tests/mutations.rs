//! Properties of any bytes at all: no parser panics, reads past the end, or says nothing; and what
//! is refused as unsafe stays refused whatever is put around it.

use std::sync::LazyLock;

use modelferry_fixtures::{
    build::{Pickle, Zip, header, media, npy, proto, tar, torch},
    corpus::{malformed, unsafe_pickles},
};
use proptest::prelude::*;

use super::{look, refusal};
use crate::inspect::InspectError;

/// Files to start from: `(path, bytes)`, whole ones of each format and every corpus file.
static FILES: LazyLock<Vec<(String, Vec<u8>)>> = LazyLock::new(|| {
    let whole = [
        (
            "m.gguf",
            header::gguf().texts("tokens", &["a", "b"]).finish(),
        ),
        ("m.onnx", proto::onnx(|tensor| tensor.bytes(9, [0; 16]))),
        ("m.pt", torch::checkpoint().finish()),
        (
            "m.pth",
            torch::legacy(&torch::state_dict(), &[("0", &[0; 16])]),
        ),
        (
            "a.npy",
            npy(
                "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }",
                &[0; 8],
            ),
        ),
        ("a.png", media::png(3, 2)),
        ("a.jpg", media::jpeg(3, 2)),
        ("a.webp", media::webp(3, 2)),
        ("a.wav", media::wav(8)),
        ("a.mp4", media::mp4()),
        ("a.glb", media::glb(r#"{"asset":{}}"#, 0)),
        (
            "a.tar",
            tar(&[("a.pkl", &torch::state_dict()), ("b.txt", b"hello")]),
        ),
    ];
    let corpus = unsafe_pickles().into_iter().chain(malformed());
    let small = corpus.filter(|case| case.bytes.len() < 64 * 1024);
    let small = small.map(|case| (case.path, case.bytes));
    whole
        .map(|(path, bytes)| (path.to_owned(), bytes))
        .into_iter()
        .chain(small)
        .collect()
});

/// Looks at bytes, and expects a verdict: a file in memory can't fail to be read.
fn judged(path: &str, bytes: &[u8]) -> Result<(), TestCaseError> {
    match look(path, bytes) {
        Ok(_) => Ok(()),
        Err(InspectError::Refused(refusal)) => {
            prop_assert!(!refusal.message.is_empty());
            Ok(())
        }
        Err(InspectError::Io(error)) => Err(TestCaseError::fail(format!("{path}: {error}"))),
    }
}

const OPCODES: &[u8] = b"(.012FIJKLMNPQRSTUVX)abcde}ghijl]opqrstuG\x80\x81\x82\x83\x84\x85\x86\x87\x88\x89\x8a\x8b\x8c\x8d\x8e\x8f\x90\x91\x92\x93\x94\x95\x96\x97\x98BC\n\x00\x01\x02";

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_changed_file_is_judged(
        file in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        keep in prop::option::of(any::<prop::sample::Index>()),
        other in any::<prop::sample::Index>(),
    ) {
        let (path, bytes) = file.get(&FILES);
        let mut bytes = bytes.clone();
        for (at, byte) in &changes {
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
        }
        if let Some(keep) = keep {
            bytes.truncate(keep.index(bytes.len() + 1));
        }
        judged(path, &bytes)?;
        // The same bytes under the name of another format.
        judged(&other.get(&FILES).0, &bytes)?;
    }

    #[test]
    fn any_opcodes_in_any_order_are_walked(
        program in prop::collection::vec(prop::sample::select(OPCODES), 0..200),
    ) {
        judged("m.pkl", &program)?;
        judged("m.bin", &program)?;
        let zip = torch::zipped(&program, &[]);
        judged("m.pt", &zip.finish())?;
    }

    #[test]
    fn any_bytes_under_any_name_are_judged(
        bytes in prop::collection::vec(any::<u8>(), 0..600),
        magic in prop::sample::select(vec![
            &b""[..], b"GGUF\x03\0\0\0", b"PK\x03\x04", b"\x93NUMPY\x01\0", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff",
            b"RIFF\0\0\0\0WEBP", b"RIFF\0\0\0\0WAVE", b"glTF\x02\0\0\0", b"\0\0\0\x08ftypisom", b"fLaC", b"OggS\0\x02",
            b"II*\0", b"GIF89a", b"BM", b"\x08\x08\x3a", b"\x80\x04", b"\x10\0\0\0\0\0\0\0{",
        ]),
        path in prop::sample::select(vec!["m.pt", "m.gguf", "m.safetensors", "m.onnx", "a.npy", "a.zip", "a.tar", "a", "a.txt"]),
    ) {
        judged(path, &[magic, &bytes].concat())?;
    }

    #[test]
    fn nothing_around_a_program_makes_it_pass(
        before in prop::collection::vec(prop::sample::select(vec![&b"N0"[..], b"(1", b"]0", b"}0", b"K\x010", b"(0", b"\x8c\x02os0", b"X\x01\0\0\0a0"]), 0..12),
        after in prop::collection::vec(any::<u8>(), 0..60),
        protocol in 2..=5_u8,
        path in prop::sample::select(vec!["m.pkl", "m.bin", "m", "m.txt", "m.png", "m.safetensors", "m.npy"]),
    ) {
        let program = Pickle::protocol(protocol).raw(before.concat()).call("os", "system", &["true"]).raw(b".").raw(&after).unfinished();
        let (code, message) = refusal(path, &program);
        prop_assert_eq!(code, "unsafe_pickle", "{}", message);
        let in_zip = Zip::new([modelferry_fixtures::build::Entry::stored("model/data.pkl", program)]).finish();
        let (code, message) = refusal("m.pt", &in_zip);
        prop_assert_eq!(code, "unsafe_pickle", "{}", message);
    }
}
