//! Uploads in parts: open until completed, once.

use std::time::Duration;

use modelferry::error::Code;
use modelferry::records::{Created, NewIntake, NewUpload, Records, Standing, new_upload_id};
use modelferry::request::ImportRequest;
use modelferry::storage::{Part, StageName, Staged};
use modelferry::upload::{Kind, Upload, UploadSource, UploadStatus};
use modelferry_providers::{Locator, Reference, RelPath};

use super::{LONG, OVER, claim, on_each_database};
use crate::databases::TestDatabase;

on_each_database! {
    an_open_upload_has_no_job,
    completing_closes_it_once_and_queues_it,
    a_cancelled_one_takes_no_more_and_is_not_retried,
    completed_and_cancelled_at_once_is_one_of_them,
    what_is_asked_for_is_not_abandoned,
    an_abandoned_one_ends_and_a_completed_one_does_not,
    an_owner_has_only_so_many_open,
    it_is_over_with_its_import,
    a_failed_one_goes_on_from_its_parts,
}

fn parts() -> Vec<Part> {
    vec![Part {
        number: 0,
        offset: 0,
        size: 10,
        tag: "\"a\"".to_owned(),
    }]
}

async fn try_open(records: &Records, owner: &str, most: u32) -> Result<Upload, Code> {
    let id = new_upload_id();
    let locator = Locator::Multipart {
        upload: id.clone(),
        file: RelPath::parse("a.bin").unwrap(),
        size: 10,
    };
    let mut request = ImportRequest::local(Reference::new(locator), Some(Kind::Asset));
    request.owner = owner.to_owned();
    let staged = Staged {
        name: StageName {
            upload: id.clone(),
            index: 0,
        },
        handle: String::new(),
    };
    let new = NewUpload {
        request: &request,
        source: UploadSource::Multipart,
        file_name: "a.bin",
    };
    let intake = NewIntake {
        upload: &id,
        staged: &staged,
        size: 10,
        parts: 1,
        original_file_name: "a.bin",
        content_type: "text/plain",
    };
    match records.create_intake(&new, &intake, None, most).await {
        Ok(Created::Now(upload)) => Ok(*upload),
        Ok(other) => panic!("{other:?}"),
        Err(error) => Err(error.code),
    }
}

async fn open(records: &Records) -> Upload {
    try_open(records, "local", 100).await.unwrap()
}

async fn complete(records: &Records, upload: &Upload) -> bool {
    let detail = records.get("local", &upload.id).await.unwrap();
    records.complete_intake(&detail, &parts()).await.unwrap()
}

async fn is_open(records: &Records, upload: &Upload) -> bool {
    let intake = records.intake(&upload.id).await.unwrap();
    intake.is_some_and(|intake| intake.is_open())
}

async fn an_open_upload_has_no_job(database: &TestDatabase) {
    let records = &database.records;
    let upload = open(records).await;
    let read = records.get("local", &upload.id).await.unwrap().upload;
    assert_eq!(read, upload);
    assert_eq!((read.file_size, read.parts_count), (Some(10), Some(1)));
    assert!(claim(records, &upload, LONG).await.is_none());
    let intake = records.intake(&upload.id).await.unwrap().unwrap();
    assert!(intake.is_open());
    assert_eq!((intake.size, intake.count), (10, 1));
    assert_eq!(intake.staged.name.upload, upload.id);
    let standing = records.standing(&upload.id).await.unwrap();
    assert_eq!(standing, Some(Standing::Running));
}

async fn completing_closes_it_once_and_queues_it(database: &TestDatabase) {
    let records = &database.records;
    let upload = open(records).await;
    assert!(complete(records, &upload).await);
    assert!(!complete(records, &upload).await);
    let intake = records.intake(&upload.id).await.unwrap().unwrap();
    assert!(!intake.is_open());
    assert_eq!(intake.parts, Some(parts()));
    assert!(claim(records, &upload, LONG).await.is_some());
}

async fn a_cancelled_one_takes_no_more_and_is_not_retried(database: &TestDatabase) {
    let records = &database.records;
    let (early, late) = (open(records).await, open(records).await);
    complete(records, &late).await;
    for upload in [&early, &late] {
        assert!(records.cancel("local", &upload.id).await.unwrap());
        assert!(records.intake(&upload.id).await.unwrap().is_none());
        assert!(!complete(records, upload).await);
        let detail = records.get("local", &upload.id).await.unwrap();
        assert!(!records.retry(&detail).await.unwrap());
        let standing = records.standing(&upload.id).await.unwrap();
        assert_eq!(standing, Some(Standing::Over));
    }
}

async fn completed_and_cancelled_at_once_is_one_of_them(database: &TestDatabase) {
    let records = &database.records;
    for _ in 0..10 {
        let upload = open(records).await;
        let detail = records.get("local", &upload.id).await.unwrap();
        let parts = parts();
        let (completed, cancelled) = tokio::join!(
            records.complete_intake(&detail, &parts),
            records.cancel("local", &upload.id),
        );
        completed.unwrap();
        assert!(cancelled.unwrap());
        let read = records.get("local", &upload.id).await.unwrap().upload;
        assert_eq!(read.status, UploadStatus::Failed);
        assert!(claim(records, &upload, LONG).await.is_none());
    }
}

async fn what_is_asked_for_is_not_abandoned(database: &TestDatabase) {
    let records = &database.records;
    let upload = open(records).await;
    let intake = records.intake(&upload.id).await.unwrap().unwrap();
    records.note_asked(&intake).await.unwrap();
    let abandoned = records.abandoned_intakes(LONG).await.unwrap();
    assert_eq!(abandoned, Vec::<String>::new());
    assert!(!records.end_abandoned(&upload.id, LONG).await.unwrap());
    assert!(is_open(records, &upload).await);
}

async fn an_abandoned_one_ends_and_a_completed_one_does_not(database: &TestDatabase) {
    let records = &database.records;
    let (open, completed) = (open(records).await, open(records).await);
    complete(records, &completed).await;
    tokio::time::sleep(Duration::from_millis(5)).await;
    let abandoned = records.abandoned_intakes(OVER).await.unwrap();
    assert_eq!(abandoned, std::slice::from_ref(&open.id));
    assert!(!records.end_abandoned(&completed.id, OVER).await.unwrap());
    assert!(records.end_abandoned(&open.id, OVER).await.unwrap());
    let detail = records.get("local", &open.id).await.unwrap();
    assert_eq!(detail.upload.status, UploadStatus::Failed);
    assert_eq!(detail.error.unwrap().code, Code::Cancelled);
}

async fn an_owner_has_only_so_many_open(database: &TestDatabase) {
    let records = &database.records;
    let first = try_open(records, "local", 2).await.unwrap();
    try_open(records, "local", 2).await.unwrap();
    let third = try_open(records, "local", 2).await;
    assert_eq!(third.unwrap_err(), Code::RateLimited);
    try_open(records, "other", 2).await.unwrap();
    complete(records, &first).await;
    try_open(records, "local", 2).await.unwrap();
}

async fn it_is_over_with_its_import(database: &TestDatabase) {
    let records = &database.records;
    let upload = open(records).await;
    complete(records, &upload).await;
    let claim = claim(records, &upload, LONG).await.unwrap();
    let plan = super::plan();
    assert!(records.save_plan(&claim, &plan, "key").await.unwrap());
    let read = records.get("local", &upload.id).await.unwrap().upload;
    assert_eq!(read.provider, None);
    for (from, to) in [
        (UploadStatus::Pending, UploadStatus::Validating),
        (UploadStatus::Validating, UploadStatus::Validated),
    ] {
        assert!(records.advance(&claim, from, to).await.unwrap());
    }
    assert!(records.intake(&upload.id).await.unwrap().is_some());
    assert!(records.complete(&claim).await.unwrap());
    assert!(records.intake(&upload.id).await.unwrap().is_none());
}

async fn a_failed_one_goes_on_from_its_parts(database: &TestDatabase) {
    let records = &database.records;
    let upload = open(records).await;
    complete(records, &upload).await;
    let first = claim(records, &upload, LONG).await.unwrap();
    let error = modelferry::error::Error::new(Code::StorageError, "the store is away");
    assert!(records.fail(&first, &error).await.unwrap());
    let detail = records.get("local", &upload.id).await.unwrap();
    assert!(records.retry(&detail).await.unwrap());
    assert!(claim(records, &upload, LONG).await.is_some());
    let intake = records.intake(&upload.id).await.unwrap().unwrap();
    assert_eq!(intake.parts, Some(parts()));
}
