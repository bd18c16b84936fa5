use modelferry::error::{Code, Error};
use modelferry::records::{Claim, Records};
use modelferry::upload::Kind;
use modelferry::upload::UploadStatus::{
    self, Complete, Failed, Imported, Pending, Validated, Validating,
};

use super::{LONG, OVER, claim, claimed, entity, on_each_database, plan, upload};
use crate::databases::TestDatabase;

on_each_database! {
    an_import_ends_with_its_entity,
    a_complete_upload_has_no_entity,
    a_failure_is_kept_in_words_and_code,
    a_move_happens_only_from_where_it_starts,
    a_move_that_the_machine_does_not_know_is_refused,
    an_ended_upload_can_not_be_claimed,
    a_failed_upload_can_be_tried_again,
    only_a_failed_upload_can_be_tried_again,
    a_late_worker_moves_nothing,
    validation_names_the_found_kind,
}

fn gated() -> Error {
    Error::new(Code::Gated, "acme/tiny is gated").hint("accept the terms")
}

async fn status(records: &Records, claim: &Claim) -> UploadStatus {
    let upload = &claim.detail.upload;
    let detail = records.get(&upload.owner_id, &upload.id).await.unwrap();
    detail.upload.status
}

/// Takes a claimed upload to `validated`.
async fn validated(records: &Records, claim: &Claim) {
    assert!(records.advance(claim, Pending, Validating).await.unwrap());
    assert!(records.validated(claim, Kind::Model, None).await.unwrap());
}

async fn an_import_ends_with_its_entity(database: &TestDatabase) {
    let records = &database.records;
    let claim = claimed(records, "acme/tiny").await;
    validated(records, &claim).await;
    assert!(records.import(&claim, &entity("model_1")).await.unwrap());
    let upload = &claim.detail.upload;
    let detail = records.get(&upload.owner_id, &upload.id).await.unwrap();
    assert_eq!(detail.upload.status, Imported);
    assert_eq!(detail.upload.entity_id.as_deref(), Some("model_1"));
}

async fn a_complete_upload_has_no_entity(database: &TestDatabase) {
    let records = &database.records;
    let claim = claimed(records, "acme/tiny").await;
    validated(records, &claim).await;
    assert!(records.complete(&claim).await.unwrap());
    let upload = &claim.detail.upload;
    let detail = records.get(&upload.owner_id, &upload.id).await.unwrap();
    assert_eq!(
        (detail.upload.status, detail.upload.entity_id),
        (Complete, None)
    );
}

async fn a_failure_is_kept_in_words_and_code(database: &TestDatabase) {
    let records = &database.records;
    let claim = claimed(records, "acme/tiny").await;
    assert!(records.fail(&claim, &gated()).await.unwrap());
    let upload = &claim.detail.upload;
    let detail = records.get(&upload.owner_id, &upload.id).await.unwrap();
    assert_eq!(detail.upload.status, Failed);
    let message = detail.upload.error_message.unwrap();
    assert_eq!(message, "acme/tiny is gated [gated]");
    assert_eq!(detail.error, Some(gated()));
}

async fn a_move_happens_only_from_where_it_starts(database: &TestDatabase) {
    let records = &database.records;
    let claim = claimed(records, "acme/tiny").await;
    assert!(!records.validated(&claim, Kind::Model, None).await.unwrap());
    assert!(!records.complete(&claim).await.unwrap());
    assert!(!records.import(&claim, &entity("model_1")).await.unwrap());
    assert_eq!(status(records, &claim).await, Pending);
    assert!(records.advance(&claim, Pending, Validating).await.unwrap());
    assert!(!records.advance(&claim, Pending, Validating).await.unwrap());
}

async fn a_move_that_the_machine_does_not_know_is_refused(database: &TestDatabase) {
    let claim = claimed(&database.records, "acme/tiny").await;
    let refused = database.records.advance(&claim, Pending, Imported).await;
    assert_eq!(refused.unwrap_err().code, Code::Internal);
    assert_eq!(status(&database.records, &claim).await, Pending);
}

async fn an_ended_upload_can_not_be_claimed(database: &TestDatabase) {
    let records = &database.records;
    let first = claimed(records, "acme/tiny").await;
    records.fail(&first, &gated()).await.unwrap();
    assert!(claim(records, &first.detail.upload, LONG).await.is_none());
    assert!(!records.fail(&first, &gated()).await.unwrap());
}

async fn a_failed_upload_can_be_tried_again(database: &TestDatabase) {
    let records = &database.records;
    let first = claimed(records, "acme/tiny").await;
    records.fail(&first, &gated()).await.unwrap();
    assert!(records.retry(&first.detail).await.unwrap());
    let again = claim(records, &first.detail.upload, LONG).await.unwrap();
    let upload = &again.detail.upload;
    assert_eq!((upload.status, &upload.error_message), (Pending, &None));
    assert_eq!(upload.job_id, first.detail.upload.job_id);
}

async fn only_a_failed_upload_can_be_tried_again(database: &TestDatabase) {
    let claim = claimed(&database.records, "acme/tiny").await;
    assert!(!database.records.retry(&claim.detail).await.unwrap());
}

async fn a_late_worker_moves_nothing(database: &TestDatabase) {
    let records = &database.records;
    let upload = upload(records, "acme/tiny").await;
    let late = claim(records, &upload, OVER).await.unwrap();
    let current = claim(records, &upload, LONG).await.unwrap();
    let plan = plan();
    assert!(!records.save_plan(&late, &plan, "key").await.unwrap());
    assert!(!records.advance(&late, Pending, Validating).await.unwrap());
    assert!(!records.fail(&late, &gated()).await.unwrap());
    validated(records, &current).await;
    assert!(!records.import(&late, &entity("model_1")).await.unwrap());
    assert!(!records.complete(&late).await.unwrap());
    assert_eq!(status(records, &current).await, Validated);
    assert!(records.import(&current, &entity("model_2")).await.unwrap());
}

async fn validation_names_the_found_kind(database: &TestDatabase) {
    let records = &database.records;
    let claim = claimed(records, "acme/tiny").await;
    assert!(records.advance(&claim, Pending, Validating).await.unwrap());
    let media_type = Some("image/png");
    assert!(
        records
            .validated(&claim, Kind::Image, media_type)
            .await
            .unwrap()
    );
    let upload = &claim.detail.upload;
    let upload = records
        .get(&upload.owner_id, &upload.id)
        .await
        .unwrap()
        .upload;
    assert_eq!(
        (upload.kind, upload.content_type.as_deref()),
        (Kind::Image, media_type)
    );
}
