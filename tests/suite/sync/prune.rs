//! What is gone upstream, removed here where that was asked for.

use std::collections::BTreeSet;

use modelferry_fixtures::Hub;
use serde_json::Value;

use super::{ACME, add, assert_counts, author_of, dry_run, run, sources};
use crate::support::{Home, hub};

fn gone(hub: &Hub, ids: &[&str]) {
    hub.change_scene(|scene| scene.repos.retain(|repo| !ids.contains(&repo.id.as_str())));
}

fn uploads(home: &Home) -> Vec<Value> {
    home.succeed(&["uploads", "list", "--json"]).lines()
}

#[test]
fn what_is_gone_upstream_goes_here_and_gc_takes_its_blobs() {
    let hub = hub(author_of(4));
    let home = Home::of(&hub);
    add(&home, "acme", ACME, &["--prune"]);
    run(&home, "acme");
    let before: BTreeSet<String> = home.files("storage/library").into_iter().collect();
    gone(&hub, &["acme/m2"]);

    assert_counts(
        &dry_run(&home, "acme"),
        &[("seen", 3), ("unchanged", 3), ("missing", 1)],
    );
    assert_eq!(uploads(&home).len(), 4, "a dry run removes nothing");
    let pruned = run(&home, "acme");
    assert_counts(
        &pruned,
        &[("seen", 3), ("unchanged", 3), ("missing", 1), ("pruned", 1)],
    );
    assert_eq!(sources(&pruned, "pruned"), ["acme/m2"]);
    assert_eq!(uploads(&home).len(), 3);
    assert_eq!(home.files("storage/entities").len(), 3);
    let after: BTreeSet<String> = home.files("storage/library").into_iter().collect();
    let left: Vec<&String> = before.difference(&after).collect();
    assert!(left.len() == 1 && left[0].contains("acme/m2/"), "{left:?}");

    assert_eq!(home.blobs().len(), 4, "blobs are the collector's");
    home.succeed(&["gc"]);
    assert_eq!(home.blobs().len(), 3);
    home.succeed(&["verify"]);
    assert_counts(&run(&home, "acme"), &[("seen", 3), ("unchanged", 3)]);
}

#[test]
fn more_than_the_limit_removes_nothing_and_says_so() {
    for (words, missing) in [
        (["--prune", "--prune-limit", "1"], ["acme/m0", "acme/m1"]),
        (["--prune", "--prune-percent", "40"], ["acme/m0", "acme/m1"]),
    ] {
        let hub = hub(author_of(4));
        let home = Home::of(&hub);
        add(&home, "acme", ACME, &words);
        run(&home, "acme");
        gone(&hub, &missing);
        let refused = run(&home, "acme");
        assert_eq!(refused["status"], "failed", "{refused:#}");
        let message = refused["error"]["message"].as_str().unwrap();
        assert!(message.contains("2 of 4 sources are gone"), "{message}");
        assert!(message.contains("nothing was removed"), "{message}");
        assert_counts(&refused, &[("seen", 2), ("unchanged", 2), ("missing", 2)]);
        assert_eq!(uploads(&home).len(), 4);
    }
}

#[test]
fn what_somebody_else_asked_for_too_stays() {
    let hub = hub(author_of(6));
    let home = Home::of(&hub);
    home.succeed(&["import", "acme/m0"]);
    add(&home, "acme", ACME, &["--prune", "--prune-percent", "100"]);
    run(&home, "acme");
    home.succeed(&["import", "acme/m1"]);
    add(&home, "other", "acme/m2", &[]);
    assert_counts(&run(&home, "other"), &[("seen", 1), ("unchanged", 1)]);
    gone(&hub, &["acme/m0", "acme/m1", "acme/m2", "acme/m3"]);
    let pruned = run(&home, "acme");
    assert_counts(
        &pruned,
        &[("seen", 2), ("unchanged", 2), ("missing", 4), ("pruned", 1)],
    );
    assert_eq!(sources(&pruned, "pruned"), ["acme/m3"]);
    assert_eq!(uploads(&home).len(), 5);
}

#[test]
fn every_revision_that_the_sync_imported_goes() {
    let hub = hub(author_of(3));
    let home = Home::of(&hub);
    add(&home, "acme", ACME, &["--prune"]);
    run(&home, "acme");
    super::commit(&hub, "acme/m1", "news.md", "news\n");
    run(&home, "acme");
    assert_eq!(uploads(&home).len(), 4);
    gone(&hub, &["acme/m1"]);
    run(&home, "acme");
    assert_eq!(uploads(&home).len(), 2);
    home.succeed(&["gc"]);
    assert_eq!(home.blobs().len(), 2);
}

#[test]
fn what_a_killed_run_had_begun_to_remove_goes_with_the_next() {
    for point in ["sync-condemned", "sync-unlinked"] {
        let hub = hub(author_of(3));
        let home = Home::of(&hub);
        add(&home, "acme", ACME, &["--prune"]);
        run(&home, "acme");
        gone(&hub, &["acme/m1"]);
        let mut command = home.command(&["sync", "run", "acme"]);
        command.env("MODELFERRY_CRASH_AT", point);
        let killed = crate::support::Running::start(command).ended();
        assert_eq!(killed.status, None, "{point}: {killed:?}");
        let next = run(&home, "acme");
        assert_eq!(next["status"], "done", "{next:#}");
        assert_eq!(uploads(&home).len(), 2, "{point}");
        assert_eq!(home.files("storage/entities").len(), 2, "{point}");
        home.succeed(&["gc"]);
        assert_eq!(home.blobs().len(), 2, "{point}");
    }
}

#[test]
fn without_the_word_nothing_is_removed() {
    let hub = hub(author_of(3));
    let home = Home::of(&hub);
    add(&home, "acme", ACME, &[]);
    run(&home, "acme");
    gone(&hub, &["acme/m1"]);
    assert_counts(
        &run(&home, "acme"),
        &[("seen", 2), ("unchanged", 2), ("missing", 1)],
    );
    assert_eq!(uploads(&home).len(), 3);
    let removed = home.succeed(&["sync", "remove", "acme"]);
    assert!(removed.stdout.contains("stays"), "{removed:?}");
    assert_eq!(uploads(&home).len(), 3, "what a sync imported outlives it");
}
