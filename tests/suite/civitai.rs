//! What Civitai alone has, through the whole program: requests that are
//! counted, hashes that are wrong, cards, sidecars.

use std::fs;
use std::path::PathBuf;

use modelferry_fixtures::{Content, Fault, Hub, PlainFile, Site};
use serde_json::{Value, json};

use crate::support::{Home, eventually, hub, standard};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR, and so on";
const KNOTS: &str = "storage/library/civitai/harbour/Rope Knots-328553/368189";

/// Requests that the hub counts against a download limit.
fn counted(hub: &Hub) -> usize {
    let requests = hub.requests();
    let is_counted = |seen: &&modelferry_fixtures::Seen| {
        seen.site == Site::Civitai && seen.path.contains("/download/")
    };
    requests.iter().filter(is_counted).count()
}

/// The standard hub, the knots with a picture that can be fetched.
fn with_picture() -> Hub {
    let hub = standard();
    let url = format!("{}/knots.png", hub.files_url());
    hub.change_scene(|scene| {
        *scene = scene
            .clone()
            .file(PlainFile::new("/knots.png", Content::bytes(PNG)));
        let version = scene.version_mut(368_189).expect("the knots");
        let image = json!({"url": url, "nsfwLevel": 1, "type": "image"});
        version.patch.insert("images".into(), json!([image]));
    });
    hub
}

fn pictures_asked(hub: &Hub) -> usize {
    let requests = hub.requests();
    requests
        .iter()
        .filter(|seen| seen.path == "/knots.png")
        .count()
}

fn info(home: &Home) -> Value {
    let path = home.path().join(KNOTS).join("rope_knots.civitai.info");
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn error_code(line: &Value) -> &str {
    line["error"]["code"].as_str().unwrap_or_default()
}

#[test]
fn each_file_costs_one_counted_request_and_an_open_version_none_when_unchanged() {
    let hub = standard();
    let home = Home::of(&hub);
    let line = home.import(&["civitai:4384", "--all-files", "--kind", "asset"]);
    assert_eq!(line["outcome"], "imported", "{line:#}");
    assert_eq!(line["artifacts"].as_array().unwrap().len(), 4);
    assert_eq!(counted(&hub), 4);
    hub.forget_requests();
    let again = home.import(&["civitai:4384", "--all-files", "--kind", "asset"]);
    assert_eq!(again["outcome"], "unchanged", "{again:#}");
    // Nothing stands before this download: having been shown the version is the proof.
    assert_eq!(counted(&hub), 0);
    hub.forget_requests();
    home.succeed(&["resolve", "civitai:4384", "--all-files"]);
    assert_eq!(counted(&hub), 0);
}

#[test]
fn a_killed_import_goes_on_with_one_more_counted_request() {
    let mut scene = modelferry_fixtures::Scene::standard();
    let version = scene.version_mut(368_189).expect("the knots");
    version.files[0].content = Content::safetensors(7, 40 << 20);
    let hub = hub(scene);
    hub.order(Fault::throttle(8 << 20).on(Site::Cdn));
    let home = Home::of(&hub);
    let running = home.start(&["import", "--json", "civitai:328553"]);
    eventually("half of it came", || hub.bytes_sent(Site::Cdn) > 20 << 20);
    running.signal("KILL");
    running.ended();
    hub.clear_faults();
    let line = home.import(&["civitai:328553"]);
    assert_eq!(line["outcome"], "imported", "{line:#}");
    assert_eq!(counted(&hub), 2);
}

#[test]
fn a_hash_that_the_hub_has_wrong_stops_the_import_and_the_users_own_lets_it_pass() {
    let hub = standard();
    let home = Home::of(&hub);
    let line = home.import(&["civitai:5009"]);
    assert_eq!(error_code(&line), "hash_mismatch", "{line:#}");
    home.assert_holds_only(&[]);
    let scene = hub.scene();
    let (_, version) = scene.find_version(50_090).expect("the version");
    let true_hash = version.files[0].content.sha256();
    let line = home.import(&["civitai:5009", "--sha256", &true_hash]);
    assert_eq!(line["outcome"], "imported", "{line:#}");
    assert_eq!(line["artifacts"][0]["verification"], "sha256");
    home.assert_holds_only(&[true_hash]);
}

#[test]
fn a_rounded_size_and_a_missing_hash_are_no_obstacle() {
    let hub = standard();
    let home = Home::of(&hub);
    for source in ["civitai:5023", "civitai:5008", "civitai:5021"] {
        let line = home.import(&[source]);
        assert_eq!(line["outcome"], "imported", "{line:#}");
    }
}

#[test]
fn files_of_one_name_land_side_by_side() {
    let hub = standard();
    let home = Home::of(&hub);
    let line = home.import(&["civitai:5022", "--include", "*"]);
    assert_eq!(line["outcome"], "imported", "{line:#}");
    let library = home.files("storage/library");
    assert_eq!(library.len(), 2, "{library:?}");
    assert_ne!(
        line["artifacts"][0]["sha256"],
        line["artifacts"][1]["sha256"]
    );
}

#[test]
fn each_obstacle_has_its_code() {
    let hub = standard();
    let home = Home::of(&hub);
    let cases = [
        ("civitai:5001", "auth_required"),
        ("civitai:5002", "access_denied"),
        ("civitai:5003", "early_access"),
        ("civitai:5004", "archived"),
        ("civitai:5010", "early_access"),
        ("civitai:5011", "access_denied"),
        ("civitai:5012", "not_found"),
        ("civitai:5013", "not_found"),
        ("civitai:5030", "early_access"),
        ("civitai:5031", "early_access"),
        ("https://civitai.com/model-versions/50140", "not_found"),
    ];
    for (source, code) in cases {
        let line = home.import(&[source]);
        assert_eq!(error_code(&line), code, "{source}: {line:#}");
        assert!(line["error"]["hint"].is_string(), "{source}: {line:#}");
    }
    hub.order(Fault::region_blocked().on(Site::Civitai));
    let line = home.import(&["civitai:4384"]);
    assert_eq!(error_code(&line), "region_blocked", "{line:#}");
}

#[test]
fn the_card_stands_in_the_manifest() {
    let hub = standard();
    let home = Home::of(&hub);
    let line = home.import(&["civitai:328553"]);
    let entity = line["upload"]["entityId"].as_str().expect("an entity");
    let path = format!("storage/entities/{entity}/manifest.json");
    let manifest: Value =
        serde_json::from_slice(&fs::read(home.path().join(path)).unwrap()).unwrap();
    let card = &manifest["card"];
    assert_eq!(card["modelName"], "Rope Knots");
    assert_eq!(card["trainedWords"], json!(["rope knot"]));
    assert_eq!(card["air"], "urn:air:sdxl:lora:civitai:328553@368189");
    assert_eq!(home.files("storage/library").len(), 1);
}

#[test]
fn a_sidecar_and_a_preview_stand_beside_the_file_when_asked_for() {
    let hub = with_picture();
    let home = Home::of(&hub);
    let line = home.import(&["civitai:328553", "--sidecar"]);
    assert_eq!(line["outcome"], "imported", "{line:#}");
    let mut names: Vec<PathBuf> = fs::read_dir(home.path().join(KNOTS))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into())
        .collect();
    names.sort();
    let expected = ["civitai.info", "preview.png", "safetensors"];
    assert_eq!(
        names,
        expected.map(|ending| PathBuf::from(format!("rope_knots.{ending}")))
    );
    let info = info(&home);
    assert_eq!(info["trainedWords"], json!(["rope knot"]));
    assert_eq!(info["model"]["name"], "Rope Knots");
    let sha256 = line["artifacts"][0]["sha256"].as_str().unwrap();
    assert_eq!(info["files"][0]["hashes"]["SHA256"], sha256.to_uppercase());
    // They are no files of the entity.
    assert_eq!(line["artifacts"].as_array().unwrap().len(), 1);
    home.assert_holds_only(&[sha256.to_owned()]);
}

#[test]
fn an_unchanged_import_gets_the_sidecars_that_it_lacks() {
    let hub = with_picture();
    let home = Home::of(&hub);
    home.import(&["civitai:328553"]);
    assert_eq!(pictures_asked(&hub), 0);
    for _ in 0..2 {
        let line = home.import(&["civitai:328553", "--sidecar"]);
        assert_eq!(line["outcome"], "unchanged", "{line:#}");
        assert_eq!(info(&home)["id"], 368_189);
        assert_eq!(pictures_asked(&hub), 1);
    }
}

#[test]
fn a_worker_that_takes_over_writes_the_sidecars_too() {
    let hub = with_picture();
    let home = Home::of(&hub);
    hub.order(Fault::throttle(20_000).on(Site::Cdn));
    let running = home.start(&["import", "--json", "--sidecar", "civitai:328553"]);
    eventually("a byte came", || hub.bytes_sent(Site::Cdn) > 0);
    running.signal("KILL");
    running.ended();
    hub.clear_faults();
    let line = home.import(&["civitai:328553", "--sidecar"]);
    assert_eq!(line["outcome"], "imported", "{line:#}");
    assert_eq!(info(&home)["id"], 368_189);
}

#[test]
fn a_preview_that_can_not_be_had_is_a_warning() {
    let hub = with_picture();
    let home = Home::of(&hub);
    hub.order(Fault::status(404).on(Site::Files));
    let ran = home.succeed(&["import", "civitai:328553", "--sidecar"]);
    assert!(ran.stderr.contains("no preview of Rope Knots"), "{ran:?}");
    assert_eq!(info(&home)["id"], 368_189);
    let ran = home.succeed(&["import", "acme/tiny", "--sidecar"]);
    assert!(ran.stderr.contains("has no card"), "{ran:?}");
}
