//! One source of each provider, from its text to its files.

use std::fs;

use modelferry_fixtures::{Content, Site};
use serde_json::Value;

use crate::support::{Home, hash_of, standard};

fn manifest(home: &Home, line: &Value) -> Value {
    let entity = line["upload"]["entityId"].as_str().expect("an entity");
    let path = home
        .path()
        .join(format!("storage/entities/{entity}/manifest.json"));
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn text<'v>(value: &'v Value, field: &str) -> &'v str {
    value[field]
        .as_str()
        .unwrap_or_else(|| panic!("no {field} in {value:#}"))
}

fn hashes(line: &Value) -> Vec<String> {
    let files = line["artifacts"].as_array().expect("artifacts");
    files
        .iter()
        .map(|file| text(file, "sha256").to_owned())
        .collect()
}

/// Every file of the manifest is in the library under its path, as it was hashed.
fn assert_library_shows(home: &Home, folder: &str, manifest: &Value) {
    for file in manifest["files"].as_array().expect("files") {
        let path = home
            .path()
            .join("storage/library")
            .join(folder)
            .join(text(file, "path"));
        let bytes = fs::read(&path).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
        assert_eq!(hash_of(&bytes), text(file, "sha256"));
        assert_eq!(file["size"], bytes.len());
    }
}

#[test]
fn a_huggingface_repository_lands_whole() {
    let hub = standard();
    let home = Home::of(&hub);
    let line = home.import(&["acme/tiny"]);
    assert_eq!(line["outcome"], "imported", "{line:#}");
    let upload = &line["upload"];
    assert_eq!(upload["status"], "imported");
    assert_eq!(upload["source"], "huggingface");
    assert_eq!(upload["provider"], "huggingface");
    assert_eq!(upload["kind"], "model");
    let manifest = manifest(&home, &line);
    let source = &manifest["source"];
    let revision = text(source, "revision");
    assert_eq!(revision.len(), 40);
    assert_eq!(source["reference"], "acme/tiny");
    assert_library_shows(
        &home,
        &format!("huggingface/acme/tiny/{revision}"),
        &manifest,
    );
    let mut unique = hashes(&line);
    unique.sort();
    unique.dedup();
    home.assert_holds_only(&unique);
}

#[test]
fn a_civitai_version_lands_under_its_model() {
    let hub = standard();
    let home = Home::of(&hub);
    let line = home.import(&["civitai:4384@128713"]);
    assert_eq!(line["outcome"], "imported", "{line:#}");
    assert_eq!(line["upload"]["source"], "civitai");
    assert_eq!(line["upload"]["provider"], "civitai");
    assert_eq!(line["upload"]["kind"], "model");
    let manifest = manifest(&home, &line);
    assert_eq!(manifest["source"]["revision"], "128713");
    assert_eq!(manifest["kind"], "model");
    let folder = "civitai/harbour/Harbour Shaper-4384/128713";
    assert_library_shows(&home, folder, &manifest);
    home.assert_holds_only(&hashes(&line));
}

#[test]
fn a_plain_url_lands_under_its_host() {
    let hub = standard();
    let home = Home::of(&hub);
    let url = format!("{}/model.safetensors", hub.files_url());
    let line = home.import(&[&url]);
    assert_eq!(line["outcome"], "imported", "{line:#}");
    assert_eq!(line["upload"]["source"], "url");
    assert_eq!(line["upload"]["provider"], "other");
    assert_eq!(line["upload"]["url"], url.as_str());
    let manifest = manifest(&home, &line);
    let host = hub.files_url().replace("http://", "").replace(':', "_");
    let revision = text(&manifest["source"], "revision").replace(':', "-");
    let folder = format!("other/{host}/model.safetensors/{revision}");
    assert_library_shows(&home, &folder, &manifest);
    home.assert_holds_only(&hashes(&line));
}

#[test]
fn library_files_are_hard_links_to_read_only_blobs() {
    use std::os::unix::fs::MetadataExt;
    let hub = standard();
    let home = Home::of(&hub);
    home.succeed(&["import", "civitai:4384@128713"]);
    let shown = home.files("storage/library");
    let [shown] = shown.as_slice() else {
        panic!("{shown:?}");
    };
    let shown = fs::metadata(home.path().join("storage/library").join(shown)).unwrap();
    let blob = home.files("storage/blobs");
    let blob = fs::metadata(home.path().join("storage/blobs").join(&blob[0])).unwrap();
    assert_eq!((shown.ino(), shown.dev()), (blob.ino(), blob.dev()));
    assert_eq!(blob.mode() & 0o222, 0, "{:o}", blob.mode());
}

/// The public shape of a line: exactly these fields.
#[test]
fn a_line_of_json_has_the_documented_fields_and_no_others() {
    let hub = standard();
    let home = Home::of(&hub);
    let line = home.import(&["civitai:4384@128713"]);
    assert_eq!(
        fields(&line),
        ["artifacts", "error", "outcome", "source", "upload"]
    );
    let artifact = &line["artifacts"][0];
    let documented = [
        "bytesTransferred",
        "path",
        "reused",
        "sha256",
        "size",
        "status",
        "verification",
    ];
    for field in documented {
        assert!(!artifact[field].is_null(), "{field} in {artifact:#}");
    }
    assert_eq!(artifact["status"], "stored");
    assert_eq!(artifact["verification"], "sha256");
    assert_eq!(artifact["bytesTransferred"], artifact["size"]);
    assert_eq!(artifact["reused"], false);
    let expected = [
        "authorId",
        "contentType",
        "createdAt",
        "entityId",
        "fileName",
        "fileSize",
        "id",
        "jobId",
        "kind",
        "ownerId",
        "provider",
        "source",
        "status",
        "updatedAt",
    ];
    assert_eq!(fields(&line["upload"]), expected);
    assert_eq!(line["upload"]["fileSize"], artifact["size"]);
}

fn fields(object: &Value) -> Vec<&str> {
    let object = object.as_object().expect("an object");
    let mut fields: Vec<&str> = object.keys().map(String::as_str).collect();
    fields.sort_unstable();
    fields
}

#[test]
fn the_same_source_again_is_unchanged_and_moves_no_body() {
    let hub = standard();
    let home = Home::of(&hub);
    let url = format!("{}/model.safetensors", hub.files_url());
    for source in ["acme/tiny", "civitai:4384@128713", &url] {
        let first = home.import(&[source]);
        assert_eq!(first["outcome"], "imported", "{first:#}");
        hub.forget_requests();
        let second = home.import(&[source]);
        assert_eq!(second["outcome"], "unchanged", "{second:#}");
        assert_eq!(second["upload"], first["upload"], "{source}");
        for artifact in second["artifacts"].as_array().unwrap() {
            assert_eq!(artifact["reused"], true, "{artifact:#}");
            assert_eq!(artifact["bytesTransferred"], 0, "{artifact:#}");
        }
        // A plain URL has no page: its first 8 KiB tell what is there.
        assert_eq!(hub.bytes_sent(Site::Cdn), 0, "{source}");
        assert!(hub.bytes_sent(Site::Files) <= 8192, "{source}");
        assert!(
            !hub.requests().is_empty(),
            "access to {source} is proven anew"
        );
    }
}

#[test]
fn force_makes_a_new_record_of_the_same_blobs() {
    let hub = standard();
    let home = Home::of(&hub);
    let first = home.import(&["civitai:4384@128713"]);
    let second = home.import(&["civitai:4384@128713", "--force"]);
    assert_eq!(second["outcome"], "imported", "{second:#}");
    assert_ne!(first["upload"]["id"], second["upload"]["id"]);
    assert_ne!(first["upload"]["entityId"], second["upload"]["entityId"]);
    home.assert_holds_only(&hashes(&first));
}

#[test]
fn a_blob_already_held_is_reused_by_another_source() {
    let hub = standard();
    let home = Home::of(&hub);
    let one = home.import(&["hf://acme/tiny/model.safetensors"]);
    assert_eq!(one["outcome"], "imported", "{one:#}");
    let whole = home.import(&["acme/tiny"]);
    let files = whole["artifacts"].as_array().unwrap();
    let reused: Vec<&str> = files
        .iter()
        .filter(|file| file["reused"] == true)
        .map(|file| text(file, "path"))
        .collect();
    assert_eq!(reused, ["model.safetensors"], "{whole:#}");
}

/// Knowing a hash opens nothing: each import proves its own access first.
#[test]
fn a_held_blob_is_not_reused_without_access() {
    let hub = standard();
    let home = Home::of(&hub);
    let granted = Home::of(&hub)
        .with("HF_TOKEN", "hf_good")
        .moved_to(home.path());
    assert_eq!(granted.import(&["acme/gated"])["outcome"], "imported");
    let refused = home.import(&["acme/gated"]);
    assert_eq!(refused["error"]["code"], "gated", "{refused:#}");
    assert_eq!(granted.import(&["acme/gated"])["outcome"], "unchanged");
}

#[test]
fn a_moved_branch_is_imported_anew_and_shares_what_stayed() {
    let hub = standard();
    let home = Home::of(&hub);
    let first = home.import(&["acme/tiny"]);
    hub.change_scene(|scene| {
        let repo = scene.repo_mut("acme/tiny").expect("acme/tiny");
        *repo = repo.clone().file("NEWS.md", Content::bytes("# News\n"));
    });
    let second = home.import(&["acme/tiny"]);
    assert_eq!(second["outcome"], "imported", "{second:#}");
    let files = second["artifacts"].as_array().unwrap();
    let fetched: Vec<&str> = files
        .iter()
        .filter(|file| file["reused"] == false)
        .map(|file| text(file, "path"))
        .collect();
    assert_eq!(fetched, ["NEWS.md"]);
    assert_ne!(first["upload"]["id"], second["upload"]["id"]);
}

#[test]
fn globs_and_revisions_narrow_what_is_imported() {
    let hub = standard();
    let home = Home::of(&hub);
    let paths = |words: &[&str]| {
        let line = home.import(&[words, &["--force"]].concat());
        assert_eq!(line["outcome"], "imported", "{line:#}");
        let files = line["artifacts"].as_array().unwrap();
        files
            .iter()
            .map(|file| text(file, "path").to_owned())
            .collect::<Vec<_>>()
    };
    let weights = "model.safetensors";
    assert_eq!(
        paths(&[
            "acme/tiny",
            "--include",
            "*.json",
            "--include",
            weights,
            "--exclude",
            "tok*"
        ]),
        ["config.json", weights]
    );
    assert_eq!(paths(&["acme/tiny@v1", "--include", "mod*"]), [weights]);
    assert_eq!(
        paths(&["acme/tiny", "--revision", "v1", "--include", "mod*"]),
        [weights]
    );
    let every = paths(&["civitai:4384@128713", "--all-files"]);
    assert_eq!(every.len(), 4, "{every:?}");
}

#[test]
fn datasets_and_spaces_are_assets() {
    let hub = standard();
    let home = Home::of(&hub);
    for source in ["hf://datasets/acme/data", "hf://spaces/acme/app"] {
        let line = home.import(&[source]);
        assert_eq!(line["outcome"], "imported", "{line:#}");
        assert_eq!(line["upload"]["kind"], "asset", "{line:#}");
        assert!(text(&line["upload"], "entityId").starts_with("asset_"));
    }
}

#[test]
fn several_sources_are_reported_one_a_line_and_a_bad_one_stops_no_other() {
    let hub = standard();
    let home = Home::of(&hub);
    let ran = home.run(&[
        "import",
        "--json",
        "acme/data@",
        "acme/none",
        "civitai:4384@128713",
    ]);
    assert_eq!(ran.status, Some(1));
    let outcomes: Vec<_> = ran
        .lines()
        .iter()
        .map(|line| text(line, "outcome").to_owned())
        .collect();
    assert_eq!(outcomes, ["failed", "failed", "imported"]);
}

#[test]
fn records_tell_what_was_imported() {
    let hub = standard();
    let home = Home::of(&hub);
    let line = home.import(&["civitai:4384@128713"]);
    let listed = home.succeed(&["uploads", "list", "--json"]).one_line();
    assert_eq!(listed, line["upload"]);
    let id = text(&line["upload"], "id");
    let shown = home.succeed(&["uploads", "show", id, "--json"]).one_line();
    assert_eq!(shown["upload"], line["upload"]);
    assert_eq!(shown["artifacts"], line["artifacts"]);
    assert_eq!(shown["revision"], "128713");
    let missing = home.run(&["uploads", "show", "upload_none"]);
    assert_eq!(missing.status, Some(1));
    assert!(missing.stderr.contains("[not_found]"), "{missing:?}");
}
