//! Where files came from: in manifests, in `uploads show`, in a bill of materials.

use std::fs;
use std::path::Path;

use modelferry_fixtures::{Content, Hub, Repo, Scene};
use serde_json::Value;

use crate::support::{Home, hub, python, standard};

fn imported(home: &Home, source: &str) -> Value {
    let line = home.import(&[source]);
    assert_eq!(line["outcome"], "imported", "{line:#}");
    line["upload"].clone()
}

fn manifest(home: &Home, upload: &Value) -> Value {
    let entity = upload["entityId"].as_str().unwrap();
    let path = format!("storage/entities/{entity}/manifest.json");
    serde_json::from_slice(&fs::read(home.path().join(path)).unwrap()).unwrap()
}

fn file<'a>(of: &'a Value, path: &str) -> &'a Value {
    let mut files = of.as_array().unwrap().iter();
    files.find(|file| file["path"] == path).unwrap()
}

#[test]
fn a_manifest_says_where_every_file_came_from_and_who_states_its_hash() {
    let hub = standard();
    let home = Home::of(&hub);
    let manifest = manifest(&home, &imported(&home, "acme/tiny"));
    let revision = manifest["source"]["revision"].as_str().unwrap();
    assert!(manifest["toolVersion"].as_str().unwrap().starts_with("0."));
    for (path, algorithm) in [("config.json", "git-sha1"), ("model.safetensors", "sha256")] {
        let file = file(&manifest["files"], path);
        let from = &file["provenance"];
        assert_eq!(from["provider"], "huggingface", "{file:#}");
        assert_eq!(from["source"], format!("hf://acme/tiny@{revision}/{path}"));
        assert_eq!(from["revision"], revision);
        assert_eq!(from["stated"][0]["algorithm"], algorithm);
        assert_eq!(from["stated"][0]["by"], "hub");
        assert!(from["storedAt"].as_str() <= manifest["importedAt"].as_str());
        assert_eq!(from["reused"], false);
    }
    let weights = file(&manifest["files"], "model.safetensors");
    assert_eq!(
        weights["provenance"]["stated"][0]["value"],
        weights["sha256"]
    );
}

#[test]
fn what_a_manifest_names_as_a_files_source_brings_that_very_file() {
    let hub = standard();
    let home = Home::of(&hub);
    for source in ["acme/tiny@v1", "civitai:4384@128713"] {
        let manifest = manifest(&home, &imported(&home, source));
        let mut files = manifest["files"].as_array().unwrap().iter();
        let weights = files.find(|file| file["path"].as_str().unwrap().ends_with(".safetensors"));
        let first = weights.unwrap();
        let again = home.import(&[first["provenance"]["source"].as_str().unwrap()]);
        assert_eq!(again["outcome"], "imported", "{again:#}");
        assert_eq!(again["artifacts"][0]["sha256"], first["sha256"]);
    }
}

#[test]
fn a_users_word_on_a_hash_is_known_as_theirs() {
    let hub = standard();
    let home = Home::of(&hub);
    let url = format!("{}/model.safetensors", hub.files_url());
    let hash = home.import(&[&url])["artifacts"][0]["sha256"].clone();
    let hash = hash.as_str().unwrap();
    let line = home.import(&[&url, "--sha256", hash]);
    let id = line["upload"]["id"].as_str().unwrap();
    let shown = home.succeed(&["uploads", "show", "--json", id]).one_line();
    let from = &shown["provenance"][0];
    assert_eq!(from["stated"][0]["by"], "user", "{shown:#}");
    assert_eq!(from["reused"], true, "{shown:#}");
    let text = home.succeed(&["uploads", "show", id]).stdout;
    assert!(text.contains(&format!("from {url}")), "{text}");
    assert!(
        text.contains(&format!("sha256 by the user: {hash}")),
        "{text}"
    );
    assert!(text.contains("held since 20"), "{text}");
}

/// A hub whose repositories state licences, and the usual rest.
fn licensed() -> Hub {
    let mut scene = Scene::standard();
    for (id, license) in [
        ("acme/free", Some("apache-2.0")),
        ("acme/rail", Some("openrail")),
        ("acme/mute", None),
    ] {
        let repo = Repo::model(id)
            .lfs("model.safetensors", Content::safetensors(90, 5000))
            .file("a b#.txt", Content::bytes("an awkward name\n"))
            .license(license);
        scene = scene.repo(repo);
    }
    hub(scene)
}

/// The document, once the schema's own library has nothing against it.
fn valid(path: &Path) -> Value {
    let program = "
import sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
found = JsonStrictValidator(SchemaVersion.V1_6).validate_str(open(sys.argv[1]).read())
sys.exit(str(found) if found else 0)
";
    let ran = python().args(["-c", program]).arg(path).output().unwrap();
    assert!(
        ran.status.success(),
        "{}",
        String::from_utf8_lossy(&ran.stderr)
    );
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[test]
fn a_bill_of_materials_names_every_model_and_its_licence() {
    let hub = licensed();
    let home = Home::of(&hub);
    let url = format!("{}/model.safetensors", hub.files_url());
    let sources = [
        "acme/free",
        "acme/rail",
        "acme/mute",
        "hf://datasets/acme/data",
        "civitai:4384@128713",
        &url,
    ];
    for source in sources {
        imported(&home, source);
    }
    let target = home.beside("sbom.json");
    let shown = home.succeed(&["export", "--sbom", &target.display().to_string()]);
    assert!(shown.stdout.contains("6 components"), "{shown:?}");
    let document = valid(&target);
    let components = document["components"].as_array().unwrap();
    let of = |name: &str| {
        let mut found = components.iter().filter(|held| held["name"] == name);
        found
            .next()
            .unwrap_or_else(|| panic!("no {name}: {document:#}"))
    };
    let free = of("free");
    assert_eq!(free["type"], "machine-learning-model");
    assert_eq!(free["group"], "acme");
    assert_eq!(free["licenses"][0]["license"]["id"], "Apache-2.0");
    let purl = free["purl"].as_str().unwrap();
    let pinned = format!(
        "pkg:huggingface/acme/free@{}",
        free["version"].as_str().unwrap()
    );
    assert!(purl.starts_with(&pinned), "{purl}");
    let weights = free["components"].as_array().unwrap();
    let weights = weights
        .iter()
        .find(|file| file["name"] == "model.safetensors");
    assert_eq!(weights.unwrap()["hashes"][0]["alg"], "SHA-256");
    assert_eq!(of("rail")["licenses"][0]["license"]["name"], "openrail");
    assert!(of("mute")["licenses"].is_null());
    assert_eq!(of("data")["type"], "data");
    let generic = of("model.safetensors")["purl"].as_str().unwrap();
    assert!(
        generic.starts_with("pkg:generic/model.safetensors@"),
        "{generic}"
    );
}

#[test]
fn a_bill_of_materials_of_one_stands_beside_its_export_or_on_stdout() {
    let hub = standard();
    let home = Home::of(&hub);
    let upload = imported(&home, "acme/tiny");
    imported(&home, "civitai:328553");
    let id = upload["id"].as_str().unwrap();
    let (to, target) = (home.beside("out"), home.beside("out.cdx.json"));
    let (to, sbom) = (to.display().to_string(), target.display().to_string());
    home.succeed(&[
        "export", id, "--layout", "files", "--to", &to, "--sbom", &sbom,
    ]);
    assert_eq!(
        valid(&target)["components"].as_array().map(Vec::len),
        Some(1)
    );
    let printed = home.succeed(&["export", id, "--sbom", "-"]).one_document();
    assert_eq!(printed["components"][0]["bom-ref"], upload["entityId"]);
    let refused = home.run(&["export", "model_none", "--sbom", &sbom]);
    assert_eq!(refused.status, Some(1), "{refused:?}");
    assert_eq!(
        valid(&target)["components"].as_array().map(Vec::len),
        Some(1)
    );
    assert!(!home.beside("out.cdx.json.part").exists());
    for words in [
        &["export"][..],
        &["export", id],
        &["export", id, "--layout", "files"],
        &["export", "--layout", "files", "--to", &to],
        &["export", id, "--to", &to, "--sbom", &sbom],
    ] {
        assert_eq!(home.run(words).status, Some(2), "{words:?}");
    }
}
