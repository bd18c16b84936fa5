//! What becomes of deliveries, with waits short enough to see the end of them.

use std::collections::BTreeMap;
use std::time::Duration;

use modelferry::credentials::{SecretKeys, Vault};
use modelferry::records::{Announcement, DeliveryFilter, DeliveryRow, DeliveryStatus, Records};
use modelferry::webhook::{Deliverer, Secrets, Settings, http_settings};
use modelferry_providers::{Http, SafeUrl};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::api::until;
use crate::databases::{Backend, TestDatabase};
use crate::records::upload;
use crate::support::receiver::Receiver;

fn secrets(records: &Records) -> Secrets {
    let key = SecretKeys::parse(&"ab".repeat(32)).unwrap();
    Secrets::new(records.clone(), Vault::Given(key))
}

/// Sends what these records hold until it is dropped.
fn deliverer(
    records: &Records,
    worker: &str,
    allow: &str,
    settings: Settings,
) -> AbortOnDropHandle<()> {
    let nets = allow.split_whitespace().map(|net| net.parse().unwrap());
    let http = Http::new(http_settings(nets.collect(), None)).unwrap();
    let deliverer = Deliverer::new(worker, records.clone(), secrets(records), http, settings);
    AbortOnDropHandle::new(tokio::spawn(async move {
        deliverer.run(&CancellationToken::new()).await;
    }))
}

const LOOPBACK: &str = "127.0.0.0/8";

/// Two more tries, soon after the first.
fn hasty() -> Settings {
    Settings {
        waits: vec![Duration::from_millis(20); 2],
        pause: Duration::from_millis(10),
        ..Settings::default()
    }
}

/// Puts one in the queue.
async fn announce(records: &Records, owner: &str, url: &str, upload: Option<&str>) {
    let what = Announcement {
        owner,
        url: &SafeUrl::parse(url).unwrap(),
        kind: "sync.run",
        data: &json!({ "run": { "id": "run_1" } }),
        upload,
    };
    records.announce(&what).await.unwrap();
}

async fn all(records: &Records, owner: &str) -> Vec<DeliveryRow> {
    let filter = DeliveryFilter {
        limit: 1000,
        ..DeliveryFilter::default()
    };
    records.deliveries(owner, &filter).await.unwrap()
}

/// The one delivery of `ann`, once it has ended.
async fn ended(records: &Records) -> DeliveryRow {
    let mut row = None;
    until("the delivery ends", async || {
        row = all(records, "ann").await.pop();
        row.as_ref().is_some_and(|row| row.ended_at.is_some())
    })
    .await;
    row.unwrap()
}

async fn fresh() -> TestDatabase {
    Backend::Sqlite.fresh().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_fails_is_told_again_under_the_same_id() {
    let database = fresh().await;
    let records = &database.records;
    let receiver = Receiver::start(|_, before| {
        let answers = ["500 Oops", "302 Found\r\nlocation: /elsewhere", "200 OK"];
        Some(answers[before].to_owned())
    })
    .await;
    announce(records, "ann", &receiver.url("/hook?token=1"), None).await;
    let _deliverer = deliverer(records, "worker_1", LOOPBACK, hasty());
    let row = ended(records).await;
    assert_eq!((row.status, row.attempts), (DeliveryStatus::Delivered, 3));
    let told = receiver.told();
    assert_eq!(told.len(), 3);
    for one in &told {
        assert_eq!((one.id(), &*one.target), (&*row.id, "/hook?token=1"));
        assert_eq!(one.headers["content-type"], "application/json");
        assert!(one.headers.contains_key("webhook-timestamp"));
        assert!(one.headers["webhook-signature"].starts_with("v1,"));
        assert!(!one.headers.contains_key("authorization"));
    }
    let body = told[0].json();
    assert_eq!(
        (&body["type"], &body["data"]["run"]["id"]),
        (&json!("sync.run"), &json!("run_1"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn after_the_last_try_a_delivery_is_given_up_and_the_upload_says_so() {
    let database = fresh().await;
    let records = &database.records;
    let upload = upload(records, "acme/tiny").await;
    let receiver = Receiver::start(|_, _| Some("503 No".to_owned())).await;
    announce(
        records,
        "ann",
        &receiver.url("/hook?token=s3cret"),
        Some(&upload.id),
    )
    .await;
    let _deliverer = deliverer(records, "worker_1", LOOPBACK, hasty());
    let row = ended(records).await;
    assert_eq!((row.status, row.attempts), (DeliveryStatus::Dead, 3));
    assert_eq!(receiver.told().len(), 3);
    let events = records.events_after(&upload.id, 0).await.unwrap();
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].kind, "warning");
    let said = events[0].data["message"].as_str().unwrap();
    assert!(
        said.contains("given up after 3 tries") && said.contains("503"),
        "{said}"
    );
    assert!(!said.contains("s3cret"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_is_gone_is_told_nothing_more() {
    let database = fresh().await;
    let receiver = Receiver::start(|_, _| Some("410 Gone".to_owned())).await;
    announce(&database.records, "ann", &receiver.url("/"), None).await;
    let _deliverer = deliverer(&database.records, "worker_1", LOOPBACK, hasty());
    let row = ended(&database.records).await;
    assert_eq!((row.status, row.attempts), (DeliveryStatus::Dead, 1));
    assert!(row.last_error.unwrap().contains("gone"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_wait_that_a_receiver_asks_for_is_kept() {
    let database = fresh().await;
    let records = &database.records;
    let receiver =
        Receiver::start(|_, _| Some("429 Slow down\r\nretry-after: 7200".to_owned())).await;
    for _ in 0..3 {
        announce(records, "ann", &receiver.url("/"), None).await;
    }
    let settings = Settings {
        at_once: 1,
        ..hasty()
    };
    let _deliverer = deliverer(records, "worker_1", LOOPBACK, settings);
    let mut tried = None;
    until("one is tried", async || {
        tried = all(records, "ann")
            .await
            .into_iter()
            .find(|row| row.attempts == 1);
        tried.is_some()
    })
    .await;
    let tried = tried.unwrap();
    let wait = tried.run_at - tried.created_at;
    assert!((7200..7300).contains(&wait.num_seconds()), "{wait}");
    // The others are not tried either: it is the receiver that asked.
    until("the receiver is left alone", async || {
        let next = records.next_delivery_in().await.unwrap();
        next.is_some_and(|next| next > Duration::from_secs(600))
    })
    .await;
    assert_eq!(receiver.told().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_wait_that_one_owners_receiver_asks_for_is_not_another_owners() {
    let database = fresh().await;
    let records = &database.records;
    let receiver = Receiver::start(|told, _| {
        let busy = told.target == "/busy";
        Some(
            if busy {
                "429 No\r\nretry-after: 7200"
            } else {
                "200 OK"
            }
            .to_owned(),
        )
    })
    .await;
    announce(records, "eve", &receiver.url("/busy"), None).await;
    let _deliverer = deliverer(records, "worker_1", LOOPBACK, hasty());
    until("the one is tried", async || {
        all(records, "eve").await[0].attempts == 1
    })
    .await;
    announce(records, "ann", &receiver.url("/free"), None).await;
    let row = ended(records).await;
    assert_eq!((row.status, row.attempts), (DeliveryStatus::Delivered, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_never_answers_holds_up_nobody_else() {
    let database = fresh().await;
    let records = &database.records;
    let (silent, good) = (
        Receiver::start(|_, _| None).await,
        Receiver::content().await,
    );
    for _ in 0..20 {
        announce(records, "eve", &silent.url("/"), None).await;
    }
    let _deliverer = deliverer(records, "worker_1", LOOPBACK, Settings::default());
    until("the silent one is being told", async || {
        !silent.told().is_empty()
    })
    .await;
    for _ in 0..20 {
        announce(records, "ann", &good.url("/"), None).await;
    }
    until("the good one has them all", async || {
        good.told().len() == 20
    })
    .await;
    assert!(silent.told().len() <= Settings::default().at_once);
    let theirs = all(records, "eve").await;
    assert!(
        theirs
            .iter()
            .all(|row| row.status == DeliveryStatus::Waiting)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_not_public_is_not_connected_to() {
    let database = fresh().await;
    let receiver = Receiver::content().await;
    announce(&database.records, "ann", &receiver.url("/"), None).await;
    let _deliverer = deliverer(&database.records, "worker_1", "", hasty());
    let row = ended(&database.records).await;
    assert_eq!(row.status, DeliveryStatus::Dead);
    let why = row.last_error.unwrap();
    assert!(why.contains("not a public address"), "{why}");
    assert_eq!(receiver.told().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_processes_one_sends_each_delivery() {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let database = backend.fresh().await;
        let records = &database.records;
        let receivers = [Receiver::content().await, Receiver::content().await];
        let senders: Vec<_> = ["worker_1", "worker_2", "worker_3"]
            .map(|worker| deliverer(records, worker, LOOPBACK, hasty()))
            .into();
        for nth in 0..60 {
            announce(records, "ann", &receivers[nth % 2].url("/"), None).await;
        }
        until("all are delivered", async || {
            let rows = all(records, "ann").await;
            rows.iter()
                .all(|row| row.status == DeliveryStatus::Delivered)
        })
        .await;
        drop(senders);
        let mut times = BTreeMap::<String, u32>::new();
        for told in receivers.iter().flat_map(Receiver::told) {
            *times.entry(told.id().to_owned()).or_default() += 1;
        }
        assert_eq!(times.len(), 60, "{backend:?}");
        assert!(
            times.values().all(|times| *times == 1),
            "{backend:?}: {times:?}"
        );
    }
}

#[tokio::test]
async fn a_new_secret_signs_beside_the_one_before() {
    let database = fresh().await;
    let secrets = secrets(&database.records);
    let first = secrets.of("ann").await.unwrap();
    assert!(first.secret.expose().starts_with("whsec_"));
    assert_eq!(first.previous_until, None);
    let same = secrets.of("ann").await.unwrap();
    assert_eq!(same.secret.expose(), first.secret.expose());
    let second = secrets.rotate("ann").await.unwrap();
    assert_ne!(second.secret.expose(), first.secret.expose());
    let overlap = second.previous_until.unwrap() - second.created_at;
    assert_eq!(overlap.num_hours(), 24);
    let other = secrets.of("bob").await.unwrap();
    assert_ne!(other.secret.expose(), second.secret.expose());
}

#[tokio::test]
async fn a_secret_that_another_key_sealed_is_said_to_be_so() {
    let database = fresh().await;
    secrets(&database.records).of("ann").await.unwrap();
    let key = SecretKeys::parse(&"cd".repeat(32)).unwrap();
    let other = Secrets::new(database.records.clone(), Vault::Given(key));
    let error = other.of("ann").await.unwrap_err();
    assert!(error.message.contains("sealed with the key"), "{error}");
    assert!(error.hint.unwrap().contains("--rotate"));
    // A new one can be made all the same.
    assert!(other.rotate("ann").await.is_ok());
}
