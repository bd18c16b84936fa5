//! `resolve`: the whole plan of any source, and not a byte of an artifact.

use modelferry_fixtures::{Content, Hub, Repo, Scene, Site};
use serde_json::{Value, json};

use super::support::{Home, hub, standard};

fn codes(plan: &Value) -> Vec<&str> {
    let warnings = plan["warnings"].as_array().unwrap().iter();
    warnings
        .map(|warning| warning["code"].as_str().unwrap())
        .collect()
}

fn resolved(home: &Home, words: &[&str]) -> Value {
    home.succeed(&[&["resolve", "--json"], words].concat())
        .one_line()
}

fn cdn_and_files(hub: &Hub) -> u64 {
    hub.bytes_sent(Site::Cdn) + hub.bytes_sent(Site::Files)
}

#[test]
fn a_plan_of_every_hub_has_the_keys_that_programs_rely_on() {
    let hub = standard();
    let home = Home::of(&hub);
    let url = format!("{}/model.safetensors", hub.files_url());
    let mut in_all = 0;
    for (source, provider, kind, files) in [
        ("acme/tiny", "huggingface", json!("model"), 7),
        ("hf://datasets/acme/data", "huggingface", json!("asset"), 2),
        ("hf://spaces/acme/app", "huggingface", json!("asset"), 1),
        (
            "https://huggingface.co/acme/tiny/blob/feature/x/config.json",
            "huggingface",
            json!("model"),
            1,
        ),
        ("civitai:4384@128713", "civitai", json!("model"), 1),
        (url.as_str(), "other", Value::Null, 1),
    ] {
        let plan = resolved(&home, &[source]);
        for key in [
            "artifacts",
            "kind",
            "leftOut",
            "provider",
            "reference",
            "revision",
            "source",
            "totalBytes",
            "transferBytes",
            "warnings",
        ] {
            assert!(plan.get(key).is_some(), "{source} tells no {key}: {plan}");
        }
        assert_eq!(
            (&plan["source"], &plan["provider"]),
            (&json!(source), &json!(provider))
        );
        assert_eq!(plan["kind"], kind, "{source}");
        assert!(!plan["revision"].as_str().unwrap().is_empty());
        let artifacts = plan["artifacts"].as_array().unwrap();
        assert_eq!(artifacts.len(), files, "{source}: {plan}");
        for artifact in artifacts {
            for key in ["gitSha1", "path", "present", "sha256", "size"] {
                assert!(artifact.get(key).is_some(), "{source} tells no {key}");
            }
            assert_eq!(artifact["present"], false);
        }
        let total: u64 = artifacts
            .iter()
            .map(|file| file["size"].as_u64().unwrap())
            .sum();
        in_all += total;
        assert_eq!(plan["totalBytes"], total, "{source}");
        assert_eq!(plan["transferBytes"], total, "{source}");
    }
    let moved = cdn_and_files(&hub);
    assert!(
        moved < in_all / 4,
        "{moved} of {in_all} bytes came, where headers do"
    );
    assert!(home.blobs().is_empty());
}

#[test]
fn what_is_held_already_is_not_counted_as_transfer() {
    let hub = standard();
    let home = Home::of(&hub);
    home.succeed(&["import", "hf://acme/tiny/config.json", "--kind", "asset"]);
    let plan = resolved(&home, &["acme/tiny"]);
    let artifacts = plan["artifacts"].as_array().unwrap();
    let held: Vec<&Value> = artifacts
        .iter()
        .filter(|file| file["present"] == true)
        .collect();
    assert_eq!(held.len(), 1);
    assert_eq!(held[0]["path"], "config.json");
    let left = plan["totalBytes"].as_u64().unwrap() - held[0]["size"].as_u64().unwrap();
    assert_eq!(plan["transferBytes"], left);
    let shown = home.succeed(&["resolve", "acme/tiny"]).stdout;
    assert_eq!(shown.matches("already here").count(), 1, "{shown}");
}

#[test]
fn a_person_sees_every_file_its_hash_and_every_warning() {
    let hub = hub(Scene::standard().repo(
        Repo::model("acme/twins")
            .formerly("acme/pair")
            .file("README.md", Content::bytes("one"))
            .file("readme.md", Content::bytes("two"))
            .lfs("weights.bin", Content::seeded(1, 70_000)),
    ));
    let home = Home::of(&hub);
    let shown = home.succeed(&["resolve", "acme/pair"]).stdout;
    let scene = hub.scene();
    let repo = scene.find_repo("acme/twins").unwrap();
    let weights = repo.main.find("weights.bin").unwrap();
    for part in [
        repo.sha(),
        format!("{}/acme/twins/tree/", hub.huggingface_url()),
        format!("sha256 {}", weights.content.sha256()),
        format!(
            "git    {}",
            repo.main.find("readme.md").unwrap().content.git_sha1()
        ),
        "3 files".into(),
        "warning: acme/pair is now called acme/twins".into(),
        "warning: names that differ only in case".into(),
    ] {
        assert!(shown.contains(&part), "{part} in {shown}");
    }
    assert_eq!(
        codes(&resolved(&home, &["acme/pair"])),
        ["renamed", "case_twins"]
    );
    let flagged = resolved(&home, &["acme/pickles"]);
    assert_eq!(codes(&flagged), ["hub_flagged_unsafe"]);
    let files = flagged["artifacts"].as_array().unwrap().iter();
    let refused = files.filter(|file| file["refused"]["code"] == "unsafe_pickle");
    assert!(refused.count() > 0, "{flagged}");
}

#[test]
fn a_digest_header_is_shown_for_what_it_is() {
    let hub = standard();
    let home = Home::of(&hub);
    let url = format!("{}/digests/repr.bin", hub.files_url());
    let shown = home.succeed(&["resolve", &url]).stdout;
    assert!(
        shown.contains("sha-256 by a header of the server"),
        "{shown}"
    );
}

#[test]
fn patterns_and_revisions_narrow_the_plan() {
    let hub = standard();
    let home = Home::of(&hub);
    let paths = |words: &[&str]| {
        let plan = resolved(&home, words);
        let files = plan["artifacts"].as_array().unwrap().iter();
        let mut paths: Vec<String> = files
            .map(|file| file["path"].as_str().unwrap().to_owned())
            .collect();
        paths.sort();
        paths
    };
    let json = ["config.json", "tokenizer.json"];
    assert_eq!(paths(&["acme/tiny", "--include", "*.json"]), json);
    assert_eq!(
        paths(&["acme/tiny", "--include", "*.json", "--revision", "v1"]),
        json[..1]
    );
    assert_eq!(
        paths(&["acme/tiny", "--include", "sub/", "--exclude", "*.bin"]),
        ["sub/a b#.txt"]
    );
}

#[test]
fn one_bad_source_does_not_hide_the_plan_of_another() {
    let hub = standard();
    let home = Home::of(&hub);
    let ran = home.run(&["resolve", "--json", "acme/gated", "acme/many"]);
    assert_eq!(ran.status, Some(1));
    let lines = ran.lines();
    assert_eq!(lines[0]["error"]["code"], "gated");
    let hint = lines[0]["error"]["hint"].as_str().unwrap();
    assert!(
        hint.contains(&format!("{}/acme/gated", hub.huggingface_url())),
        "{hint}"
    );
    assert_eq!(lines[1]["artifacts"].as_array().unwrap().len(), 25);
}

/// The most memory that the program held while it ran, in KiB.
#[cfg(target_os = "linux")]
fn peak_memory(home: &Home, words: &[&str]) -> u64 {
    let running = home.start(words);
    let status = format!("/proc/{}/status", running.id());
    let mut peak = 0;
    while let Ok(text) = std::fs::read_to_string(&status) {
        let line = text.lines().find(|line| line.starts_with("VmHWM:"));
        let Some(held) = line.and_then(|line| line.split_whitespace().nth(1)) else {
            break; // It has ended, and is waited for below.
        };
        peak = peak.max(held.parse().unwrap());
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    assert_eq!(running.ended().status, Some(0));
    peak
}

#[test]
#[cfg(target_os = "linux")]
fn a_tree_of_ten_thousand_files_takes_little_more_memory_than_a_small_one() {
    let hub = hub(Scene::empty()
        .repo(Repo::many("a/few", 10, 3))
        .repo(Repo::many("a/many", 10_000, 3)));
    let home = Home::of(&hub);
    let few = peak_memory(&home, &["resolve", "--json", "a/few"]);
    let many = peak_memory(&home, &["resolve", "--json", "a/many"]);
    println!("{few} KiB for 10 files, {many} KiB for 10,000");
    assert!(
        many < few + 64 * 1024,
        "{few} KiB for 10 files, {many} KiB for 10,000"
    );
}
