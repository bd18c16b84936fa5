//! What is asked of all uploads together: changes, lists, statistics.

use std::time::Duration;

use modelferry::error::{Code, Error};
use modelferry::inspect::Facts;
use modelferry::records::{EntityFilter, Records, Since, Span, StatsField, Stored, Terms};
use modelferry::upload::{UploadStatus, Verification};
use modelferry_providers::ProviderKind;

use super::{LONG, claimed, entity, on_each_database, plan, upload};
use crate::databases::TestDatabase;

on_each_database! {
    changes_come_in_their_order_and_are_gone_on_with,
    one_owners_changes_are_its_own,
    what_is_worked_on_tells_its_bytes,
    a_job_that_waits_says_until_when_and_why,
    entities_are_listed_page_by_page_with_their_source_and_facts,
    entities_can_be_narrowed,
    statistics_add_up_what_ended,
}

/// An imported model of two files, one of them held before.
async fn imported(records: &Records, id: &str) -> String {
    let claim = claimed(records, "acme/tiny").await;
    records.save_plan(&claim, &plan(), "key").await.unwrap();
    for (position, reused) in [(0, false), (1, true)] {
        let stored = Stored {
            sha256: "ab".repeat(32).parse().unwrap(),
            size: 10,
            verification: Verification::Sha256,
            bytes_transferred: if reused { 0 } else { 12 },
            reused,
            repaired: false,
        };
        assert!(records.store(&claim, position, &stored).await.unwrap());
    }
    let facts = Facts {
        architecture: Some("llama".to_owned()),
        ..Facts::default()
    };
    records.save_facts(&claim, &[(0, &facts)]).await.unwrap();
    for (from, to) in [
        (UploadStatus::Pending, UploadStatus::Validating),
        (UploadStatus::Validating, UploadStatus::Validated),
    ] {
        assert!(records.advance(&claim, from, to).await.unwrap());
    }
    assert!(records.import(&claim, &entity(id)).await.unwrap());
    claim.upload_id().to_owned()
}

async fn failed(records: &Records, code: Code) -> String {
    let claim = claimed(records, "acme/gone").await;
    let error = Error::new(code, "gone").hint("look elsewhere");
    assert!(records.fail(&claim, &error).await.unwrap());
    claim.upload_id().to_owned()
}

async fn changes_come_in_their_order_and_are_gone_on_with(database: &TestDatabase) {
    let records = &database.records;
    let first = upload(records, "acme/one").await;
    let second = failed(records, Code::Gated).await;
    let all = records.changes(&Since::default(), 10).await.unwrap();
    let ids: Vec<&str> = all.iter().map(|change| change.upload.id.as_str()).collect();
    assert_eq!(ids, [first.id.as_str(), second.as_str()]);
    let error = all[1].error.as_ref().unwrap();
    assert_eq!(
        (error.code, error.hint.as_deref()),
        (Code::Gated, Some("look elsewhere"))
    );
    let page = records.changes(&Since::default(), 1).await.unwrap();
    let since = Since {
        at: page[0].at,
        id: page[0].upload.id.clone(),
    };
    let rest = records.changes(&since, 10).await.unwrap();
    assert_eq!(rest.len(), 1);
    assert_eq!(rest[0].upload.id, second);
    let since = Since {
        at: rest[0].at,
        id: second,
    };
    assert!(records.changes(&since, 10).await.unwrap().is_empty());
}

async fn one_owners_changes_are_its_own(database: &TestDatabase) {
    let records = &database.records;
    let before = records.clock();
    let mine = upload(records, "acme/one").await;
    let changes = records.changes_of("local", before, 10).await.unwrap();
    assert_eq!(changes[0].upload, mine);
    assert!(
        records
            .changes_of("other", before, 10)
            .await
            .unwrap()
            .is_empty()
    );
    let later = records.clock() + 60_000;
    assert!(
        records
            .changes_of("local", later, 10)
            .await
            .unwrap()
            .is_empty()
    );
}

async fn what_is_worked_on_tells_its_bytes(database: &TestDatabase) {
    let records = &database.records;
    upload(records, "acme/waits").await;
    let claim = claimed(records, "acme/tiny").await;
    records.save_plan(&claim, &plan(), "key").await.unwrap();
    assert!(records.save_progress(&claim, 7).await.unwrap());
    let moving = records.moving(10).await.unwrap();
    assert_eq!(moving.len(), 1);
    assert_eq!(moving[0].upload, claim.upload_id());
    assert_eq!(
        (
            moving[0].owner.as_str(),
            moving[0].done_bytes,
            moving[0].total_bytes
        ),
        ("local", 7, Some(20))
    );
}

async fn a_job_that_waits_says_until_when_and_why(database: &TestDatabase) {
    let records = &database.records;
    let made = upload(records, "acme/tiny").await;
    assert_eq!(records.waiting(&made.id).await.unwrap(), None);
    let terms = Terms {
        worker: "worker_1".to_owned(),
        lease: LONG,
        attempts: 5,
    };
    let claim = records.claim_next(&terms).await.unwrap().unwrap();
    assert_eq!(records.waiting(&made.id).await.unwrap(), None);
    let error = Error::new(Code::UpstreamError, "the hub answered 502");
    let wait = Duration::from_secs(60);
    assert!(records.postpone(&claim, &error, wait).await.unwrap());
    let waiting = records.waiting(&made.id).await.unwrap().unwrap();
    assert_eq!(waiting.attempts, 1);
    assert!(waiting.error.contains("502"), "{waiting:?}");
    let left = waiting.until.timestamp_millis() - records.clock();
    assert!((1..=60_000).contains(&left), "{left}");
}

fn models(limit: u32) -> EntityFilter {
    EntityFilter {
        models: true,
        limit,
        ..EntityFilter::default()
    }
}

async fn entities_are_listed_page_by_page_with_their_source_and_facts(database: &TestDatabase) {
    let records = &database.records;
    let mut uploads = Vec::new();
    for id in ["model_c", "model_a", "model_b"] {
        uploads.push(imported(records, id).await);
    }
    let (mut seen, mut filter) = (Vec::new(), models(2));
    loop {
        let page = records.entities("local", &filter).await.unwrap();
        let Some(last) = page.last() else { break };
        let row = &last.entity;
        filter.after = Some((row.created_at.timestamp_millis(), row.id.clone()));
        seen.extend(page);
    }
    assert_eq!(seen.len(), 3);
    let mut found: Vec<&str> = seen.iter().map(|one| one.entity.upload.as_str()).collect();
    found.sort_unstable();
    uploads.sort();
    assert_eq!(found, uploads);
    let times: Vec<_> = seen.iter().map(|one| one.entity.created_at).collect();
    assert!(times.is_sorted_by(|a, b| a >= b), "{times:?}");
    for one in &seen {
        assert_eq!(one.provider, Some(ProviderKind::HuggingFace));
        assert_eq!(one.reference.as_deref(), Some("acme/tiny"));
        assert_eq!(one.revision, Some("a".repeat(40)));
        assert_eq!((one.files, one.size), (1, 10));
        assert_eq!(one.facts.architecture.as_deref(), Some("llama"));
    }
    let others = records.entities("other", &models(10)).await.unwrap();
    assert!(others.is_empty());
}

async fn entities_can_be_narrowed(database: &TestDatabase) {
    let records = &database.records;
    imported(records, "model_a").await;
    let count =
        async |filter: EntityFilter| records.entities("local", &filter).await.unwrap().len();
    let cases = [
        (models(10), 1),
        (
            EntityFilter {
                models: false,
                ..models(10)
            },
            0,
        ),
        (
            EntityFilter {
                text: Some("ME/TI".into()),
                ..models(10)
            },
            1,
        ),
        (
            EntityFilter {
                text: Some("_del".into()),
                ..models(10)
            },
            0,
        ),
        (
            EntityFilter {
                text: Some("model_a".into()),
                ..models(10)
            },
            1,
        ),
        (
            EntityFilter {
                provider: Some(ProviderKind::Civitai),
                ..models(10)
            },
            0,
        ),
        (
            EntityFilter {
                provider: Some(ProviderKind::HuggingFace),
                ..models(10)
            },
            1,
        ),
    ];
    for (filter, expected) in cases {
        assert_eq!(count(filter.clone()).await, expected, "{filter:?}");
    }
}

async fn statistics_add_up_what_ended(database: &TestDatabase) {
    let records = &database.records;
    let since = records.clock() - 3_600_000;
    let span = Span {
        since,
        step: 86_400_000,
    };
    let all = StatsField::ALL;
    let none = records.stats("local", span, all).await.unwrap();
    assert_eq!(none.uploads, Some(Vec::new()));
    assert_eq!(
        (none.steps, none.failures),
        (Some(Vec::new()), Some(Vec::new()))
    );
    for id in ["model_a", "model_b"] {
        imported(records, id).await;
    }
    failed(records, Code::Gated).await;
    failed(records, Code::Gated).await;
    failed(records, Code::NotFound).await;
    upload(records, "acme/waits").await;
    let stats = records.stats("local", span, all).await.unwrap();
    let mut uploads = stats.uploads.unwrap();
    uploads.sort_by_key(|(status, _)| status.as_str());
    assert_eq!(
        uploads,
        [
            (UploadStatus::Failed, 3),
            (UploadStatus::Imported, 2),
            (UploadStatus::Pending, 1)
        ]
    );
    let steps = stats.steps.unwrap();
    let steps: Vec<_> = steps
        .iter()
        .map(|s| {
            (
                s.step,
                s.provider.as_str(),
                s.finished,
                s.failed,
                s.bytes_transferred,
                s.bytes_reused,
            )
        })
        .collect();
    assert_eq!(
        steps,
        [(0, "", 0, 3, 0, 0), (0, "huggingface", 2, 0, 24, 20)]
    );
    let failures = stats.failures.unwrap();
    let failures: Vec<_> = failures
        .iter()
        .map(|f| (f.code.as_str(), f.count))
        .collect();
    assert_eq!(failures, [("gated", 2), ("not_found", 1)]);
    let held = stats.held.unwrap();
    assert_eq!((held.models, held.assets, held.files), (2, 0, 2));
    assert_eq!((held.bytes, held.stored_bytes), (20, 10));
    let later = Span {
        since: records.clock() + 60_000,
        ..span
    };
    let later = records.stats("local", later, all).await.unwrap();
    assert_eq!(
        (later.steps, later.failures),
        (Some(Vec::new()), Some(Vec::new()))
    );
    let other = records.stats("other", span, all).await.unwrap();
    assert_eq!(other.uploads, Some(Vec::new()));
    assert_eq!(other.held.unwrap().files, 0);
    let one = records
        .stats("local", span, &[StatsField::Held])
        .await
        .unwrap();
    assert!(one.held.is_some() && one.uploads.is_none() && one.steps.is_none());
}
