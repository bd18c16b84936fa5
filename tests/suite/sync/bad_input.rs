//! What can't be meant is refused with a code and a hint, and nothing is half done.

use super::{add, assert_refused};
use crate::support::Home;

#[test]
fn what_is_wrong_with_a_sync_is_told_before_anything_is_stored() {
    let home = Home::alone();
    let pinned = format!("acme/tiny@{}", "a".repeat(40));
    let cases: &[(&[&str], &str, &str)] = &[
        (
            &["x", "acme/tiny", "--cron", "0 3 30 2 *"],
            "invalid_request",
            "never comes true",
        ),
        (
            &["x", "acme/tiny", "--cron", "every day"],
            "invalid_request",
            "no cron expression",
        ),
        (
            &["x", "acme/tiny", "--cron", "61 * * * *"],
            "invalid_request",
            "no cron expression",
        ),
        (
            &["x", "acme/tiny", "--cron", "* * * * * *"],
            "invalid_request",
            "no cron expression",
        ),
        (
            &[
                "x",
                "acme/tiny",
                "--cron",
                "@daily",
                "--timezone",
                "Europe/Berlni",
            ],
            "invalid_request",
            "did you mean Europe/Berlin",
        ),
        (
            &["x", "no source!", "--cron", "@daily"],
            "invalid_source",
            "https://huggingface.co/org",
        ),
        (
            &["x", "ftp://h/x", "--cron", "@daily"],
            "unsupported_source",
            "no web address",
        ),
        (
            &["x", &pinned, "--cron", "@daily"],
            "invalid_source",
            "never changes",
        ),
        (
            &["x", "civitai:4384@128713", "--cron", "@daily"],
            "invalid_source",
            "civitai:4384",
        ),
        (
            &["x", "https://huggingface.co/models", "--cron", "@daily"],
            "invalid_source",
            "every one",
        ),
        (
            &["x", "https://civitai.com/models", "--cron", "@daily"],
            "invalid_source",
            "every model",
        ),
        (
            &["a/b", "acme/tiny", "--cron", "@daily"],
            "invalid_request",
            "is no name",
        ),
        (
            &["", "acme/tiny", "--cron", "@daily"],
            "invalid_request",
            "is no name",
        ),
        (
            &["sync_1", "acme/tiny", "--cron", "@daily"],
            "invalid_request",
            "looks like an id",
        ),
        (
            &["x", "acme/tiny", "--cron", "@daily", "--newest", "0"],
            "invalid_request",
            "newest 0",
        ),
        (
            &["x", "acme/tiny", "--cron", "@daily", "--match", ""],
            "invalid_request",
            "can't be read",
        ),
        (
            &[
                "x",
                "https://huggingface.co/acme",
                "--cron",
                "@daily",
                "--revision",
                "v1",
            ],
            "invalid_request",
            "goes with one repository",
        ),
        (
            &["x", "https://example.com/model.bin", "--cron", "@daily"],
            "invalid_request",
            "needs a kind",
        ),
        (
            &[
                "x",
                "acme/tiny",
                "--cron",
                "@daily",
                "--prune",
                "--prune-limit",
                "0",
            ],
            "invalid_request",
            "prunes nothing",
        ),
        (
            &[
                "x",
                "https://civitai.com/models/4384?token=s3cret",
                "--cron",
                "@daily",
            ],
            "invalid_request",
            "carries a token",
        ),
        (
            &["x", "list:", "--cron", "@daily"],
            "invalid_source",
            "names no file",
        ),
    ];
    for (words, code, said) in cases {
        let words = [&["sync", "add", "--json"], *words].concat();
        let ran = home.run(&words);
        assert_refused(&ran, code, said);
        assert!(!ran.all_text().contains("s3cret"), "{ran:?}");
    }
    assert!(!home.path().exists(), "nothing is half done");
}

#[test]
fn a_name_in_use_is_refused_and_the_first_stays_as_it_is() {
    let home = Home::alone();
    let first = add(&home, "nightly", "acme/tiny", &[]);
    let ran = home.run(&[
        "sync",
        "add",
        "--json",
        "nightly",
        "acme/other",
        "--cron",
        "@daily",
    ]);
    assert_refused(&ran, "invalid_request", "already is a sync named nightly");
    let listed = home.succeed(&["sync", "list", "--json"]).lines();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0]["source"], first["source"]);
}

#[test]
fn a_sync_that_is_not_there_is_not_found() {
    let home = Home::alone();
    add(&home, "nightly", "acme/tiny", &[]);
    for words in [
        &["sync", "show", "none"][..],
        &["sync", "run", "nightly", "none"],
        &["sync", "pause", "none"],
        &["sync", "resume", "none"],
        &["sync", "remove", "none"],
    ] {
        let ran = home.run(words);
        assert_eq!(ran.status, Some(1), "{words:?}: {ran:?}");
        assert!(ran.stderr.contains("not_found"), "{words:?}: {ran:?}");
        assert!(ran.stderr.contains("sync list"), "{words:?}: {ran:?}");
    }
    let shown = home
        .succeed(&["sync", "show", "--json", "nightly"])
        .one_line();
    assert_eq!(
        shown["runs"].as_array().map(Vec::len),
        Some(0),
        "a wrong name runs nothing"
    );
}

#[test]
fn words_that_can_not_stand_together_are_refused() {
    let home = Home::alone();
    for words in [
        &["sync", "run"][..],
        &["sync", "run", "--all", "nightly"],
        &["sync", "add", "x", "acme/tiny"],
        &[
            "sync",
            "add",
            "x",
            "acme/tiny",
            "--cron",
            "@daily",
            "--prune-limit",
            "3",
        ],
        &[
            "sync",
            "add",
            "x",
            "acme/tiny",
            "--cron",
            "@daily",
            "--since",
            "yesterday",
        ],
        &[
            "sync",
            "add",
            "x",
            "acme/tiny",
            "--cron",
            "@daily",
            "--max-size",
            "much",
        ],
    ] {
        let ran = home.run(words);
        assert_eq!(ran.status, Some(2), "{words:?}: {ran:?}");
    }
}
