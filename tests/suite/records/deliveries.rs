//! Webhook deliveries: made with the move that they tell of, and handed out to
//! one process at a time.

use std::time::Duration;

use modelferry::error::{Code, Error};
use modelferry::records::{
    Announcement, Claim, DeliveryFailure, DeliveryFilter, DeliveryRow, DeliveryStatus, Receiver,
    Records,
};
use modelferry::upload::Kind;
use modelferry::upload::UploadStatus::{Pending, Validating};
use modelferry_providers::SafeUrl;
use serde_json::json;

use super::{LONG, OVER, claim, create, entity, on_each_database, request};
use crate::databases::TestDatabase;

on_each_database! {
    every_last_move_is_announced_with_itself,
    a_late_worker_announces_nothing,
    an_upload_that_nobody_wants_to_hear_of_is_not_announced,
    a_receiver_is_had_by_one_at_a_time,
    a_receiver_goes_on_after_its_lease,
    the_receivers_of_a_dead_worker_are_free_at_once,
    an_owner_has_so_many_served_at_once,
    a_receiver_is_due_again_when_its_next_delivery_is,
    what_is_announced_while_a_receiver_is_served_is_not_forgotten,
    a_failure_without_the_lease_is_not_noted,
    another_owners_delivery_is_not_there,
    what_ended_long_ago_is_forgotten,
}

const NOTHING: Duration = Duration::ZERO;

fn hook(host: &str) -> SafeUrl {
    SafeUrl::parse(&format!("https://{host}/hook")).unwrap()
}

async fn announce(records: &Records, owner: &str, host: &str) {
    let what = Announcement {
        owner,
        url: &hook(host),
        kind: "sync.run",
        data: &json!({}),
        upload: None,
    };
    records.announce(&what).await.unwrap();
}

async fn take(records: &Records, lease: Duration) -> Option<Receiver> {
    records.claim_receiver("worker_1", lease, 8).await.unwrap()
}

async fn listed(records: &Records, owner: &str) -> Vec<DeliveryRow> {
    let filter = DeliveryFilter {
        limit: 100,
        ..DeliveryFilter::default()
    };
    records.deliveries(owner, &filter).await.unwrap()
}

/// An upload that somebody wants to hear of, claimed and validated.
async fn watched(records: &Records, lease: Duration) -> Claim {
    let mut request = request("acme/tiny");
    request.webhook = Some(hook("hooks.example.com"));
    let upload = create(records, &request).await;
    let claim = claim(records, &upload, lease).await.unwrap();
    assert!(records.advance(&claim, Pending, Validating).await.unwrap());
    assert!(records.validated(&claim, Kind::Model, None).await.unwrap());
    claim
}

async fn every_last_move_is_announced_with_itself(database: &TestDatabase) {
    let records = &database.records;
    let gated = Error::new(Code::Gated, "acme/tiny is gated");
    for (ending, kind) in ["import", "complete", "fail", "cancel"].iter().zip([
        "upload.imported",
        "upload.complete",
        "upload.failed",
        "upload.failed",
    ]) {
        let claim = watched(records, LONG).await;
        let id = claim.upload_id().to_owned();
        let moved = match *ending {
            "import" => records.import(&claim, &entity("model_1")).await,
            "complete" => records.complete(&claim).await,
            "fail" => records.fail(&claim, &gated).await,
            _ => records.cancel("local", &id).await,
        };
        assert!(moved.unwrap(), "{ending}");
        let rows = listed(records, "local").await;
        let of_it: Vec<_> = rows
            .iter()
            .filter(|row| row.upload_id.as_ref() == Some(&id))
            .collect();
        assert_eq!(of_it.len(), 1, "{ending}");
        assert_eq!(of_it[0].kind, kind);
        let receiver = take(records, LONG).await.unwrap();
        let due = records.due_deliveries(&receiver, 10).await.unwrap();
        let told: serde_json::Value = serde_json::from_str(&due.last().unwrap().payload).unwrap();
        let record = records.get("local", &id).await.unwrap().upload;
        assert_eq!(told["data"]["upload"], json!(record), "{ending}");
        records
            .release_receiver(&receiver, 0, NOTHING)
            .await
            .unwrap();
    }
}

async fn a_late_worker_announces_nothing(database: &TestDatabase) {
    let records = &database.records;
    let late = watched(records, OVER).await;
    let upload = late.detail.upload.clone();
    let current = claim(records, &upload, LONG).await.unwrap();
    assert!(!records.import(&late, &entity("model_1")).await.unwrap());
    assert_eq!(listed(records, "local").await, []);
    assert!(records.import(&current, &entity("model_1")).await.unwrap());
    assert!(!records.cancel("local", &upload.id).await.unwrap());
    assert_eq!(listed(records, "local").await.len(), 1);
}

async fn an_upload_that_nobody_wants_to_hear_of_is_not_announced(database: &TestDatabase) {
    let records = &database.records;
    let upload = super::upload(records, "acme/tiny").await;
    assert!(records.cancel("local", &upload.id).await.unwrap());
    assert_eq!(listed(records, "local").await, []);
    assert_eq!(records.next_delivery_in().await.unwrap(), None);
}

async fn a_receiver_is_had_by_one_at_a_time(database: &TestDatabase) {
    let records = &database.records;
    for host in ["a.example", "a.example", "b.example"] {
        announce(records, "ann", host).await;
    }
    let tries = (0..8).map(|_| {
        let records = records.clone();
        tokio::spawn(async move { take(&records, LONG).await })
    });
    let mut hosts = Vec::new();
    for one in tries.collect::<Vec<_>>() {
        hosts.extend(one.await.unwrap().map(|receiver| receiver.host));
    }
    // Whoever finds every row locked by others goes away empty-handed.
    while let Some(receiver) = take(records, LONG).await {
        hosts.push(receiver.host);
    }
    hosts.sort();
    assert_eq!(hosts, ["a.example", "b.example"]);
}

async fn a_receiver_goes_on_after_its_lease(database: &TestDatabase) {
    let records = &database.records;
    announce(records, "ann", "a.example").await;
    let late = take(records, OVER).await.unwrap();
    let current = take(records, LONG).await.unwrap();
    records.release_receiver(&late, 3, LONG).await.unwrap();
    assert!(take(records, LONG).await.is_none());
    records
        .release_receiver(&current, 0, NOTHING)
        .await
        .unwrap();
    let again = take(records, LONG).await.unwrap();
    assert_eq!(again.failures, 0);
}

async fn the_receivers_of_a_dead_worker_are_free_at_once(database: &TestDatabase) {
    let records = &database.records;
    announce(records, "ann", "a.example").await;
    take(records, LONG).await.unwrap();
    assert!(take(records, LONG).await.is_none());
    records.release_dead("worker_1").await.unwrap();
    assert!(take(records, LONG).await.is_some());
}

async fn an_owner_has_so_many_served_at_once(database: &TestDatabase) {
    let records = &database.records;
    for host in ["a.example", "b.example", "c.example"] {
        announce(records, "many", host).await;
    }
    announce(records, "few", "a.example").await;
    let mut owners = Vec::new();
    while let Some(receiver) = records.claim_receiver("worker_1", LONG, 2).await.unwrap() {
        owners.push(receiver.owner);
    }
    owners.sort();
    assert_eq!(owners, ["few", "many", "many"]);
}

async fn a_receiver_is_due_again_when_its_next_delivery_is(database: &TestDatabase) {
    let records = &database.records;
    announce(records, "ann", "a.example").await;
    let receiver = take(records, LONG).await.unwrap();
    let due = records.due_deliveries(&receiver, 10).await.unwrap();
    let failure = DeliveryFailure {
        why: "a.example answered with status 500",
        wait: Some(LONG),
    };
    assert!(
        records
            .not_delivered(&receiver, &due[0], &failure)
            .await
            .unwrap()
    );
    assert_eq!(
        records.due_deliveries(&receiver, 10).await.unwrap().len(),
        0
    );
    records
        .release_receiver(&receiver, 1, NOTHING)
        .await
        .unwrap();
    assert!(take(records, LONG).await.is_none());
    let next = records.next_delivery_in().await.unwrap().unwrap();
    assert!(next > LONG / 2, "{next:?}");
    announce(records, "ann", "a.example").await;
    assert_eq!(take(records, LONG).await.unwrap().failures, 1);
}

async fn what_is_announced_while_a_receiver_is_served_is_not_forgotten(database: &TestDatabase) {
    let records = &database.records;
    announce(records, "ann", "a.example").await;
    let receiver = take(records, LONG).await.unwrap();
    let due = records.due_deliveries(&receiver, 10).await.unwrap();
    announce(records, "ann", "a.example").await;
    records.delivered(&due[0]).await.unwrap();
    records
        .release_receiver(&receiver, 0, NOTHING)
        .await
        .unwrap();
    let again = take(records, LONG).await.unwrap();
    let due = records.due_deliveries(&again, 10).await.unwrap();
    assert_eq!(due.len(), 1);
    records.delivered(&due[0]).await.unwrap();
    records.release_receiver(&again, 0, NOTHING).await.unwrap();
    assert_eq!(records.next_delivery_in().await.unwrap(), None);
}

async fn a_failure_without_the_lease_is_not_noted(database: &TestDatabase) {
    let records = &database.records;
    announce(records, "ann", "a.example").await;
    let late = take(records, OVER).await.unwrap();
    let due = records.due_deliveries(&late, 10).await.unwrap();
    take(records, LONG).await.unwrap();
    let failure = DeliveryFailure {
        why: "no",
        wait: None,
    };
    assert!(
        !records
            .not_delivered(&late, &due[0], &failure)
            .await
            .unwrap()
    );
    let row = listed(records, "ann").await.pop().unwrap();
    assert_eq!((row.status, row.attempts), (DeliveryStatus::Waiting, 0));
    // That it was delivered is true, whoever says it.
    records.delivered(&due[0]).await.unwrap();
    let row = listed(records, "ann").await.pop().unwrap();
    assert_eq!(row.status, DeliveryStatus::Delivered);
}

async fn another_owners_delivery_is_not_there(database: &TestDatabase) {
    let records = &database.records;
    announce(records, "ann", "a.example").await;
    let id = listed(records, "ann").await.pop().unwrap().id;
    assert_eq!(listed(records, "bob").await, []);
    let error = records.redeliver("bob", &id).await.unwrap_err();
    assert_eq!(error.code, Code::NotFound);
    assert_eq!(records.redeliver("ann", &id).await.unwrap(), None);
}

async fn what_ended_long_ago_is_forgotten(database: &TestDatabase) {
    let records = &database.records;
    for _ in 0..2 {
        announce(records, "ann", "a.example").await;
    }
    let receiver = take(records, LONG).await.unwrap();
    let due = records.due_deliveries(&receiver, 10).await.unwrap();
    records.delivered(&due[0]).await.unwrap();
    assert_eq!(records.forget_deliveries(LONG).await.unwrap(), 0);
    tokio::time::sleep(Duration::from_millis(5)).await;
    assert_eq!(records.forget_deliveries(NOTHING).await.unwrap(), 1);
    assert_eq!(listed(records, "ann").await.len(), 1);
}
