//! The gate as a whole: a path and bytes in, a finding or a refusal out.

use std::io::Cursor;

use modelferry_fixtures::build::{
    Entry, Gguf, Pickle, Zip, gzip, header, media, npy, proto, safetensors, tar, torch, zlib,
};

mod corpus;
mod mutations;

use super::{AllowList, Finding, Format, InspectError, PicklePolicy, RefusalReason, inspect};

/// Looks at a file under the default policy.
pub(super) fn look(path: &str, bytes: &[u8]) -> Result<Finding, InspectError> {
    look_as(path, bytes, PicklePolicy::Scan, "")
}

/// Looks at a file under a policy and an operator's list.
pub(super) fn look_as(
    path: &str,
    bytes: &[u8],
    policy: PicklePolicy,
    allowed: &str,
) -> Result<Finding, InspectError> {
    let allowed = AllowList::parse(allowed).unwrap();
    let size = bytes.len() as u64;
    inspect(path, size, &mut Cursor::new(bytes), policy, &allowed)
}

/// The code and message of the refusal of a file.
pub(super) fn refusal(path: &str, bytes: &[u8]) -> (&'static str, String) {
    match look(path, bytes) {
        Err(InspectError::Refused(refusal)) => (refusal.reason.code(), refusal.message),
        Ok(finding) => ("accepted", format!("{finding:?}")),
        Err(error) => panic!("{path}: {error}"),
    }
}

/// Expects a refusal as `malformed_file` that says `rule`.
pub(super) fn assert_malformed(path: &str, bytes: &[u8], rule: &str) {
    let (code, message) = refusal(path, bytes);
    assert_eq!(code, "malformed_file", "{message}");
    assert!(message.contains(rule), "`{message}` should say `{rule}`");
}

/// Expects a refusal as `unsafe_pickle` that says `rule`.
pub(super) fn assert_unsafe(path: &str, bytes: &[u8], rule: &str) {
    let (code, message) = refusal(path, bytes);
    assert_eq!(code, "unsafe_pickle", "{message}");
    assert!(message.contains(rule), "`{message}` should say `{rule}`");
}

fn system() -> Vec<u8> {
    Pickle::protocol(2).call("os", "system", &["true"]).stop()
}

fn one_tensor() -> Vec<u8> {
    let header = r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#;
    safetensors(header, &[0; 8])
}

#[test]
fn each_format_is_told_by_its_content() {
    let files: [(&str, Vec<u8>, Format); 21] = [
        ("model.safetensors", one_tensor(), Format::Safetensors),
        ("model.gguf", header::gguf().finish(), Format::Gguf),
        (
            "model.onnx",
            proto::onnx(|tensor| tensor.bytes(9, [0; 16])),
            Format::Onnx,
        ),
        ("model.pt", torch::checkpoint().finish(), Format::TorchZip),
        (
            "pytorch_model.bin",
            torch::checkpoint().finish(),
            Format::TorchZip,
        ),
        (
            "old.pth",
            torch::legacy(&torch::state_dict(), &[("0", &[0; 16])]),
            Format::TorchLegacy,
        ),
        (
            "x.pkl",
            Pickle::protocol(4).raw(b"}").stop(),
            Format::Pickle,
        ),
        (
            "x.npy",
            npy(
                "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }",
                &[0; 8],
            ),
            Format::Npy,
        ),
        ("a.png", media::png(1, 1), Format::Png),
        ("a.jpg", media::jpeg(1, 1), Format::Jpeg),
        ("a.gif", media::gif(1, 1), Format::Gif),
        ("a.webp", media::webp(1, 1), Format::WebP),
        ("a.wav", media::wav(8), Format::Wav),
        ("a.mp4", media::mp4(), Format::Mp4),
        (
            "a.glb",
            media::glb(r#"{"asset":{"version":"2.0"}}"#, 0),
            Format::Glb,
        ),
        (
            "photos.zip",
            Zip::new([Entry::stored("a.txt", *b"hello")]).finish(),
            Format::Zip,
        ),
        ("corpus.tar", tar(&[("a.txt", b"hello")]), Format::Tar),
        ("corpus.txt.gz", gzip(b"hello"), Format::Gzip),
        ("config.json", br#"{"a": 1}"#.to_vec(), Format::Json),
        ("README.md", b"# A model\n".to_vec(), Format::Text),
        ("empty.txt", Vec::new(), Format::Empty),
    ];
    for (path, bytes, format) in files {
        let finding = look(path, &bytes).unwrap_or_else(|error| panic!("{path}: {error}"));
        assert_eq!(finding.format, format, "{path}");
        assert_eq!(finding.media_type, format.media_type(), "{path}");
    }
}

#[test]
fn a_name_does_not_make_a_format() {
    // The content of one format under the name of another.
    let files: [(&str, Vec<u8>, &str); 9] = [
        (
            "a.safetensors",
            header::gguf().finish(),
            "it is named .safetensors but is a GGUF file",
        ),
        (
            "a.safetensors",
            torch::checkpoint().finish(),
            "it is named .safetensors but is a PyTorch checkpoint",
        ),
        (
            "a.gguf",
            one_tensor(),
            "it is named .gguf but is a safetensors file",
        ),
        (
            "a.gguf",
            b"hello there, no model".to_vec(),
            "is plain text that starts with \"hello there",
        ),
        (
            "a.onnx",
            media::png(1, 1),
            "it is named .onnx but is a PNG image",
        ),
        (
            "a.pt",
            media::png(1, 1),
            "it is named .pt but is a PNG image",
        ),
        (
            "a.ckpt",
            b"\xfe\xed\xfa\xce\x00\x01\x02\x03binary".to_vec(),
            "neither a zip archive, a pickle nor a NumPy file",
        ),
        ("a.safetensors", Vec::new(), "it is empty"),
        ("a.bin", Vec::new(), "it is empty"),
    ];
    for (path, bytes, rule) in files {
        assert_malformed(path, &bytes, rule);
    }
}

#[test]
fn a_web_page_in_place_of_a_file_says_so_with_its_title() {
    let page = b"<!-- hi --><!DOCTYPE html><html><head><title>Log  in\n- Hub</title></head></html>";
    for path in [
        "model.safetensors",
        "a.bin",
        "a.png",
        "a.zip",
        "config.json",
    ] {
        let (code, message) = refusal(path, page);
        assert_eq!(code, "html_instead_of_file", "{path}");
        assert!(message.contains("titled \"Log in - Hub\""), "{message}");
    }
    assert_eq!(look("index.html", page).unwrap().format, Format::Html);
}

#[test]
fn a_git_lfs_pointer_is_not_the_file() {
    let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n";
    assert_malformed("model.safetensors", pointer, "Git LFS pointer");
    assert_malformed("model.bin", pointer, "Git LFS pointer");
    assert_eq!(look("notes.txt", pointer).unwrap().format, Format::Text);
}

#[test]
fn a_refusal_names_the_file_without_control_characters() {
    let (_, message) = refusal("a\u{202e}\u{1b}[31m.pt", &system());
    assert!(
        message.starts_with(r"`a\u{202e}\u{1b}[31m.pt`: "),
        "{message}"
    );
}

#[test]
fn a_pickle_is_found_whatever_the_name_says() {
    for path in [
        "x",
        "x.pt",
        "x.txt",
        "x.json",
        "x.png",
        "x.dat",
        "x.safetensors",
        "x.gguf",
        "x.md",
    ] {
        assert_unsafe(path, &system(), "`os.system`");
    }
    let text = b"cos\nsystem\n(S'true'\ntR.";
    for path in ["x", "x.pt", "x.txt", "x.json", "x.dat", "x.bin", "x.md"] {
        assert_unsafe(path, text, "`os.system`");
    }
}

#[test]
fn prose_that_reads_as_opcodes_is_prose() {
    for text in [
        "can be used with any model\nand with none\n",
        "cos\nsystem\n is not called here",
        "I am a text. Nothing else.\n",
        "Nothing follows.",
        "(see above)",
    ] {
        assert_eq!(
            look("README.md", text.as_bytes()).unwrap().format,
            Format::Text,
            "{text}"
        );
    }
}

#[test]
fn containers_that_can_hide_a_pickle_are_refused_where_weights_or_nothing_is_promised() {
    let seven = b"7z\xbc\xaf\x27\x1c\x00\x04whatever it holds".to_vec();
    let bzip = b"BZh91AY&SYwhatever".to_vec();
    let xz = b"\xfd7zXZ\x00\x00\x04whatever".to_vec();
    let tarred = tar(&[("data", b"anything")]);
    for (path, bytes) in [
        ("model.pth", &seven),
        ("model", &seven),
        ("model.bin", &bzip),
        ("model.pkl.bz2", &bzip),
        ("model.ckpt", &xz),
        ("model.pkl", &gzip(&system())),
        ("model.joblib", &zlib(&system())),
        ("notes.txt.gz", &gzip(&system())),
        ("model.pt", &tarred),
    ] {
        assert_unsafe(path, bytes, "which can hide a pickle");
    }
}

#[test]
fn the_policy_decides_about_pickles() {
    let good = torch::checkpoint().finish();
    let refused = look_as("a.pt", &good, PicklePolicy::Refuse, "").unwrap_err();
    assert!(
        refused.to_string().contains("pickles are refused here"),
        "{refused}"
    );
    let let_through = look_as("a.pkl", &system(), PicklePolicy::Allow, "").unwrap();
    assert!(
        let_through.warnings[0].message.contains("`os.system`"),
        "{let_through:?}"
    );
    let listed = look_as("a.pt", &good, PicklePolicy::Allow, "").unwrap();
    assert!(
        listed.warnings[0]
            .message
            .contains("torch._utils._rebuild_tensor_v2")
    );
}

#[test]
fn a_refusal_tells_what_to_do_next() {
    let InspectError::Refused(refusal) = look("a.pkl", &system()).unwrap_err() else {
        panic!("it is a refusal");
    };
    assert_eq!(refusal.reason, RefusalReason::UnsafePickle);
    assert!(refusal.hint.unwrap().contains("safetensors"));
    let config = Pickle::protocol(2)
        .call("argparse", "Namespace", &[])
        .stop();
    let InspectError::Refused(refusal) = look("a.pkl", &config).unwrap_err() else {
        panic!("it is a refusal");
    };
    assert!(refusal.hint.unwrap().contains("`argparse Namespace`"));
}

#[test]
fn content_that_ends_early_is_a_failed_read_and_not_a_verdict() {
    let bytes = one_tensor();
    let result = inspect(
        "a.safetensors",
        bytes.len() as u64 + 50,
        &mut Cursor::new(&bytes[..20]),
        PicklePolicy::Scan,
        &AllowList::default(),
    );
    assert!(matches!(result, Err(InspectError::Io(_))), "{result:?}");
}

#[test]
fn a_file_that_is_a_model_to_one_reader_and_a_program_to_another_is_refused() {
    // BINUNICODE swallows the rest of the length, the brace and the start of the JSON.
    let mut header = String::from(r#"{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}"#);
    while header.len() < 0x158 {
        header.push(' ');
    }
    let mut polyglot = safetensors(&header, b"");
    assert_eq!(polyglot[..2], [0x58, 1]);
    assert!(look("a.safetensors", &polyglot).is_ok());
    // The text that BINUNICODE counts is 1 byte long, and then comes `{`, which is no opcode.
    polyglot[1] = 0;
    assert!(look("a.safetensors", &polyglot).is_err());
    let gguf = Gguf::new().counts(0, 0).finish();
    let program = [gguf, b"0cos\nsystem\n(S'true'\ntR.".to_vec()].concat();
    let (code, _) = refusal(
        "a.bin",
        &program[..8]
            .iter()
            .copied()
            .chain(*b"\x5d0cos\nsystem\n(S'true'\ntR.")
            .collect::<Vec<_>>(),
    );
    assert!(matches!(code, "unsafe_pickle" | "malformed_file"));
}

/// Weights of a format that nobody knows look like noise: few of them may pass for a pickle.
#[test]
fn noise_is_rarely_taken_for_a_pickle() {
    let refused: Vec<String> = (0..4000)
        .map(|seed| modelferry_fixtures::Content::seeded(seed, 2048).to_vec())
        .map(|noise| refusal("weights.bin", &noise))
        .filter(|(code, _)| *code != "accepted")
        .map(|(_, message)| message)
        .collect();
    assert!(refused.len() <= 4, "{refused:#?}");
}

/// What it would have run is what counts, with or without an end.
#[test]
fn a_cut_pickle_without_a_protocol_is_judged_by_what_it_names() {
    let whole = b"K\x01cos\nsystem\n(X\x04\0\0\0truetR.";
    for cut in 14..whole.len() {
        let (code, message) = refusal("weights.bin", &whole[..cut]);
        assert_eq!(code, "unsafe_pickle", "{cut}: {message}");
    }
}
