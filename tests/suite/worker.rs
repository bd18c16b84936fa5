//! `worker`, as many processes on one database: every upload ends once,
//! whatever happens to who works on it.

use modelferry::records::{Filter, Records};
use modelferry::request::LOCAL_OWNER;
use modelferry::upload::{Kind, Upload, UploadStatus};
use modelferry_fixtures::{Content, Fault, Hub, PlainFile, Scene, Site};

use crate::databases::{Backend, TestDatabase};
use crate::records::{create, request};
use crate::support::{Home, Running};

const MIB: u64 = 1024 * 1024;

/// A hub with some files, which comes to about a second each.
async fn slow_hub(files: u64) -> Hub {
    let mut scene = Scene::empty();
    for nth in 0..files {
        scene = scene.file(PlainFile::new(
            &format!("/{nth}.bin"),
            Content::seeded(nth, 8 * MIB),
        ));
    }
    let hub = Hub::start(scene).await.unwrap();
    hub.order(Fault::throttle(4 * MIB).on(Site::Files));
    hub
}

/// Homes of several machines with one database and one storage.
struct Machines<'a> {
    hub: &'a Hub,
    database: &'a TestDatabase,
    storage: tempfile::TempDir,
}

impl Machines<'_> {
    fn home(&self) -> Home {
        Home::of(self.hub)
            .with("MODELFERRY_DATABASE_URL", &self.database.url)
            .with(
                "MODELFERRY_STORAGE",
                &format!("file://{}", self.storage.path().display()),
            )
            .with("MODELFERRY_LEASE", "2 s")
            .with("RUST_LOG", "modelferry=info")
    }

    async fn ask_for(&self, nth: u64) -> Upload {
        let mut request = request(&format!("{}/{nth}.bin", self.hub.files_url()));
        request.kind = Some(Kind::Asset);
        create(&self.database.records, &request).await
    }
}

fn machines<'a>(hub: &'a Hub, database: &'a TestDatabase) -> Machines<'a> {
    Machines {
        hub,
        database,
        storage: tempfile::tempdir().unwrap(),
    }
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let patience = std::time::Duration::from_secs(120);
    let wait = async {
        while !holds().await {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(patience, wait)
        .await
        .unwrap_or_else(|_| panic!("never: {what}"));
}

async fn status(records: &Records, upload: &Upload) -> UploadStatus {
    let detail = records.get(LOCAL_OWNER, &upload.id).await.unwrap();
    detail.upload.status
}

async fn until_imported(records: &Records, upload: &Upload) {
    until("imported", async || {
        let now = status(records, upload).await;
        assert_ne!(now, UploadStatus::Failed, "{upload:?}");
        now == UploadStatus::Imported
    })
    .await;
}

async fn until_bytes_move(hub: &Hub) {
    until("bytes are on their way", async || {
        hub.bytes_sent(Site::Files) > MIB
    })
    .await;
}

async fn ended(running: Running) -> crate::support::Ran {
    tokio::task::spawn_blocking(|| running.ended())
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_of_several_machines_share_what_waits() {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let (hub, database) = (slow_hub(6).await, backend.fresh().await);
        let machines = machines(&hub, &database);
        for nth in 0..6 {
            machines.ask_for(nth).await;
        }
        let homes = [machines.home(), machines.home()];
        let workers = homes
            .each_ref()
            .map(|home| home.start(&["worker", "--workers", "2"]));
        let filter = Filter {
            statuses: vec![UploadStatus::Imported],
            limit: 10,
            ..Filter::default()
        };
        until("all are imported", async || {
            database
                .records
                .list(LOCAL_OWNER, &filter)
                .await
                .unwrap()
                .len()
                == 6
        })
        .await;
        let mut done = Vec::new();
        for worker in workers {
            worker.signal("TERM");
            let ran = ended(worker).await;
            assert_eq!(ran.status, Some(0), "{ran:?}");
            done.push(ran.stderr.matches("done").count());
        }
        assert_eq!(done.iter().sum::<usize>(), 6);
        assert!(
            done.iter().all(|done| *done > 0),
            "{backend:?}: one did it all: {done:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_asked_to_end_puts_its_work_back_at_once() {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let (hub, database) = (slow_hub(4).await, backend.fresh().await);
        let machines = machines(&hub, &database);
        for nth in 0..4 {
            machines.ask_for(nth).await;
        }
        let home = machines.home();
        let worker = home.start(&["worker", "--workers", "4"]);
        until_bytes_move(&hub).await;
        let asked = std::time::Instant::now();
        worker.signal("TERM");
        let ran = ended(worker).await;
        assert!(
            asked.elapsed() < std::time::Duration::from_secs(30),
            "{ran:?}"
        );
        assert_eq!(ran.status, Some(0), "{ran:?}");
        let queue = database.records.queue().await.unwrap();
        assert_eq!(
            (queue.running, queue.delayed),
            (0, 0),
            "{backend:?}: {ran:?}"
        );
        let ended = ran.stderr.matches("put back").count() + ran.stderr.matches("done").count();
        assert!(ended > 0, "{backend:?}: {ran:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_workers_upload_goes_on_elsewhere() {
    let (hub, database) = (slow_hub(1).await, Backend::Postgres.fresh().await);
    let machines = machines(&hub, &database);
    let upload = machines.ask_for(0).await;
    let (first, second) = (machines.home(), machines.home());
    let killed = first.start(&["worker", "--workers", "1"]);
    until_bytes_move(&hub).await;
    killed.signal("KILL");
    ended(killed).await;
    let _other = second.start(&["worker", "--workers", "1"]);
    until_imported(&database.records, &upload).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_stopped_beyond_its_lease_changes_nothing_more() {
    let (hub, database) = (slow_hub(1).await, Backend::Postgres.fresh().await);
    let machines = machines(&hub, &database);
    let upload = machines.ask_for(0).await;
    let (first, second) = (machines.home(), machines.home());
    let stopped = first.start(&["worker", "--workers", "1"]);
    until_bytes_move(&hub).await;
    stopped.signal("STOP");
    let other = second.start(&["worker", "--workers", "1"]);
    until_imported(&database.records, &upload).await;
    let before = database.records.get(LOCAL_OWNER, &upload.id).await.unwrap();
    stopped.signal("CONT");
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    stopped.signal("TERM");
    let ran = ended(stopped).await;
    assert!(ran.stderr.contains("let go"), "{ran:?}");
    other.signal("TERM");
    let ran = ended(other).await;
    assert!(ran.stderr.contains("done"), "{ran:?}");
    let after = database.records.get(LOCAL_OWNER, &upload.id).await.unwrap();
    assert_eq!(after.upload, before.upload);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_upload_stops_at_once_and_leaves_nothing_staged() {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let (hub, database) = (slow_hub(1).await, backend.fresh().await);
        hub.clear_faults();
        hub.order(Fault::throttle(MIB / 2).on(Site::Files));
        let machines = machines(&hub, &database);
        let upload = machines.ask_for(0).await;
        let home = machines.home();
        let _worker = home.start(&["worker", "--workers", "1"]);
        until_bytes_move(&hub).await;
        assert!(
            database
                .records
                .cancel(LOCAL_OWNER, &upload.id)
                .await
                .unwrap()
        );
        let staging = machines.storage.path().join("staging");
        until("staging is empty", async || {
            std::fs::read_dir(&staging).unwrap().next().is_none()
        })
        .await;
        assert_eq!(
            status(&database.records, &upload).await,
            UploadStatus::Failed
        );
        assert!(
            hub.bytes_sent(Site::Files) < 8 * MIB,
            "the transfer went on"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_is_away_for_a_while_costs_no_upload() {
    let (hub, database) = (slow_hub(1).await, Backend::Postgres.fresh().await);
    hub.clear_faults();
    hub.order(Fault::status(503).on(Site::Files));
    let machines = machines(&hub, &database);
    let upload = machines.ask_for(0).await;
    let home = machines.home();
    let _worker = home.start(&["worker", "--workers", "1"]);
    until("the hub is asked", async || !hub.requests().is_empty()).await;
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    hub.clear_faults();
    until_imported(&database.records, &upload).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_that_a_hub_asks_of_one_worker_is_kept_by_the_others() {
    const WAIT: u64 = 3;
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let (hub, database) = (slow_hub(2).await, backend.fresh().await);
        hub.clear_faults();
        let limited = Fault::status(429).header("retry-after", &WAIT.to_string());
        hub.order(limited.on(Site::Files).times(1));
        let machines = machines(&hub, &database);
        let homes = [machines.home(), machines.home()];
        let first = machines.ask_for(0).await;
        let _one = homes[0].start(&["worker", "--workers", "1"]);
        until("the hub said no", async || !hub.requests().is_empty()).await;
        let said_no = std::time::Instant::now();
        let second = machines.ask_for(1).await;
        let _other = homes[1].start(&["worker", "--workers", "1"]);
        until("it is asked again", async || hub.requests().len() > 1).await;
        // Noticed a little late at both ends; whoever does not know asks within a second.
        let waited = said_no.elapsed().as_millis() + 500;
        assert!(
            waited >= u128::from(WAIT) * 1000,
            "{backend:?}: {waited} ms"
        );
        for upload in [&first, &second] {
            until_imported(&database.records, upload).await;
        }
    }
}
