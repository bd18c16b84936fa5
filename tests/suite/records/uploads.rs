use modelferry::error::{Code, Error};
use modelferry::records::{Filter, Records, Standing};
use modelferry::upload::{Kind, UploadSource, UploadStatus};

use super::{claimed, create, entity, on_each_database, plan, request, upload};
use crate::databases::TestDatabase;

on_each_database! {
    an_upload_shows_what_was_asked,
    another_owners_upload_is_not_found,
    uploads_are_listed_newest_first,
    a_list_goes_on_after_an_id,
    a_list_can_be_narrowed,
    an_unfinished_upload_of_the_same_request_is_found,
    a_finished_upload_of_the_same_plan_is_found,
    what_may_be_resumed_is_known,
    the_same_database_opens_twice_at_once,
}

fn filter() -> Filter {
    Filter {
        limit: 100,
        ..Filter::default()
    }
}

fn searching(text: &str) -> Filter {
    Filter {
        text: Some(text.to_owned()),
        ..filter()
    }
}

async fn ids(records: &Records, filter: &Filter) -> Vec<String> {
    let uploads = records.list("local", filter).await.unwrap();
    uploads.into_iter().map(|upload| upload.id).collect()
}

async fn an_upload_shows_what_was_asked(database: &TestDatabase) {
    let mut request = request("https://example.com/a.png?sig=1");
    request.kind = Some(Kind::Image);
    let upload = create(&database.records, &request).await;
    assert_eq!(upload.status, UploadStatus::Pending);
    assert_eq!(
        (upload.kind, upload.source),
        (Kind::Image, UploadSource::Url)
    );
    assert_eq!(upload.url.as_deref(), Some("https://example.com/a.png"));
    let detail = database.records.get("local", &upload.id).await.unwrap();
    assert_eq!(detail.request, request);
    assert_eq!(detail.upload, upload);
}

async fn another_owners_upload_is_not_found(database: &TestDatabase) {
    let upload = upload(&database.records, "acme/tiny").await;
    let other = database.records.get("somebody", &upload.id).await;
    assert_eq!(other.unwrap_err().code, Code::NotFound);
    assert!(
        database
            .records
            .list("somebody", &filter())
            .await
            .unwrap()
            .is_empty()
    );
}

async fn uploads_are_listed_newest_first(database: &TestDatabase) {
    let mut made = Vec::new();
    for _ in 0..5 {
        made.push(upload(&database.records, "acme/tiny").await.id);
    }
    made.reverse();
    assert_eq!(ids(&database.records, &filter()).await, made);
}

async fn a_list_goes_on_after_an_id(database: &TestDatabase) {
    let records = &database.records;
    for _ in 0..5 {
        upload(records, "acme/tiny").await;
    }
    let all = ids(records, &filter()).await;
    let mut page = Filter {
        limit: 2,
        ..filter()
    };
    let mut paged = Vec::new();
    loop {
        let next = ids(records, &page).await;
        let Some(last) = next.last() else { break };
        page.after = Some(last.clone());
        paged.extend(next);
    }
    assert_eq!(paged, all);
}

async fn a_list_can_be_narrowed(database: &TestDatabase) {
    let records = &database.records;
    let planned = claimed(records, "acme/tiny").await;
    records.save_plan(&planned, &plan(), "key").await.unwrap();
    let failed = claimed(records, "civitai:4384").await;
    let error = Error::new(Code::NotFound, "gone");
    records.fail(&failed, &error).await.unwrap();
    let (planned, failed) = (planned.upload_id(), failed.upload_id());
    let cases = [
        (
            Filter {
                statuses: vec![UploadStatus::Failed],
                ..filter()
            },
            vec![failed],
        ),
        (
            Filter {
                source: Some(UploadSource::HuggingFace),
                ..filter()
            },
            vec![planned],
        ),
        (
            Filter {
                provider: Some(modelferry_providers::ProviderKind::HuggingFace),
                ..filter()
            },
            vec![planned],
        ),
        (
            Filter {
                code: Some(Code::NotFound),
                ..filter()
            },
            vec![failed],
        ),
        (searching("ACME/ti"), vec![planned]),
        (searching("acme%tiny"), vec![]),
        (searching("upload_"), vec![failed, planned]),
        (
            Filter {
                statuses: vec![UploadStatus::Pending, UploadStatus::Failed],
                text: Some("tiny".to_owned()),
                ..filter()
            },
            vec![failed, planned],
        ),
        (filter(), vec![failed, planned]),
    ];
    for (filter, expected) in cases {
        assert_eq!(ids(records, &filter).await, expected, "{filter:?}");
    }
}

async fn an_unfinished_upload_of_the_same_request_is_found(database: &TestDatabase) {
    let records = &database.records;
    let asked = request("acme/tiny");
    assert!(records.find_unfinished(&asked).await.unwrap().is_none());
    let claim = claimed(records, "acme/tiny").await;
    let found = records.find_unfinished(&asked).await.unwrap().unwrap();
    assert_eq!(found.upload.id, claim.upload_id());
    assert!(
        records
            .find_unfinished(&request("acme/other"))
            .await
            .unwrap()
            .is_none()
    );
    let error = Error::new(Code::Gated, "gated");
    records.fail(&claim, &error).await.unwrap();
    assert!(records.find_unfinished(&asked).await.unwrap().is_none());
}

async fn a_finished_upload_of_the_same_plan_is_found(database: &TestDatabase) {
    use UploadStatus::{Pending, Validating};
    let records = &database.records;
    let claim = claimed(records, "acme/tiny").await;
    records.save_plan(&claim, &plan(), "key").await.unwrap();
    records.advance(&claim, Pending, Validating).await.unwrap();
    records.validated(&claim, Kind::Model, None).await.unwrap();
    assert!(
        records
            .find_finished("local", "key")
            .await
            .unwrap()
            .is_none()
    );
    records.import(&claim, &entity("model_1")).await.unwrap();
    let found = records
        .find_finished("local", "key")
        .await
        .unwrap()
        .unwrap();
    assert_eq!(found.upload.id, claim.upload_id());
    assert!(
        records
            .find_finished("local", "other")
            .await
            .unwrap()
            .is_none()
    );
    assert!(
        records
            .find_finished("somebody", "key")
            .await
            .unwrap()
            .is_none()
    );
}

async fn what_may_be_resumed_is_known(database: &TestDatabase) {
    let records = &database.records;
    let waiting = claimed(records, "acme/tiny").await;
    let stalled = claimed(records, "acme/other").await;
    let gated = claimed(records, "acme/gated").await;
    let fail = |code| Error::new(code, "no");
    records.fail(&stalled, &fail(Code::Stalled)).await.unwrap();
    records.fail(&gated, &fail(Code::Gated)).await.unwrap();
    let expected = [
        (waiting.upload_id(), Some(Standing::Running)),
        (stalled.upload_id(), Some(Standing::Resumable)),
        (gated.upload_id(), Some(Standing::Over)),
        ("upload_of_somebody_else", None),
    ];
    for (upload, standing) in expected {
        assert_eq!(
            records.standing(upload).await.unwrap(),
            standing,
            "{upload}"
        );
    }
}

async fn the_same_database_opens_twice_at_once(database: &TestDatabase) {
    let opened = (0..4).map(|_| {
        let place = database.place.clone();
        tokio::spawn(async move { Records::open(&place).await })
    });
    for records in opened.collect::<Vec<_>>() {
        let records = records.await.unwrap().unwrap();
        upload(&records, "acme/tiny").await;
    }
    assert_eq!(ids(&database.records, &filter()).await.len(), 4);
}
