use proptest::prelude::*;
use serde_json::json;

use super::*;

/// Hand-written answers in the shapes that the hub has had over the years.
pub(in crate::civitai) fn models() -> Vec<Value> {
    let file_2023 = |id: u64, name: &str, kind: &str, metadata: Value| {
        json!({
            "name": name, "id": id, "sizeKB": 4165359.25, "type": kind, "metadata": metadata,
            "pickleScanResult": "Danger", "pickleScanMessage": "**Detected Pickle imports (1)**",
            "virusScanResult": "Success", "scannedAt": "2022-11-12T08:52:55.711Z",
            "hashes": {"AutoV1": "0A1B2C3D", "AutoV2": "0A1B2C3D4E", "SHA256": "AB".repeat(32),
                       "CRC32": "3C4A4AD3", "BLAKE3": "CD".repeat(32)},
            "downloadUrl": "https://civitai.com/api/download/models/50", "primary": true,
        })
    };
    let old = |files: Value, extra: (&str, Value)| {
        let mut version = json!({
            "id": 50, "modelId": 42, "name": "V1", "createdAt": "2022-11-10T21:03:11.588Z",
            "updatedAt": "2022-11-10T21:21:20.285Z", "trainedWords": ["old boat"], "baseModel": "SD 1.5",
            "earlyAccessTimeFrame": 0, "description": null,
            "stats": {"downloadCount": 1934, "ratingCount": 7, "rating": 4.9}, "files": files,
            "images": [{"id": 299, "url": "https://image.civitai.com/a/b/1.jpeg", "nsfw": "None",
                        "width": 512, "height": 512, "hash": "UvIOqa", "meta": null}],
            "downloadUrl": "https://civitai.com/api/download/models/50",
        });
        version[extra.0] = extra.1;
        json!({
            "id": 42, "name": "Old Boat", "description": "<p>A boat.</p>", "type": "Checkpoint", "poi": false,
            "nsfw": false, "allowNoCredit": true, "allowCommercialUse": "Sell", "allowDerivatives": true,
            "allowDifferentLicense": true, "creator": {"username": "skipper", "image": null},
            "tags": ["boat"], "modelVersions": [version],
        })
    };
    let checkpoint = json!({"fp": "fp16", "size": "full", "format": "PickleTensor"});
    let nulls = json!({"fp": null, "size": null, "format": "Other"});
    let mut pending = file_2023(
        486,
        "pending.safetensors",
        "Model",
        json!({"format": "SafeTensor"}),
    );
    for (key, value) in [
        ("hashes", json!({})),
        ("scannedAt", Value::Null),
        ("pickleScanResult", json!("Pending")),
    ] {
        pending[key] = value;
    }
    let mut archived = old(json!([]), ("downloadUrl", Value::Null));
    archived["mode"] = json!("Archived");
    let mut taken_down = old(
        json!([file_2023(487, "gone.safetensors", "Model", nulls.clone())]),
        ("images", json!([])),
    );
    taken_down["mode"] = json!("TakenDown");
    vec![
        old(
            json!([file_2023(
                483,
                "oldBoat_v1.ckpt",
                "Model",
                checkpoint.clone()
            )]),
            ("description", json!("<p>1</p>")),
        ),
        old(
            json!([
                file_2023(483, "oldBoat_v1.safetensors", "Model", checkpoint),
                file_2023(484, "boat.vae.pt", "VAE", json!({"format": "Other"})),
                file_2023(485, "oldBoat_v1.yaml", "Config", nulls.clone()),
            ]),
            ("earlyAccessTimeFrame", json!(1)),
        ),
        old(
            json!([file_2023(488, "boats.zip", "Training Data", nulls)]),
            ("trainedWords", json!([])),
        ),
        old(json!([pending]), ("baseModel", Value::Null)),
        archived,
        taken_down,
        json!({
            "id": 61016, "name": "Nothing Yet", "description": null, "type": "AestheticGradient",
            "allowCommercialUse": "None", "creator": {"username": "skipper", "image": null}, "modelVersions": [],
        }),
        json!({
            "id": 1231067, "name": "New Boat", "description": "<h3>Boats</h3>", "allowNoCredit": true,
            "allowCommercialUse": ["Image", "RentCivit", "Rent", "Sell"], "allowDerivatives": true,
            "allowDifferentLicense": true, "type": "LORA", "minor": false, "sfwOnly": false, "poi": false,
            "nsfw": false, "nsfwLevel": 29, "availability": "Public", "cosmetic": null, "supportsGeneration": true,
            "stats": {"downloadCount": 1, "thumbsUpCount": 2}, "creator": {"username": "skipper", "image": null},
            "tags": ["style"],
            "modelVersions": [new_version()],
        }),
    ]
}

/// As `/models/{id}` lists it since 2024.
fn new_version() -> Value {
    json!({
                "id": 1387174, "index": 0, "name": "v1.0", "baseModel": "Flux.1 D", "baseModelType": "Standard",
                "createdAt": "2025-02-08T11:15:47.197Z", "publishedAt": "2025-02-08T11:29:04.487Z",
                "status": "Published", "availability": "EarlyAccess", "nsfwLevel": 1, "trainedWords": ["boat"],
                "covered": true, "paidAccess": {"permanent": false, "endsAt": "2026-08-22T18:30:00.000Z"},
                "earlyAccessDeadline": "2026-08-22T18:30:00.000Z",
                "files": [{
                    "id": 1289799, "sizeKB": 18829.1484375, "name": "boat.gguf", "type": "Model",
                    "pickleScanResult": "Success", "virusScanResult": "Success", "virusScanMessage": null,
                    "metadata": {"format": "GGUF", "quantType": "Q4_K_M"}, "hashes": {},
                    "downloadUrl": "https://civitai.com/api/download/models/1387174", "primary": true,
                }],
                "images": [{"url": "https://image.civitai.com/a/b/2.jpeg", "nsfwLevel": 1, "width": 832,
                            "height": 1216, "hash": "U5Iio6", "type": "image", "minor": false}],
                "downloadUrl": "https://civitai.com/api/download/models/1387174",
    })
}

pub(in crate::civitai) fn versions() -> Vec<Value> {
    vec![
        json!({
            "id": 1387174, "modelId": 1231067, "name": "v1.0", "createdAt": "2025-02-08T11:15:47.197Z",
            "status": "Published", "publishedAt": "2025-02-08T11:29:04.487Z", "trainedWords": ["boat"],
            "trainingStatus": null, "trainingDetails": null, "baseModel": "Flux.1 D", "baseModelType": null,
            "earlyAccessEndsAt": null, "earlyAccessConfig": null, "description": null, "uploadType": "Created",
            "usageControl": "Download", "air": "urn:air:flux1:lora:civitai:1231067@1387174",
            "model": {"name": "New Boat", "type": "LORA", "nsfw": false, "poi": false},
            "files": [{
                "id": 1289799, "sizeKB": 18829.1484375, "name": "boat.safetensors", "type": "Model",
                "metadata": {"format": "SafeTensor", "size": null, "fp": null},
                "hashes": {"SHA256": "EF".repeat(32), "AutoV3": "34A22376739D"}, "primary": true,
                "downloadUrl": "https://civitai.com/api/download/models/1387174",
            }],
            "images": [{"url": "https://imagecache.civitai.com/a/1.jpeg", "nsfw": false, "width": 832,
                        "height": 1216, "meta": {"seed": 18446744073709551615u64, "prompt": "a boat"}}],
            "downloadUrl": "https://civitai.com/api/download/models/1387174",
        }),
        json!({"id": 1318, "modelId": 1244, "earlyAccessTimeFrame": 0, "files": [], "images": []}),
    ]
}

pub(in crate::civitai) fn minis() -> Vec<Value> {
    vec![json!({
        "air": "urn:air:sdxl:checkpoint:civitai:827184@2514310", "versionName": "v16.0", "modelName": "Big Boat",
        "baseModel": "Illustrious", "availability": "Public", "publishedAt": "2025-12-18T09:16:12.062Z",
        "size": 6775430.35, "fileType": "Model", "fileName": "bigBoat_v160.safetensors",
        "hashes": {"AutoV2": "A5F58EB1C3", "SHA256": "A5F58EB1C33616..."},
        "downloadUrls": ["https://civitai.com/api/download/models/2514310"], "format": "SafeTensor",
        "canGenerate": true, "requireAuth": false, "checkPermission": false, "earlyAccessEndsAt": null,
        "freeTrialLimit": null, "minor": false,
    })]
}

/// The paths of all values below one, as JSON pointers.
fn pointers(value: &Value, at: &str, into: &mut Vec<String>) {
    let mut go = |key: String, value: &Value| {
        let pointer = format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
        pointers(value, &pointer, into);
        into.push(pointer);
    };
    match value {
        Value::Object(keys) => keys.iter().for_each(|(key, value)| go(key.clone(), value)),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .for_each(|(nth, item)| go(nth.to_string(), item)),
        _ => {}
    }
}

fn without(mut value: Value, pointer: &str) -> Value {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    match value.pointer_mut(parent).unwrap() {
        Value::Object(keys) => drop(keys.remove(&key.replace("~1", "/").replace("~0", "~"))),
        Value::Array(items) => drop(items.remove(key.parse().unwrap())),
        _ => unreachable!(),
    }
    value
}

fn with(mut value: Value, pointer: &str, other: Value) -> Value {
    *value.pointer_mut(pointer).unwrap() = other;
    value
}

/// The answer with each of its values in turn left out, or put as something else.
pub(in crate::civitai) fn mangled(answer: &Value) -> impl Iterator<Item = (String, Value)> {
    let others = [
        json!(null),
        json!(7),
        json!(1.5),
        json!("text"),
        json!(true),
        json!([]),
        json!({"a": 1}),
    ];
    let mut all = Vec::new();
    pointers(answer, "", &mut all);
    assert!(!all.is_empty());
    all.into_iter().flat_map(move |pointer| {
        let mut changes = vec![(
            format!("without {pointer}"),
            without(answer.clone(), &pointer),
        )];
        changes.extend(others.iter().map(|other| {
            let what = format!("{pointer} as {other}");
            (what, with(answer.clone(), &pointer, other.clone()))
        }));
        changes
    })
}

fn every_change_is_read<T: DeserializeOwned>(answers: Vec<Value>) {
    for answer in answers {
        for (what, changed) in mangled(&answer) {
            serde_json::from_value::<T>(changed).unwrap_or_else(|error| panic!("{what}: {error}"));
        }
    }
}

#[test]
fn any_key_of_an_answer_may_be_missing_null_or_of_another_type() {
    every_change_is_read::<Model>(models());
    every_change_is_read::<Version>(versions());
    every_change_is_read::<Mini>(minis());
}

#[test]
fn what_is_there_is_read() {
    let all: Vec<Model> = models()
        .into_iter()
        .map(|model| serde_json::from_value(model).unwrap())
        .collect();
    let trio = &all[1].model_versions[0];
    assert_eq!(trio.files.len(), 3);
    assert_eq!(trio.early_access_time_frame, Some(1.0));
    assert_eq!(trio.files[0].id, CivitaiId::new(483).ok());
    assert!(trio.files[0].primary);
    assert_eq!(all[4].mode.as_deref(), Some("Archived"));
    assert!(all[6].model_versions.is_empty());
    let new = &all[7].model_versions[0];
    assert_eq!(new.files[0].metadata.quant_type.as_deref(), Some("Q4_K_M"));
    assert_eq!(
        new.paid_access.as_ref().unwrap().ends_at.as_deref(),
        Some("2026-08-22T18:30:00.000Z")
    );
    let mini: Mini = serde_json::from_value(minis().remove(0)).unwrap();
    assert_eq!(
        (mini.require_auth, mini.size),
        (Some(false), Some(6775430.35))
    );
}

#[test]
fn commercial_use_is_read_in_each_of_its_forms() {
    let some = |uses: &[&str]| {
        Some(
            uses.iter()
                .map(|name| (*name).to_owned())
                .collect::<Vec<_>>(),
        )
    };
    let cases = [
        (json!("Sell"), some(&["Sell"])),
        (json!(["Image", "RentCivit"]), some(&["Image", "RentCivit"])),
        (json!("{Image,RentCivit}"), some(&["Image", "RentCivit"])),
        (json!("{}"), some(&[])),
        (json!([]), some(&[])),
        (json!("None"), some(&[])),
        (json!(["Image", 5]), some(&["Image"])),
        (json!(null), None),
        (json!(5), None),
    ];
    for (value, expected) in cases {
        let model: Model = serde_json::from_value(json!({"allowCommercialUse": value})).unwrap();
        assert_eq!(model.allow_commercial_use, expected, "{value}");
    }
}

#[test]
fn ids_are_read_as_whole_numbers_in_range() {
    let cases = [
        (json!(5), Some(5)),
        (json!(5.0), Some(5)),
        (json!(2147483647), Some(2_147_483_647)),
        (json!(2147483648u64), None),
        (json!(0), None),
        (json!(-5), None),
        (json!(5.5), None),
        (json!("5"), None),
        (json!(1e300), None),
    ];
    for (value, expected) in cases {
        let file: File = serde_json::from_value(json!({"id": value})).unwrap();
        assert_eq!(file.id.map(CivitaiId::get), expected, "{value}");
    }
}

#[test]
fn an_error_is_text_or_an_object() {
    let said = |text: &str| serde_json::from_str::<Failure>(text).unwrap();
    assert_eq!(
        said(r#"{"error":"No model with id 5"}"#).error.as_deref(),
        Some("No model with id 5")
    );
    assert_eq!(
        said(r#"{"error":{"name":"ZodError"}}"#).error.as_deref(),
        Some(r#"{"name":"ZodError"}"#)
    );
    assert_eq!(
        said(r#"{"message":"boom","code":"X","issues":[]}"#)
            .message
            .as_deref(),
        Some("boom")
    );
}

proptest! {
    #[test]
    fn no_object_breaks_the_reader(text in "\\{(\"(id|files|sizeKB|hashes|modelVersions)\":[\\[\\]{}0-9e.,\"a-z-]{0,12},?){0,4}\\}") {
        let _ = serde_json::from_str::<Model>(&text).is_ok();
        let _ = serde_json::from_str::<Version>(&text).is_ok();
        let _ = serde_json::from_str::<File>(&text).is_ok();
    }
}
