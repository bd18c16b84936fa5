//! `verify`: what is damaged or gone is found, and comes again.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use modelferry_fixtures::{Content, Fault, Hub, Repo, Scene};
use serde_json::Value;

use crate::support::{Home, hash_of};

fn blob(home: &Home, hash: &str) -> PathBuf {
    let name = format!("storage/blobs/sha256/{}/{hash}", &hash[..2]);
    home.path().join(name)
}

fn flip_a_bit(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    // In place, as a failing disk does: links to the file see it too.
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(path, bytes).unwrap();
}

async fn imported() -> (Hub, Home, Value) {
    let repo = Repo::model("acme/pair")
        .lfs("a.bin", Content::seeded(1, 300_000))
        .lfs("sub/b.bin", Content::seeded(2, 400_000))
        .file("notes.txt", Content::bytes("notes\n"));
    let hub = Hub::start(Scene::empty().repo(repo)).await.unwrap();
    let home = Home::of(&hub);
    let line = home.import(&["acme/pair", "--kind", "asset"]);
    assert_eq!(line["outcome"], "imported", "{line:#}");
    (hub, home, line)
}

fn hash(line: &Value, path: &str) -> String {
    let files = line["artifacts"].as_array().unwrap();
    let file = files.iter().find(|file| file["path"] == path).unwrap();
    file["sha256"].as_str().unwrap().to_owned()
}

fn library(home: &Home, path: &str) -> Vec<u8> {
    let files = home.files("storage/library");
    let found = files.iter().find(|file| file.ends_with(path)).unwrap();
    fs::read(home.path().join("storage/library").join(found)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn sound_files_are_read_and_nothing_is_said() {
    let (_hub, home, _) = imported().await;
    let lines = home.succeed(&["verify", "--json"]).lines();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(lines[0]["checked"], 3);
    assert_eq!(lines[0]["bytes"], 700_006);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_bit_and_a_missing_blob_are_found_and_fetched_again() {
    let (_hub, home, line) = imported().await;
    let (flipped, gone) = (hash(&line, "a.bin"), hash(&line, "sub/b.bin"));
    flip_a_bit(&blob(&home, &flipped));
    fs::remove_file(blob(&home, &gone)).unwrap();

    let ran = home.run(&["verify", "--json"]);
    assert_eq!(ran.status, Some(1));
    let lines = ran.lines();
    let found = |hash: &str| lines.iter().find(|line| line["sha256"] == hash).unwrap();
    assert_eq!(found(&flipped)["found"], "damaged");
    assert_eq!(found(&flipped)["files"][0]["path"], "a.bin");
    assert_eq!(found(&gone)["found"], "missing");
    let summary = lines.last().unwrap();
    assert_eq!(
        (
            &summary["damaged"],
            &summary["missing"],
            &summary["repaired"]
        ),
        (&1.into(), &1.into(), &0.into())
    );

    let repaired = home.succeed(&["verify", "--repair", "--json"]).lines();
    assert_eq!(repaired.last().unwrap()["repaired"], 2);
    for (hash, path) in [(&flipped, "a.bin"), (&gone, "b.bin")] {
        assert_eq!(hash_of(&fs::read(blob(&home, hash)).unwrap()), **hash);
        assert_eq!(hash_of(&library(&home, path)), **hash);
    }
    home.succeed(&["verify"]);
    assert_eq!(home.files("storage/staging"), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_fetched_again_is_left_as_it_is_and_said() {
    let (hub, home, line) = imported().await;
    let flipped = hash(&line, "a.bin");
    flip_a_bit(&blob(&home, &flipped));
    hub.order(Fault::status(404).method("GET"));
    let ran = home.run(&["verify", "--repair", "--json"]);
    assert_eq!(ran.status, Some(1));
    let lines = ran.lines();
    assert_eq!(lines[0]["repaired"], false);
    assert!(lines[0]["error"]["code"].is_string(), "{lines:?}");
    assert!(blob(&home, &flipped).exists());
    assert_eq!(home.files("storage/staging"), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_upload_or_entity_can_be_named() {
    let (_hub, home, line) = imported().await;
    for id in ["id", "entityId"] {
        let id = line["upload"][id].as_str().unwrap();
        let lines = home.succeed(&["verify", id, "--json"]).lines();
        assert_eq!(lines[0]["checked"], 3, "{id}");
    }
    let ran = home.run(&["verify", "upload_none", "--json"]);
    assert_eq!(ran.status, Some(1));
    assert!(ran.stderr.contains("not_found"), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_file_is_damaged() {
    let (_hub, home, line) = imported().await;
    let path = blob(&home, &hash(&line, "a.bin"));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(10).unwrap();
    let ran = home.run(&["verify", "--json"]);
    assert_eq!(ran.lines()[0]["found"], "damaged");
}
