//! Who runs what is due, and when: real processes on one database.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use modelferry::records::{NewSync, Records, RunCause, RunRow, RunStatus, SyncRow};
use modelferry::request::LOCAL_OWNER;
use modelferry_fixtures::{Content, Fault, Hub, PlainFile, Scene, Site};
use serde_json::json;

use super::model;
use crate::api::until;
use crate::databases::{Backend, TestDatabase};
use crate::support::{Home, Ran, Running};

const MIB: u64 = 1024 * 1024;

/// Homes of several machines with one database and one storage.
struct Machines<'a> {
    hub: &'a Hub,
    database: &'a TestDatabase,
    storage: tempfile::TempDir,
}

impl<'a> Machines<'a> {
    fn new(hub: &'a Hub, database: &'a TestDatabase) -> Self {
        Self {
            hub,
            database,
            storage: tempfile::tempdir().unwrap(),
        }
    }

    fn home(&self) -> Home {
        Home::of(self.hub)
            .with("MODELFERRY_DATABASE_URL", &self.database.url)
            .with(
                "MODELFERRY_STORAGE",
                &format!("file://{}", self.storage.path().display()),
            )
            .with("MODELFERRY_LEASE", "4 s")
            .with("RUST_LOG", "modelferry=info")
    }
}

/// A sync that is due then, and after that once a year.
async fn sync(records: &Records, name: &str, source: &str, due: Option<DateTime<Utc>>) -> SyncRow {
    let new = NewSync {
        owner: LOCAL_OWNER,
        name,
        spec: &json!({ "source": source, "author": LOCAL_OWNER, "kind": "asset" }),
        cron: "0 3 1 1 *",
        time_zone: "UTC",
        is_paused: false,
        next_run_at: due,
    };
    records.create_sync(&new).await.unwrap()
}

fn ago(time: TimeDelta) -> Option<DateTime<Utc>> {
    Some(Utc::now() - time)
}

async fn runs(records: &Records, sync: &SyncRow) -> Vec<RunRow> {
    records.sync_runs(&sync.id, None, 100).await.unwrap()
}

async fn until_done(records: &Records, sync: &SyncRow) {
    until("the sync has been run", async || {
        let runs = runs(records, sync).await;
        runs.first()
            .is_some_and(|run| run.status == RunStatus::Done)
    })
    .await;
}

async fn ended(running: Running) -> Ran {
    tokio::task::spawn_blocking(|| running.ended())
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_processes_one_runs_what_is_due_and_missed_runs_come_to_one() {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let scene = (0..6).fold(Scene::empty(), |scene, nth| {
            scene.repo(model(&format!("acme/m{nth}"), nth))
        });
        let (hub, database) = (Hub::start(scene).await.unwrap(), backend.fresh().await);
        let records = &database.records;
        let mut syncs = Vec::new();
        for nth in 0..6 {
            let source = format!("acme/m{nth}");
            // Hundreds of runs were missed.
            let due = ago(TimeDelta::days(900));
            syncs.push(sync(records, &format!("s{nth}"), &source, due).await);
        }
        let machines = Machines::new(&hub, &database);
        let homes = [machines.home(), machines.home()];
        let workers = homes
            .each_ref()
            .map(|home| home.start(&["worker", "--workers", "1"]));
        for sync in &syncs {
            until_done(records, sync).await;
        }
        // Time enough for a second run of something, if there were one.
        tokio::time::sleep(Duration::from_secs(3)).await;
        for sync in &syncs {
            let runs = runs(records, sync).await;
            assert_eq!(runs.len(), 1, "{backend:?}: {runs:?}");
            assert_eq!(runs[0].cause, RunCause::Schedule);
            let now = records.sync(LOCAL_OWNER, &sync.id).await.unwrap();
            assert!(now.next_run_at.unwrap() > Utc::now(), "{now:?}");
        }
        for worker in workers {
            worker.signal("TERM");
            assert_eq!(ended(worker).await.status, Some(0));
        }
    }
}

/// Two files, of which the second comes slowly.
async fn slow_hub() -> Hub {
    let scene = Scene::empty()
        .file(PlainFile::new("/0.bin", Content::seeded(1, 2 * MIB)))
        .file(PlainFile::new("/1.bin", Content::seeded(2, 24 * MIB)));
    let hub = Hub::start(scene).await.unwrap();
    let list = format!("{0}/0.bin\n{0}/1.bin\n", hub.files_url());
    let list = PlainFile::new("/list.txt", Content::bytes(list));
    hub.change_scene(|scene| scene.files.push(list));
    hub.order(Fault::throttle(3 * MIB).on(Site::Files).path("1.bin"));
    hub
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_whose_process_is_killed_is_interrupted_and_the_next_goes_on() {
    for (backend, signal) in [
        (Backend::Sqlite, "KILL"),
        (Backend::Postgres, "KILL"),
        (Backend::Sqlite, "TERM"),
    ] {
        let (hub, database) = (slow_hub().await, backend.fresh().await);
        let records = &database.records;
        let list = format!("{}/list.txt", hub.files_url());
        let made = sync(records, "nightly", &list, ago(TimeDelta::minutes(1))).await;
        let machines = Machines::new(&hub, &database);
        // One connection: the parts of the large file come one after the other.
        let first = machines.home().with("MODELFERRY_CONNECTIONS_PER_HOST", "1");
        let second = machines.home();
        let killed = first.start(&["worker", "--workers", "1"]);
        until("much of the large file came", async || {
            hub.bytes_sent(Site::Files) > 12 * MIB
        })
        .await;
        killed.signal(signal);
        ended(killed).await;
        hub.clear_faults();
        let other = second.start(&["worker", "--workers", "1"]);
        until_done(records, &made).await;
        let runs = runs(records, &made).await;
        let statuses: Vec<_> = runs.iter().map(|run| run.status.as_str()).collect();
        assert_eq!(statuses, ["done", "interrupted"], "{backend:?} {signal}");
        let done = &runs[0].counts;
        assert_eq!((done.seen, done.failed), (2, 0), "{done:?}");
        // Who is asked to stop keeps every whole part; a kill may cost those of no checkpoint.
        let again = if signal == "TERM" { 16 } else { 24 } * MIB;
        assert!(done.bytes <= again, "{backend:?} {signal}: {done:?}");
        other.signal("TERM");
        ended(other).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_by_hand_beside_another_is_refused_and_says_whose_it_is() {
    let (hub, database) = (slow_hub().await, Backend::Sqlite.fresh().await);
    let records = &database.records;
    let list = format!("{}/list.txt", hub.files_url());
    let made = sync(records, "nightly", &list, ago(TimeDelta::minutes(1))).await;
    let machines = Machines::new(&hub, &database);
    let (first, second) = (machines.home(), machines.home());
    let worker = first.start(&["worker", "--workers", "1"]);
    until("it is being run", async || {
        hub.bytes_sent(Site::Files) > 3 * MIB
    })
    .await;
    let by_hand = second.start(&["sync", "run", "--json", "nightly"]);
    let by_hand = ended(by_hand).await;
    assert_eq!(by_hand.status, Some(1), "{by_hand:?}");
    let pid = format!("process {}", worker.id());
    assert!(
        by_hand.stderr.contains("is being run by worker_"),
        "{by_hand:?}"
    );
    assert!(by_hand.stderr.contains(&pid), "{by_hand:?}");
    hub.clear_faults();
    until_done(records, &made).await;
    assert_eq!(runs(records, &made).await.len(), 1);
    worker.signal("TERM");
    ended(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_paused_is_not_run_and_resumed_it_is_due_from_now_on() {
    let hub = Hub::start(Scene::empty().repo(model("acme/m0", 1)))
        .await
        .unwrap();
    let database = Backend::Sqlite.fresh().await;
    let records = &database.records;
    let paused = sync(records, "paused", "acme/m0", ago(TimeDelta::days(2))).await;
    let machines = Machines::new(&hub, &database);
    let home = machines.home();
    let told = home
        .succeed(&["sync", "pause", "--json", "paused"])
        .one_line();
    assert_eq!(
        (&told["paused"], &told["nextRunAt"]),
        (&json!(true), &json!(null))
    );
    let worker = home.start(&["worker", "--workers", "1"]);
    // A second sync shows that the scheduler has looked.
    let other = sync(records, "other", "acme/m0", ago(TimeDelta::minutes(1))).await;
    until_done(records, &other).await;
    assert_eq!(runs(records, &paused).await, []);

    let told = home
        .succeed(&["sync", "resume", "--json", "paused"])
        .one_line();
    let next: DateTime<Utc> = told["nextRunAt"].as_str().unwrap().parse().unwrap();
    assert!(next > Utc::now(), "{told:#}");
    let later = sync(records, "later", "acme/m0", ago(TimeDelta::minutes(1))).await;
    until_done(records, &later).await;
    assert_eq!(
        runs(records, &paused).await,
        [],
        "what was missed is not made up for"
    );
    worker.signal("TERM");
    ended(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_asked_for_is_begun_by_a_worker_of_another_process() {
    let hub = Hub::start(Scene::empty().repo(model("acme/m0", 1)))
        .await
        .unwrap();
    let database = Backend::Postgres.fresh().await;
    let records = &database.records;
    let made = sync(records, "nightly", "acme/m0", None).await;
    let machines = Machines::new(&hub, &database);
    let home = machines.home();
    let worker = home.start(&["worker", "--workers", "1"]);
    let asked = records.request_run(LOCAL_OWNER, "nightly").await.unwrap();
    until_done(records, &made).await;
    let runs = runs(records, &made).await;
    assert_eq!((runs.len(), &runs[0].id), (1, &asked.id));
    assert_eq!(runs[0].cause, RunCause::Request);
    worker.signal("TERM");
    ended(worker).await;
}
