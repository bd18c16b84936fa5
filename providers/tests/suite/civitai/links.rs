//! Signed links: kept, worn out, asked for again; and what they lead to.

use std::time::Duration;

use modelferry_fixtures::{
    CivitaiFile, CivitaiModel, CivitaiVersion, Content, Fault, Hashes, HubOptions, Scene, Site,
};
use modelferry_providers::{Auth, ByteRange, ErrorKind, Provider};

use super::{harbour, is, sha256, token};

fn part(start: u64, end: u64) -> ByteRange {
    ByteRange {
        start,
        end: Some(end),
        validator: None,
    }
}

#[tokio::test]
async fn one_counted_request_serves_proof_and_every_range() {
    let harbour = harbour(Scene::standard()).await;
    let file = &harbour.plan("civitai:4384").await.artifacts[0];
    let auth = Auth::anonymous();
    harbour.civitai.may_read(file, &auth).await.unwrap();
    harbour.civitai.may_read(file, &auth).await.unwrap();
    let mut bytes = harbour
        .read_range(file, &part(0, 1000), &auth)
        .await
        .unwrap();
    bytes.extend(
        harbour
            .read_range(file, &part(1000, 150_000), &auth)
            .await
            .unwrap(),
    );
    bytes.extend(
        harbour
            .read_range(file, &part(150_000, 1 << 40), &auth)
            .await
            .unwrap(),
    );
    assert_eq!(file.digests.sha256.unwrap().to_string(), sha256(&bytes));
    let counted = harbour.downloads();
    assert_eq!(counted.len(), 1);
    assert_eq!(
        (counted[0].method.as_str(), counted[0].range.as_deref()),
        ("GET", Some("bytes=0-0"))
    );
}

#[tokio::test]
async fn ranges_opened_at_once_share_one_link() {
    let harbour = harbour(Scene::standard()).await;
    let file = &harbour.plan("civitai:4384").await.artifacts[0];
    let auth = Auth::anonymous();
    let opens = (0..8).map(|nth| {
        let range = part(nth * 100, nth * 100 + 100);
        let (harbour, auth) = (&harbour, &auth);
        async move {
            harbour
                .read_range(file, &range, auth)
                .await
                .map(|bytes| bytes.len())
        }
    });
    let lengths = futures_util::future::try_join_all(opens).await.unwrap();
    assert_eq!(lengths, [100; 8]);
    assert_eq!(harbour.downloads().len(), 1);
}

#[tokio::test]
async fn a_link_that_storage_no_longer_takes_is_asked_for_again() {
    let harbour = harbour(Scene::standard()).await;
    let file = &harbour.plan("civitai:4384").await.artifacts[0];
    let auth = Auth::anonymous();
    harbour.read(file, &auth).await.unwrap();
    harbour.hub.expire_links();
    harbour
        .read_range(file, &part(10, 20), &auth)
        .await
        .unwrap();
    harbour.read(file, &auth).await.unwrap();
    assert_eq!(harbour.downloads().len(), 2);
    let statuses: Vec<u16> = harbour
        .at(Site::Cdn)
        .iter()
        .map(|seen| seen.status)
        .collect();
    assert_eq!(statuses, [200, 403, 206, 200]);
}

#[tokio::test]
async fn ranges_whose_link_wore_out_together_ask_for_one_new_link() {
    let harbour = harbour(Scene::standard()).await;
    let file = &harbour.plan("civitai:4384").await.artifacts[0];
    let auth = Auth::anonymous();
    harbour.read_range(file, &part(0, 10), &auth).await.unwrap();
    harbour.hub.expire_links();
    let opens = (0..8).map(|nth| {
        let range = part(nth * 100, nth * 100 + 100);
        let (harbour, auth) = (&harbour, &auth);
        async move { harbour.read_range(file, &range, auth).await }
    });
    futures_util::future::try_join_all(opens).await.unwrap();
    assert_eq!(harbour.downloads().len(), 2);
}

#[tokio::test]
async fn another_process_goes_on_with_one_more_counted_request() {
    let harbour = harbour(Scene::standard()).await;
    let auth = Auth::anonymous();
    let plan = harbour.plan("civitai:4384").await;
    let stored = serde_json::to_string(&plan.artifacts[0]).unwrap();
    let first = harbour
        .civitai
        .open(&plan.artifacts[0], &part(0, 1000), &auth)
        .await;
    let validator = first.unwrap().validator;
    let other = super::Harbour {
        civitai: super::provider_of(&harbour.hub),
        hub: harbour.hub,
    };
    let file = serde_json::from_str(&stored).unwrap();
    for start in [1000, 2000, 3000] {
        let range = ByteRange {
            validator: validator.clone(),
            ..part(start, start + 1000)
        };
        let bytes = other.read_range(&file, &range, &auth).await.unwrap();
        assert_eq!(bytes.len(), 1000);
    }
    assert_eq!(other.downloads().len(), 2);
}

#[tokio::test]
async fn a_link_past_its_own_date_is_not_even_tried() {
    let options = HubOptions::from(Scene::standard()).link_lifetime(Duration::from_secs(1));
    let harbour = harbour(options).await;
    let file = &harbour.plan("civitai:4384").await.artifacts[0];
    let auth = Auth::anonymous();
    harbour.read(file, &auth).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1100)).await;
    harbour.read(file, &auth).await.unwrap();
    let statuses: Vec<u16> = harbour
        .at(Site::Cdn)
        .iter()
        .map(|seen| seen.status)
        .collect();
    assert_eq!(statuses, [200, 200]);
    assert_eq!(harbour.downloads().len(), 2);
}

#[tokio::test]
async fn storage_that_refuses_fresh_links_is_not_asked_for_ever() {
    let harbour = harbour(Scene::standard()).await;
    let file = &harbour.plan("civitai:4384").await.artifacts[0];
    harbour.hub.order(Fault::status(403).on(Site::Cdn));
    let error = harbour.read(file, &Auth::anonymous()).await.unwrap_err();
    is(&error, ErrorKind::Upstream);
    assert!(error.is_transient());
    assert_eq!(harbour.downloads().len(), 2);
}

#[tokio::test]
async fn the_token_stays_with_the_hub() {
    let harbour = harbour(Scene::standard()).await;
    let auth = token("civitai_good");
    let plan = harbour.plan_as("civitai:5001", &auth).await;
    harbour.read(&plan.artifacts[0], &auth).await.unwrap();
    assert!(
        harbour
            .at(Site::Civitai)
            .iter()
            .all(|seen| seen.has_authorization())
    );
    let stored = harbour.at(Site::Cdn);
    assert!(!stored.is_empty());
    for seen in stored {
        assert!(!seen.has_authorization());
        assert!(!seen.query.contains("civitai_good"), "{seen:?}");
    }
}

#[tokio::test]
async fn a_file_misplaced_for_a_moment_is_asked_for_once_more() {
    let harbour = harbour(Scene::standard()).await;
    let file = &harbour.plan("civitai:4384").await.artifacts[0];
    let lost = Fault::status(404)
        .body(r#"{"error":"File not found"}"#)
        .on(Site::Civitai);
    harbour.hub.order(lost.path("/download/").times(1));
    harbour.read(file, &Auth::anonymous()).await.unwrap();
    let queries: Vec<String> = harbour
        .downloads()
        .into_iter()
        .map(|seen| seen.query)
        .collect();
    assert_eq!(queries, ["fileId=93208"; 2]);
}

#[tokio::test]
async fn a_version_that_is_gone_is_not_asked_for_again() {
    let harbour = harbour(Scene::standard()).await;
    let file = &harbour.plan("civitai:4384").await.artifacts[0];
    let gone = Fault::status(404)
        .body(r#"{"error":"Model not found"}"#)
        .on(Site::Civitai);
    harbour.hub.order(gone.path("/download/"));
    is(
        &harbour.read(file, &Auth::anonymous()).await.unwrap_err(),
        ErrorKind::NotFound,
    );
    assert_eq!(harbour.downloads().len(), 1);
}

/// Two LORA files; by their ids the hub finds neither, by filters always the first.
async fn misplaced(hashes: Hashes) -> super::Harbour {
    let named = |id, size| {
        CivitaiFile::new(id, "boat.safetensors", Content::safetensors(id, size))
            .hashes(hashes.clone())
    };
    let version = CivitaiVersion::new(10, "v1")
        .file(named(1, 4000))
        .file(named(2, 5000));
    let scene = Scene::empty().model(CivitaiModel::new(1, "Boat", "LORA").version(version));
    let harbour = harbour(scene).await;
    let lost = Fault::status(404)
        .body(r#"{"error":"File not found"}"#)
        .on(Site::Civitai);
    harbour.hub.order(lost.path("fileId="));
    harbour
}

#[tokio::test]
async fn a_file_that_its_id_never_finds_comes_by_its_own_url() {
    let harbour = misplaced(Hashes::Empty).await;
    let plan = harbour.plan("civitai:1@10+1").await;
    let bytes = harbour
        .read(&plan.artifacts[0], &Auth::anonymous())
        .await
        .unwrap();
    assert_eq!(bytes.len(), 4000);
    let queries: Vec<String> = harbour
        .downloads()
        .into_iter()
        .map(|seen| seen.query)
        .collect();
    assert_eq!(queries, ["fileId=1", "fileId=1", ""]);
}

#[tokio::test]
async fn of_a_files_own_url_only_the_filters_are_used() {
    let url = "https://evil.example/x/download/models/10?type=Model&token=s3cret&fileId=7";
    let file = CivitaiFile::new(1, "boat.safetensors", Content::safetensors(1, 4000));
    let version = CivitaiVersion::new(10, "v1").file(file.patch("downloadUrl", url.into()));
    let model = CivitaiModel::new(1, "Boat", "LORA").version(version);
    let harbour = harbour(Scene::empty().model(model)).await;
    let lost = Fault::status(404).body(r#"{"error":"File not found"}"#);
    harbour.hub.order(lost.on(Site::Civitai).path("fileId="));
    let plan = harbour.plan("civitai:1").await;
    harbour
        .read(&plan.artifacts[0], &Auth::anonymous())
        .await
        .unwrap();
    let last = harbour.downloads().pop().unwrap();
    assert_eq!(
        (last.path.as_str(), last.query.as_str()),
        ("/api/download/models/10", "type=Model")
    );
}

#[tokio::test]
async fn a_hub_that_moved_is_followed_without_the_token() {
    let moved_to = harbour(Scene::standard()).await;
    let harbour = harbour(Scene::standard()).await;
    let auth = token("civitai_good");
    let file = &harbour.plan_as("civitai:4384", &auth).await.artifacts[0];
    let target = format!(
        "{}/api/download/models/128713?fileId=93208",
        moved_to.hub.civitai_url()
    );
    let moved = Fault::status(308)
        .header("location", &target)
        .on(Site::Civitai);
    harbour.hub.order(moved.path("/download/"));
    harbour.read(file, &auth).await.unwrap();
    let [seen] = moved_to.downloads().try_into().unwrap();
    assert!(!seen.has_authorization());
}

#[tokio::test]
async fn another_file_under_the_same_url_is_noticed_by_its_length() {
    let harbour = misplaced(Hashes::Empty).await;
    let plan = harbour.plan("civitai:1@10+2").await;
    let error = harbour
        .read(&plan.artifacts[0], &Auth::anonymous())
        .await
        .unwrap_err();
    is(&error, ErrorKind::SizeMismatch);
}

#[tokio::test]
async fn a_stand_in_is_left_to_the_hash_where_there_is_one() {
    let harbour = misplaced(Hashes::Upper).await;
    let plan = harbour.plan("civitai:1@10+2").await;
    let file = &plan.artifacts[0];
    let bytes = harbour.read(file, &Auth::anonymous()).await.unwrap();
    assert_ne!(file.digests.sha256.unwrap().to_string(), sha256(&bytes));
}

#[tokio::test]
async fn a_page_in_place_of_a_file_is_refused_with_its_title() {
    let harbour = harbour(Scene::standard()).await;
    let file = &harbour.plan("civitai:4384").await.artifacts[0];
    let octets = "application/octet-stream";
    let page = "\n<!DOCTYPE html><html><head><title>Just a moment...</title>";
    let cases = [
        (Fault::html("Just a moment..."), "Just a moment..."),
        (
            Fault::status(200).body(page).header("content-type", octets),
            "Just a moment...",
        ),
        (
            Fault::status(200).body(r#"{"error":"out of order"}"#),
            "out of order",
        ),
        (
            Fault::status(200)
                .body(r#"{"error":"out of order"}"#)
                .header("content-type", octets),
            "out of order",
        ),
    ];
    for (fault, said) in cases {
        harbour.hub.order(fault.on(Site::Cdn).times(1));
        let error = harbour.read(file, &Auth::anonymous()).await.unwrap_err();
        is(&error, ErrorKind::HtmlInsteadOfFile);
        assert!(error.message.contains(said), "{error}");
    }
    harbour.read(file, &Auth::anonymous()).await.unwrap();
}

#[tokio::test]
async fn a_configuration_may_be_json_itself() {
    let json =
        CivitaiFile::new(1, "flow.json", Content::bytes(r#"{"error":"none"}"#)).kind("Workflow");
    let version = CivitaiVersion::new(10, "v1").file(json);
    let harbour =
        harbour(Scene::empty().model(CivitaiModel::new(1, "Flow", "LORA").version(version))).await;
    let plan = harbour.plan("civitai:1").await;
    assert_eq!(
        harbour
            .read(&plan.artifacts[0], &Auth::anonymous())
            .await
            .unwrap(),
        br#"{"error":"none"}"#
    );
}

#[tokio::test]
async fn content_that_changed_between_ranges_is_noticed() {
    let harbour = harbour(Scene::standard()).await;
    let auth = Auth::anonymous();
    let file = &harbour.plan("civitai:4384").await.artifacts[0];
    let first = harbour.civitai.open(file, &part(0, 10), &auth).await;
    let validator = first.unwrap().validator;
    assert!(validator.is_some());
    harbour.hub.change_scene(|scene| {
        let version = scene.version_mut(128_713).unwrap();
        version.files[0].content = Content::safetensors(99, 200_021);
    });
    let next = ByteRange {
        validator,
        ..part(10, 20)
    };
    is(
        &harbour.read_range(file, &next, &auth).await.unwrap_err(),
        ErrorKind::SourceChanged,
    );
}

#[tokio::test]
async fn storage_that_ignores_ranges_answers_from_zero() {
    let harbour = harbour(Scene::standard()).await;
    let file = &harbour.plan("civitai:4384").await.artifacts[0];
    harbour.hub.order(Fault::ignore_range().on(Site::Cdn));
    let auth = Auth::anonymous();
    let body = harbour.civitai.open(file, &part(100, 200), &auth).await;
    assert_eq!(body.unwrap().offset, 0);
}
