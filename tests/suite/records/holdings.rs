//! Which blobs are needed, and what stands between a collector and an import.

use std::time::Duration;

use chrono::Utc;
use modelferry::error::{Code, Error};
use modelferry::records::{Claim, Records, Stored};
use modelferry::storage::BlobEntry;
use modelferry::upload::UploadStatus::{Pending, Validating};
use modelferry::upload::{Kind, Verification};
use modelferry_providers::Sha256;

use super::{claimed, entity, on_each_database, plan};
use crate::databases::TestDatabase;

on_each_database! {
    a_blob_of_a_running_upload_is_needed_as_soon_as_it_is_planned,
    a_blob_as_long_as_a_file_without_a_hash_is_needed_while_that_runs,
    a_failure_for_good_needs_nothing_and_one_to_go_on_from_needs_all,
    an_entity_needs_its_blobs,
    a_condemned_blob_is_waited_for_until_it_is_acquitted,
    a_dead_collectors_blobs_are_not_waited_for,
    a_removed_blob_is_forgotten,
    what_ended_well_is_listed_by_blob,
}

fn hash(hex: &str) -> Sha256 {
    hex.repeat(32).parse().unwrap()
}

fn blob(hex: &str, size: u64) -> BlobEntry {
    BlobEntry {
        sha256: hash(hex),
        size,
        since: Utc::now(),
    }
}

async fn is_needed(records: &Records, blob: BlobEntry) -> bool {
    records.named(&[blob]).await.unwrap().contains(&blob.sha256)
}

async fn planned(records: &Records) -> Claim {
    let claim = claimed(records, "acme/tiny").await;
    assert!(records.save_plan(&claim, &plan(), "key").await.unwrap());
    claim
}

async fn store(records: &Records, claim: &Claim, position: u32, hex: &str) {
    let stored = Stored {
        sha256: hash(hex),
        size: 10,
        verification: Verification::Sha256,
        bytes_transferred: 10,
        reused: false,
        repaired: false,
    };
    assert!(records.store(claim, position, &stored).await.unwrap());
}

async fn imported(records: &Records) -> Claim {
    let claim = planned(records).await;
    store(records, &claim, 0, "ab").await;
    store(records, &claim, 1, "ef").await;
    assert!(records.advance(&claim, Pending, Validating).await.unwrap());
    assert!(records.validated(&claim, Kind::Model, None).await.unwrap());
    assert!(records.import(&claim, &entity("model_1")).await.unwrap());
    claim
}

async fn a_blob_of_a_running_upload_is_needed_as_soon_as_it_is_planned(database: &TestDatabase) {
    let records = &database.records;
    assert!(!is_needed(records, blob("ab", 10)).await);
    planned(records).await;
    assert!(is_needed(records, blob("ab", 10)).await);
}

async fn a_blob_as_long_as_a_file_without_a_hash_is_needed_while_that_runs(
    database: &TestDatabase,
) {
    let records = &database.records;
    let claim = planned(records).await;
    assert!(is_needed(records, blob("77", 10)).await);
    assert!(!is_needed(records, blob("77", 100_000)).await);
    store(records, &claim, 1, "ef").await;
    assert!(!is_needed(records, blob("77", 10)).await);
    assert!(is_needed(records, blob("ef", 10)).await);
}

async fn a_failure_for_good_needs_nothing_and_one_to_go_on_from_needs_all(database: &TestDatabase) {
    let records = &database.records;
    for (code, needed) in [(Code::Stalled, true), (Code::UnsafePickle, false)] {
        let claim = planned(records).await;
        records.fail(&claim, &Error::new(code, "no")).await.unwrap();
        assert_eq!(is_needed(records, blob("ab", 10)).await, needed, "{code}");
        let id = claim.upload_id();
        let detail = records.get("local", id).await.unwrap();
        records.retry(&detail).await.unwrap();
        assert!(is_needed(records, blob("ab", 10)).await, "{code} retried");
        let again = super::claim(records, &detail.upload, super::LONG)
            .await
            .unwrap();
        records
            .fail(&again, &Error::new(Code::Cancelled, "no"))
            .await
            .unwrap();
    }
    assert!(!is_needed(records, blob("ab", 10)).await);
}

async fn an_entity_needs_its_blobs(database: &TestDatabase) {
    let records = &database.records;
    imported(records).await;
    assert!(is_needed(records, blob("ab", 10)).await);
    assert!(records.is_entity("model_1").await.unwrap());
    assert!(!records.is_entity("model_2").await.unwrap());
}

async fn a_condemned_blob_is_waited_for_until_it_is_acquitted(database: &TestDatabase) {
    let records = &database.records;
    records.outlast_collectors().await.unwrap();
    records
        .condemn("worker_1", &[hash("ab"), hash("cd")])
        .await
        .unwrap();
    let waited = tokio::time::timeout(Duration::from_millis(400), records.outlast_collectors());
    assert!(waited.await.is_err());
    records.acquit("worker_2", &[]).await.unwrap();
    let waited = tokio::time::timeout(Duration::from_millis(400), records.outlast_collectors());
    assert!(waited.await.is_err(), "another's word counted");
    records.acquit("worker_1", &[]).await.unwrap();
    records.outlast_collectors().await.unwrap();
}

async fn a_dead_collectors_blobs_are_not_waited_for(database: &TestDatabase) {
    let records = &database.records;
    records.condemn("worker_1", &[hash("ab")]).await.unwrap();
    records.release_dead("worker_1").await.unwrap();
    records.outlast_collectors().await.unwrap();
}

async fn a_removed_blob_is_forgotten(database: &TestDatabase) {
    let records = &database.records;
    imported(records).await;
    assert!(records.knows_blob(hash("ef")).await.unwrap());
    records.acquit("worker_1", &[hash("ef")]).await.unwrap();
    assert!(!records.knows_blob(hash("ef")).await.unwrap());
    assert!(records.knows_blob(hash("ab")).await.unwrap());
}

async fn what_ended_well_is_listed_by_blob(database: &TestDatabase) {
    let records = &database.records;
    let claim = imported(records).await;
    planned(records).await;
    let all = records.holdings(None, None, 10).await.unwrap();
    let shown: Vec<_> = all
        .iter()
        .map(|file| (file.sha256, file.path.as_str()))
        .collect();
    let expected = [
        (hash("ab"), "model.safetensors"),
        (hash("ef"), "config.json"),
    ];
    assert_eq!(shown, expected);
    for id in [claim.upload_id(), "model_1"] {
        assert_eq!(records.holdings(Some(id), None, 10).await.unwrap(), all);
    }
    let after = records.holdings(None, Some(hash("ab")), 10).await.unwrap();
    assert_eq!(after, all[1..]);
    assert!(
        records
            .holdings(Some("model_2"), None, 10)
            .await
            .unwrap()
            .is_empty()
    );
}
