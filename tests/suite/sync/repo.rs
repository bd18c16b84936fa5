//! One source that moves.

use modelferry_fixtures::Site;

use super::{add, assert_counts, commit, dry_run, run};
use crate::support::{Home, standard};

#[test]
fn a_repository_is_imported_once_and_again_when_it_changed() {
    let hub = standard();
    let home = Home::of(&hub);
    let made = add(&home, "nightly", "acme/tiny", &[]);
    assert_eq!(made["listing"], "repo");
    assert_eq!(made["timezone"], "UTC");
    assert!(made["lastRun"].is_null());

    let first = run(&home, "nightly");
    assert_eq!(
        (&first["status"], &first["cause"]),
        (&"done".into(), &"request".into())
    );
    assert_counts(&first, &[("seen", 1), ("new", 1)]);
    assert!(first["counts"]["bytes"].as_u64().unwrap() > 1_000_000);
    assert!(
        first["difference"]["new"][0]["uploadId"].is_string(),
        "{first:#}"
    );

    hub.forget_requests();
    let second = run(&home, "nightly");
    assert_counts(&second, &[("seen", 1), ("unchanged", 1)]);
    assert_eq!(hub.bytes_sent(Site::Cdn), 0, "what is held is not fetched");

    let before = hub.scene().find_repo("acme/tiny").unwrap().sha();
    commit(&hub, "acme/tiny", "news.md", "news\n");
    let third = run(&home, "nightly");
    assert_counts(&third, &[("seen", 1), ("changed", 1)]);
    let after = hub.scene().find_repo("acme/tiny").unwrap().sha();
    let changed = &third["difference"]["changed"][0];
    assert_eq!(changed["from"], before.as_str());
    assert_eq!(changed["revision"], after.as_str());
    assert!(
        third["counts"]["bytes"].as_u64().unwrap() < 1000,
        "{third:#}"
    );
}

#[test]
fn a_dry_run_tells_the_difference_and_changes_nothing() {
    let hub = standard();
    let home = Home::of(&hub);
    add(&home, "nightly", "acme/tiny", &[]);
    let first = dry_run(&home, "nightly");
    assert_counts(&first, &[("seen", 1), ("new", 1)]);
    assert!(first["id"].is_null());
    assert_eq!(home.blobs().len(), 0);

    run(&home, "nightly");
    assert_counts(&dry_run(&home, "nightly"), &[("seen", 1), ("unchanged", 1)]);
    commit(&hub, "acme/tiny", "news.md", "news\n");
    let third = dry_run(&home, "nightly");
    assert_counts(&third, &[("seen", 1), ("changed", 1)]);
    let shown = home
        .succeed(&["sync", "show", "--json", "nightly"])
        .one_line();
    assert_eq!(
        shown["runs"].as_array().map(Vec::len),
        Some(1),
        "a dry run is no run"
    );
}

#[test]
fn what_was_imported_by_hand_is_not_imported_again() {
    let hub = standard();
    let home = Home::of(&hub);
    home.succeed(&["import", "acme/tiny"]);
    add(&home, "nightly", "acme/tiny", &[]);
    assert_counts(&dry_run(&home, "nightly"), &[("seen", 1), ("unchanged", 1)]);
    assert_counts(&run(&home, "nightly"), &[("seen", 1), ("unchanged", 1)]);
}

#[test]
fn a_branch_is_followed_and_only_the_files_that_are_wanted() {
    let hub = standard();
    let home = Home::of(&hub);
    let more = [
        "--revision",
        "feature/x",
        "--include",
        "*.json",
        "--kind",
        "text",
    ];
    add(&home, "branch", "acme/tiny", &more);
    let first = run(&home, "branch");
    assert_counts(&first, &[("seen", 1), ("new", 1)]);
    let id = first["difference"]["new"][0]["uploadId"].as_str().unwrap();
    let shown = home.succeed(&["uploads", "show", "--json", id]).one_line();
    let files = shown["artifacts"].as_array().unwrap();
    let paths: Vec<_> = files
        .iter()
        .map(|file| file["path"].as_str().unwrap())
        .collect();
    assert_eq!(paths, ["config.json", "tokenizer.json"]);
}

#[test]
fn a_repository_that_is_gone_is_kept_here_and_called_missing() {
    let hub = standard();
    let home = Home::of(&hub).with("HF_TOKEN", "hf_good");
    add(&home, "nightly", "acme/tiny", &[]);
    run(&home, "nightly");
    let held = home.blobs();
    hub.change_scene(|scene| scene.repos.retain(|repo| repo.id != "acme/tiny"));
    let gone = run(&home, "nightly");
    assert_eq!(gone["status"], "done", "{gone:#}");
    assert_counts(&gone, &[("missing", 1)]);
    assert_eq!(home.blobs(), held);
    let records = home.succeed(&["uploads", "list", "--json"]).lines();
    assert_eq!(records.len(), 1, "no record is made of what is not there");
}

#[test]
fn what_fails_is_told_with_its_code_and_the_next_run_tries_again() {
    let hub = standard();
    let home = Home::of(&hub);
    add(&home, "nightly", "acme/none", &[]);
    let ran = home.run(&["sync", "run", "--json", "nightly"]);
    assert_eq!(ran.status, Some(1), "{ran:?}");
    let run = &ran.one_line()["run"];
    assert_eq!(run["status"], "done");
    assert_counts(run, &[("seen", 1), ("failed", 1)]);
    let error = &run["difference"]["failed"][0]["error"];
    assert!(
        error["code"].is_string() && error["hint"].is_string(),
        "{run:#}"
    );
}
