//! The card that goes into the manifest, and beside the files.

use modelferry_fixtures::{CivitaiFile, CivitaiModel, CivitaiVersion, Content, Scene, Site};
use modelferry_providers::Auth;
use serde_json::json;

use super::harbour;

#[tokio::test]
async fn the_card_keeps_what_people_and_their_tools_want() {
    let harbour = harbour(Scene::standard()).await;
    let card = harbour.plan("civitai:328553").await.card.unwrap();
    let expected = [
        ("/modelName", json!("Rope Knots")),
        ("/versionName", json!("v1.0")),
        ("/id", json!(368_189)),
        ("/modelId", json!(328_553)),
        ("/type", json!("LORA")),
        ("/baseModel", json!("SDXL 1.0")),
        ("/trainedWords", json!(["rope knot"])),
        ("/creator", json!("harbour")),
        ("/allowNoCredit", json!(true)),
        ("/allowCommercialUse", json!(["Image", "RentCivit"])),
        ("/nsfwLevel", json!(1)),
        ("/air", json!("urn:air:sdxl:lora:civitai:328553@368189")),
        ("/model/name", json!("Rope Knots")),
        ("/files/0/path", json!("rope_knots.safetensors")),
        ("/files/0/primary", json!(true)),
        (
            "/images/0/url",
            json!("https://image.civitai.com/fixtures/368189/width=450/368189.jpeg"),
        ),
    ];
    for (pointer, value) in expected {
        assert_eq!(card.pointer(pointer), Some(&value), "{pointer} of {card:#}");
    }
}

#[tokio::test]
async fn a_card_is_bounded_whatever_the_hub_says() {
    let long = "x".repeat(200_000);
    let mut version = CivitaiVersion::new(10, "v1")
        .file(CivitaiFile::new(
            1,
            "a.safetensors",
            Content::safetensors(1, 5000),
        ))
        .patch("description", json!(long))
        .patch(
            "images",
            json!([
                {"url": "javascript:alert(1)"},
                {"url": "https://h/1.jpeg", "meta": {"workflow": long}},
                {"url": 5},
            ]),
        );
    version.trained_words = vec![long.clone(); 50];
    let harbour =
        harbour(Scene::empty().model(CivitaiModel::new(1, "Long", "LORA").version(version))).await;
    let card = harbour.plan("civitai:1").await.card.unwrap();
    assert!(card.to_string().len() < 200_000);
    assert_eq!(
        card.pointer("/images"),
        Some(&json!([{
            "url": "https://h/1.jpeg", "nsfw": null, "nsfwLevel": null, "width": null, "height": null,
            "type": null, "hash": null, "meta": null,
        }]))
    );
}

#[tokio::test]
async fn a_preview_keeps_how_it_was_made_and_no_workflow() {
    let image = json!({
        "url": "https://image.civitai.com/1.jpeg", "nsfwLevel": 1,
        "meta": {"prompt": "a  boat\n", "seed": 18446744073709551615u64, "steps": 20, "cfgScale": 4.5,
                 "sampler": "Euler", "resources": [{"name": "boat"}], "comfy": "{\"nodes\": []}"},
    });
    let file = CivitaiFile::new(1, "a.safetensors", Content::safetensors(1, 5000));
    let version = CivitaiVersion::new(10, "v1").file(file).patch(
        "images",
        json!([image, {"url": "https://h/2.jpeg", "meta": "?"}]),
    );
    let model = CivitaiModel::new(1, "Boat", "LORA").version(version);
    let harbour = harbour(Scene::empty().model(model)).await;
    let card = harbour.plan("civitai:1").await.card.unwrap();
    assert_eq!(
        card["images"][0]["meta"],
        json!({"prompt": "a boat", "seed": 18446744073709551615u64, "steps": 20, "cfgScale": 4.5,
               "sampler": "Euler"})
    );
    assert_eq!(card["images"][1]["meta"], json!(null));
}

#[tokio::test]
async fn a_cards_download_urls_name_each_file_by_its_id() {
    let harbour = harbour(Scene::standard()).await;
    let card = harbour.plan("civitai:4384").await.card.unwrap();
    let version = format!("{}/api/download/models/128713", harbour.hub.civitai_url());
    assert_eq!(card["downloadUrl"], json!(version));
    for file in card["files"].as_array().unwrap() {
        let url = file["downloadUrl"].as_str().unwrap();
        assert_eq!(url, format!("{version}?fileId={}", file["id"]));
        let plan = harbour.plan_as(url, &Auth::anonymous()).await;
        assert_eq!(json!(plan.artifacts[0].path), file["path"]);
    }
    assert!(harbour.at(Site::Cdn).is_empty());
}
