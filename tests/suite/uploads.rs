//! Cancelling, retrying and watching uploads; what shells and `man` are given.

use modelferry_fixtures::{Content, Fault, Hub, PlainFile, Scene, Site};

use crate::support::{Home, Running, eventually, hub, standard};

const MIB: u64 = 1024 * 1024;

fn slow_hub() -> (Hub, String) {
    let hub = hub(Scene::empty().file(PlainFile::new("/big.bin", Content::seeded(9, 48 * MIB))));
    hub.order(Fault::throttle(4 * MIB).on(Site::Files));
    let source = format!("{}/big.bin", hub.files_url());
    (hub, source)
}

/// An import under way, and its record's id.
fn under_way(hub: &Hub, home: &Home, source: &str) -> (Running, String) {
    let running = home.start(&["import", "--json", source]);
    eventually("bytes are on their way", || {
        hub.bytes_sent(Site::Files) > 2 * MIB
    });
    let record = home.succeed(&["uploads", "list", "--json"]).one_line();
    (running, record["id"].as_str().unwrap().to_owned())
}

#[test]
fn a_cancelled_upload_stops_where_it_runs_and_a_retry_brings_it_in() {
    let (hub, source) = slow_hub();
    let home = Home::of(&hub);
    let (running, id) = under_way(&hub, &home, &source);
    let cancelled = home
        .succeed(&["uploads", "cancel", &id, "--json"])
        .one_line();
    assert_eq!(cancelled["status"], "failed", "{cancelled:#}");
    let message = cancelled["errorMessage"].as_str().unwrap();
    assert!(message.ends_with(" [cancelled]"), "{message}");
    let ran = running.ended();
    assert_eq!(ran.status, Some(1), "{ran:?}");
    assert_eq!(ran.one_line()["error"]["code"], "cancelled", "{ran:?}");
    let again = home.run(&["uploads", "cancel", &id]);
    assert_eq!(again.status, Some(1), "{again:?}");
    assert_eq!(home.blobs(), Vec::<String>::new());
    hub.clear_faults();
    let retried = home
        .succeed(&["uploads", "retry", &id, "--json"])
        .one_line();
    assert_eq!(retried["outcome"], "imported", "{retried:#}");
    assert_eq!(retried["upload"]["id"], id.as_str());
    let hash = retried["artifacts"][0]["sha256"].as_str().unwrap();
    home.assert_holds_only(&[hash.to_owned()]);
    let refused = home.run(&["uploads", "retry", &id, "--json"]);
    assert_eq!(refused.status, Some(1), "{refused:?}");
    assert_eq!(refused.one_line()["error"]["code"], "invalid_request");
}

#[test]
fn a_watched_upload_is_told_of_until_it_ends() {
    let (hub, source) = slow_hub();
    let home = Home::of(&hub);
    let (running, id) = under_way(&hub, &home, &source);
    let watching = home.start(&["uploads", "watch", &id, "--json"]);
    std::thread::sleep(std::time::Duration::from_millis(300));
    hub.clear_faults();
    assert_eq!(running.ended().status, Some(0));
    let watched = watching.ended();
    assert_eq!(watched.status, Some(0), "{watched:?}");
    let lines = watched.lines();
    let last = lines.last().unwrap();
    assert_eq!(last["status"], "imported", "{last:#}");
    assert_eq!(last["bytes"], 48 * MIB, "{last:#}");
    assert_eq!(last["filesStored"], 1, "{last:#}");
    assert!(lines.iter().all(|line| line["id"] == id.as_str()));
}

#[test]
fn a_watch_over_everything_ends_when_it_is_asked_to() {
    let (hub, source) = slow_hub();
    let home = Home::of(&hub);
    let (running, id) = under_way(&hub, &home, &source);
    let watching = home.start(&["uploads", "watch", "--json"]);
    std::thread::sleep(std::time::Duration::from_millis(1500));
    watching.signal("INT");
    let watched = watching.ended();
    assert_eq!(watched.status, Some(0), "{watched:?}");
    assert!(watched.stdout.contains(&id), "{watched:?}");
    running.signal("TERM");
    assert_eq!(running.ended().status, Some(130));
}

#[test]
fn an_upload_that_is_not_there_can_be_neither() {
    let hub = standard();
    let home = Home::of(&hub);
    for word in ["watch", "cancel", "retry"] {
        let ran = home.run(&["uploads", word, "upload_none"]);
        assert_eq!(ran.status, Some(1), "{word}: {ran:?}");
        assert!(ran.stderr.contains("[not_found]"), "{word}: {ran:?}");
    }
}

#[test]
fn shells_complete_the_commands_and_man_has_a_page_for_each() {
    let home = Home::alone();
    for shell in ["bash", "zsh", "fish"] {
        let text = home.succeed(&["completions", shell]).stdout;
        assert!(text.contains("modelferry"), "{shell}");
        assert!(text.contains("fail-fast"), "{shell}");
    }
    let script = home.succeed(&["completions", "bash"]).stdout;
    let checked = std::process::Command::new("bash")
        .args(["-n", "-c", &script])
        .status();
    assert!(checked.unwrap().success());
    let folder = home.beside("man");
    home.succeed(&["completions", "--man", &folder.display().to_string()]);
    for page in ["modelferry.1", "modelferry-import.1", "modelferry-batch.1"] {
        let text = std::fs::read_to_string(folder.join(page)).unwrap();
        assert!(text.contains(".TH"), "{page}");
    }
    assert_eq!(home.run(&["completions"]).status, Some(2));
    assert_eq!(home.run(&["completions", "tcsh"]).status, Some(2));
}
