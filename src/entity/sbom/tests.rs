use serde_json::json;

use super::*;

fn manifest(provider: &str, name: &str, reference: &str, url: &str) -> Manifest {
    serde_json::from_value(json!({
        "schemaVersion": 1, "id": "model_1", "kind": "model", "name": name,
        "source": { "provider": provider, "reference": reference, "revision": "abc", "url": url },
        "files": [{ "path": "a b.bin", "size": 1, "sha256": "01".repeat(32) }],
        "importedAt": "2026-01-01T00:00:00Z", "toolVersion": "1",
    }))
    .unwrap()
}

#[test]
fn a_purl_is_pinned_and_names_the_place_where_that_is_not_the_hub() {
    let hash = "01".repeat(32);
    let cases = [
        (
            "huggingface",
            "acme/tiny",
            "acme/tiny",
            "https://huggingface.co/acme/tiny/tree/abc",
            Some("pkg:huggingface/acme/tiny@abc".to_owned()),
        ),
        (
            "huggingface",
            "gpt2",
            "gpt2",
            "http://127.0.0.1:8080/gpt2/tree/abc",
            Some(
                "pkg:huggingface/gpt2@abc?repository_url=http%3A%2F%2F127.0.0.1%3A8080".to_owned(),
            ),
        ),
        (
            "huggingface",
            "acme/data",
            "hf://datasets/acme/data",
            "https://huggingface.co/datasets/acme/data/tree/abc",
            None,
        ),
        (
            "civitai",
            "Boat v1",
            "civitai:1@2",
            "https://civitai.com/models/1",
            None,
        ),
        (
            "other",
            "a b.bin",
            "https://h/a%20b.bin",
            "https://h/a%20b.bin",
            Some(format!(
                "pkg:generic/a%20b.bin@abc?checksum=sha256:{hash}&download_url=https%3A%2F%2Fh%2Fa%2520b.bin"
            )),
        ),
    ];
    for (provider, name, reference, url, expected) in cases {
        assert_eq!(purl(&manifest(provider, name, reference, url)), expected);
    }
}

#[test]
fn a_files_address_is_the_pinned_one() {
    let page = "https://huggingface.co/acme/tiny/tree/abc";
    let manifest = manifest("huggingface", "acme/tiny", "acme/tiny", page);
    let found = distribution(&manifest, &manifest.files[0]).unwrap();
    assert_eq!(
        found.url,
        "https://huggingface.co/acme/tiny/resolve/abc/a%20b.bin"
    );
}

#[test]
fn a_document_of_any_number_is_whole() {
    let page = "https://huggingface.co/acme/tiny/tree/abc";
    let manifest = manifest("huggingface", "acme/tiny", "acme/tiny", page);
    for number in 0..3 {
        let mut writer = Writer::start(Vec::new(), uuid::Uuid::nil(), Utc::now()).unwrap();
        for _ in 0..number {
            writer.add(&manifest).unwrap();
        }
        let (text, counted) = writer.finish().unwrap();
        let read: Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(read["components"].as_array().map(Vec::len), Some(number));
        assert_eq!(counted, number);
        assert_eq!(
            read["serialNumber"],
            "urn:uuid:00000000-0000-0000-0000-000000000000"
        );
    }
}
