//! Processes that die at any moment, and what the next one goes on with.

use std::os::unix::process::ExitStatusExt;

use super::*;
use crate::storage::s3;

/// What a worker passes on the way from parts to an entity, in a folder.
const IN_A_FOLDER: &[&str] = &[
    "claimed",
    "plan-saved",
    "first-joined",
    "joined-some",
    "joined",
    "assembled",
    "read-back",
    "adopted",
    "synced",
    "renamed",
    "published",
    "stored",
    "validating",
    "validated",
    "manifest-written",
    "imported",
];

/// The same with a store that takes the parts itself.
const AT_A_STORE: &[&str] = &[
    "parts-listed",
    "assembled",
    "read-back",
    "adopted",
    "published",
    "stored",
];

/// The same where the server took them.
const THROUGH_THE_SERVER: &[&str] = &[
    "parts-copied",
    "joined",
    "assembled",
    "read-back",
    "published",
];

/// Has a worker end itself at each point, and another go on.
async fn die_at_each(server: &Server, points: &[&str]) {
    for (seed, point) in (10..).zip(points) {
        let file = bytes(seed, 12 * MIB + seed);
        let upload = open(server, file.len() as u64, 2).await;
        send_all(&upload, &file).await;
        act(server, &upload, "complete").await.upload();
        let mut dying = server.home.command(&["worker", "--workers", "1"]);
        dying.env("MODELFERRY_CRASH_AT", point);
        let died = tokio::task::spawn_blocking(move || dying.output().unwrap());
        let died = tokio::time::timeout(std::time::Duration::from_secs(120), died).await;
        let status = died.unwrap_or_else(|_| panic!("{point} was never passed"));
        assert!(status.unwrap().status.signal().is_some(), "{point}");
        let next = server.home.start(&["worker", "--workers", "1"]);
        let record = server.ended(&upload).await;
        assert_eq!(record["status"], "imported", "after {point}: {record:#}");
        assert!(served(server, &record).await == file, "after {point}");
        drop(next);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_dies_between_any_two_steps_loses_no_part() {
    let server = server("0").await;
    die_at_each(&server, IN_A_FOLDER).await;
    assert_eq!(server.home.blobs().len(), IN_A_FOLDER.len());
    assert_eq!(server.home.files("storage/staging"), Vec::<String>::new());
}

async fn at_a_store(through: &str, points: &[&str]) {
    let store = s3::Server::start().await;
    let address = store.place("models");
    let mut home = Home::alone()
        .with("MODELFERRY_STORAGE", &address.place.to_string())
        .with("MODELFERRY_PARTS_THROUGH", through);
    for (name, value) in &address.variables {
        home = home.with(name, value);
    }
    let server = Server::in_home(home, "0").await;
    die_at_each(&server, points).await;
    assert_eq!(store.parts(), 0);
    let objects = store.objects("models");
    assert!(
        !objects.iter().any(|name| name.contains("staging")),
        "{objects:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nor_does_one_that_dies_with_the_parts_at_a_store() {
    at_a_store("storage", AT_A_STORE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nor_does_one_that_dies_with_parts_that_came_through_the_server() {
    at_a_store("server", THROUGH_THE_SERVER).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_dies_with_a_part_has_the_earlier_ones() {
    for point in ["part-aside", "part-kept:2"] {
        let file = bytes(1, 12 * MIB);
        let dying = Server::in_home(Home::alone().with("MODELFERRY_CRASH_AT", point), "0").await;
        let upload = open(&dying, 12 * MIB, 2).await;
        let (first, second) = file.split_at(6 * MIB as usize);
        if point.starts_with("part-kept") {
            put_well(&url(&upload, 1), first).await;
        }
        let cut_off = Client::new().put(url(&upload, 2)).body(second.to_vec());
        assert!(cut_off.send().await.is_err(), "{point} was never passed");
        let home = dying.into_home().with("MODELFERRY_CRASH_AT", "");
        let server = Server::in_home(home, "1").await;
        // The port is another, so the URLs are asked for anew.
        let upload = shown(&server, &upload).await;
        if point.starts_with("part-kept") {
            assert_eq!(server.home.files("storage/staging").len(), 2);
        } else {
            assert_eq!(server.home.files("storage/staging"), Vec::<String>::new());
            send_all(&upload, &file).await;
        }
        act(&server, &upload, "complete").await.upload();
        let record = server.ended(&upload).await;
        assert!(served(&server, &record).await == file, "after {point}");
    }
}
