use std::time::Duration;

use chrono::{DateTime, Utc};
use modelferry::error::Code;
use modelferry::records::{
    Difference, Named, NewSync, Records, RunCause, RunCounts, RunEnd, RunStatus, SyncClaim,
    SyncItem, SyncRow,
};
use serde_json::json;

use super::{LONG, OVER, on_each_database};
use crate::databases::TestDatabase;

on_each_database! {
    a_sync_is_found_by_its_id_and_by_its_name,
    a_name_is_used_once_by_each_owner,
    another_owners_sync_is_not_found,
    a_change_of_a_sync_is_kept,
    a_change_that_is_refused_changes_nothing,
    syncs_come_page_by_page,
    a_run_that_is_asked_for_waits_for_a_worker_and_is_run_once,
    what_is_being_run_says_by_whom,
    a_paused_sync_is_not_due_after_a_run,
    old_runs_are_forgotten,
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
        is_paused: false,
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
    let end = RunEnd {
        status: RunStatus::Done,
        counts: &RunCounts::default(),
        difference: &Difference::default(),
        error: None,
        tells: None,
    };
    records.end_run(claim, &end, |_| next).await.unwrap()
}

async fn items(records: &Records, sync: &SyncRow) -> Vec<SyncItem> {
    let known = records.sync_items(&sync.id, None, 100).await.unwrap();
    known.into_iter().map(|known| known.item).collect()
}

fn item(source: &str, revision: &str) -> SyncItem {
    SyncItem {
        source: source.to_owned(),
        revision: Some(revision.to_owned()),
        request_key: Some("key".to_owned()),
        upload_id: Some("upload_1".to_owned()),
        ..SyncItem::default()
    }
}

async fn a_sync_is_found_by_its_id_and_by_its_name(database: &TestDatabase) {
    let records = &database.records;
    let made = sync(records, "nightly", None).await;
    assert_eq!(records.sync("local", &made.id).await.unwrap(), made);
    assert_eq!(records.sync("local", "nightly").await.unwrap(), made);
    assert_eq!(records.syncs("local", None, 10).await.unwrap(), [made]);
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
        is_paused: false,
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
    let made = sync(records, "nightly", None).await;
    let changed = records.change_sync("local", "nightly", |sync| {
        sync.name = "weekly".to_owned();
        sync.is_paused = true;
        sync.cron = "0 4 * * *".to_owned();
        sync.spec = json!({ "source": "acme/other" });
        Ok(())
    });
    changed.await.unwrap();
    let found = records.sync("local", &made.id).await.unwrap();
    assert!(found.is_paused);
    assert_eq!(found.name, "weekly");
    assert_eq!(found.cron, "0 4 * * *");
    assert_eq!(found.spec, json!({ "source": "acme/other" }));
}

async fn a_change_that_is_refused_changes_nothing(database: &TestDatabase) {
    let records = &database.records;
    let made = sync(records, "nightly", None).await;
    sync(records, "weekly", None).await;
    let refused = modelferry::error::Error::new(Code::InvalidRequest, "no");
    let changed = records.change_sync("local", "nightly", |sync| {
        sync.is_paused = true;
        Err(refused.clone())
    });
    assert_eq!(changed.await.unwrap_err(), refused);
    let changed = records.change_sync("local", "nightly", |sync| {
        sync.name = "weekly".to_owned();
        Ok(())
    });
    assert_eq!(changed.await.unwrap_err().code, Code::InvalidRequest);
    assert_eq!(records.sync("local", &made.id).await.unwrap(), made);
}

async fn syncs_come_page_by_page(database: &TestDatabase) {
    let records = &database.records;
    for name in ["b", "d", "a", "c"] {
        sync(records, name, None).await;
    }
    let names = async |after| {
        let page = records.syncs("local", after, 3).await.unwrap();
        page.into_iter().map(|sync| sync.name).collect::<Vec<_>>()
    };
    assert_eq!(names(None).await, ["a", "b", "c"]);
    assert_eq!(names(Some("c")).await, ["d"]);
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
    assert_eq!(items(records, &made).await, []);
    assert_eq!(records.sync_runs(&made.id, None, 10).await.unwrap(), []);
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
    sync(records, "paused", ago(60)).await;
    let paused = records.change_sync("local", "paused", |sync| {
        sync.is_paused = true;
        Ok(())
    });
    paused.await.unwrap();
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
    let runs = records.sync_runs(&made.id, None, 10).await.unwrap();
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
    assert_eq!(items(records, &made).await, []);
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
    let mut difference = Difference::default();
    for nth in 0..150 {
        let named = Named {
            source: format!("acme/{nth}"),
            ..Named::default()
        };
        difference.name(|difference| &mut difference.new, named);
    }
    let end = RunEnd {
        status: RunStatus::Failed,
        counts: &counts,
        difference: &difference,
        error: Some(&error),
        tells: None,
    };
    assert!(records.end_run(&claim, &end, |_| next).await.unwrap());
    let runs = records.sync_runs(&made.id, None, 10).await.unwrap();
    let [run] = runs.as_slice() else {
        panic!("one run was made: {runs:?}");
    };
    assert_eq!(run.cause, RunCause::Schedule);
    assert_eq!(run.status, RunStatus::Failed);
    assert_eq!(run.counts, counts);
    assert_eq!(run.difference, difference);
    assert!(run.difference.cut && run.difference.new.len() == 100);
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
    assert_eq!(items(records, &made).await, [item("acme/a", "2"), gone]);
    let after = records.sync_items(&made.id, Some("acme/a"), 10).await;
    assert_eq!(after.unwrap().len(), 1);
}

async fn a_run_that_is_asked_for_waits_for_a_worker_and_is_run_once(database: &TestDatabase) {
    let records = &database.records;
    let made = sync(records, "nightly", None).await;
    let asked = records.request_run("local", "nightly").await.unwrap();
    assert_eq!(asked.status, RunStatus::Waiting);
    let again = records.request_run("local", "nightly").await.unwrap();
    assert_eq!(asked.id, again.id);
    let claim = due(records).await.unwrap();
    assert_eq!(claim.run_id, asked.id);
    let run = records.sync_run(&asked.id).await.unwrap();
    assert_eq!(
        (run.status, run.cause),
        (RunStatus::Running, RunCause::Request)
    );
    assert!(end(records, &claim, None).await);
    assert!(due(records).await.is_none());
    assert_eq!(
        records.sync_runs(&made.id, None, 10).await.unwrap().len(),
        1
    );
}

async fn what_is_being_run_says_by_whom(database: &TestDatabase) {
    let records = &database.records;
    let made = sync(records, "nightly", None).await;
    assert_eq!(records.running(&made).await.unwrap(), None);
    let claim = run(records, &made, LONG).await.unwrap();
    let busy = records.running(&made).await.unwrap().unwrap();
    assert!(
        busy.message.contains("nightly is being run by worker_1"),
        "{busy}"
    );
    let refused = records.request_run("local", "nightly").await.unwrap_err();
    assert_eq!(refused.code, Code::InvalidRequest);
    assert!(end(records, &claim, None).await);
    assert_eq!(records.running(&made).await.unwrap(), None);
}

async fn a_paused_sync_is_not_due_after_a_run(database: &TestDatabase) {
    let records = &database.records;
    let made = sync(records, "nightly", ago(60)).await;
    let claim = run(records, &made, LONG).await.unwrap();
    let paused = records.change_sync("local", "nightly", |sync| {
        sync.is_paused = true;
        sync.next_run_at = None;
        Ok(())
    });
    paused.await.unwrap();
    assert!(end(records, &claim, ago(30)).await);
    let found = records.sync("local", "nightly").await.unwrap();
    assert_eq!(found.next_run_at, None);
}

async fn old_runs_are_forgotten(database: &TestDatabase) {
    let records = &database.records;
    let made = sync(records, "often", None).await;
    let mut last = String::new();
    for _ in 0..503 {
        let claim = run(records, &made, LONG).await.unwrap();
        assert!(end(records, &claim, None).await);
        last = claim.run_id;
    }
    let runs = records.sync_runs(&made.id, None, 1000).await.unwrap();
    assert_eq!((runs.len(), &runs[0].id), (500, &last));
}
