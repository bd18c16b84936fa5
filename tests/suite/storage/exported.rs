//! What lies in a bucket, exported into a folder in each of the layouts.

use std::fs;
use std::path::Path;

use modelferry_fixtures::{Hub, Scene};
use serde_json::Value;

use super::end_to_end::home;
use super::s3::Server;
use crate::support::{Home, hash_of};

fn export(home: &Home, id: &str, layout: &str, to: &Path) -> Value {
    let to = to.display().to_string();
    let words = ["export", id, "--layout", layout, "--to", &to, "--json"];
    home.run(&words).one_line()
}

fn imported(home: &Home, words: &[&str]) -> (Value, String) {
    let line = home.import(words);
    assert_eq!(line["outcome"], "imported", "{line:#}");
    let id = line["upload"]["id"].as_str().unwrap().to_owned();
    (line, id)
}

fn hash_in(line: &Value, path: &str) -> String {
    let mut files = line["artifacts"].as_array().unwrap().iter();
    let file = files.find(|file| file["path"] == path).unwrap();
    file["sha256"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_exports_into_every_layout() {
    let hub = Hub::start(Scene::standard()).await.unwrap();
    let server = Server::start().await;
    let home = home(&hub, &server.place("models"));
    let (tiny, tiny_id) = imported(&home, &["acme/tiny"]);
    let (knots, knots_id) = imported(&home, &["civitai:328553"]);

    let files = home.beside("files");
    let shown = export(&home, &tiny_id, "files", &files);
    for file in shown["files"].as_array().unwrap() {
        assert_eq!(file["how"], "copy", "{shown:#}");
        let bytes = fs::read(file["target"].as_str().unwrap()).unwrap();
        assert_eq!(
            hash_of(&bytes),
            hash_in(&tiny, file["path"].as_str().unwrap())
        );
    }

    let cache = home.beside("hub");
    export(&home, &tiny_id, "huggingface-cache", &cache);
    let repo = hf_hub::Cache::new(cache).model("acme/tiny".to_owned());
    let found = repo.get("model.safetensors").expect("it is in the cache");
    let expected = hash_in(&tiny, "model.safetensors");
    assert_eq!(hash_of(&fs::read(found).unwrap()), expected);

    let comfy = home.beside("ComfyUI");
    let shown = export(&home, &knots_id, "comfyui", &comfy);
    let target = shown["files"][0]["target"].as_str().unwrap();
    assert!(target.contains("/models/loras/"), "{shown:#}");
    let expected = knots["artifacts"][0]["sha256"].as_str().unwrap();
    assert_eq!(hash_of(&fs::read(target).unwrap()), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_object_is_not_exported_and_leaves_nothing() {
    let hub = Hub::start(Scene::standard()).await.unwrap();
    let server = Server::start().await;
    let home = home(&hub, &server.place("models"));
    let (knots, id) = imported(&home, &["civitai:328553"]);
    let hash = knots["artifacts"][0]["sha256"].as_str().unwrap();
    let name = format!("some/folder/blobs/sha256/{}/{hash}", &hash[..2]);
    server.change("models", &name, |bytes| bytes[100] ^= 1);
    let to = home.beside("out");
    let refused = export(&home, &id, "files", &to);
    assert_eq!(refused["error"]["code"], "hash_mismatch", "{refused:#}");
    assert_eq!(fs::read_dir(&to).unwrap().count(), 0);
}
