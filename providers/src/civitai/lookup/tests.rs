use serde_json::{Value, json};

use super::super::wire::File;
use super::*;

fn newest_of(versions: Value) -> Option<u32> {
    let model: Model = serde_json::from_value(json!({"modelVersions": versions})).unwrap();
    newest(model.model_versions.iter()).map(CivitaiId::get)
}

#[test]
fn the_version_published_last_is_the_newest() {
    let dated = |id: u64, date: &str| json!({"id": id, "publishedAt": date, "status": "Published"});
    let cases = [
        (json!([]), None),
        (
            json!([
                dated(1, "2025-01-01T00:00:00Z"),
                dated(2, "2026-01-01T00:00:00Z")
            ]),
            Some(2),
        ),
        (
            json!([
                dated(1, "2026-01-01T00:00:00Z"),
                dated(2, "2025-01-01T00:00:00Z")
            ]),
            Some(1),
        ),
        (
            json!([
                dated(1, "2026-01-01T00:00:00Z"),
                dated(2, "2026-01-01T00:00:00Z")
            ]),
            Some(1),
        ),
        (json!([{"id": 1}, {"id": 2}]), Some(1)),
        (
            json!([{"id": 1}, dated(2, "2025-01-01T00:00:00Z")]),
            Some(2),
        ),
        (
            json!([{"id": 1, "createdAt": "2023-06-27T08:42:29.212Z"}, {"id": 2, "createdAt": "2023-07-01T00:00:00Z"}]),
            Some(2),
        ),
        (
            json!([{"id": 1, "status": "Draft", "publishedAt": "2026-01-01T00:00:00Z"}, dated(2, "2025-01-01T00:00:00Z")]),
            Some(2),
        ),
        (json!([{"name": "no id"}]), None),
    ];
    for (versions, expected) in cases {
        assert_eq!(newest_of(versions.clone()), expected, "{versions}");
    }
}

#[test]
fn a_models_listing_completes_what_the_version_drops() {
    let version = json!({
        "id": 5, "files": [{"id": 1, "name": "a.gguf", "metadata": {"format": "GGUF", "size": null}, "hashes": {}}],
    });
    let entry = json!({
        "id": 5, "nsfwLevel": 1, "earlyAccessDeadline": "2099-01-01T00:00:00Z",
        "files": [
            {"id": 2, "metadata": {"quantType": "wrong"}},
            {"id": 1, "primary": true, "metadata": {"quantType": "Q8_0"}, "hashes": {"AutoV2": "0123456789"}},
        ],
    });
    let read = |value: Value| serde_json::from_value::<Version>(value).unwrap();
    let version = completed(read(version), read(entry));
    let [file] = version.files.as_slice() else {
        panic!("{:?}", version.files)
    };
    assert!(file.primary);
    assert_eq!(file.metadata.quant_type.as_deref(), Some("Q8_0"));
    assert_eq!(file.metadata.format.as_deref(), Some("GGUF"));
    assert_eq!(file.hashes.len(), 1);
    assert_eq!(
        version.early_access_ends_at.as_deref(),
        Some("2099-01-01T00:00:00Z")
    );
}

#[test]
fn what_the_metadata_drops_is_read_from_the_download_url() {
    let url = "https://civitai.com/api/download/models/5?type=Pruned%20Model&format=GGUF&size=full&fp=bf16&quantType=Q4_K_M";
    let read = |value: Value| serde_json::from_value::<File>(value).unwrap();
    let mut bare = read(json!({"downloadUrl": url, "metadata": {"fp": "fp8", "size": null}}));
    complete_from_url(&mut bare);
    let metadata = bare.metadata;
    assert_eq!(bare.kind.as_deref(), Some("Pruned Model"));
    assert_eq!(metadata.format.as_deref(), Some("GGUF"));
    assert_eq!(metadata.size.as_deref(), Some("full"));
    assert_eq!(metadata.fp.as_deref(), Some("fp8"));
    assert_eq!(metadata.quant_type.as_deref(), Some("Q4_K_M"));
}
