//! What is imported, in the form of other tools, and opened by them.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::{Home, hash_of, python, standard};

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

#[test]
fn files_stand_under_their_own_paths_as_they_were_hashed() {
    let hub = standard();
    let home = Home::of(&hub);
    let (line, id) = imported(&home, &["acme/tiny"]);
    let to = home.beside("out");
    let shown = export(&home, &id, "files", &to);
    assert_eq!(shown["leftOut"], Value::Array(Vec::new()), "{shown:#}");
    for file in line["artifacts"].as_array().unwrap() {
        let bytes = fs::read(to.join(file["path"].as_str().unwrap())).unwrap();
        assert_eq!(file["sha256"], hash_of(&bytes));
    }
    let entity = line["upload"]["entityId"].as_str().unwrap();
    let again = export(&home, entity, "files", &to);
    for file in again["files"].as_array().unwrap() {
        assert_eq!(file["how"], "present", "{again:#}");
    }
}

#[test]
fn no_second_copy_is_made_where_the_file_system_can_share() {
    let hub = standard();
    let home = Home::of(&hub);
    let (line, id) = imported(&home, &["civitai:4384@128713"]);
    let shown = export(&home, &id, "files", &home.beside("out"));
    let file = &shown["files"][0];
    let target = fs::metadata(file["target"].as_str().unwrap()).unwrap();
    let hash = line["artifacts"][0]["sha256"].as_str().unwrap();
    let blob = home
        .path()
        .join(format!("storage/blobs/sha256/{}/{hash}", &hash[..2]));
    let shares = target.ino() == fs::metadata(blob).unwrap().ino();
    assert!(shares || file["how"] == "reflink", "{shown:#}");
}

#[test]
fn the_huggingface_cache_opens_with_hf_hub() {
    let hub = standard();
    let home = Home::of(&hub);
    let (line, id) = imported(&home, &["acme/tiny"]);
    let to = home.beside("hub");
    let shown = export(&home, &id, "huggingface-cache", &to);
    assert!(shown["error"].is_null(), "{shown:#}");
    let repo = hf_hub::Cache::new(to).model("acme/tiny".to_owned());
    for file in line["artifacts"].as_array().unwrap() {
        let path = file["path"].as_str().unwrap();
        let found = repo
            .get(path)
            .unwrap_or_else(|| panic!("{path} is not in the cache"));
        assert_eq!(file["sha256"], hash_of(&fs::read(found).unwrap()));
    }
}

#[test]
fn the_huggingface_cache_opens_with_huggingface_hub_offline() {
    let hub = standard();
    let home = Home::of(&hub);
    let (_, id) = imported(&home, &["acme/tiny"]);
    let (_, tagged) = imported(&home, &["acme/tiny@v1", "--force"]);
    let (_, data) = imported(&home, &["hf://datasets/acme/data"]);
    let to = home.beside("hub");
    for id in [&id, &tagged, &data] {
        let shown = export(&home, id, "huggingface-cache", &to);
        assert!(shown["error"].is_null(), "{shown:#}");
    }
    let program = "
import huggingface_hub as hub
print(hub.hf_hub_download('acme/tiny', 'model.safetensors'))
print(hub.hf_hub_download('acme/tiny', 'config.json', revision='v1'))
print(hub.snapshot_download('acme/data', repo_type='dataset'))
print(len(hub.scan_cache_dir().repos), hub.scan_cache_dir().warnings)
";
    let ran = python()
        .args(["-c", program])
        .env("HF_HUB_OFFLINE", "1")
        .env("HF_HUB_CACHE", &to)
        .env("HF_HOME", home.beside("hf-home"))
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{stderr}");
    let stdout = String::from_utf8(ran.stdout).unwrap();
    let lines: Vec<&str> = stdout.lines().collect();
    assert!(PathBuf::from(lines[0]).starts_with(&to), "{stdout}");
    assert!(lines[0].ends_with("/model.safetensors"), "{stdout}");
    assert!(Path::new(lines[2]).join("README.md").is_file(), "{stdout}");
    assert_eq!(lines[3], "2 []", "{stdout}");
}

#[test]
fn comfyui_finds_each_file_in_the_folder_of_its_type() {
    let hub = standard();
    let home = Home::of(&hub);
    let to = home.beside("ComfyUI");
    let (_, shaper) = imported(&home, &["civitai:4384@128713", "--all-files"]);
    let (_, knots) = imported(&home, &["civitai:328553"]);
    let (_, gull) = imported(&home, &["civitai:7808", "--all-files"]);
    for id in [&shaper, &knots, &gull] {
        let shown = export(&home, id, "comfyui", &to);
        assert!(shown["error"].is_null(), "{shown:#}");
    }
    let mut found = Vec::new();
    for folder in fs::read_dir(to.join("models")).unwrap() {
        let folder = folder.unwrap();
        let count = fs::read_dir(folder.path()).unwrap().count();
        found.push((folder.file_name().into_string().unwrap(), count));
    }
    found.sort();
    let expected = [
        ("checkpoints", 2),
        ("configs", 1),
        ("embeddings", 2),
        ("loras", 1),
        ("vae", 1),
    ];
    let expected = expected.map(|(name, count)| (name.to_owned(), count));
    assert_eq!(found, expected);
}

#[test]
fn what_is_there_with_other_content_is_not_touched_unless_told() {
    let hub = standard();
    let home = Home::of(&hub);
    let (line, id) = imported(&home, &["civitai:4384@128713"]);
    let path = line["artifacts"][0]["path"].as_str().unwrap();
    let to = home.beside("out");
    fs::create_dir_all(&to).unwrap();
    fs::write(to.join(path), "mine").unwrap();
    let refused = export(&home, &id, "files", &to);
    assert_eq!(refused["error"]["code"], "invalid_request", "{refused:#}");
    assert_eq!(fs::read(to.join(path)).unwrap(), b"mine");
    let folder = to.display().to_string();
    home.succeed(&[
        "export", &id, "--layout", "files", "--to", &folder, "--force",
    ]);
    assert_ne!(fs::read(to.join(path)).unwrap(), b"mine");
    assert_eq!(
        fs::read_dir(&to).unwrap().count(),
        1,
        "nothing half made stays"
    );
}

#[test]
fn a_damaged_blob_is_not_exported() {
    let hub = standard();
    let home = Home::of(&hub);
    let (line, id) = imported(&home, &["civitai:4384@128713"]);
    let hash = line["artifacts"][0]["sha256"].as_str().unwrap();
    let blob = home
        .path()
        .join(format!("storage/blobs/sha256/{}/{hash}", &hash[..2]));
    let mut bytes = fs::read(&blob).unwrap();
    bytes[100] ^= 1;
    fs::remove_file(&blob).unwrap();
    fs::write(&blob, bytes).unwrap();
    let to = home.beside("out");
    let refused = export(&home, &id, "files", &to);
    assert_eq!(refused["error"]["code"], "hash_mismatch", "{refused:#}");
    assert_eq!(fs::read_dir(&to).unwrap().count(), 0);
}

#[test]
fn what_can_not_be_exported_says_why() {
    let hub = standard();
    let home = Home::of(&hub);
    let (_, id) = imported(&home, &["civitai:4384@128713"]);
    let failed = home.import(&["acme/none"])["upload"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let to = home.beside("out");
    let cases = [
        ("upload_none", "files", "not_found"),
        ("model_none", "files", "not_found"),
        ("../../etc", "files", "not_found"),
        (&failed, "files", "invalid_request"),
        (&id, "huggingface-cache", "invalid_request"),
    ];
    for (id, layout, code) in cases {
        let shown = export(&home, id, layout, &to);
        assert_eq!(shown["error"]["code"], code, "{id}: {shown:#}");
    }
    assert!(!to.exists());
    let usage = home.run(&["export", &id, "--layout", "zip", "--to", "/tmp/x"]);
    assert_eq!(usage.status, Some(2), "{usage:?}");
}
