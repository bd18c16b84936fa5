//! What there is of each: tallies that follow every move, and the queue.

use std::time::Duration;

use modelferry::error::{Code, Error};
use modelferry::records::{Stored, Tallies, Tally, Terms};
use modelferry::upload::UploadStatus::{Pending, Validating};
use modelferry::upload::{Kind, Verification};
use sqlx::{Connection, PgConnection, SqliteConnection};

use super::{LONG, claimed, entity, on_each_database, plan, upload};
use crate::databases::TestDatabase;

on_each_database! {
    tallies_follow_every_move,
    a_failure_is_counted_by_its_code_and_again_after_a_retry,
    tallies_agree_with_the_rows_after_many_moves_at_once,
    bytes_are_counted_by_provider,
    claims_and_retries_are_counted,
    the_queue_is_told_apart,
}

/// What is not zero of these.
fn left(tallies: &[Tally]) -> Vec<(&str, &str, i64)> {
    tallies
        .iter()
        .filter(|tally| tally.count != 0)
        .map(|tally| (tally.label.as_str(), tally.provider.as_str(), tally.count))
        .collect()
}

async fn tallies(database: &TestDatabase) -> Tallies {
    database.records.tallies().await.unwrap()
}

async fn tallies_follow_every_move(database: &TestDatabase) {
    let records = &database.records;
    let claim = claimed(records, "acme/tiny").await;
    assert_eq!(left(&tallies(database).await.uploads), [("pending", "", 1)]);
    assert!(records.save_plan(&claim, &plan(), "key").await.unwrap());
    let now = tallies(database).await;
    assert_eq!(left(&now.uploads), [("pending", "huggingface", 1)]);
    assert!(records.advance(&claim, Pending, Validating).await.unwrap());
    assert!(records.validated(&claim, Kind::Model, None).await.unwrap());
    assert!(records.import(&claim, &entity("model_1")).await.unwrap());
    let now = tallies(database).await;
    assert_eq!(left(&now.uploads), [("imported", "huggingface", 1)]);
    let moves = [
        ("imported", "huggingface", 1),
        ("pending", "", 1),
        ("validated", "huggingface", 1),
        ("validating", "huggingface", 1),
    ];
    assert_eq!(left(&now.moves), moves);
    assert_eq!(left(&now.errors), []);
}

async fn a_failure_is_counted_by_its_code_and_again_after_a_retry(database: &TestDatabase) {
    let records = &database.records;
    let claim = claimed(records, "acme/tiny").await;
    let gone = Error::new(Code::NotFound, "gone");
    assert!(records.fail(&claim, &gone).await.unwrap());
    let now = tallies(database).await;
    assert_eq!(left(&now.uploads), [("failed", "", 1)]);
    assert_eq!(left(&now.errors), [("not_found", "", 1)]);
    let detail = records
        .get(&claim.detail.upload.owner_id, claim.upload_id())
        .await
        .unwrap();
    assert!(records.retry(&detail).await.unwrap());
    let now = tallies(database).await;
    assert_eq!(left(&now.uploads), [("pending", "", 1)]);
    assert_eq!(left(&now.errors), []);
    let claim = super::claim(records, &detail.upload, LONG).await.unwrap();
    assert!(records.fail(&claim, &gone).await.unwrap());
    assert_eq!(
        left(&tallies(database).await.failures),
        [("not_found", "", 2)]
    );
}

async fn tallies_agree_with_the_rows_after_many_moves_at_once(database: &TestDatabase) {
    let tasks = (0..8).map(|nth| {
        let records = database.records.clone();
        tokio::spawn(async move {
            for round in 0..6 {
                let made = upload(&records, "acme/tiny").await;
                if (nth + round) % 3 == 0 {
                    records.cancel(&made.owner_id, &made.id).await.unwrap();
                    continue;
                }
                let claim = super::claim(&records, &made, LONG).await.unwrap();
                records.save_plan(&claim, &plan(), "key").await.unwrap();
                records.advance(&claim, Pending, Validating).await.unwrap();
                if (nth + round) % 3 == 1 {
                    records.validated(&claim, Kind::Model, None).await.unwrap();
                    assert!(records.complete(&claim).await.unwrap());
                }
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    let now = tallies(database).await;
    let counted: Vec<(String, String, i64)> = left(&now.uploads)
        .into_iter()
        .map(|(status, provider, count)| (status.to_owned(), provider.to_owned(), count))
        .collect();
    assert_eq!(counted, rows(database).await);
    assert_eq!(counted.iter().map(|(.., count)| count).sum::<i64>(), 48);
}

/// The uploads counted one by one, as the tallies must come out.
async fn rows(database: &TestDatabase) -> Vec<(String, String, i64)> {
    let sql = "SELECT status, COALESCE(provider, ''), COUNT(*) FROM uploads \
               GROUP BY status, COALESCE(provider, '') ORDER BY status, COALESCE(provider, '')";
    let counted = sqlx::query_as(sql);
    if database.url.starts_with("postgres") {
        let mut connection = PgConnection::connect(&database.url).await.unwrap();
        return counted.fetch_all(&mut connection).await.unwrap();
    }
    let mut connection = SqliteConnection::connect(&database.url).await.unwrap();
    sqlx::query_as(sql)
        .fetch_all(&mut connection)
        .await
        .unwrap()
}

async fn bytes_are_counted_by_provider(database: &TestDatabase) {
    let records = &database.records;
    let claim = claimed(records, "acme/tiny").await;
    records.save_plan(&claim, &plan(), "key").await.unwrap();
    let stored = Stored {
        sha256: "ab".repeat(32).parse().unwrap(),
        size: 10,
        verification: Verification::Sha256,
        bytes_transferred: 17,
        reused: false,
        repaired: true,
    };
    let both = [(0, stored.clone()), (1, stored)];
    assert!(records.store_all(&claim, &both).await.unwrap());
    assert_eq!(
        left(&tallies(database).await.bytes),
        [("", "huggingface", 34)]
    );
}

async fn claims_and_retries_are_counted(database: &TestDatabase) {
    let records = &database.records;
    upload(records, "acme/tiny").await;
    let terms = Terms {
        worker: "worker_1".to_owned(),
        lease: Duration::ZERO,
        attempts: 9,
    };
    for _ in 0..3 {
        assert!(records.claim_next(&terms).await.unwrap().is_some());
    }
    let now = tallies(database).await;
    assert_eq!((now.claims, now.retries), (3, 2));
}

async fn the_queue_is_told_apart(database: &TestDatabase) {
    let records = &database.records;
    for _ in 0..4 {
        upload(records, "acme/tiny").await;
    }
    let terms = |worker: &str| Terms {
        worker: worker.to_owned(),
        lease: LONG,
        attempts: 9,
    };
    records.claim_next(&terms("worker_1")).await.unwrap();
    records.claim_next(&terms("worker_2")).await.unwrap();
    let claim = records.claim_next(&terms("worker_2")).await.unwrap();
    let asked = Error::new(Code::RateLimited, "later");
    let postponed = records.postpone(&claim.unwrap(), &asked, LONG).await;
    assert!(postponed.unwrap());
    let queue = records.queue().await.unwrap();
    assert_eq!(
        (
            queue.waiting,
            queue.delayed,
            queue.running,
            queue.workers,
            queue.paused_hosts
        ),
        (1, 1, 2, 2, 1)
    );
    assert!((0..600_000).contains(&queue.oldest_wait), "{queue:?}");
}
