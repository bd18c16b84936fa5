use serde_json::{Value, json};

use super::super::id::CivitaiId;
use super::super::{name, parse};
use super::*;
use crate::{Locator, SafeUrl};

const SHA_A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const SHA_B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

fn asked(source: &str) -> CivitaiRef {
    let endpoint = SafeUrl::parse("https://civitai.com").unwrap();
    match parse::parse(source, &endpoint).unwrap().unwrap().locator {
        Locator::Civitai(civitai) => civitai,
        other => panic!("{other:?}"),
    }
}

/// The paths chosen of these files.
fn chosen(
    files: &Value,
    source: &str,
    selection: &Selection,
) -> Result<Vec<String>, ProviderError> {
    let files: Vec<File> = serde_json::from_value(files.clone()).unwrap();
    let paths = name::paths(&files, CivitaiId::new(2).unwrap());
    let named: Vec<Named> = files
        .iter()
        .zip(&paths)
        .map(|(file, path)| Named { file, path })
        .collect();
    let scope = Scope {
        version: "version 2 at civitai.com",
        download: "https://civitai.com/api/download/models/2",
    };
    let chosen = choose(&named, &asked(source), selection, &scope)?;
    Ok(chosen.iter().map(|named| named.path.to_string()).collect())
}

fn by_default(files: &Value, source: &str) -> Result<Vec<String>, ProviderError> {
    chosen(files, source, &Selection::default())
}

fn patterns(include: &[&str], exclude: &[&str]) -> Selection {
    let own = |patterns: &[&str]| {
        patterns
            .iter()
            .map(|pattern| (*pattern).to_owned())
            .collect()
    };
    Selection {
        include: own(include),
        exclude: own(exclude),
        ..Selection::default()
    }
}

/// A model, its VAE and its configuration.
fn trio() -> Value {
    json!([
        {"id": 1, "name": "boat.yaml", "type": "Config", "metadata": {"format": "Other"}},
        {"id": 2, "name": "sea.ckpt", "type": "VAE", "metadata": {"format": "Other"}},
        {"id": 3, "name": "boat.safetensors", "type": "Model", "primary": true,
         "metadata": {"fp": "fp16", "size": "full", "format": "SafeTensor"}, "hashes": {"SHA256": SHA_A}},
    ])
}

/// Full and pruned under one name, and a pickled one.
fn siblings() -> Value {
    json!([
        {"id": 11, "name": "boat.safetensors", "type": "Model",
         "metadata": {"fp": "fp32", "size": "full", "format": "SafeTensor"}, "hashes": {"SHA256": SHA_A, "AutoV2": "AAAAAAAAAA"}},
        {"id": 12, "name": "boat.safetensors", "type": "Model", "primary": true,
         "metadata": {"fp": "fp16", "size": "pruned", "format": "SafeTensor"}, "hashes": {"SHA256": SHA_B}},
        {"id": 13, "name": "boat.ckpt", "type": "Pruned Model",
         "metadata": {"fp": "fp16", "size": "pruned", "format": "PickleTensor"}},
    ])
}

fn quants() -> Value {
    json!([
        {"id": 21, "name": "boat.gguf", "type": "Model", "metadata": {"format": "GGUF", "quantType": "Q5_K_M"}},
        {"id": 22, "name": "boat.gguf", "type": "Model", "metadata": {"format": "GGUF", "quantType": "Q8_0"}},
    ])
}

#[test]
fn the_download_buttons_file_is_taken_by_default() {
    assert_eq!(
        by_default(&trio(), "civitai:1@2").unwrap(),
        ["boat.safetensors"]
    );
    assert_eq!(
        by_default(&siblings(), "civitai:1@2").unwrap(),
        ["boat-pruned-fp16.safetensors"]
    );
    let archive = json!([{"id": 1, "name": "poses.zip", "type": "Archive", "primary": true}]);
    assert_eq!(by_default(&archive, "civitai:1@2").unwrap(), ["poses.zip"]);
}

#[test]
fn without_a_primary_file_the_only_weights_are_taken() {
    let mut files = trio();
    files[2]["primary"] = Value::Null;
    assert_eq!(
        by_default(&files, "civitai:1@2").unwrap(),
        ["boat.safetensors"]
    );
    let data = json!([{"id": 1, "name": "data.zip", "type": "Training Data"}]);
    assert_eq!(by_default(&data, "civitai:1@2").unwrap(), ["data.zip"]);
}

#[test]
fn without_a_primary_file_the_one_the_hub_would_score_highest_is_taken() {
    let file = |id: u64, kind: &str, metadata: Value| json!({"id": id, "name": format!("{id}.bin"), "type": kind, "metadata": metadata});
    let of = |format: &str, size: &str, fp: &str| json!({"format": format, "size": size, "fp": fp});
    let cases = [
        // Weights before all else.
        (
            vec![
                file(1, "VAE", of("SafeTensor", "pruned", "fp16")),
                file(2, "Model", of("PickleTensor", "full", "fp32")),
            ],
            Some("2.bin"),
        ),
        // The format before size, the size before precision.
        (
            vec![
                file(1, "Model", of("PickleTensor", "pruned", "fp16")),
                file(2, "Pruned Model", of("SafeTensor", "full", "fp32")),
            ],
            Some("2.bin"),
        ),
        (
            vec![
                file(1, "Model", of("SafeTensor", "full", "fp16")),
                file(2, "UNet", of("SafeTensor", "pruned", "fp32")),
            ],
            Some("2.bin"),
        ),
        (
            vec![
                file(1, "Model", json!({"format": "GGUF", "quantType": "Q8_0"})),
                file(2, "Model", json!({"format": "GGUF", "quantType": "Q4_K_M"})),
            ],
            Some("2.bin"),
        ),
        // A size that is not said may be null or missing; it loses to a pruned one either way.
        (
            vec![
                file(1, "UNet", json!({"format": "SafeTensor", "fp": "fp8"})),
                file(2, "UNet", of("SafeTensor", "pruned", "fp32")),
            ],
            Some("2.bin"),
        ),
        // Against a full one it is a draw if null and wins if missing: nobody can tell.
        (
            vec![
                file(1, "Model", json!({"format": "SafeTensor", "fp": "fp16"})),
                file(2, "Model", of("SafeTensor", "full", "fp16")),
            ],
            None,
        ),
    ];
    for (files, expected) in cases {
        let chosen = by_default(&json!(files), "civitai:1@2");
        let chosen = chosen.ok().map(|paths| paths.concat());
        assert_eq!(chosen.as_deref(), expected, "{files:?}");
    }
}

#[test]
fn of_several_that_fit_a_filter_the_hubs_favourite_is_taken() {
    let files = json!([
        {"id": 1, "name": "a.safetensors", "type": "Model", "metadata": {"format": "SafeTensor", "size": "full", "fp": "fp32"}},
        {"id": 2, "name": "b.safetensors", "type": "Model", "metadata": {"format": "SafeTensor", "size": "full", "fp": "fp16"}},
        {"id": 3, "name": "c.safetensors", "type": "Model", "primary": true, "metadata": {"format": "SafeTensor", "size": "pruned", "fp": "fp16"}},
    ]);
    let cases = [
        ("size=full", "b.safetensors"),
        ("fp=fp16", "c.safetensors"),
        ("type=Model", "c.safetensors"),
        ("fp=fp32", "a.safetensors"),
    ];
    for (query, expected) in cases {
        let source = format!("https://civitai.com/api/download/models/2?{query}");
        assert_eq!(by_default(&files, &source).unwrap(), [expected], "{query}");
    }
}

#[test]
fn several_that_could_be_meant_are_an_error_that_names_each_url() {
    let error = by_default(&quants(), "civitai:1@2").unwrap_err();
    assert_eq!(error.kind, ErrorKind::InvalidSource);
    for part in [
        "boat.gguf (Model, GGUF, Q5_K_M): https://civitai.com/api/download/models/2?fileId=21",
        "boat-Q8_0.gguf (Model, GGUF, Q8_0): https://civitai.com/api/download/models/2?fileId=22",
    ] {
        assert!(error.message.contains(part), "{}", error.message);
    }
}

#[test]
fn copies_of_one_content_are_no_choice() {
    let files = json!([
        {"id": 1, "name": "a.ckpt", "type": "Model", "hashes": {"SHA256": SHA_A}},
        {"id": 2, "name": "b.ckpt", "type": "Model", "hashes": {"SHA256": SHA_A.to_uppercase()}},
    ]);
    assert_eq!(by_default(&files, "civitai:1@2").unwrap(), ["a.ckpt"]);
}

#[test]
fn a_source_narrows_by_filter_file_hash_or_ending() {
    let download = |query: &str| format!("https://civitai.com/api/download/models/2?{query}");
    let cases = [
        (trio(), download("type=VAE"), "sea.ckpt"),
        (trio(), download("type=Config&format=Other"), "boat.yaml"),
        (siblings(), download("size=full"), "boat.safetensors"),
        (siblings(), download("format=PickleTensor"), "boat.ckpt"),
        (
            siblings(),
            download("type=Model&format=SafeTensor&size=pruned&fp=fp16"),
            "boat-pruned-fp16.safetensors",
        ),
        (quants(), download("quantType=Q8_0"), "boat-Q8_0.gguf"),
        (
            quants(),
            download("fileId=22&quantType=Q5_K_M"),
            "boat-Q8_0.gguf",
        ),
        (
            siblings(),
            format!("civitai:sha256:{SHA_A}"),
            "boat.safetensors",
        ),
        (
            siblings(),
            "civitai:autov2:aaaaaaaaaa".to_owned(),
            "boat.safetensors",
        ),
        (siblings(), "civitai:1@2+13".to_owned(), "boat.ckpt"),
        (
            siblings(),
            "urn:air:sd1:checkpoint:civitai:1@2.ckpt".to_owned(),
            "boat.ckpt",
        ),
        (
            siblings(),
            "urn:air:sd1:checkpoint:civitai:1@2.safetensors".to_owned(),
            "boat-pruned-fp16.safetensors",
        ),
        (
            siblings(),
            "urn:air:sd1:checkpoint:civitai:1@2.gguf".to_owned(),
            "boat-pruned-fp16.safetensors",
        ),
    ];
    for (files, source, expected) in cases {
        assert_eq!(by_default(&files, &source).unwrap(), [expected], "{source}");
    }
}

#[test]
fn what_no_file_is_is_not_found_and_the_files_are_listed() {
    for source in [
        "https://civitai.com/api/download/models/2?type=Archive",
        "https://civitai.com/api/download/models/2?format=GGUF",
        // Each of them may be one of those for all that the hub says, and none is known to be.
        "https://civitai.com/api/download/models/2?type=Model&quantType=Q8_0",
        "https://civitai.com/api/download/models/2?fileId=99",
        "civitai:crc32:deadbeef",
    ] {
        let error = by_default(&siblings(), source).unwrap_err();
        assert_eq!(error.kind, ErrorKind::NotFound, "{source}");
        assert!(error.message.contains("?fileId=13"), "{}", error.message);
    }
    assert_eq!(
        by_default(&json!([]), "civitai:1@2").unwrap_err().kind,
        ErrorKind::NotFound
    );
}

#[test]
fn patterns_and_all_files_widen_or_narrow() {
    let all = Selection {
        all_files: true,
        ..Selection::default()
    };
    let all_but = Selection {
        all_files: true,
        ..patterns(&[], &["*.yaml"])
    };
    let cases = [
        (all, &["boat.yaml", "sea.ckpt", "boat.safetensors"][..]),
        (
            patterns(&["*"], &[]),
            &["boat.yaml", "sea.ckpt", "boat.safetensors"],
        ),
        (all_but, &["sea.ckpt", "boat.safetensors"]),
        (
            patterns(&["*.ckpt", "*.yaml"], &[]),
            &["boat.yaml", "sea.ckpt"],
        ),
        (patterns(&["boat*"], &["*.yaml"]), &["boat.safetensors"]),
        (patterns(&[], &["*.ckpt"]), &["boat.safetensors"]),
    ];
    for (selection, expected) in cases {
        assert_eq!(
            chosen(&trio(), "civitai:1@2", &selection).unwrap(),
            expected,
            "{selection:?}"
        );
    }
    let no_safetensors = patterns(&[], &["*.safetensors"]);
    assert_eq!(
        chosen(&siblings(), "civitai:1@2", &no_safetensors).unwrap(),
        ["boat.ckpt"]
    );
}

#[test]
fn patterns_that_leave_nothing_or_can_not_be_read_are_errors() {
    let nothing = chosen(&trio(), "civitai:1@2", &patterns(&["*.onnx"], &[])).unwrap_err();
    assert_eq!(nothing.kind, ErrorKind::NotFound);
    assert!(nothing.message.contains("sea.ckpt"), "{}", nothing.message);
    let unread = chosen(&trio(), "civitai:1@2", &patterns(&[""], &[])).unwrap_err();
    assert_eq!(unread.kind, ErrorKind::InvalidSource);
}
