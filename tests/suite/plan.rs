//! What an import would do, without doing it.

use modelferry_fixtures::Site;
use serde_json::Value;

use crate::support::{Home, standard};

#[test]
fn the_plan_has_the_documented_fields_and_moves_no_file() {
    let hub = standard();
    let home = Home::of(&hub);
    let plan = home.succeed(&["resolve", "--json", "acme/tiny"]).one_line();
    for field in ["source", "provider", "reference", "revision", "kind"] {
        assert!(plan[field].is_string(), "{field}: {plan:#}");
    }
    assert_eq!(plan["provider"], "huggingface");
    assert_eq!(plan["reference"], "acme/tiny");
    assert_eq!(plan["revision"].as_str().map(str::len), Some(40));
    assert_eq!(plan["kind"], "model");
    assert_eq!(plan["warnings"], Value::Array(Vec::new()));
    let files = plan["artifacts"].as_array().unwrap();
    let sum: u64 = files.iter().filter_map(|file| file["size"].as_u64()).sum();
    assert_eq!(plan["totalBytes"], sum);
    assert_eq!(plan["transferBytes"], sum);
    let weights = files
        .iter()
        .find(|file| file["path"] == "model.safetensors")
        .unwrap();
    assert_eq!(weights["sha256"].as_str().map(str::len), Some(64));
    assert_eq!(weights["present"], false);
    let config = files
        .iter()
        .find(|file| file["path"] == "config.json")
        .unwrap();
    assert_eq!(config["gitSha1"].as_str().map(str::len), Some(40));
    // No more than the heads of the weights, to see what they are.
    assert!(hub.bytes_sent(Site::Cdn) < sum / 2);
    home.assert_holds_only(&[]);
    let records = home.succeed(&["uploads", "list", "--json"]);
    assert_eq!(records.stdout, "", "a plan makes no record");
}

#[test]
fn a_dry_run_of_an_import_is_the_same_plan() {
    let hub = standard();
    let home = Home::of(&hub);
    for source in ["acme/tiny", "civitai:4384@128713"] {
        let resolved = home.succeed(&["resolve", "--json", source]).one_line();
        let dry = home
            .succeed(&["import", "--dry-run", "--json", source])
            .one_line();
        assert_eq!(resolved, dry);
    }
}

#[test]
fn the_plan_says_what_is_already_here() {
    let hub = standard();
    let home = Home::of(&hub);
    home.succeed(&["import", "hf://acme/tiny/model.safetensors"]);
    let plan = home.succeed(&["resolve", "--json", "acme/tiny"]).one_line();
    let files = plan["artifacts"].as_array().unwrap();
    let present: Vec<_> = files
        .iter()
        .filter(|file| file["present"] == true)
        .collect();
    assert_eq!(present.len(), 1, "{plan:#}");
    assert_eq!(present[0]["path"], "model.safetensors");
    let total = plan["totalBytes"].as_u64().unwrap();
    let here = present[0]["size"].as_u64().unwrap();
    assert_eq!(plan["transferBytes"], total - here);
    home.succeed(&["import", "acme/tiny"]);
    let plan = home.succeed(&["resolve", "--json", "acme/tiny"]).one_line();
    assert_eq!(plan["transferBytes"], 0, "{plan:#}");
}

#[test]
fn a_person_reads_the_plan_as_a_table() {
    let hub = standard();
    let home = Home::of(&hub);
    let ran = home.succeed(&["resolve", "civitai:4384@128713"]);
    assert_eq!(ran.stderr, "");
    assert!(ran.stdout.contains("harbourShaper_v2"), "{ran:?}");
    assert!(ran.stdout.contains("sha256"), "{ran:?}");
    assert!(ran.stdout.contains("to transfer"), "{ran:?}");
}

#[test]
fn what_can_not_be_resolved_is_a_line_with_its_error() {
    let hub = standard();
    let home = Home::of(&hub);
    let ran = home.run(&["resolve", "--json", "acme/none", "acme/tiny"]);
    assert_eq!(ran.status, Some(1), "{ran:?}");
    let lines = ran.lines();
    assert_eq!(lines.len(), 2, "{lines:#?}");
    assert_eq!(lines[0]["source"], "acme/none");
    assert_eq!(lines[0]["error"]["code"], "not_found");
    assert_eq!(lines[1]["reference"], "acme/tiny");
}
