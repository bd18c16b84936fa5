//! Names, sizes, digests, ranges and changes of files.

use super::*;

#[tokio::test]
async fn a_file_is_pinned_by_one_request() {
    let hub = hub().await;
    let plan = plan(&hub, "/model.safetensors?download=true&sig=s3cret").await;
    assert_eq!(hub.requests().len(), 1);
    assert_eq!(plan.name, "model.safetensors");
    assert_eq!(
        plan.reference,
        format!("{}/model.safetensors", hub.files_url())
    );
    assert!(plan.revision.starts_with("etag-"), "{}", plan.revision);
    assert!(plan.warnings.is_empty(), "{:?}", plan.warnings);
    let [file] = &plan.artifacts[..] else {
        panic!("{plan:?}")
    };
    assert_eq!(file.path.as_str(), "model.safetensors");
    assert_eq!(file.size, Size::Exact(500_003));
    assert!(!format!("{plan:?}").contains("s3cret"));
    let range = hub.requests()[0].range.clone().unwrap();
    assert_eq!(range, "bytes=0-8191", "a bounded look");
}

#[tokio::test]
async fn names_come_from_the_header_else_from_where_the_redirects_end() {
    let hub = hub().await;
    for (path, name) in [
        ("/download", "na\u{ef}ve plain.bin"),
        ("/evil-name", "passwd"),
        ("/moved.bin", "big.bin"),
        ("/moved-for-good.bin", "big.bin"),
        ("/big.bin?x=y.z", "big.bin"),
    ] {
        let plan = plan(&hub, path).await;
        assert_eq!(plan.artifacts[0].path.as_str(), name, "{path}");
    }
    assert_eq!(codes(&plan(&hub, "/evil-name").await), ["renamed"]);
}

#[tokio::test]
async fn a_redirected_file_is_asked_for_at_the_users_own_url_each_time() {
    let hub = hub().await;
    let plan = plan(&hub, "/moved.bin").await;
    hub.forget_requests();
    let body = open(&plan.artifacts[0], &ByteRange::whole()).await.unwrap();
    assert_eq!(bytes(body).await, held(&hub, "/big.bin"));
    let asked: Vec<_> = hub.requests().into_iter().map(|seen| seen.path).collect();
    assert_eq!(asked, ["/moved.bin", "/big.bin"]);
}

#[tokio::test]
async fn servers_without_range_length_or_validator_are_fine_and_said_to_be() {
    let hub = hub().await;
    for (path, size, warnings) in [
        ("/chunked.bin", Size::Unknown, &["no_ranges"][..]),
        ("/no-ranges.bin", Size::Exact(150_001), &["no_ranges"]),
        (
            "/no-validators.bin",
            Size::Exact(150_002),
            &["no_validator"],
        ),
        ("/empty.bin", Size::Exact(0), &[]),
    ] {
        let plan = plan(&hub, path).await;
        assert_eq!(plan.artifacts[0].size, size, "{path}");
        assert_eq!(codes(&plan), warnings, "{path}");
        let body = open(&plan.artifacts[0], &ByteRange::whole()).await.unwrap();
        assert_eq!(bytes(body).await, held(&hub, path), "{path}");
    }
}

#[tokio::test]
async fn a_part_is_asked_for_with_the_validator_pinned() {
    let hub = hub().await;
    let plan = plan(&hub, "/big.bin").await;
    let range = ByteRange {
        start: 1_000_000,
        end: Some(1_000_100),
        validator: None,
    };
    let body = open(&plan.artifacts[0], &range).await.unwrap();
    assert_eq!((body.offset, body.end), (1_000_000, Some(1_000_100)));
    assert_eq!(
        bytes(body).await,
        held(&hub, "/big.bin")[1_000_000..1_000_100]
    );
    let asked = hub.requests().pop().unwrap();
    assert_eq!(asked.range.as_deref(), Some("bytes=1000000-1000099"));
    assert!(asked.if_range.is_some(), "the pinned validator goes along");
}

#[tokio::test]
async fn a_file_that_changed_since_it_was_resolved_is_noticed() {
    for path in ["/big.bin", "/moved.bin", "/no-ranges.bin", "/chunked.bin"] {
        let hub = hub().await;
        let plan = plan(&hub, path).await;
        hub.order(Fault::change_file());
        let part = ByteRange {
            start: 1000,
            end: Some(2000),
            validator: None,
        };
        for range in [ByteRange::whole(), part] {
            let error = open(&plan.artifacts[0], &range).await.unwrap_err();
            assert_eq!(error.kind, ErrorKind::SourceChanged, "{path} {range:?}");
            assert!(error.hint.is_some());
        }
    }
}

#[tokio::test]
async fn without_a_validator_another_length_tells_a_change() {
    let hub = hub().await;
    let plan = plan(&hub, "/no-validators.bin").await;
    hub.change_scene(|scene| {
        scene.file_mut("/no-validators.bin").unwrap().content = Content::seeded(1, 150_003);
    });
    let error = open(&plan.artifacts[0], &ByteRange::whole())
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::SourceChanged);
}

#[tokio::test]
async fn misdeeds_with_ranges_are_refused() {
    for fault in [Fault::wrong_content_range(), Fault::multipart()] {
        let hub = hub().await;
        let plan = plan(&hub, "/big.bin").await;
        hub.order(fault);
        let part = ByteRange {
            start: 1000,
            end: Some(2000),
            validator: None,
        };
        let error = open(&plan.artifacts[0], &part).await.unwrap_err();
        assert!(
            matches!(error.kind, ErrorKind::Upstream | ErrorKind::SourceChanged),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_gzipped_answer_is_refused() {
    let hub = hub().await;
    hub.order(Fault::gzip());
    let error = resolve(&format!("{}/big.bin", hub.files_url()))
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Upstream, "{error}");
    assert!(error.message.contains("gzip"), "{error}");
}

#[tokio::test]
async fn digest_headers_are_kept_as_such() {
    use HeaderAlgorithm::{Crc32c, Sha1, Sha256};
    let hub = hub().await;
    for (name, expected) in [
        ("repr", Some(Sha256)),
        ("digest", Some(Sha256)),
        ("goog", Some(Crc32c)),
        ("bz", Some(Sha1)),
        ("content", None),
        ("amz", None),
    ] {
        let path = format!("/digests/{name}.bin");
        let plan = plan(&hub, &path).await;
        let digests = &plan.artifacts[0].digests;
        let header = digests.header.as_ref();
        assert_eq!(
            header.map(|digest| digest.algorithm),
            expected,
            "{name}: a look at a part"
        );
        assert_eq!(digests.sha256, None, "a header is not the hub's word");
        let body = open(&plan.artifacts[0], &ByteRange::whole()).await.unwrap();
        let full = body.digest.clone().unwrap();
        if full.algorithm == Sha256 {
            assert_eq!(full.value, sha256_of(&held(&hub, &path)), "{name}");
        }
    }
}

fn sha256_of(bytes: &[u8]) -> Vec<u8> {
    Sha256::digest(bytes).to_vec()
}

#[tokio::test]
async fn the_revision_follows_the_content_as_far_as_it_is_known() {
    let hub = hub().await;
    for (path, word) in [
        ("/digests/repr.bin", "digest-"),
        ("/big.bin", "etag-"),
        ("/no-validators.bin", "url-"),
    ] {
        let (first, second) = (plan(&hub, path).await, plan(&hub, path).await);
        assert_eq!(first, second, "{path}");
        assert!(
            first.revision.starts_with(word),
            "{path}: {}",
            first.revision
        );
    }
    hub.change_scene(|scene| scene.file_mut("/big.bin").unwrap().etag = None);
    assert!(
        plan(&hub, "/big.bin")
            .await
            .revision
            .starts_with("modified-")
    );
    let before = plan(&hub, "/digests/repr.bin").await.revision;
    hub.change_scene(|scene| {
        scene.file_mut("/digests/repr.bin").unwrap().content = Content::seeded(99, 30_000);
    });
    assert_ne!(plan(&hub, "/digests/repr.bin").await.revision, before);
}

#[tokio::test]
async fn a_cut_body_says_so() {
    let hub = hub().await;
    let plan = plan(&hub, "/big.bin").await;
    hub.order(Fault::cut(100_000));
    let body = open(&plan.artifacts[0], &ByteRange::whole()).await.unwrap();
    let error = body.bytes.try_collect::<Vec<_>>().await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Truncated);
    assert!(error.is_transient());
}

#[tokio::test]
async fn a_body_that_stalls_says_so() {
    let hub = hub().await;
    let plan = plan(&hub, "/big.bin").await;
    hub.order(Fault::stall(100_000, Duration::from_secs(2)));
    let body = open(&plan.artifacts[0], &ByteRange::whole()).await.unwrap();
    let error = body.bytes.try_collect::<Vec<_>>().await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Stalled);
}

#[tokio::test]
async fn every_digest_header_that_lies_is_still_read_as_one() {
    // The provider states; the transfer verifies. A lie must reach it whole.
    let hub = hub().await;
    assert!(
        hub.scene()
            .find_file("/lies/repr.bin")
            .unwrap()
            .digests
            .contains(&DigestHeader::ReprDigest)
    );
    let plan = plan(&hub, "/lies/repr.bin").await;
    let stated = plan.artifacts[0].digests.header.clone().unwrap().value;
    assert_ne!(stated, sha256_of(&held(&hub, "/lies/repr.bin")));
}
