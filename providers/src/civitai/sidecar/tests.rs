use serde_json::{Value, json};

use super::*;
use crate::artifact::{Artifact, Origin, Place, Size};
use crate::civitai::{CivitaiId, CivitaiOrigin};
use crate::{Digests, ProviderKind};

fn plan_of(card: Value, paths: &[&str]) -> Plan {
    let path = |text: &str| RelPath::parse(text).unwrap();
    let artifacts = paths.iter().map(|text| Artifact {
        path: path(text),
        size: Size::Unknown,
        digests: Digests::default(),
        origin: Origin::Civitai(CivitaiOrigin {
            version: CivitaiId::new(2).unwrap(),
            file: None,
            download_query: None,
            host: None,
            is_guarded: false,
        }),
        scan: None,
    });
    Plan {
        provider: ProviderKind::Civitai,
        reference: "civitai:1@2".into(),
        revision: "2".into(),
        name: "Boat v1".into(),
        page: "https://civitai.com/models/1".into(),
        place: Place {
            owner: path("harbour"),
            name: path("Boat-1"),
            revision: path("2"),
        },
        is_asset: false,
        artifacts: artifacts.collect(),
        left_out: Vec::new(),
        warnings: Vec::new(),
        card: Some(card),
    }
}

fn boats() -> Value {
    json!({
        "id": 2, "modelId": 1, "modelName": "Boat", "name": "v1", "versionName": "v1", "type": "LORA",
        "baseModel": "SDXL 1.0", "trainedWords": ["boat"], "air": null, "creator": "skipper",
        "modelDescription": "<p>Boats.</p>", "tags": ["sea"], "allowNoCredit": true,
        "model": {"name": "Boat", "type": "LORA", "nsfw": false, "poi": null},
        "files": [
            {"id": 5, "name": "boat.safetensors", "path": "boat.safetensors", "sizeKB": 4.5, "type": "Model",
             "primary": true, "hashes": {"SHA256": "AB", "AutoV2": "CD"}},
            {"id": 6, "name": "boat.safetensors", "path": "boat-6.safetensors", "sizeKB": null, "type": "Pruned Model",
             "primary": false, "hashes": {}},
            {"id": 7, "name": "boat.yaml", "path": "boat.yaml", "type": "Config", "primary": false},
        ],
        "images": [{"url": "https://h/1.jpeg", "nsfwLevel": 1, "width": null, "meta": {"prompt": "a boat"}}],
    })
}

#[test]
fn an_info_is_shaped_as_the_hub_answers_and_names_its_own_file_primary() {
    let plan = plan_of(boats(), &["boat-6.safetensors"]);
    let [sidecar] = plan.sidecars()[..] else {
        panic!("{:?}", plan.sidecars());
    };
    let content: Sha256 = "ef".repeat(32).parse().unwrap();
    assert_eq!(
        sidecar.info(&content),
        json!({
            "id": 2, "modelId": 1, "name": "v1", "baseModel": "SDXL 1.0", "trainedWords": ["boat"],
            "creator": {"username": "skipper"}, "allowNoCredit": true,
            "model": {"name": "Boat", "type": "LORA", "nsfw": false, "description": "<p>Boats.</p>",
                      "tags": ["sea"], "allowNoCredit": true},
            "files": [
                {"id": 5, "name": "boat.safetensors", "sizeKB": 4.5, "type": "Model", "primary": false,
                 "hashes": {"SHA256": "AB", "AutoV2": "CD"}},
                {"id": 6, "name": "boat.safetensors", "type": "Pruned Model", "primary": true,
                 "hashes": {"SHA256": "EF".repeat(32)}},
                {"id": 7, "name": "boat.yaml", "type": "Config", "primary": false},
            ],
            "images": [{"url": "https://h/1.jpeg", "nsfwLevel": 1, "meta": {"prompt": "a boat"}}],
        })
    );
}

#[test]
fn weights_have_sidecars_and_their_companions_only_where_there_are_no_weights() {
    let cases: [(&[&str], &[&str]); 3] = [
        (
            &["boat.safetensors", "boat-6.safetensors", "boat.yaml"],
            &["boat.safetensors", "boat-6.safetensors"],
        ),
        (&["boat.yaml"], &["boat.yaml"]),
        (&[], &[]),
    ];
    for (artifacts, expected) in cases {
        let plan = plan_of(boats(), artifacts);
        let beside: Vec<&str> = plan.sidecars().iter().map(|s| s.file.as_str()).collect();
        assert_eq!(beside, expected);
    }
    let mut elsewhere = plan_of(boats(), &["boat.safetensors"]);
    elsewhere.provider = ProviderKind::HuggingFace;
    assert!(elsewhere.sidecars().is_empty() && elsewhere.previews().is_empty());
    elsewhere.card = None;
    assert!(elsewhere.sidecars().is_empty());
}

#[test]
fn the_preview_fit_for_most_eyes_comes_first_and_no_video_does() {
    let image = |name: &str, more: Value| {
        let mut image = json!({"url": format!("https://h/{name}")});
        let more = more.as_object().unwrap().clone();
        image.as_object_mut().unwrap().extend(more);
        image
    };
    let images = [
        image("unknown", json!({})),
        image("explicit", json!({"nsfwLevel": 16, "type": "image"})),
        image("video", json!({"nsfwLevel": 1, "type": "video"})),
        image("soft", json!({"nsfw": "Soft"})),
        image("first", json!({"nsfwLevel": 1, "nsfw": "X"})),
        image("second", json!({"nsfw": "None"})),
        image("third", json!({"nsfw": false})),
        json!({"nsfwLevel": 1}),
        json!({"url": "file:///etc/passwd"}),
        json!(5),
    ];
    let plan = plan_of(json!({"images": images}), &["a.pt"]);
    let names: Vec<String> = plan
        .previews()
        .iter()
        .map(|url| url.as_url().path()[1..].to_owned())
        .collect();
    let expected = ["first", "second", "third", "soft", "explicit", "unknown"];
    assert_eq!(names, expected);
}

#[test]
fn a_card_of_any_shape_breaks_nothing() {
    let cards = [
        json!({}),
        json!([]),
        json!(null),
        json!({"files": 5, "images": {}, "model": []}),
        json!({"files": [5, {}, {"path": 5}, {"path": "a.pt", "hashes": []}], "creator": {}}),
    ];
    let content: Sha256 = "00".repeat(32).parse().unwrap();
    for card in cards {
        let plan = plan_of(card, &["a.pt"]);
        assert!(plan.previews().is_empty());
        for sidecar in plan.sidecars() {
            assert!(sidecar.info(&content).is_object());
        }
    }
}
