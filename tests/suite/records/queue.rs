//! Which job is next, and how often.

use std::time::Duration;

use modelferry::error::{Code, Error};
use modelferry::pauses::SharedPauses;
use modelferry::records::{Claim, Records, Signal, Terms};
use modelferry::upload::UploadStatus;
use modelferry_providers::http::HostPauses;

use super::{LONG, OVER, create, on_each_database, request, upload};
use crate::databases::TestDatabase;

on_each_database! {
    every_job_is_handed_out_once,
    an_empty_queue_gives_nothing,
    the_highest_priority_goes_first,
    owners_take_turns,
    a_job_whose_lease_ran_out_is_handed_out_again,
    a_postponed_job_waits,
    a_postponed_job_loses_its_claim,
    a_host_that_asked_for_a_pause_gets_it,
    the_wait_that_a_hub_asks_for_is_kept_for_all_of_its_jobs,
    a_pause_is_known_to_every_process,
    a_job_given_back_is_no_try,
    the_last_try_is_final,
    a_failure_of_the_source_is_final_at_once,
    a_job_that_kills_its_workers_is_worn_out,
    a_cancelled_upload_is_failed_and_its_worker_out,
    an_ended_upload_is_not_cancelled,
    another_owners_upload_is_not_cancelled,
    a_new_job_is_said_to_be_there,
    a_change_is_said_to_whoever_waits,
}

fn terms(lease: Duration) -> Terms {
    Terms {
        worker: "worker_1".to_owned(),
        lease,
        attempts: 2,
    }
}

async fn next(records: &Records) -> Option<Claim> {
    records.claim_next(&terms(LONG)).await.unwrap()
}

/// An upload of this owner.
async fn of_owner(records: &Records, owner: &str, priority: i32) -> String {
    let mut request = request("acme/tiny");
    request.owner = owner.to_owned();
    request.priority = priority;
    create(records, &request).await.id
}

fn failure(code: Code) -> Error {
    Error::new(code, "something went wrong")
}

async fn every_job_is_handed_out_once(database: &TestDatabase) {
    let mut made = Vec::new();
    for _ in 0..24 {
        made.push(upload(&database.records, "acme/tiny").await.id);
    }
    let workers = (0..4).map(|_| {
        let records = database.records.clone();
        tokio::spawn(async move {
            let mut taken = Vec::new();
            while let Some(claim) = next(&records).await {
                taken.push(claim.upload_id().to_owned());
            }
            taken
        })
    });
    let mut taken = Vec::new();
    for worker in workers.collect::<Vec<_>>() {
        taken.extend(worker.await.unwrap());
    }
    // A worker that finds every row locked by others goes away empty-handed.
    while let Some(claim) = next(&database.records).await {
        taken.push(claim.upload_id().to_owned());
    }
    taken.sort();
    made.sort();
    assert_eq!(taken, made);
}

async fn an_empty_queue_gives_nothing(database: &TestDatabase) {
    assert!(next(&database.records).await.is_none());
}

async fn the_highest_priority_goes_first(database: &TestDatabase) {
    let records = &database.records;
    let low = of_owner(records, "a", -10).await;
    let high = of_owner(records, "a", 10).await;
    let usual = of_owner(records, "a", 0).await;
    for expected in [high, usual, low] {
        assert_eq!(next(records).await.unwrap().upload_id(), expected);
    }
}

async fn owners_take_turns(database: &TestDatabase) {
    let records = &database.records;
    let mut many = Vec::new();
    for _ in 0..5 {
        many.push(of_owner(records, "many", 0).await);
    }
    assert_eq!(next(records).await.unwrap().upload_id(), many[0]);
    let few = [
        of_owner(records, "few", 0).await,
        of_owner(records, "few", 0).await,
    ];
    let mut owners = Vec::new();
    while let Some(claim) = next(records).await {
        owners.push(claim.detail.upload.owner_id);
    }
    assert_eq!(owners.len(), 4 + few.len());
    let last_of_few = owners.iter().rposition(|owner| owner == "few").unwrap();
    assert!(last_of_few <= 3, "few waited for many: {owners:?}");
}

async fn a_job_whose_lease_ran_out_is_handed_out_again(database: &TestDatabase) {
    let records = &database.records;
    let id = upload(records, "acme/tiny").await.id;
    let late = records.claim_next(&terms(OVER)).await.unwrap().unwrap();
    let current = next(records).await.unwrap();
    assert_eq!(current.upload_id(), id);
    assert!(!records.fail(&late, &failure(Code::Gated)).await.unwrap());
    assert!(records.fail(&current, &failure(Code::Gated)).await.unwrap());
}

async fn a_postponed_job_waits(database: &TestDatabase) {
    let records = &database.records;
    upload(records, "acme/tiny").await;
    let claim = next(records).await.unwrap();
    let error = failure(Code::Stalled);
    assert!(records.postpone(&claim, &error, LONG).await.unwrap());
    assert!(next(records).await.is_none());
    let later = upload(records, "acme/tiny").await;
    let claim = next(records).await.unwrap();
    assert_eq!(claim.upload_id(), later.id);
    assert!(records.postpone(&claim, &error, OVER).await.unwrap());
    assert_eq!(next(records).await.unwrap().upload_id(), later.id);
}

async fn a_postponed_job_loses_its_claim(database: &TestDatabase) {
    let records = &database.records;
    upload(records, "acme/tiny").await;
    let claim = next(records).await.unwrap();
    let error = failure(Code::Stalled);
    assert!(records.postpone(&claim, &error, OVER).await.unwrap());
    assert!(!records.postpone(&claim, &error, OVER).await.unwrap());
    assert!(!records.renew(&claim, LONG).await.unwrap());
    assert!(!records.fail(&claim, &error).await.unwrap());
}

async fn a_host_that_asked_for_a_pause_gets_it(database: &TestDatabase) {
    let records = &database.records;
    for source in ["acme/tiny", "acme/other"] {
        upload(records, source).await;
    }
    let claim = next(records).await.unwrap();
    let error = failure(Code::RateLimited);
    assert!(records.postpone(&claim, &error, LONG).await.unwrap());
    assert!(
        next(records).await.is_none(),
        "another job of that hub is not asked for either"
    );
    let elsewhere = upload(records, "https://example.com/a.bin").await;
    assert_eq!(next(records).await.unwrap().upload_id(), elsewhere.id);
}

async fn a_job_given_back_is_no_try(database: &TestDatabase) {
    let records = &database.records;
    upload(records, "acme/tiny").await;
    for _ in 0..5 {
        let claim = next(records).await.unwrap();
        assert!(claim.tries_again_in(&failure(Code::Stalled)).is_some());
        assert!(records.release(&claim).await.unwrap());
    }
}

async fn the_last_try_is_final(database: &TestDatabase) {
    let records = &database.records;
    upload(records, "acme/tiny").await;
    let error = failure(Code::UpstreamError);
    let first = next(records).await.unwrap();
    let wait = first.tries_again_in(&error).unwrap();
    assert!(wait > OVER);
    records.postpone(&first, &error, OVER).await.unwrap();
    let second = next(records).await.unwrap();
    assert_eq!(second.tries_again_in(&error), None);
    assert!(!second.is_worn_out());
}

async fn a_failure_of_the_source_is_final_at_once(database: &TestDatabase) {
    upload(&database.records, "acme/tiny").await;
    let claim = next(&database.records).await.unwrap();
    for code in [
        Code::Gated,
        Code::NotFound,
        Code::HashMismatch,
        Code::UnsafePickle,
    ] {
        assert_eq!(claim.tries_again_in(&failure(code)), None, "{code}");
    }
}

async fn a_job_that_kills_its_workers_is_worn_out(database: &TestDatabase) {
    let records = &database.records;
    upload(records, "acme/tiny").await;
    for _ in 0..2 {
        assert!(!next(records).await.unwrap().is_worn_out());
        assert_eq!(records.release_dead("worker_1").await.unwrap(), 1);
    }
    assert!(next(records).await.unwrap().is_worn_out());
}

async fn a_cancelled_upload_is_failed_and_its_worker_out(database: &TestDatabase) {
    let records = &database.records;
    let id = upload(records, "acme/tiny").await.id;
    let claim = next(records).await.unwrap();
    assert!(records.cancel("local", &id).await.unwrap());
    assert!(!records.renew(&claim, LONG).await.unwrap());
    let detail = records.get("local", &id).await.unwrap();
    assert_eq!(detail.upload.status, UploadStatus::Failed);
    assert_eq!(detail.error.as_ref().unwrap().code, Code::Cancelled);
    assert!(records.retry(&detail).await.unwrap());
    assert_eq!(next(records).await.unwrap().upload_id(), id);
}

async fn an_ended_upload_is_not_cancelled(database: &TestDatabase) {
    let records = &database.records;
    let id = upload(records, "acme/tiny").await.id;
    let claim = next(records).await.unwrap();
    records.fail(&claim, &failure(Code::Gated)).await.unwrap();
    assert!(!records.cancel("local", &id).await.unwrap());
    let detail = records.get("local", &id).await.unwrap();
    assert_eq!(detail.error.unwrap().code, Code::Gated);
}

async fn another_owners_upload_is_not_cancelled(database: &TestDatabase) {
    let id = upload(&database.records, "acme/tiny").await.id;
    let error = database.records.cancel("somebody", &id).await.unwrap_err();
    assert_eq!(error.code, Code::NotFound);
    assert!(next(&database.records).await.is_some());
}

/// Waits for a signal that another process's handle of the database sends.
async fn heard(database: &TestDatabase, wanted: Signal, act: impl AsyncFn(&Records)) {
    let elsewhere = match &database.place {
        modelferry::records::Database::Sqlite(_) => database.records.clone(),
        server @ modelferry::records::Database::Postgres(_) => Records::open(server).await.unwrap(),
    };
    let mut signals = database.records.signals();
    // The listener is there once it says so.
    if matches!(database.place, modelferry::records::Database::Postgres(_)) {
        assert_eq!(signals.recv().await.unwrap(), Signal::Work);
    }
    act(&elsewhere).await;
    let found = async { while signals.recv().await.unwrap() != wanted {} };
    tokio::time::timeout(Duration::from_secs(60), found)
        .await
        .expect("the signal comes");
}

async fn a_new_job_is_said_to_be_there(database: &TestDatabase) {
    let act = async |records: &Records| drop(upload(records, "acme/tiny").await);
    heard(database, Signal::Work, act).await;
}

async fn a_change_is_said_to_whoever_waits(database: &TestDatabase) {
    let id = upload(&database.records, "acme/tiny").await.id;
    let act = async |records: &Records| {
        records.cancel("local", &id).await.unwrap();
    };
    heard(database, Signal::Changed(id.clone()), act).await;
}

async fn the_wait_that_a_hub_asks_for_is_kept_for_all_of_its_jobs(database: &TestDatabase) {
    let records = &database.records;
    let first = upload(records, "acme/tiny").await.id;
    upload(records, "acme/other").await;
    let claim = next(records).await.unwrap();
    let mut error = failure(Code::RateLimited);
    error.retry_after = Some(LONG);
    let wait = claim.tries_again_in(&error).unwrap();
    assert_eq!(wait, LONG, "the hub knows better than a wait of our own");
    assert!(records.postpone(&claim, &error, wait).await.unwrap());
    assert!(next(records).await.is_none(), "{first}");
    let pause = records.host_pause("huggingface").await.unwrap().unwrap();
    assert!(pause > LONG / 2 && pause <= LONG, "{pause:?}");
    error.retry_after = Some(Duration::from_secs(1));
    assert_eq!(claim.tries_again_in(&error), Some(Duration::from_secs(2)));
}

async fn a_pause_is_known_to_every_process(database: &TestDatabase) {
    let elsewhere = Records::open(&database.place).await.unwrap();
    let hubs = || [("hub.example:8443".to_owned(), "huggingface".to_owned())];
    let here = SharedPauses::new(database.records.clone(), hubs());
    let there = SharedPauses::new(elsewhere, hubs());
    upload(&database.records, "acme/tiny").await;
    here.pause("hub.example:8443", LONG).await;
    here.pause("hub.example:8443", OVER).await;
    let left = there.remaining("hub.example:8443").await.unwrap();
    assert!(left > LONG / 2, "{left:?}");
    assert_eq!(there.remaining("other.example").await, None);
    assert!(next(&database.records).await.is_none(), "its jobs wait too");
}
