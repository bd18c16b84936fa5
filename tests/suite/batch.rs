//! Many sources from one list.

use std::fs;
use std::io::Write;

use modelferry_fixtures::{Content, Fault, Hub, PlainFile, Scene, Site};
use serde_json::Value;

use crate::support::{Home, Ran, eventually, hub, standard};

/// A list in a file beside the home.
fn list(home: &Home, name: &str, text: &str) -> String {
    let path = home.beside(name);
    fs::write(&path, text).unwrap();
    path.display().to_string()
}

fn outcomes(lines: &[Value]) -> Vec<(u64, String)> {
    let mut outcomes: Vec<_> = lines
        .iter()
        .map(|line| {
            let outcome = line["outcome"].as_str().unwrap_or_default();
            (
                line["line"].as_u64().unwrap_or_default(),
                outcome.to_owned(),
            )
        })
        .collect();
    outcomes.sort();
    outcomes
}

fn pairs(expected: &[(u64, &str)]) -> Vec<(u64, String)> {
    expected
        .iter()
        .map(|(line, outcome)| (*line, (*outcome).to_owned()))
        .collect()
}

fn small_files(count: u64) -> Hub {
    let scene = (0..count).fold(Scene::empty(), |scene, nth| {
        let content = Content::safetensors(nth, 20_000);
        scene.file(PlainFile::new(&format!("/{nth}.safetensors"), content))
    });
    hub(scene)
}

fn urls(hub: &Hub, count: u64) -> String {
    (0..count)
        .map(|nth| format!("{}/{nth}.safetensors\n", hub.files_url()))
        .collect()
}

#[test]
fn a_list_is_imported_and_a_bad_line_stops_no_other() {
    let hub = standard();
    let home = Home::of(&hub);
    let text = "# a fleet\nacme/tiny\n\nno source at all!\nciviatai:4384@128713\ncivitai:4384@128713 # weights\nacme/none\n";
    let list = list(&home, "fleet.txt", text);
    let ran = home.run(&["batch", "--json", &list]);
    assert_eq!(ran.status, Some(1), "{ran:?}");
    let lines = ran.lines();
    let expected = [
        (2, "imported"),
        (4, "failed"),
        (5, "failed"),
        (6, "imported"),
        (7, "failed"),
    ];
    assert_eq!(outcomes(&lines), pairs(&expected));
    for number in [4, 5, 7] {
        assert!(ran.stderr.contains(&format!("line {number}, ")), "{ran:?}");
    }
    for line in lines {
        assert_eq!(
            line["error"].is_null(),
            line["outcome"] != "failed",
            "{line:#}"
        );
    }
}

#[test]
fn again_everything_is_unchanged_and_no_body_moves() {
    let hub = standard();
    let home = Home::of(&hub);
    let list = list(&home, "fleet.txt", "acme/tiny\ncivitai:4384@128713\n");
    let first = home.succeed(&["batch", &list]);
    assert!(
        first.stdout.contains("2 imported, 0 unchanged, 0 failed"),
        "{first:?}"
    );
    hub.forget_requests();
    let second = home.succeed(&["batch", &list]);
    assert!(
        second.stdout.contains("0 imported, 2 unchanged, 0 failed"),
        "{second:?}"
    );
    assert_eq!(hub.bytes_sent(Site::Cdn), 0);
}

#[test]
fn duplicates_are_folded() {
    let hub = standard();
    let home = Home::of(&hub);
    let list = list(
        &home,
        "fleet.txt",
        "acme/tiny\nhf://acme/tiny\nhf://models/acme/tiny\nacme/tiny@v1\n",
    );
    let ran = home.succeed(&["batch", &list]);
    assert!(ran.stdout.contains("2 duplicates"), "{ran:?}");
    assert_eq!(ran.stdout.matches("acme/tiny").count(), 2, "{ran:?}");
}

#[test]
fn tables_and_json_lines_choose_for_each_source() {
    let hub = standard();
    let home = Home::of(&hub);
    let table = "source,kind,revision,include\nacme/tiny,model,v1,model.safetensors;config.json\n";
    let json = "{\"source\":\"hf://datasets/acme/data\",\"include\":[\"*.md\"]}\n";
    for (name, text, files) in [("a.csv", table, 2), ("a.jsonl", json, 1)] {
        let list = list(&home, name, text);
        let line = home.succeed(&["batch", "--json", &list]).one_line();
        assert_eq!(line["outcome"], "imported", "{line:#}");
        assert_eq!(
            line["artifacts"].as_array().map(Vec::len),
            Some(files),
            "{line:#}"
        );
    }
}

#[test]
fn stdin_is_a_list_too() {
    let hub = standard();
    let home = Home::of(&hub);
    let ran = with_stdin(&home, &["batch", "--json", "-"], b"acme/tiny\n");
    assert_eq!(ran.status, Some(0), "{ran:?}");
    assert_eq!(ran.one_line()["outcome"], "imported");
    let rows = b"source\nacme/tiny\n";
    let ran = with_stdin(&home, &["batch", "--json", "--format", "csv", "-"], rows);
    assert_eq!(ran.one_line()["outcome"], "unchanged", "{ran:?}");
}

fn with_stdin(home: &Home, words: &[&str], bytes: &[u8]) -> Ran {
    let mut command = home.command(words);
    command.stdin(std::process::Stdio::piped());
    let mut running = crate::support::Running::start(command);
    running.stdin().write_all(bytes).unwrap();
    running.ended()
}

#[test]
fn the_report_has_one_line_a_source_as_import_prints_it() {
    let hub = standard();
    let home = Home::of(&hub);
    let list = list(&home, "fleet.txt", "acme/none\ncivitai:4384@128713\n");
    let report = home.beside("report.jsonl").display().to_string();
    let ran = home.run(&["batch", &list, "--report", &report]);
    assert_eq!(ran.status, Some(1), "{ran:?}");
    let text = fs::read_to_string(&report).unwrap();
    let mut lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    lines.sort_by_key(|line| line["line"].as_u64());
    assert_eq!(outcomes(&lines), pairs(&[(1, "failed"), (2, "imported")]));
    let mut imported = lines[1].clone();
    imported.as_object_mut().unwrap().remove("line");
    let again = home.import(&["civitai:4384@128713"]);
    assert_eq!(imported["upload"], again["upload"]);
    assert_eq!(
        imported["artifacts"][0]["sha256"],
        again["artifacts"][0]["sha256"]
    );
}

#[test]
fn what_is_no_list_does_nothing_at_all() {
    let hub = standard();
    let home = Home::of(&hub);
    let cases: &[(&str, &[u8], &str)] = &[
        (
            "bad.csv",
            b"url,kind\nacme/tiny,model\n",
            "source,kind,revision",
        ),
        ("nul.txt", b"acme/tiny\nacme/\0data\n", "line 2 has a NUL"),
        ("utf16.txt", b"\xff\xfea\0c\0m\0e\0", "NUL"),
        (
            "latin.txt",
            b"acme/tiny\nacme/caf\xe9\n",
            "not in UTF-8: line 2",
        ),
    ];
    for (name, bytes, said) in cases {
        let path = home.beside(name);
        fs::write(&path, bytes).unwrap();
        let ran = home.run(&["batch", "--json", &path.display().to_string()]);
        assert_eq!(ran.status, Some(2), "{name}: {ran:?}");
        assert_eq!(ran.one_line()["error"]["code"], "invalid_request");
        assert!(ran.stderr.contains(said), "{name}: {ran:?}");
    }
    let missing = home.run(&["batch", "/nowhere/list.txt"]);
    assert_eq!(missing.status, Some(2), "{missing:?}");
    assert!(hub.requests().is_empty());
    assert!(!home.path().exists());
}

/// Sparse: a list of 1 GB takes no room on the disk, and none in memory.
#[test]
fn a_list_of_a_gigabyte_is_refused() {
    let home = Home::alone();
    let path = home.beside("huge.txt");
    fs::File::create(&path).unwrap().set_len(1 << 30).unwrap();
    let ran = home.run(&["batch", "--json", &path.display().to_string()]);
    assert_eq!(ran.status, Some(2), "{ran:?}");
    assert_eq!(ran.one_line()["error"]["code"], "too_large");
}

#[test]
fn fail_fast_stops_at_the_first_failure_and_the_rest_is_left() {
    let hub = small_files(30);
    let home = Home::of(&hub);
    let text = format!("acme/none\n{}", urls(&hub, 30));
    let list = list(&home, "fleet.txt", &text);
    let ran = home.run(&["batch", "--fail-fast", "--jobs", "1", "--json", &list]);
    assert_eq!(ran.status, Some(1), "{ran:?}");
    assert_eq!(outcomes(&ran.lines()), pairs(&[(1, "failed")]));
    assert!(ran.stderr.contains("30 left"), "{ran:?}");
}

#[test]
fn an_interrupted_batch_goes_on_where_it_was() {
    let hub = small_files(40);
    hub.order(Fault::delay(std::time::Duration::from_millis(30)).on(Site::Files));
    let home = Home::of(&hub);
    let list = list(&home, "fleet.txt", &urls(&hub, 40));
    let running = home.start(&["batch", "--json", "--jobs", "4", &list]);
    eventually("some are in", || home.files("storage/entities").len() > 4);
    running.signal("INT");
    let first = running.ended();
    assert_eq!(first.status, Some(130), "{first:?}");
    assert!(
        first.stderr.contains("run the same command again"),
        "{first:?}"
    );
    hub.clear_faults();
    let second = home.succeed(&["batch", "--json", &list]);
    let lines = second.lines();
    assert_eq!(lines.len(), 40);
    let unchanged = lines
        .iter()
        .filter(|line| line["outcome"] == "unchanged")
        .count();
    assert!(unchanged >= first.lines().len(), "{unchanged}");
    assert!(lines.iter().all(|line| line["error"].is_null()));
    assert_eq!(home.blobs().len(), 40);
    let records = home.succeed(&["uploads", "list", "--json", "--limit", "1000"]);
    assert_eq!(records.lines().len(), 40, "no source has two records");
}
