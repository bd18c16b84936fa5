//! What is held already and has not changed: known by one request a source,
//! and never without access.

use modelferry_fixtures::{Content, Hub, Repo, Scene};
use serde_json::Value;

use crate::support::{Home, hub, standard};

/// Imports a source, then again; returns the second line and what the hub was asked for it.
fn twice(home: &Home, hub: &Hub, source: &str) -> (Value, Vec<String>) {
    let first = home.import(&[source]);
    assert_eq!(first["outcome"], "imported", "{first:#}");
    again(home, hub, source)
}

fn again(home: &Home, hub: &Hub, source: &str) -> (Value, Vec<String>) {
    hub.forget_requests();
    let line = home.import(&[source]);
    let asked = hub.requests().into_iter();
    let asked = asked.map(|seen| format!("{} {}", seen.method, seen.path));
    (line, asked.collect())
}

fn with_tokens(hub: &Hub) -> Home {
    Home::of(hub)
        .with("HF_TOKEN", "hf_good")
        .with("CIVITAI_API_KEY", "civitai_good")
}

#[test]
fn one_request_tells_that_a_source_is_unchanged_and_readable() {
    let hub = standard();
    let home = with_tokens(&hub);
    let url = format!("{}/model.safetensors", hub.files_url());
    let sources = [
        "acme/tiny",
        "acme/tiny@v1",
        "hf://acme/tiny@feature%2Fx/model.safetensors",
        "hf://datasets/acme/data",
        "acme/gated",
        "acme/private",
        "civitai:4384@128713",
        "civitai:328553",
        &url,
    ];
    for source in sources {
        let (line, asked) = twice(&home, &hub, source);
        assert_eq!(line["outcome"], "unchanged", "{line:#}");
        assert_eq!(asked.len(), 1, "{source}: {asked:?}");
    }
}

/// The hub says what needs a login in one place and what a version holds in
/// another; a repository that was renamed says so first.
#[test]
fn where_one_answer_is_too_little_a_second_is_asked_for() {
    let hub = standard();
    let home = with_tokens(&hub);
    for source in ["civitai:5001", "civitai:5003@50030", "acme/old-name"] {
        let (line, asked) = twice(&home, &hub, source);
        assert_eq!(line["outcome"], "unchanged", "{line:#}");
        assert_eq!(asked.len(), 2, "{source}: {asked:?}");
    }
}

#[test]
fn two_hundred_unchanged_sources_cost_two_hundred_requests() {
    let scene = (0..200).fold(Scene::empty(), |scene, nth| {
        let content = Content::safetensors(nth, 4_000);
        scene.repo(Repo::model(&format!("fleet/boat-{nth}")).lfs("model.safetensors", content))
    });
    let hub = hub(scene);
    let home = Home::of(&hub);
    let list = home.beside("fleet.txt");
    let text: String = (0..200).map(|nth| format!("fleet/boat-{nth}\n")).collect();
    std::fs::write(&list, text).unwrap();
    let list = list.display().to_string();
    home.succeed(&["batch", "--jobs", "8", &list]);
    hub.forget_requests();
    let ran = home.succeed(&["batch", "--jobs", "8", &list]);
    assert!(ran.stdout.contains("0 imported, 200 unchanged"), "{ran:?}");
    assert_eq!(hub.requests().len(), 200);
}

#[test]
fn a_new_commit_version_file_or_content_is_noticed() {
    let hub = standard();
    let home = Home::of(&hub);
    let url = format!("{}/model.safetensors", hub.files_url());
    let sources = ["acme/tiny", "civitai:328553", "civitai:4384@128713", &url];
    for source in sources {
        assert_eq!(home.import(&[source])["outcome"], "imported");
    }
    hub.change_scene(|scene| {
        let tiny = scene.repo_mut("acme/tiny").unwrap();
        *tiny = tiny.clone().file("NEWS.md", Content::bytes("# News\n"));
        let mut newer = scene.find_version(368_189).unwrap().1.clone();
        newer.id = 400_000;
        newer.published_at = "2026-11-01T00:00:00.000Z".into();
        let knots = scene.models.iter_mut().find(|model| model.id == 328_553);
        knots.unwrap().versions.push(newer);
        let replaced = &mut scene.version_mut(128_713).unwrap().files[0];
        replaced.content = Content::safetensors(77, 200_208);
        let file = scene.file_mut("/model.safetensors").unwrap();
        file.content = Content::safetensors(78, 500_003);
        file.etag = Some("\"another\"".into());
    });
    for source in sources {
        let line = home.import(&[source]);
        assert_eq!(line["outcome"], "imported", "{source}: {line:#}");
    }
}

/// The owner has the record and the bytes, and still the hub is asked.
#[test]
fn a_grant_that_was_taken_back_is_noticed() {
    let hub = standard();
    let home = with_tokens(&hub);
    for source in ["acme/gated", "acme/private", "civitai:5003@50030"] {
        assert_eq!(home.import(&[source])["outcome"], "imported");
    }
    hub.change_scene(|scene| {
        for id in ["acme/gated", "acme/private"] {
            scene.repo_mut(id).unwrap().granted.clear();
        }
        let sold = scene.version_mut(50_030).unwrap();
        sold.granted = Some(Vec::new());
    });
    for (source, code) in [
        ("acme/gated", "gated"),
        ("acme/private", "not_found"),
        ("civitai:5003@50030", "access_denied"),
    ] {
        let line = home.import(&[source]);
        assert_eq!(line["error"]["code"], code, "{source}: {line:#}");
    }
}

#[test]
fn another_choice_of_files_or_a_missing_blob_is_not_unchanged() {
    let hub = standard();
    let home = Home::of(&hub);
    let first = home.import(&["civitai:328553"]);
    let narrower = home.import(&["acme/tiny", "--include", "*.safetensors"]);
    let wider = home.import(&["acme/tiny"]);
    assert_eq!(narrower["outcome"], "imported");
    assert_eq!(wider["outcome"], "imported");
    let hash = first["artifacts"][0]["sha256"].as_str().unwrap();
    let blob = format!("storage/blobs/sha256/{}/{hash}", &hash[..2]);
    std::fs::remove_file(home.path().join(blob)).unwrap();
    let (line, _) = again(&home, &hub, "civitai:328553");
    assert_eq!(line["outcome"], "imported", "{line:#}");
    assert!(home.blobs().contains(&hash.to_owned()));
}
