use std::time::Duration;

use super::{LONG, OVER, claim, claimed, on_each_database, upload};
use crate::databases::TestDatabase;
use modelferry::upload::UploadStatus::{Pending, Validating};

on_each_database! {
    a_job_is_claimed_once,
    of_many_workers_one_gets_the_job,
    a_claim_ends_with_its_lease,
    a_renewed_lease_holds,
    a_released_job_is_free_at_once,
    the_jobs_of_a_dead_worker_are_free_at_once,
    a_late_worker_renews_nothing,
    a_late_worker_gives_back_nothing,
    a_claim_shows_the_upload_as_it_stands,
}

async fn a_job_is_claimed_once(database: &TestDatabase) {
    let records = &database.records;
    let upload = upload(records, "acme/tiny").await;
    assert!(claim(records, &upload, LONG).await.is_some());
    assert!(claim(records, &upload, LONG).await.is_none());
}

async fn of_many_workers_one_gets_the_job(database: &TestDatabase) {
    let upload = upload(&database.records, "acme/tiny").await;
    let tries = (0..20).map(|_| {
        let (records, upload) = (database.records.clone(), upload.clone());
        tokio::spawn(async move { claim(&records, &upload, LONG).await.is_some() })
    });
    let mut won = 0;
    for one in tries.collect::<Vec<_>>() {
        won += usize::from(one.await.unwrap());
    }
    assert_eq!(won, 1);
}

async fn a_claim_ends_with_its_lease(database: &TestDatabase) {
    let upload = upload(&database.records, "acme/tiny").await;
    assert!(claim(&database.records, &upload, OVER).await.is_some());
    assert!(claim(&database.records, &upload, LONG).await.is_some());
}

async fn a_renewed_lease_holds(database: &TestDatabase) {
    let records = &database.records;
    let upload = upload(records, "acme/tiny").await;
    let first = claim(records, &upload, OVER).await.unwrap();
    assert!(records.renew(&first, LONG).await.unwrap());
    assert!(claim(records, &upload, LONG).await.is_none());
}

async fn a_released_job_is_free_at_once(database: &TestDatabase) {
    let records = &database.records;
    let first = claimed(records, "acme/tiny").await;
    assert!(records.release(&first).await.unwrap());
    assert!(claim(records, &first.detail.upload, LONG).await.is_some());
}

async fn the_jobs_of_a_dead_worker_are_free_at_once(database: &TestDatabase) {
    let records = &database.records;
    let first = claimed(records, "acme/tiny").await;
    assert_eq!(records.release_dead("worker_2").await.unwrap(), 0);
    assert_eq!(records.release_dead("worker_1").await.unwrap(), 1);
    assert!(claim(records, &first.detail.upload, LONG).await.is_some());
}

async fn a_late_worker_renews_nothing(database: &TestDatabase) {
    let records = &database.records;
    let upload = upload(records, "acme/tiny").await;
    let late = claim(records, &upload, OVER).await.unwrap();
    let current = claim(records, &upload, LONG).await.unwrap();
    assert!(!records.renew(&late, OVER).await.unwrap());
    assert!(records.renew(&current, LONG).await.unwrap());
}

async fn a_late_worker_gives_back_nothing(database: &TestDatabase) {
    let records = &database.records;
    let upload = upload(records, "acme/tiny").await;
    let late = claim(records, &upload, OVER).await.unwrap();
    claim(records, &upload, LONG).await.unwrap();
    assert!(!records.release(&late).await.unwrap());
    assert!(claim(records, &upload, Duration::ZERO).await.is_none());
}

async fn a_claim_shows_the_upload_as_it_stands(database: &TestDatabase) {
    let records = &database.records;
    let first = claimed(records, "acme/tiny").await;
    assert!(records.advance(&first, Pending, Validating).await.unwrap());
    records.release(&first).await.unwrap();
    let second = claim(records, &first.detail.upload, LONG).await.unwrap();
    assert_eq!(second.detail.upload.status, Validating);
}
