//! Files judged by their headers before the bulk of them moves.

use std::fs;

use modelferry_fixtures::{Content, Fault, Hub, Mirror, PlainFile, Repo, Scene, Site};
use serde_json::Value;

use crate::support::{Home, hash_of, hub};

const MIB: usize = 1024 * 1024;
/// What finding a file unfit may cost: headers, and a little of the next window.
const LITTLE: u64 = 512 * 1024;

/// These bytes, and blanks up to 16 MiB.
fn long(start: &[u8]) -> Content {
    let mut bytes = start.to_vec();
    bytes.resize(16 * MIB, b' ');
    Content::bytes(bytes)
}

/// A pickle that calls `os.system`, then megabytes that a loader never gets to.
fn hostile() -> Content {
    long(&Content::hostile_pickle().to_vec())
}

/// A header that says it is longer than the file.
fn lying_safetensors() -> Content {
    long(&[&(1u64 << 40).to_le_bytes()[..], b"{\"a\":"].concat())
}

/// GGUF v3 with more tensors than bytes.
fn lying_gguf() -> Content {
    long(&[b"GGUF\x03\0\0\0".as_slice(), &[0xff; 7], &[0x7f], &[0; 8]].concat())
}

fn repo(path: &str, content: Content) -> Hub {
    hub(Scene::empty().repo(Repo::model("acme/one").lfs(path, content)))
}

fn code(line: &Value) -> &str {
    line["error"]["code"].as_str().unwrap_or("none")
}

#[test]
fn what_its_headers_condemn_costs_kilobytes() {
    let cases = [
        ("model.ckpt", hostile(), "unsafe_pickle", "os.system"),
        ("pytorch_model.bin", hostile(), "unsafe_pickle", "os.system"),
        ("no_extension", hostile(), "unsafe_pickle", "os.system"),
        (
            "model.safetensors",
            lying_safetensors(),
            "malformed_file",
            "safetensors",
        ),
        ("model.gguf", lying_gguf(), "malformed_file", "GGUF"),
        (
            "model.onnx",
            long(b"<!doctype html><title>Log in</title>"),
            "html_instead_of_file",
            "Log in",
        ),
    ];
    for (path, content, expected, said) in cases {
        let hub = repo(path, content);
        let home = Home::of(&hub);
        let line = home.import(&["acme/one"]);
        assert_eq!(code(&line), expected, "{path}: {line:#}");
        let message = line["error"]["message"].as_str().unwrap();
        assert!(
            message.contains(said) && message.contains(path),
            "{message}"
        );
        assert!(hub.bytes_sent(Site::Cdn) < LITTLE, "{path}");
        assert_eq!(line["artifacts"][0]["status"], "failed");
        let moved = line["artifacts"][0]["bytesTransferred"].as_u64().unwrap();
        assert!(moved > 0 && moved < LITTLE, "{path}: {moved}");
        home.assert_holds_only(&[]);
    }
}

#[test]
fn a_good_file_passes_and_its_headers_cost_little() {
    let content = Content::safetensors(7, 12 * MIB as u64);
    let hub = repo("model.safetensors", content.clone());
    let home = Home::of(&hub);
    let line = home.import(&["acme/one"]);
    assert_eq!(line["outcome"], "imported", "{line:#}");
    assert!(hub.bytes_sent(Site::Cdn) < content.size() + LITTLE);
    home.assert_holds_only(&[hash_of(&content.to_vec())]);
}

#[test]
fn one_bad_file_among_many_fails_the_import_before_the_others_move() {
    let mut repo = Repo::model("acme/one");
    for nth in 0..4 {
        let content = Content::safetensors(nth, 12 * MIB as u64);
        repo = repo.lfs(&format!("part-{nth}.safetensors"), content);
    }
    let hub = hub(Scene::empty().repo(repo.lfs("z-last.pt", hostile())));
    let home = Home::of(&hub);
    let line = home.import(&["acme/one"]);
    assert_eq!(code(&line), "unsafe_pickle", "{line:#}");
    assert!(hub.bytes_sent(Site::Cdn) < 5 * LITTLE);
    home.assert_holds_only(&[]);
}

#[test]
fn a_kind_that_the_headers_belie_names_both_and_costs_kilobytes() {
    let file = PlainFile::new("/picture.png", Content::safetensors(3, 16 * MIB as u64));
    let hub = hub(Scene::empty().file(file));
    let home = Home::of(&hub);
    let source = format!("{}/picture.png", hub.files_url());
    let line = home.import(&["--kind", "image", &source]);
    assert_eq!(code(&line), "kind_mismatch", "{line:#}");
    let message = line["error"]["message"].as_str().unwrap();
    assert!(
        message.contains("`image`") && message.contains("`model`"),
        "{message}"
    );
    assert!(hub.bytes_sent(Site::Files) < LITTLE);
}

#[test]
fn a_server_without_ranges_is_judged_by_what_came_first_and_else_by_the_whole() {
    let mirror = Mirror {
        no_range: true,
        ..Mirror::default()
    };
    let good = Content::gguf(5, 4 * MIB as u64);
    let scene = Scene::empty()
        .mirror(mirror)
        .repo(Repo::model("acme/bad").lfs("model.pt", hostile()))
        .repo(Repo::model("acme/late").lfs("model.safetensors", lying_safetensors()))
        .repo(Repo::model("acme/good").lfs("model.gguf", good.clone()));
    let hub = hub(scene);
    let home = Home::of(&hub);
    assert_eq!(code(&home.import(&["acme/bad"])), "unsafe_pickle");
    assert_eq!(code(&home.import(&["acme/late"])), "malformed_file");
    let line = home.import(&["acme/good"]);
    assert_eq!(line["outcome"], "imported", "{line:#}");
}

#[test]
fn small_files_are_not_asked_for_twice() {
    let small = (0..120).fold(Repo::model("acme/many"), |repo, nth| {
        repo.file(&format!("part-{nth:03}.bin"), Content::sparse(1000 + nth))
    });
    let hub = hub(Scene::empty().repo(small));
    let home = Home::of(&hub);
    let line = home.import(&["acme/many"]);
    assert_eq!(line["outcome"], "imported", "{line:#}");
    let asked = hub.requests();
    let asked = asked
        .iter()
        .filter(|seen| seen.method == "GET" && seen.path.contains("/resolve-cache/"));
    assert_eq!(asked.count(), 120);
}

#[test]
fn a_refusal_that_a_second_look_does_not_bear_out_decides_nothing() {
    let content = Content::safetensors(8, 4 * MIB as u64);
    let hub = repo("model.safetensors", content.clone());
    // The header's length is one byte off in the first answer alone.
    hub.order(Fault::flip_byte(0).on(Site::Cdn).times(1));
    let home = Home::of(&hub);
    let line = home.import(&["acme/one"]);
    assert_eq!(line["outcome"], "imported", "{line:#}");
    assert_eq!(line["artifacts"][0]["repaired"], false);
    home.assert_holds_only(&[hash_of(&content.to_vec())]);
}

#[test]
fn headers_that_can_not_be_had_decide_nothing() {
    let content = Content::safetensors(9, 4 * MIB as u64);
    let hub = repo("model.safetensors", content.clone());
    // The look meets the first; the transfer, which asks again, the rest.
    hub.order(Fault::cut(1000).on(Site::Cdn).times(2));
    let home = Home::of(&hub);
    let line = home.import(&["acme/one"]);
    assert_eq!(line["outcome"], "imported", "{line:#}");
    home.assert_holds_only(&[hash_of(&content.to_vec())]);
}

#[test]
fn what_is_stored_is_judged_again() {
    // Good at first sight, for the server sends another file after the look.
    let good = PlainFile::new("/model.pt", Content::pickle_torch_zip(1));
    let source = |hub: &Hub| format!("{}/model.pt", hub.files_url());
    let hub = hub(Scene::empty().file(good));
    let home = Home::of(&hub);
    let line = home.import(&["--kind", "model", &source(&hub)]);
    assert_eq!(line["outcome"], "imported", "{line:#}");
    hub.change_scene(|scene| {
        let bad = PlainFile::new("/model.pt", Content::hostile_pickle());
        *scene.file_mut("/model.pt").unwrap() = bad;
    });
    let line = home.import(&["--kind", "model", &source(&hub)]);
    assert_eq!(code(&line), "unsafe_pickle", "{line:#}");
}

#[test]
fn resolve_shows_what_the_headers_tell_and_moves_no_more() {
    let scene = Scene::empty().repo(
        Repo::model("acme/one")
            .lfs(
                "model.safetensors",
                Content::safetensors(3, 12 * MIB as u64),
            )
            .lfs("model.gguf", lying_gguf()),
    );
    let hub = hub(scene);
    let home = Home::of(&hub);
    let plan = home.succeed(&["resolve", "--json", "acme/one"]).one_line();
    let files = plan["artifacts"].as_array().unwrap();
    assert_eq!(files[0]["facts"]["tensors"], 3, "{plan:#}");
    assert!(files[0].get("refused").is_none());
    assert_eq!(plan["facts"]["tensors"], 3);
    assert_eq!(files[1]["refused"]["code"], "malformed_file");
    assert!(hub.bytes_sent(Site::Cdn) < 2 * LITTLE);
    home.assert_holds_only(&[]);
}

#[test]
fn what_a_model_is_goes_into_its_manifest_and_is_shown() {
    let adapter = br#"{"peft_type": "LORA", "base_model_name_or_path": "acme/base", "r": 8}"#;
    let repo = Repo::model("acme/adapter")
        .file("adapter_config.json", Content::bytes(adapter.to_vec()))
        .lfs("adapter_model.safetensors", Content::safetensors(3, 4096));
    let hub = hub(Scene::empty().repo(repo));
    let home = Home::of(&hub);
    let plan = home
        .succeed(&["resolve", "--json", "acme/adapter"])
        .one_line();
    let line = home.import(&["acme/adapter"]);
    let entity = line["upload"]["entityId"].as_str().expect("an entity");
    let path = format!("storage/entities/{entity}/manifest.json");
    let manifest = fs::read(home.path().join(path)).unwrap();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    let id = line["upload"]["id"].as_str().unwrap();
    let shown = home.succeed(&["uploads", "show", "--json", id]).one_line();
    for facts in [&plan["facts"], &manifest["facts"], &shown["facts"]] {
        assert_eq!(facts["modelType"], "lora", "{facts:#}");
        assert_eq!(facts["baseModel"], "acme/base");
        assert_eq!(facts["tensors"], 3);
    }
    assert_eq!(manifest["files"][1]["facts"]["tensors"], 3);
    assert_eq!(shown["artifacts"][1]["facts"]["tensors"], 3);
    let people = home.succeed(&["uploads", "show", id]);
    assert!(people.stdout.contains("lora"), "{people:?}");
}
