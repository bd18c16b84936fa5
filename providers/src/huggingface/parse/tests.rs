use proptest::prelude::*;

use super::super::repo::{HfRef, RepoType};
use super::parse;
use crate::source::SourceError;
use crate::url::SafeUrl;

use RepoType::{Dataset, Model, Space};

const HF: &str = "https://huggingface.co";

fn read_at(endpoint: &str, source: &str) -> Option<Result<HfRef, SourceError>> {
    parse(source, &SafeUrl::parse(endpoint).unwrap())
}

fn read(source: &str) -> Option<Result<HfRef, SourceError>> {
    read_at(HF, source)
}

type Parts = (RepoType, &'static str, Option<&'static str>, &'static str);

fn assert_reads(endpoint: &str, source: &str, (repo_type, repo, revision, path): Parts) {
    let found = match read_at(endpoint, source) {
        Some(Ok(found)) => found,
        other => panic!("{source}: {other:?}"),
    };
    let expected = HfRef::new(repo_type, repo, revision, path).unwrap();
    assert_eq!(found, expected, "{source}");
}

/// The refusal of a source; its example of the right form must itself be accepted.
fn refusal(source: &str) -> SourceError {
    match read(source) {
        Some(Err(error)) => {
            let right = matches!(read(&error.example), Some(Ok(_)));
            assert!(right, "{source}: the example {} is wrong", error.example);
            error
        }
        other => panic!("{source}: {other:?}"),
    }
}

#[test]
fn addresses_of_pages_files_and_folders_are_read() {
    let cases: &[(&str, Parts)] = &[
        (
            "https://huggingface.co/acme/tiny",
            (Model, "acme/tiny", None, ""),
        ),
        (
            "https://huggingface.co/acme/tiny/",
            (Model, "acme/tiny", None, ""),
        ),
        (
            "http://huggingface.co/acme/tiny",
            (Model, "acme/tiny", None, ""),
        ),
        (
            "https://huggingface.co:443/acme/tiny",
            (Model, "acme/tiny", None, ""),
        ),
        (
            "https://huggingface.co/acme/tiny#files",
            (Model, "acme/tiny", None, ""),
        ),
        (
            "huggingface.co/acme/tiny/tree/v1",
            (Model, "acme/tiny", Some("v1"), ""),
        ),
        ("https://hf.co/acme/tiny", (Model, "acme/tiny", None, "")),
        (
            "https://HuggingFace.co/Acme/Tiny",
            (Model, "Acme/Tiny", None, ""),
        ),
        (
            "HTTPS://HUGGINGFACE.CO./acme/tiny",
            (Model, "acme/tiny", None, ""),
        ),
        (
            "https://huggingface.co/acme/tiny/tree",
            (Model, "acme/tiny", None, ""),
        ),
        (
            "https://huggingface.co/acme/tiny/tree/main",
            (Model, "acme/tiny", Some("main"), ""),
        ),
        (
            "https://huggingface.co/acme/tiny/tree/main/sub/dir",
            (Model, "acme/tiny", Some("main"), "sub/dir"),
        ),
        (
            "https://huggingface.co/acme/tiny/blob/main/sub/f.bin",
            (Model, "acme/tiny", Some("main"), "sub/f.bin"),
        ),
        (
            "https://huggingface.co/acme/tiny/blame/main/sub/f.bin",
            (Model, "acme/tiny", Some("main"), "sub/f.bin"),
        ),
        (
            "https://huggingface.co/acme/tiny/resolve/main/f.bin?download=true",
            (Model, "acme/tiny", Some("main"), "f.bin"),
        ),
        (
            "https://huggingface.co/acme/tiny/raw/v1.0/config.json",
            (Model, "acme/tiny", Some("v1.0"), "config.json"),
        ),
        (
            "https://huggingface.co/acme/tiny/resolve/main/a%20b%23.txt",
            (Model, "acme/tiny", Some("main"), "a b#.txt"),
        ),
        (
            "https://huggingface.co/acme/tiny/resolve/main//x",
            (Model, "acme/tiny", Some("main"), "x"),
        ),
        (
            "https://huggingface.co/acme/tiny/tree/refs%2Fpr%2F1",
            (Model, "acme/tiny", Some("refs/pr/1"), ""),
        ),
        (
            "https://huggingface.co/acme/tiny/tree/refs/pr/1/sub",
            (Model, "acme/tiny", Some("refs/pr/1"), "sub"),
        ),
        (
            "https://huggingface.co/datasets/a/b/blob/refs%2Fconvert%2Fparquet/x.parquet",
            (Dataset, "a/b", Some("refs/convert/parquet"), "x.parquet"),
        ),
        (
            "https://huggingface.co/acme/tiny/blob/feature%2Fx/f.bin",
            (Model, "acme/tiny", Some("feature/x"), "f.bin"),
        ),
        (
            "https://huggingface.co/acme/tiny/blob/feature/x/f.bin",
            (Model, "acme/tiny", Some("feature"), "x/f.bin"),
        ),
        (
            "https://huggingface.co/datasets/a/b",
            (Dataset, "a/b", None, ""),
        ),
        (
            "https://huggingface.co/spaces/a/b/tree/main",
            (Space, "a/b", Some("main"), ""),
        ),
        (
            "https://huggingface.co/models/a/b",
            (Model, "a/b", None, ""),
        ),
        (
            "https://huggingface.co/acme/tiny/resolve/main/a%2Fb.txt",
            (Model, "acme/tiny", Some("main"), "a%2Fb.txt"),
        ),
        (
            "https://huggingface.co/gpt2/resolve/main/config.json",
            (Model, "gpt2", Some("main"), "config.json"),
        ),
        (
            "https://huggingface.co/acme/tree/tree/main",
            (Model, "acme/tree", Some("main"), ""),
        ),
        (
            "  https://huggingface.co/acme/tiny \n",
            (Model, "acme/tiny", None, ""),
        ),
    ];
    for (source, parts) in cases {
        assert_reads(HF, source, *parts);
    }
}

#[test]
fn uris_are_read() {
    let cases: &[(&str, Parts)] = &[
        ("hf://acme/tiny", (Model, "acme/tiny", None, "")),
        ("HF://acme/tiny/", (Model, "acme/tiny", None, "")),
        (
            "hf://models/acme/tiny@v1/sub/f.bin",
            (Model, "acme/tiny", Some("v1"), "sub/f.bin"),
        ),
        (
            "hf://datasets/a/b@refs/pr/3/data/x.csv",
            (Dataset, "a/b", Some("refs/pr/3"), "data/x.csv"),
        ),
        (
            "hf://datasets/a/b@refs/convert/parquet",
            (Dataset, "a/b", Some("refs/convert/parquet"), ""),
        ),
        ("hf://spaces/a/b/app.py", (Space, "a/b", None, "app.py")),
        (
            "hf://a/b@feature%2Fx/f",
            (Model, "a/b", Some("feature/x"), "f"),
        ),
        (
            "hf://a/b@feature/x/f",
            (Model, "a/b", Some("feature"), "x/f"),
        ),
        ("hf://a/b/file@1.txt", (Model, "a/b", None, "file@1.txt")),
        ("hf://a/b/100%25.txt", (Model, "a/b", None, "100%25.txt")),
        ("hf://example.com/x", (Model, "example.com/x", None, "")),
    ];
    for (source, parts) in cases {
        assert_reads(HF, source, *parts);
    }
}

#[test]
fn bare_ids_are_read() {
    let cases: &[(&str, Parts)] = &[
        ("acme/tiny", (Model, "acme/tiny", None, "")),
        (" acme/tiny/ ", (Model, "acme/tiny", None, "")),
        ("acme/tiny@v1.0", (Model, "acme/tiny", Some("v1.0"), "")),
        (
            "acme/tiny@refs/pr/1",
            (Model, "acme/tiny", Some("refs/pr/1"), ""),
        ),
        (
            "acme/tiny@feature/x",
            (Model, "acme/tiny", Some("feature/x"), ""),
        ),
        (
            "acme/tiny@feature%2Fx",
            (Model, "acme/tiny", Some("feature/x"), ""),
        ),
        ("gpt2", (Model, "gpt2", None, "")),
        ("gpt2@main", (Model, "gpt2", Some("main"), "")),
        ("bert-base-uncased", (Model, "bert-base-uncased", None, "")),
        (
            "black-forest-labs/FLUX.1-dev",
            (Model, "black-forest-labs/FLUX.1-dev", None, ""),
        ),
        ("v1.5/model", (Model, "v1.5/model", None, "")),
        ("4384/5", (Model, "4384/5", None, "")),
        ("facade", (Model, "facade", None, "")),
    ];
    for (source, parts) in cases {
        assert_reads(HF, source, *parts);
    }
}

#[test]
fn an_endpoint_of_ones_own_is_read_without_its_prefix() {
    let endpoint = "http://localhost:8080/hf";
    let cases: &[(&str, Parts)] = &[
        (
            "http://localhost:8080/hf/acme/tiny/tree/main",
            (Model, "acme/tiny", Some("main"), ""),
        ),
        ("localhost:8080/hf/datasets/a/b", (Dataset, "a/b", None, "")),
        (
            "https://LOCALHOST:8080/hf/acme/tiny",
            (Model, "acme/tiny", None, ""),
        ),
        (
            "https://huggingface.co/hf/tiny",
            (Model, "hf/tiny", None, ""),
        ),
    ];
    for (source, parts) in cases {
        assert_reads(endpoint, source, *parts);
    }
    for other in [
        "http://localhost:9999/hf/acme/tiny",
        "http://localhost/hf/acme/tiny",
        "http://localhost:8080/acme/tiny",
        "http://localhost:8080/hfx/acme/tiny",
    ] {
        assert_eq!(read_at(endpoint, other), None, "{other}");
    }
    let mirror = "https://hf-mirror.com/acme/tiny";
    assert_reads(
        "https://hf-mirror.com",
        mirror,
        (Model, "acme/tiny", None, ""),
    );
    assert_reads("http://hub", "acme/tiny", (Model, "acme/tiny", None, ""));
    assert_reads("http://hub", "hub/tiny", (Model, "hub/tiny", None, ""));
}

#[test]
fn what_belongs_to_others_is_left_to_them() {
    for source in [
        "",
        "  ",
        "4384",
        "4384@128713",
        "civitai:4384@128713",
        "civitai:sha256:abc",
        "urn:air:sdxl:checkpoint:civitai:827184@2514310",
        "urn:air:flux1:checkpoint:huggingface:black-forest-labs/FLUX.1-dev@main",
        "air:sdxl:checkpoint:civitai:827184@2514310",
        "sdxl:checkpoint:civitai:827184",
        "example.com/file.bin",
        "example.com/a/b/file.bin",
        "civitai.com/models/4384",
        "www.example.com/x",
        "127.0.0.1/x",
        "127.0.0.1:8080/x",
        "model.safetensors",
        "./acme/tiny",
        "../acme/tiny",
        "/acme/tiny",
        "~/acme",
        "C:\\models\\x",
        "C:/models/x",
        "F6BC5F4A3E",
        "6CE0161689B3853ACAA03779EC93EAFE75A02F4CED659BEE03F50797806FA2FA",
        "someone@example.com",
        "git@github.com/acme/tiny",
        "git@hf.co:acme/tiny",
        "https://example.com/acme/tiny",
        "https://hf-mirror.com/acme/tiny",
        "https://huggingface.co.example.com/acme/tiny",
        "https://nothuggingface.co/acme/tiny",
        "https://cdn-lfs.huggingface.co/x/y",
        "https://huggingface.co:8443/acme/tiny",
        "ftp://huggingface.co/acme/tiny",
        "file:///acme/tiny",
        "s3://acme/tiny",
        "acme/tiny?x=y",
        "acme/tiny\u{0}",
        "two words",
    ] {
        assert_eq!(read(source), None, "{source:?}");
    }
}

#[test]
fn what_is_malformed_is_refused_with_an_example_of_the_right_form() {
    let cases = [
        ("https://huggingface.co", "https://huggingface.co/org/name"),
        ("https://huggingface.co/", "https://huggingface.co/org/name"),
        ("hf.co", "https://huggingface.co/org/name"),
        ("hf://", "hf://org/name"),
        ("hf://model/a/b", "hf://models/org/name"),
        ("hf://gpt2", "hf://org/name"),
        ("hf://datasets/squad", "hf://datasets/org/name"),
        ("hf://a/b@", "hf://a/b@main/folder/file.bin"),
        ("hf://a/b@%ff", "hf://org/name@feature%2Fx"),
        ("hf://a/b/../x", "hf://a/b@main/folder/file.bin"),
        ("hf://a/b//x", "hf://a/b@main/folder/file.bin"),
        ("hf://a/b/c\\d", "hf://a/b@main/folder/file.bin"),
        ("datasets/a/b", "hf://datasets/a/b"),
        ("datasets/a", "hf://datasets/org/name"),
        (
            "acme/tiny/blob/main/f",
            "https://huggingface.co/acme/tiny/blob/main",
        ),
        ("acme/tiny.git", "acme/tiny"),
        ("acme/tiny@a..b", "hf://acme/tiny@main/folder/file.bin"),
        ("https://huggingface.co/acme/tiny.git", "acme/tiny"),
        ("https://huggingface.co/a--b/c", "org/name"),
        ("hf.co/acme/tiny:Q4_K_M", "acme/tiny"),
        ("acme/tiny:Q4_K_M", "acme/tiny"),
        (
            "https://www.huggingface.co/acme/tiny",
            "https://huggingface.co/acme/tiny",
        ),
        (
            "https://user:pw@huggingface.co/acme/tiny",
            "https://huggingface.co/org/name",
        ),
        (
            "user:pw@huggingface.co/acme/tiny",
            "https://huggingface.co/org/name",
        ),
        (
            "https://huggingface.co/acme/tiny/resolve/main/../../x",
            "https://huggingface.co/org/name/blob/main/file.bin",
        ),
        (
            "https://huggingface.co/acme/tiny/resolve/main/%2e%2e/x",
            "https://huggingface.co/org/name/blob/main/file.bin",
        ),
        (
            "https://huggingface.co/acme/tiny/resolve/main/..%2Fx",
            "https://huggingface.co/org/name/blob/main/file.bin",
        ),
        (
            "https://huggingface.co/../acme/tiny",
            "https://huggingface.co/org/name/blob/main/file.bin",
        ),
        (
            "https://huggingface.co/acme/tiny/resolve/main/a%00b",
            "https://huggingface.co/org/name/blob/main/file.bin",
        ),
        (
            "https://huggingface.co/acme/tiny/resolve/main/%ff",
            "https://huggingface.co/org/name/blob/main/file.bin",
        ),
        (
            "https://huggingface.co/acme\\tiny",
            "https://huggingface.co/org/name/blob/main/file.bin",
        ),
        (
            "https://huggingface.co/acme/tiny/resolve/main/C:x",
            "hf://acme/tiny@main/folder/file.bin",
        ),
        (
            "https://huggingface.co/acme/tiny/resolve/main/a%5Cb",
            "hf://acme/tiny@main/folder/file.bin",
        ),
        (
            "https://huggingface.co/acme/tiny/resolve/%2e%2e%2Fx/f",
            "https://huggingface.co/org/name/blob/main/file.bin",
        ),
    ];
    for (source, example) in cases {
        let error = refusal(source);
        assert_eq!(
            (error.example.as_str(), error.unsupported),
            (example, false),
            "{source}: {error}"
        );
        assert!(!error.to_string().contains("pw"), "{source}: {error}");
    }
}

#[test]
fn what_is_never_imported_is_called_unsupported() {
    for source in [
        "https://huggingface.co/buckets/a/b",
        "https://huggingface.co/kernels/a/b",
        "https://huggingface.co/collections/a/b-123",
        "hf://buckets/a/b",
        "hf://kernels/a/b",
        "https://huggingface.co/acme",
        "https://huggingface.co/gpt2",
        "https://huggingface.co/datasets/squad",
        "https://huggingface.co/docs/hub/index",
        "https://huggingface.co/api/models/acme/tiny",
        "https://huggingface.co/papers/2401.00001",
        "https://huggingface.co/acme/tiny/edit/main/x",
        "https://huggingface.co/acme/tiny/commit/abc",
        "https://huggingface.co/acme/tiny/discussions/3",
        "https://huggingface.co/datasets/a/b/viewer/default/train",
    ] {
        let error = refusal(source);
        assert!(error.unsupported, "{source}: {error}");
    }
}

#[test]
fn the_shortest_form_is_the_one_people_write() {
    let cases = [
        ("https://huggingface.co/acme/tiny", "acme/tiny"),
        ("hf://acme/tiny@refs/pr/1", "acme/tiny@refs/pr/1"),
        (
            "https://hf.co/acme/tiny/blob/main/sub/f.bin",
            "hf://acme/tiny@main/sub/f.bin",
        ),
        (
            "https://hf.co/acme/tiny/blob/feature%2Fx/f",
            "hf://acme/tiny@feature%2Fx/f",
        ),
        ("https://hf.co/datasets/a/b", "hf://datasets/a/b"),
        (
            "https://hf.co/spaces/a/b/tree/refs%2Fpr%2F2",
            "hf://spaces/a/b@refs/pr/2",
        ),
        ("hf://example.com/x", "hf://example.com/x"),
        (
            "https://hf.co/4384/tree/main",
            "https://huggingface.co/4384/tree/main",
        ),
        (
            "https://hf.co/gpt2/blob/main/a%20b",
            "https://huggingface.co/gpt2/tree/main/a%20b",
        ),
    ];
    for (source, shortest) in cases {
        assert_eq!(
            read(source).unwrap().unwrap().to_string(),
            shortest,
            "{source}"
        );
    }
}

const STARTS: &[&str] = &[
    "",
    "hf://",
    "hf://datasets/",
    "https://huggingface.co/",
    "huggingface.co/spaces/",
    "https://hf.co/a/b/resolve/",
    "http://u@hf.co/",
    "a/b@",
    "gpt2",
    "a/b/blob/",
];
const PIECES: &[&str] = &[
    "a",
    "b.c",
    "main",
    "tree",
    "blob",
    "resolve",
    "refs/pr/1",
    "refs",
    "..",
    ".",
    "%2e%2e",
    "%2F",
    "%5c",
    "\\",
    "//",
    "@",
    ":",
    "?",
    "#",
    " ",
    "%",
    "%ff",
    "é",
    "\u{202e}",
    "4384",
    "com",
    "--",
    ".git",
    "datasets",
    "C:",
    "~",
    "\u{0}",
];

/// Texts near the edges of what is accepted.
fn near_sources() -> impl Strategy<Value = String> {
    let piece = prop_oneof![4 => Just("/"), 6 => prop::sample::select(PIECES)];
    let middle = prop::collection::vec(piece, 0..10);
    (prop::sample::select(STARTS), middle)
        .prop_map(|(start, rest)| start.to_owned() + &rest.concat())
}

fn holds_its_promises(source: &str) -> Result<(), TestCaseError> {
    let Some(Ok(found)) = read(source) else {
        return Ok(());
    };
    let parts = [
        Some(found.repo.as_str()),
        found.revision.as_ref().map(|r| r.as_str()),
        found.path.as_ref().map(|p| p.as_str()),
    ];
    for part in parts.into_iter().flatten() {
        prop_assert!(part.split('/').all(|name| name != ".." && name != "."));
        prop_assert!(!part.contains('\\') && !part.chars().any(char::is_control));
        prop_assert!(!part.starts_with('/') && !part.is_empty());
    }
    let shortest = found.to_string();
    prop_assert_eq!(
        read(&shortest),
        Some(Ok(found)),
        "{} as {}",
        source,
        shortest
    );
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_text_makes_the_parser_panic_or_climb(source in ".{0,80}") {
        holds_its_promises(&source)?;
    }

    #[test]
    fn what_is_accepted_reads_the_same_from_its_shortest_form(source in near_sources()) {
        holds_its_promises(&source)?;
    }
}
