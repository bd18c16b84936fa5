use std::time::Duration;

use chrono::{DateTime, Utc};
use modelferry::error::Code;
use modelferry::records::{
    NewSync, Records, RunCause, RunCounts, RunStatus, SyncClaim, SyncItem, SyncRow,
};
use serde_json::json;

use super::{LONG, OVER, on_each_database};
use crate::databases::TestDatabase;

on_each_database! {
    a_sync_is_found_by_its_id_and_by_its_name,
    a_name_is_used_once_by_each_owner,
    another_owners_sync_is_not_found,
    a_change_of_a_sync_is_kept,
    a_removed_sync_takes_its_runs_and_notes_along,
    a_sync_is_run_by_one_worker_at_a_time,
    of_many_workers_one_runs_what_is_due,
    what_is_paused_or_not_yet_due_is_not_run,
    a_run_that_was_missed_many_times_runs_once,
    a_run_whose_worker_died_is_called_interrupted,
    the_syncs_of_a_dead_worker_are_free_at_once,
    a_late_worker_notes_nothing_and_ends_nothing,
    what_a_run_came_to_is_kept,
    what_was_seen_is_kept_by_source,
}

async fn sync(records: &Records, name: &str, due: Option<DateTime<Utc>>) -> SyncRow {
    let new = NewSync {
        owner: "local",
        name,
        spec: &json!({ "source": "acme/tiny" }),
        cron: "0 3 * * *",
        time_zone: "UTC",
        next_run_at: due,
    };
    records.create_sync(&new).await.unwrap()
}

fn ago(seconds: u64) -> Option<DateTime<Utc>> {
    Some(Utc::now() - Duration::from_secs(seconds))
}

async fn run(records: &Records, sync: &SyncRow, lease: Duration) -> Option<SyncClaim> {
    records.claim_sync(sync, "worker_1", lease).await.unwrap()
}

async fn due(records: &Records) -> Option<SyncClaim> {
    records.claim_due_sync("worker_1", LONG).await.unwrap()
}

async fn end(records: &Records, claim: &SyncClaim, next: Option<DateTime<Utc>>) -> bool {
    let counts = RunCounts::default();
    let ended = records.end_run(claim, RunStatus::Done, &counts, None, next);
    ended.await.unwrap()
}

fn item(source: &str, revision: &str) -> SyncItem {
    SyncItem {
        source: source.to_owned(),
        revision: Some(revision.to_owned()),
        upload_id: Some("upload_1".to_owned()),
        missing_since: None,
    }
}

async fn a_sync_is_found_by_its_id_and_by_its_name(database: &TestDatabase) {
    let records = &database.records;
    let made = sync(records, "nightly", None).await;
    assert_eq!(records.sync("local", &made.id).await.unwrap(), made);
    assert_eq!(records.sync("local", "nightly").await.unwrap(), made);
    assert_eq!(records.syncs("local").await.unwrap(), [made]);
}

async fn a_name_is_used_once_by_each_owner(database: &TestDatabase) {
    let records = &database.records;
    sync(records, "nightly", None).await;
    let mut again = NewSync {
        owner: "local",
        name: "nightly",
        spec: &json!({}),
        cron: "0 3 * * *",
        time_zone: "UTC",
        next_run_at: None,
    };
    let error = records.create_sync(&again).await.unwrap_err();
    assert_eq!(error.code, Code::InvalidRequest);
    again.owner = "somebody";
    records.create_sync(&again).await.unwrap();
}

async fn another_owners_sync_is_not_found(database: &TestDatabase) {
    let records = &database.records;
    let made = sync(records, "nightly", None).await;
    let error = records.sync("somebody", &made.id).await.unwrap_err();
    assert_eq!(error.code, Code::NotFound);
    let error = records
        .remove_sync("somebody", "nightly")
        .await
        .unwrap_err();
    assert_eq!(error.code, Code::NotFound);
}

async fn a_change_of_a_sync_is_kept(database: &TestDatabase) {
    let records = &database.records;
    let mut changed = sync(records, "nightly", None).await;
    changed.is_paused = true;
    changed.cron = "0 4 * * *".to_owned();
    changed.spec = json!({ "source": "acme/other" });
    records.update_sync(&changed).await.unwrap();
    let found = records.sync("local", "nightly").await.unwrap();
    assert!(found.is_paused);
    assert_eq!((found.cron, found.spec), (changed.cron, changed.spec));
}

async fn a_removed_sync_takes_its_runs_and_notes_along(database: &TestDatabase) {
    let records = &database.records;
    let made = sync(records, "nightly", None).await;
    let claim = run(records, &made, LONG).await.unwrap();
    assert!(
        records
            .note_item(&claim, &item("acme/tiny", "a"))
            .await
            .unwrap()
    );
    records.remove_sync("local", "nightly").await.unwrap();
    assert_eq!(records.sync_items(&made.id).await.unwrap(), []);
    assert_eq!(records.sync_runs(&made.id, 10).await.unwrap(), []);
}

async fn a_sync_is_run_by_one_worker_at_a_time(database: &TestDatabase) {
    let records = &database.records;
    let made = sync(records, "nightly", ago(60)).await;
    let claim = run(records, &made, LONG).await.unwrap();
    assert!(run(records, &made, LONG).await.is_none());
    assert!(due(records).await.is_none());
    assert!(end(records, &claim, None).await);
    assert!(run(records, &made, LONG).await.is_some());
}

async fn of_many_workers_one_runs_what_is_due(database: &TestDatabase) {
    sync(&database.records, "nightly", ago(60)).await;
    let tries = (0..20).map(|_| {
        let records = database.records.clone();
        tokio::spawn(async move { due(&records).await.is_some() })
    });
    let mut won = 0;
    for one in tries.collect::<Vec<_>>() {
        won += usize::from(one.await.unwrap());
    }
    assert_eq!(won, 1);
}

async fn what_is_paused_or_not_yet_due_is_not_run(database: &TestDatabase) {
    let records = &database.records;
    let mut paused = sync(records, "paused", ago(60)).await;
    paused.is_paused = true;
    records.update_sync(&paused).await.unwrap();
    sync(records, "later", Some(Utc::now() + LONG)).await;
    sync(records, "never", None).await;
    assert!(due(records).await.is_none());
}

async fn a_run_that_was_missed_many_times_runs_once(database: &TestDatabase) {
    let records = &database.records;
    sync(records, "nightly", ago(3_000_000)).await;
    let claim = due(records).await.unwrap();
    assert!(end(records, &claim, Some(Utc::now() + LONG)).await);
    assert!(due(records).await.is_none());
}

async fn a_run_whose_worker_died_is_called_interrupted(database: &TestDatabase) {
    let records = &database.records;
    let made = sync(records, "nightly", None).await;
    run(records, &made, OVER).await.unwrap();
    run(records, &made, LONG).await.unwrap();
    let runs = records.sync_runs(&made.id, 10).await.unwrap();
    let mut statuses: Vec<_> = runs.iter().map(|run| run.status.as_str()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, ["interrupted", "running"]);
}

async fn the_syncs_of_a_dead_worker_are_free_at_once(database: &TestDatabase) {
    let records = &database.records;
    let made = sync(records, "nightly", None).await;
    run(records, &made, LONG).await.unwrap();
    records.release_dead("worker_1").await.unwrap();
    assert!(run(records, &made, LONG).await.is_some());
}

async fn a_late_worker_notes_nothing_and_ends_nothing(database: &TestDatabase) {
    let records = &database.records;
    let made = sync(records, "nightly", None).await;
    let late = run(records, &made, OVER).await.unwrap();
    let current = run(records, &made, LONG).await.unwrap();
    assert!(
        !records
            .note_item(&late, &item("acme/tiny", "a"))
            .await
            .unwrap()
    );
    assert!(!records.renew_sync(&late, LONG).await.unwrap());
    assert!(!end(records, &late, None).await);
    assert!(records.renew_sync(&current, LONG).await.unwrap());
    assert_eq!(records.sync_items(&made.id).await.unwrap(), []);
}

async fn what_a_run_came_to_is_kept(database: &TestDatabase) {
    let records = &database.records;
    let made = sync(records, "nightly", ago(60)).await;
    let claim = due(records).await.unwrap();
    let counts = RunCounts {
        seen: 3,
        new: 1,
        unchanged: 2,
        bytes: 1_000,
        ..RunCounts::default()
    };
    let error = modelferry::error::Error::new(Code::RateLimited, "asked too often");
    let next = DateTime::from_timestamp(4_000_000_000, 0);
    let ended = records.end_run(&claim, RunStatus::Failed, &counts, Some(&error), next);
    assert!(ended.await.unwrap());
    let runs = records.sync_runs(&made.id, 10).await.unwrap();
    let [run] = runs.as_slice() else {
        panic!("one run was made: {runs:?}");
    };
    assert_eq!(run.cause, RunCause::Schedule);
    assert_eq!(run.status, RunStatus::Failed);
    assert_eq!(run.counts, counts);
    assert_eq!(run.error.as_ref(), Some(&error));
    assert!(run.ended_at.is_some());
    assert_eq!(
        records.sync("local", "nightly").await.unwrap().next_run_at,
        next
    );
}

async fn what_was_seen_is_kept_by_source(database: &TestDatabase) {
    let records = &database.records;
    let made = sync(records, "nightly", None).await;
    let claim = run(records, &made, LONG).await.unwrap();
    let gone = SyncItem {
        missing_since: DateTime::from_timestamp(1_700_000_000, 0),
        ..item("acme/b", "1")
    };
    for noted in [
        item("acme/a", "1"),
        item("acme/b", "1"),
        item("acme/a", "2"),
        gone.clone(),
    ] {
        assert!(records.note_item(&claim, &noted).await.unwrap());
    }
    let found = records.sync_items(&made.id).await.unwrap();
    assert_eq!(found, [item("acme/a", "2"), gone]);
}
