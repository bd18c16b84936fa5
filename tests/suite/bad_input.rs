//! What can't be imported: its code, its hint, its exit status, and nothing left behind.

use modelferry_fixtures::{Content, PlainFile, Scene};
use serde_json::Value;

use crate::support::disk::Disk;
use crate::support::{Home, hub, standard};

const WRONG: &str = "abababababababababababababababababababababababababababababababab";

/// The one line of a source that failed, checked for its form.
fn refused(home: &Home, words: &[&str]) -> Value {
    let ran = home.run(&[&["import", "--json"], words].concat());
    assert_eq!(ran.status, Some(1), "{words:?}: {ran:?}");
    let line = ran.one_line();
    assert_eq!(line["outcome"], "failed", "{line:#}");
    for field in ["code", "message", "hint"] {
        let text = line["error"][field].as_str().unwrap_or_default();
        assert!(!text.is_empty(), "{words:?} has no {field}: {line:#}");
        assert!(ran.stderr.contains(text), "{field} is not said: {ran:?}");
    }
    line
}

/// The failed record says the same as the line, and is the last word on it.
fn assert_recorded(home: &Home, line: &Value) {
    let id = line["upload"]["id"].as_str().expect("a record");
    let shown = home.succeed(&["uploads", "show", id, "--json"]).one_line();
    assert_eq!(shown["upload"]["status"], "failed", "{shown:#}");
    assert_eq!(shown["error"], line["error"], "{shown:#}");
    let message = shown["upload"]["errorMessage"].as_str().unwrap_or_default();
    let code = line["error"]["code"].as_str().unwrap_or_default();
    assert!(message.ends_with(&format!(" [{code}]")), "{message}");
    assert!(shown["upload"]["entityId"].is_null(), "{shown:#}");
}

#[test]
fn what_is_no_source_is_refused_before_any_traffic_and_leaves_no_record() {
    let hub = standard();
    let home = Home::of(&hub);
    let cases = [
        ("what is this", "invalid_source"),
        ("", "invalid_source"),
        ("ftp://example.com/x.bin", "unsupported_source"),
        ("hf://", "invalid_source"),
        ("https://huggingface.co/", "invalid_source"),
        ("hf://acme/tiny/../../etc/passwd", "invalid_source"),
        ("civitai:abc", "invalid_source"),
        ("civitai:sha256:12", "invalid_source"),
        ("urn:air:sdxl:model:civitai:bad", "invalid_source"),
        ("http://ferry:pw@127.0.0.1/x.bin", "invalid_source"),
    ];
    for (source, code) in cases {
        let line = refused(&home, &[source]);
        assert_eq!(line["error"]["code"], code, "{line:#}");
        assert_eq!(line["upload"], Value::Null, "{line:#}");
        let hint = line["error"]["hint"].as_str().unwrap_or_default();
        assert!(hint.contains("write it like"), "{hint}");
    }
    assert!(hub.requests().is_empty(), "{:?}", hub.requests());
    assert_eq!(
        home.succeed(&["uploads", "list", "--json"]).lines(),
        Vec::<Value>::new()
    );
}

#[test]
fn what_a_hub_does_not_hand_out_is_a_failed_record_with_the_hubs_reason() {
    let hub = standard();
    let home = Home::of(&hub);
    let missing = format!("{}/none.bin", hub.files_url());
    let cases = [
        ("acme/none", "not_found"),
        ("acme/tiny@none", "not_found"),
        ("acme/private", "not_found"),
        ("acme/gated", "gated"),
        ("acme/disabled", "access_denied"),
        ("civitai:99999999", "not_found"),
        ("civitai:5001", "auth_required"),
        ("civitai:5003", "early_access"),
        ("civitai:5004", "archived"),
        (&missing, "not_found"),
        ("http://10.0.0.1/x.bin", "blocked_address"),
    ];
    for (source, code) in cases {
        let line = refused(&home, &[source]);
        assert_eq!(line["error"]["code"], code, "{line:#}");
        assert_recorded(&home, &line);
    }
    home.assert_holds_only(&[]);
}

#[test]
fn a_hash_of_the_users_own_that_does_not_fit_publishes_nothing() {
    let hub = standard();
    let home = Home::of(&hub);
    let url = format!("{}/big.bin", hub.files_url());
    for source in [
        url.as_str(),
        "hf://acme/tiny/model.safetensors",
        "civitai:4384@128713",
    ] {
        let line = refused(&home, &[source, "--sha256", WRONG]);
        assert_eq!(line["error"]["code"], "hash_mismatch", "{line:#}");
        assert_recorded(&home, &line);
    }
    let many = refused(&home, &["acme/tiny", "--sha256", WRONG]);
    assert_eq!(many["error"]["code"], "invalid_request", "{many:#}");
    home.assert_holds_only(&[]);
}

#[test]
fn a_wrong_hash_of_the_hub_publishes_nothing_under_it() {
    let hub = standard();
    let home = Home::of(&hub);
    let line = refused(&home, &["hf://acme/lies/wrong-hash.safetensors"]);
    assert_eq!(line["error"]["code"], "hash_mismatch", "{line:#}");
    assert_recorded(&home, &line);
    home.assert_holds_only(&[]);
}

#[test]
fn a_kind_that_the_content_contradicts_is_refused() {
    let hub = standard();
    let home = Home::of(&hub);
    let line = refused(
        &home,
        &["hf://acme/tiny/model.safetensors", "--kind", "image"],
    );
    assert_eq!(line["error"]["code"], "kind_mismatch", "{line:#}");
    assert_recorded(&home, &line);
}

#[test]
fn a_hostile_pickle_is_refused() {
    let hub = standard();
    let home = Home::of(&hub);
    let line = refused(&home, &["civitai:5024"]);
    assert_eq!(line["error"]["code"], "unsafe_pickle", "{line:#}");
    assert_recorded(&home, &line);
    assert_eq!(home.files("storage/library"), Vec::<String>::new());
    assert_eq!(home.files("storage/entities"), Vec::<String>::new());
}

#[test]
fn words_that_the_command_line_does_not_know_are_usage_errors() {
    let hub = standard();
    let home = Home::of(&hub);
    let cases: &[&[&str]] = &[
        &[],
        &["import"],
        &["frobnicate"],
        &["import", "acme/tiny", "--sha256", "12"],
        &["import", "acme/tiny", "--kind", "poem"],
        &["import", "acme/tiny", "--frob"],
        &["-q", "-v", "uploads", "list"],
        &["uploads", "list", "--status", "done"],
        &["uploads", "list", "--limit", "0"],
    ];
    for words in cases {
        let ran = home.run(words);
        assert_eq!(ran.status, Some(2), "{words:?}: {ran:?}");
        assert_eq!(ran.stdout, "", "{words:?}");
        assert!(ran.stderr.contains("--help") || words.is_empty(), "{ran:?}");
    }
    assert!(hub.requests().is_empty());
    assert!(!home.path().exists(), "a usage error makes no home");
}

#[test]
fn a_home_that_can_not_be_written_to_is_a_configuration_error() {
    let hub = standard();
    let file = Home::of(&hub);
    std::fs::write(file.beside("file"), "no folder").unwrap();
    let below_a_file = file.beside("file").join("home");
    let read_only = Disk::read_only();
    for home in [
        Home::of(&hub).moved_to(&below_a_file),
        Home::of(&hub).on(&read_only),
    ] {
        let ran = home.run(&["import", "--json", "acme/tiny"]);
        assert_eq!(ran.status, Some(2), "{ran:?}");
        let error = &ran.one_line()["error"];
        assert_eq!(error["code"], "storage_error", "{ran:?}");
        let hint = error["hint"].as_str().unwrap_or_default();
        assert!(hint.contains("MODELFERRY_HOME"), "{ran:?}");
    }
    assert!(hub.requests().is_empty());
}

const MIB: u64 = 1024 * 1024;

/// The hub states the size: not a byte of it moves.
#[test]
fn a_file_that_can_not_fit_is_refused_before_it_moves() {
    let hub = hub(Scene::empty().file(PlainFile::new("/big.bin", Content::seeded(1, 20 * MIB))));
    let disk = Disk::of_megabytes(8);
    let home = Home::of(&hub).on(&disk);
    let url = format!("{}/big.bin", hub.files_url());
    let line = refused(&home, &[&url]);
    assert_eq!(line["error"]["code"], "storage_full", "{line:#}");
    assert_recorded(&home, &line);
    home.assert_holds_only(&[]);
}

/// Nobody states the size: the disk runs full on the way.
#[test]
fn a_disk_that_runs_full_on_the_way_keeps_the_records_true() {
    let big = PlainFile::new("/big.bin", Content::seeded(1, 20 * MIB)).chunked();
    let small = PlainFile::new("/small.bin", Content::seeded(2, MIB));
    let hub = hub(Scene::empty().file(big).file(small));
    let disk = Disk::of_megabytes(8);
    let home = Home::of(&hub).on(&disk);
    let line = refused(&home, &[&format!("{}/big.bin", hub.files_url())]);
    assert_eq!(line["error"]["code"], "storage_full", "{line:#}");
    assert_recorded(&home, &line);
    let next = home.import(&[&format!("{}/small.bin", hub.files_url())]);
    assert_eq!(next["outcome"], "imported", "{next:#}");
    let small = next["artifacts"][0]["sha256"].as_str().unwrap_or_default();
    home.assert_holds_only(&[small.to_owned()]);
}
