use modelferry::error::Code;
use modelferry::inspect::Facts;
use modelferry::records::{Claim, Records, Refused, Stored};
use modelferry::storage::Part;
use modelferry::upload::{ArtifactStatus, Verification};
use modelferry_providers::{GitSha1, Sha256};
use serde_json::json;

use super::{LONG, OVER, claim, claimed, on_each_database, plan, upload};
use crate::databases::TestDatabase;

on_each_database! {
    a_plan_is_kept_with_its_files,
    a_new_plan_takes_the_place_of_the_old_one,
    a_checkpoint_comes_back_with_every_part,
    a_part_stored_twice_counts_once,
    a_dropped_checkpoint_is_gone,
    a_stored_file_needs_no_checkpoint,
    a_blob_is_found_by_its_git_id_and_length,
    a_blamed_file_says_why,
    a_refused_file_says_why_until_it_is_judged_anew,
    a_files_facts_come_back_as_they_were,
    a_late_worker_records_no_file,
}

async fn planned(records: &Records) -> Claim {
    let claim = claimed(records, "acme/tiny").await;
    assert!(records.save_plan(&claim, &plan(), "key").await.unwrap());
    claim
}

fn part(number: u32, tag: &str) -> Part {
    Part {
        number,
        offset: u64::from(number) * 5,
        size: 5,
        tag: tag.to_owned(),
    }
}

fn stored(hex: &str) -> Stored {
    Stored {
        sha256: hex.repeat(32).parse().unwrap(),
        size: 10,
        verification: Verification::GitSha1,
        bytes_transferred: 12,
        reused: false,
        repaired: true,
    }
}

async fn a_refused_file_says_why_until_it_is_judged_anew(database: &TestDatabase) {
    let records = &database.records;
    let claim = planned(records).await;
    let refused = Refused {
        code: Code::UnsafePickle,
        reason: "it names os.system".to_owned(),
        bytes_transferred: 7,
    };
    assert!(records.store(&claim, 1, &stored("ab")).await.unwrap());
    assert!(records.refuse(&claim, 1, &refused).await.unwrap());
    let files = records.artifacts(claim.upload_id()).await.unwrap();
    assert_eq!(files[1].status, ArtifactStatus::Refused);
    assert_eq!(files[1].reason.as_deref(), Some("it names os.system"));
    assert_eq!(files[1].error_code.as_deref(), Some("unsafe_pickle"));
    assert_eq!(files[1].bytes_transferred, 19);
    assert!(records.take_back_refusals(&claim).await.unwrap());
    let files = records.artifacts(claim.upload_id()).await.unwrap();
    assert_eq!(files[1].status, ArtifactStatus::Pending);
    assert_eq!((&files[1].reason, &files[1].error_code), (&None, &None));
    assert_eq!(files[0].status, ArtifactStatus::Pending);
}

async fn a_files_facts_come_back_as_they_were(database: &TestDatabase) {
    let records = &database.records;
    let claim = planned(records).await;
    let facts = Facts {
        architecture: Some("llama".to_owned()),
        parameters: Some(u64::from(u32::MAX) * 5),
        ..Facts::default()
    };
    assert!(records.save_facts(&claim, &[(1, &facts)]).await.unwrap());
    let files = records.artifacts(claim.upload_id()).await.unwrap();
    assert_eq!((&files[0].facts, &files[1].facts), (&None, &Some(facts)));
}

async fn a_plan_is_kept_with_its_files(database: &TestDatabase) {
    let records = &database.records;
    let claim = planned(records).await;
    let upload = &claim.detail.upload;
    let detail = records.get(&upload.owner_id, &upload.id).await.unwrap();
    assert_eq!(detail.plan, Some(plan()));
    assert_eq!(detail.upload.file_size, Some(20));
    assert_eq!(detail.upload.file_name, "acme/tiny");
    let files = records.artifacts(&upload.id).await.unwrap();
    let shown: Vec<_> = files
        .iter()
        .map(|row| (row.path.as_str(), row.size, row.status))
        .collect();
    let pending = ArtifactStatus::Pending;
    assert_eq!(
        shown,
        [
            ("model.safetensors", Some(10), pending),
            ("config.json", Some(10), pending)
        ]
    );
}

async fn a_new_plan_takes_the_place_of_the_old_one(database: &TestDatabase) {
    let records = &database.records;
    let claim = planned(records).await;
    let mut smaller = plan();
    smaller.artifacts.truncate(1);
    assert!(records.save_plan(&claim, &smaller, "key").await.unwrap());
    assert_eq!(records.artifacts(claim.upload_id()).await.unwrap().len(), 1);
}

async fn a_checkpoint_comes_back_with_every_part(database: &TestDatabase) {
    let records = &database.records;
    let claim = planned(records).await;
    let id = claim.upload_id();
    assert_eq!(records.checkpoint(id, 0).await.unwrap(), None);
    for number in 0..2 {
        let parts = [part(number, "etag")];
        let saved = json!({ "done": number });
        assert!(
            records
                .save_checkpoint(&claim, 0, &saved, &parts)
                .await
                .unwrap()
        );
    }
    let parts = vec![part(0, "etag"), part(1, "etag")];
    assert_eq!(
        records.checkpoint(id, 0).await.unwrap(),
        Some((json!({ "done": 1 }), parts))
    );
    assert_eq!(records.checkpoint(id, 1).await.unwrap(), None);
}

async fn a_part_stored_twice_counts_once(database: &TestDatabase) {
    let records = &database.records;
    let claim = planned(records).await;
    for tag in ["first", "second"] {
        let parts = [part(0, tag)];
        assert!(
            records
                .save_checkpoint(&claim, 0, &json!({}), &parts)
                .await
                .unwrap()
        );
    }
    let (_, parts) = records
        .checkpoint(claim.upload_id(), 0)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(parts, [part(0, "second")]);
}

async fn a_dropped_checkpoint_is_gone(database: &TestDatabase) {
    let records = &database.records;
    let claim = planned(records).await;
    let parts = [part(0, "etag")];
    records
        .save_checkpoint(&claim, 0, &json!({}), &parts)
        .await
        .unwrap();
    assert!(records.drop_checkpoint(&claim, 0).await.unwrap());
    assert_eq!(
        records.checkpoint(claim.upload_id(), 0).await.unwrap(),
        None
    );
}

async fn a_stored_file_needs_no_checkpoint(database: &TestDatabase) {
    let records = &database.records;
    let claim = planned(records).await;
    let parts = [part(0, "etag")];
    records
        .save_checkpoint(&claim, 1, &json!({}), &parts)
        .await
        .unwrap();
    assert!(records.store(&claim, 1, &stored("ef")).await.unwrap());
    assert_eq!(
        records.checkpoint(claim.upload_id(), 1).await.unwrap(),
        None
    );
    let row = records
        .artifacts(claim.upload_id())
        .await
        .unwrap()
        .remove(1);
    assert_eq!(
        (row.status, row.bytes_transferred),
        (ArtifactStatus::Stored, 12)
    );
    assert_eq!((row.reused, row.repaired), (false, true));
    assert_eq!(row.verification, Some(Verification::GitSha1));
}

async fn a_blob_is_found_by_its_git_id_and_length(database: &TestDatabase) {
    let records = &database.records;
    let claim = planned(records).await;
    let git_id: GitSha1 = "cd".repeat(20).parse().unwrap();
    assert_eq!(records.blob_by_git_id(git_id, 10).await.unwrap(), None);
    assert!(records.store(&claim, 1, &stored("ef")).await.unwrap());
    let sha256: Sha256 = "ef".repeat(32).parse().unwrap();
    assert_eq!(
        records.blob_by_git_id(git_id, 10).await.unwrap(),
        Some(sha256)
    );
    assert_eq!(records.blob_by_git_id(git_id, 11).await.unwrap(), None);
}

async fn a_blamed_file_says_why(database: &TestDatabase) {
    let records = &database.records;
    let claim = planned(records).await;
    assert!(
        records
            .blame(&claim, 0, Code::HashMismatch, 7)
            .await
            .unwrap()
    );
    let row = records
        .artifacts(claim.upload_id())
        .await
        .unwrap()
        .remove(0);
    assert_eq!(row.error_code.as_deref(), Some("hash_mismatch"));
    assert_eq!(
        (row.status, row.bytes_transferred),
        (ArtifactStatus::Failed, 7)
    );
}

async fn a_late_worker_records_no_file(database: &TestDatabase) {
    let records = &database.records;
    let upload = upload(records, "acme/tiny").await;
    let late = claim(records, &upload, OVER).await.unwrap();
    let current = claim(records, &upload, LONG).await.unwrap();
    records.save_plan(&current, &plan(), "key").await.unwrap();
    let parts = [part(0, "late")];
    assert!(
        !records
            .save_checkpoint(&late, 0, &json!({}), &parts)
            .await
            .unwrap()
    );
    assert!(!records.drop_checkpoint(&late, 0).await.unwrap());
    assert!(!records.store(&late, 0, &stored("ef")).await.unwrap());
    assert!(!records.blame(&late, 0, Code::Stalled, 1).await.unwrap());
    let refused = Refused {
        code: Code::UnsafePickle,
        reason: String::new(),
        bytes_transferred: 1,
    };
    assert!(!records.refuse(&late, 0, &refused).await.unwrap());
    assert!(!records.take_back_refusals(&late).await.unwrap());
    assert!(!records.save_facts(&late, &[]).await.unwrap());
    let row = records.artifacts(&upload.id).await.unwrap().remove(0);
    assert_eq!(
        (row.status, row.bytes_transferred),
        (ArtifactStatus::Pending, 0)
    );
}
