//! Stopped on the way, by a signal or by force: the same command goes on.

use std::time::{Duration, Instant};

use modelferry_fixtures::{Content, Fault, Hub, PlainFile, Scene, Site};
use serde_json::Value;

use crate::support::{Home, Running, eventually, hub};

const MIB: u64 = 1024 * 1024;
const SIZE: u64 = 48 * MIB;

/// A hub with one file, handed out slowly enough to be stopped on the way.
fn slow_hub() -> Hub {
    let hub = hub(Scene::empty().file(PlainFile::new("/big.bin", Content::seeded(7, SIZE))));
    hub.order(Fault::throttle(6 * MIB).on(Site::Files));
    hub
}

fn source(hub: &Hub) -> String {
    format!("{}/big.bin", hub.files_url())
}

/// Starts an import and waits until a good part of the file is on its way.
fn start_and_wait(hub: &Hub, home: &Home, bytes: u64) -> Running {
    let running = home.start(&["import", "--json", &source(hub)]);
    eventually("bytes are on their way", || {
        hub.bytes_sent(Site::Files) > bytes
    });
    running
}

fn records(home: &Home) -> Vec<Value> {
    home.succeed(&["uploads", "list", "--json"]).lines()
}

#[test]
fn ctrl_c_and_sigterm_stop_cleanly_and_the_second_run_goes_on() {
    for signal in ["INT", "TERM"] {
        let hub = slow_hub();
        let home = Home::of(&hub).with("MODELFERRY_CONNECTIONS", "2");
        let running = start_and_wait(&hub, &home, 20 * MIB);
        let asked = Instant::now();
        running.signal(signal);
        let ran = running.ended();
        assert!(asked.elapsed() < Duration::from_secs(5), "{signal}");
        assert_eq!(ran.status, Some(130), "{signal}: {ran:?}");
        assert_eq!(ran.stdout, "", "{signal}");
        assert!(ran.stderr.contains("run the same command again"), "{ran:?}");
        let before = records(&home);
        assert_eq!(before[0]["status"], "pending", "{before:#?}");
        hub.clear_faults();
        let line = home.import(&[&source(&hub)]);
        assert_eq!(line["outcome"], "imported", "{line:#}");
        assert_eq!(line["upload"]["id"], before[0]["id"], "{line:#}");
        let moved = line["artifacts"][0]["bytesTransferred"].as_u64().unwrap();
        assert!(moved < SIZE, "{signal}: {moved} of {SIZE} again");
        home.assert_holds_only(&[hash(&line)]);
    }
}

fn hash(line: &Value) -> String {
    line["artifacts"][0]["sha256"].as_str().unwrap().to_owned()
}

/// Its lease runs for 30 seconds more, and nobody waits for it.
#[test]
fn after_a_kill_the_same_command_goes_on_at_once() {
    let hub = slow_hub();
    let home = Home::of(&hub);
    let running = start_and_wait(&hub, &home, 10 * MIB);
    running.signal("KILL");
    assert_eq!(running.ended().status, None);
    let before = records(&home);
    hub.clear_faults();
    let started = Instant::now();
    let line = home.import(&[&source(&hub)]);
    assert!(started.elapsed() < Duration::from_secs(25));
    assert_eq!(line["outcome"], "imported", "{line:#}");
    assert_eq!(line["upload"]["id"], before[0]["id"], "{line:#}");
    home.assert_holds_only(&[hash(&line)]);
    assert_eq!(home.files("workers"), Vec::<String>::new());
}

#[test]
fn two_processes_on_one_home_share_one_import() {
    let hub = slow_hub();
    let home = Home::of(&hub);
    let first = start_and_wait(&hub, &home, MIB);
    let second = home.start(&["import", "--json", &source(&hub)]);
    let lines = [first.ended().one_line(), second.ended().one_line()];
    for line in &lines {
        assert_eq!(line["outcome"], "imported", "{line:#}");
    }
    assert_eq!(lines[0]["upload"], lines[1]["upload"]);
    assert_eq!(records(&home).len(), 1);
    let sent = hub.bytes_sent(Site::Files);
    assert!(sent < SIZE + SIZE / 2, "{sent} bytes for {SIZE}");
    home.assert_holds_only(&[hash(&lines[0])]);
}
