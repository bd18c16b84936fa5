//! Bytes by way of the hub's redirects: tokens, links, ranges, hashes.

use super::*;

const LFS: &str = "hf://acme/tiny/model.safetensors";

#[tokio::test]
async fn large_and_small_files_arrive_as_they_are_held() {
    let harbour = standard().await;
    let held = harbour.held("acme/tiny");
    for file in &harbour.plan("acme/tiny").await.artifacts {
        let body = harbour.open(file, &ByteRange::whole()).await.unwrap();
        assert_eq!((body.offset, body.total), (0, file.size.exact()));
        assert_eq!(
            read(body).await,
            held[file.path.as_str()].to_vec(),
            "{}",
            file.path
        );
    }
}

#[tokio::test]
async fn the_token_is_sent_to_the_hub_and_never_to_its_storage() {
    let harbour = standard().await;
    let auth = token("hf_good");
    let plan = harbour.resolve_as("acme/tiny", &auth).await.unwrap();
    for file in &plan.artifacts {
        harbour.provider.may_read(file, &auth).await.unwrap();
        let whole = ByteRange::whole();
        let body = harbour.provider.open(file, &whole, &auth).await;
        read(body.unwrap()).await;
    }
    let (hub, cdn) = (
        harbour.requests_to(Site::HuggingFace),
        harbour.requests_to(Site::Cdn),
    );
    assert!(
        hub.iter()
            .all(|seen| seen.authorization.as_deref() == Some("Bearer hf_good"))
    );
    assert!(
        hub.iter()
            .any(|seen| seen.path.starts_with("/api/resolve-cache/")),
        "relative 307s"
    );
    assert!(!cdn.is_empty() && !cdn.iter().any(Seen::has_authorization));
}

#[tokio::test]
async fn the_files_own_bytes_are_asked_for_on_every_hop() {
    let harbour = standard().await;
    for file in &harbour.plan("acme/tiny").await.artifacts {
        harbour
            .provider
            .may_read(file, &Auth::anonymous())
            .await
            .unwrap();
        harbour.bytes(file).await;
    }
    for seen in harbour.hub.requests() {
        assert_eq!(
            seen.accept_encoding.as_deref(),
            Some("identity"),
            "{}",
            seen.path
        );
    }
}

#[tokio::test]
async fn a_proof_reads_the_hubs_redirect_and_does_not_follow_it() {
    let harbour = standard().await;
    let plan = harbour.plan(LFS).await;
    harbour.hub.forget_requests();
    harbour
        .provider
        .may_read(&plan.artifacts[0], &Auth::anonymous())
        .await
        .unwrap();
    let asked = harbour.hub.requests();
    assert_eq!(asked.len(), 1);
    assert_eq!((asked[0].method.as_str(), asked[0].status), ("HEAD", 302));
}

#[tokio::test]
async fn a_mirror_without_head_proves_access_by_one_byte() {
    let harbour = standard().await;
    for source in [LFS, "hf://acme/tiny/config.json"] {
        let plan = harbour.plan(source).await;
        harbour
            .hub
            .order(Fault::status(405).method("HEAD").times(1));
        harbour.hub.forget_requests();
        harbour
            .provider
            .may_read(&plan.artifacts[0], &Auth::anonymous())
            .await
            .unwrap();
        let asked = harbour.hub.requests();
        assert_eq!(asked[1].range.as_deref(), Some("bytes=0-0"), "{source}");
        assert_eq!(harbour.hub.bytes_sent(Site::Cdn), 0);
    }
}

#[tokio::test]
async fn many_ranges_of_a_file_cost_the_hub_one_redirect() {
    let harbour = standard().await;
    let truth = harbour.held("acme/tiny")["model.safetensors"].to_vec();
    let file = harbour.plan(LFS).await.artifacts.remove(0);
    harbour.hub.forget_requests();
    let mut validator = None;
    for start in (0..truth.len() as u64).step_by(300_000) {
        let end = (start + 300_000).min(truth.len() as u64);
        let body = harbour
            .open(&file, &part(start, Some(end), validator))
            .await
            .unwrap();
        assert_eq!(
            (body.offset, body.end, body.total),
            (start, Some(end), Some(truth.len() as u64))
        );
        validator = body.validator.clone();
        assert_eq!(read(body).await, truth[start as usize..end as usize]);
    }
    assert_eq!(harbour.requests_to(Site::HuggingFace).len(), 1);
    let cdn = harbour.requests_to(Site::Cdn);
    assert_eq!(cdn.len(), 4);
    assert!(
        cdn[1..].iter().all(|seen| seen.if_range.is_some()),
        "held together by a validator"
    );
}

#[tokio::test]
async fn ranges_opened_at_once_share_one_link() {
    let harbour = standard().await;
    let file = harbour.plan(LFS).await.artifacts.remove(0);
    for round in 0..2 {
        harbour.hub.forget_requests();
        let ranges: Vec<_> = (0..8)
            .map(|nth| part(nth * 1000, Some(nth * 1000 + 1000), None))
            .collect();
        let opened = ranges.iter().map(|range| harbour.open(&file, range));
        for body in futures_util::future::join_all(opened).await {
            body.unwrap();
        }
        let redirects = harbour.requests_to(Site::HuggingFace).len();
        assert_eq!(redirects, 1, "round {round}");
        harbour.hub.expire_links();
    }
}

#[tokio::test]
async fn an_expired_link_is_asked_for_again_and_the_read_goes_on() {
    let harbour = standard().await;
    let file = harbour.plan(LFS).await.artifacts.remove(0);
    let first = harbour
        .open(&file, &part(0, Some(1000), None))
        .await
        .unwrap();
    let validator = first.validator.clone();
    harbour.hub.expire_links();
    harbour.hub.forget_requests();
    let body = harbour
        .open(&file, &part(1000, None, validator))
        .await
        .unwrap();
    assert_eq!(body.offset, 1000);
    let statuses: Vec<_> = harbour
        .hub
        .requests()
        .iter()
        .map(|seen| seen.status)
        .collect();
    assert_eq!(statuses, [403, 302, 206]);
}

#[tokio::test]
async fn a_fresh_link_that_is_refused_is_trouble_that_may_pass() {
    for status in [400, 403, 404, 410] {
        let harbour = standard().await;
        let file = harbour.plan(LFS).await.artifacts.remove(0);
        harbour.hub.order(Fault::status(status).on(Site::Cdn));
        let error = failure(harbour.open(&file, &ByteRange::whole()).await);
        assert_eq!(
            (error.kind, error.status),
            (ErrorKind::Upstream, Some(status))
        );
        assert!(error.is_transient());
        harbour.hub.clear_faults();
        harbour.bytes(&file).await;
    }
}

#[tokio::test]
async fn no_link_and_no_token_is_part_of_what_is_stored() {
    let harbour = standard().await;
    let auth = token("hf_good");
    let plan = harbour.resolve_as(LFS, &auth).await.unwrap();
    let whole = ByteRange::whole();
    harbour
        .provider
        .open(&plan.artifacts[0], &whole, &auth)
        .await
        .unwrap();
    let stored = serde_json::to_string(&plan).unwrap();
    let cdn = harbour.hub.cdn_url();
    for secret in [
        "hf_good",
        "Signature",
        "Policy",
        cdn.trim_start_matches("http://"),
    ] {
        assert!(!stored.contains(secret), "{secret} in {stored}");
    }
}

#[tokio::test]
async fn the_storages_entity_tag_is_a_validator_and_no_hash() {
    let harbour = standard().await;
    let file = harbour.plan(LFS).await.artifacts.remove(0);
    let body = harbour.open(&file, &ByteRange::whole()).await.unwrap();
    let Some(Validator::Etag(tag)) = body.validator else {
        panic!("no entity tag");
    };
    let bare = tag.trim_matches('"');
    assert_eq!(bare.len(), 64, "it looks like a SHA-256");
    let sha256 = file.digests.sha256.unwrap().to_string();
    assert_ne!(bare, sha256);
    assert_eq!(body.digest, None);
    let bytes = harbour.bytes(&file).await;
    assert_eq!(hex::encode(Sha256::digest(bytes)), sha256);
}

#[tokio::test]
async fn content_that_changed_behind_the_link_is_noticed() {
    let harbour = standard().await;
    let file = harbour.plan(LFS).await.artifacts.remove(0);
    let body = harbour
        .open(&file, &part(0, Some(1000), None))
        .await
        .unwrap();
    let validator = body.validator.clone();
    harbour.hub.order(Fault::change_file());
    let error = failure(harbour.open(&file, &part(1000, None, validator)).await);
    assert_eq!(error.kind, ErrorKind::SourceChanged);
}

#[tokio::test]
async fn misdeeds_of_the_storage_with_ranges_are_never_spliced() {
    for fault in [
        Fault::wrong_content_range(),
        Fault::multipart(),
        Fault::gzip(),
    ] {
        let harbour = standard().await;
        let file = harbour.plan(LFS).await.artifacts.remove(0);
        harbour.hub.order(fault.on(Site::Cdn));
        let error = failure(harbour.open(&file, &part(1000, Some(2000), None)).await);
        let known = matches!(
            error.kind,
            ErrorKind::Upstream | ErrorKind::SourceChanged | ErrorKind::SizeMismatch
        );
        assert!(known, "{error:?}");
    }
    let harbour = standard().await;
    let file = harbour.plan(LFS).await.artifacts.remove(0);
    harbour.hub.order(Fault::ignore_range());
    let body = harbour
        .open(&file, &part(1000, Some(2000), None))
        .await
        .unwrap();
    assert_eq!(body.offset, 0, "as answered, not as asked");
}

#[tokio::test]
async fn a_page_in_the_place_of_a_file_is_refused() {
    for (source, site) in [
        (LFS, Site::Cdn),
        ("hf://acme/tiny/config.json", Site::HuggingFace),
    ] {
        let harbour = standard().await;
        let file = harbour.plan(source).await.artifacts.remove(0);
        harbour
            .hub
            .order(Fault::html("Sign in").on(site).method("GET"));
        let error = failure(harbour.open(&file, &ByteRange::whole()).await);
        assert_eq!(error.kind, ErrorKind::HtmlInsteadOfFile, "{source}");
    }
    let page =
        with_repo(Repo::model("a/b").file("card.html", Content::bytes("<html>hi</html>"))).await;
    let file = page.plan("hf://a/b/card.html").await.artifacts.remove(0);
    assert_eq!(page.bytes(&file).await, b"<html>hi</html>");
}

#[tokio::test]
async fn a_body_that_breaks_off_or_stalls_says_so() {
    for (fault, kind) in [
        (Fault::cut(10_000), ErrorKind::Truncated),
        (Fault::reset(10_000), ErrorKind::Truncated),
        (Fault::claim_length(2_000_000), ErrorKind::SizeMismatch),
    ] {
        let harbour = standard().await;
        let file = harbour.plan(LFS).await.artifacts.remove(0);
        harbour.hub.order(fault.on(Site::Cdn));
        let outcome = match harbour.open(&file, &ByteRange::whole()).await {
            Ok(body) => body.bytes.try_collect::<Vec<_>>().await.map(drop),
            Err(error) => Err(error),
        };
        assert_eq!(failure(outcome).kind, kind);
    }
}

#[tokio::test]
async fn storage_at_an_address_that_is_not_public_is_not_asked() {
    let inner = Raw::at("127.0.0.2", |_, _| answer("200 OK", "", "x")).await;
    let link = inner.url("/x?Signature=s3cret").as_url().to_string();
    let (_server, provider) = raw_hub(move |line, _| match line {
        tree if tree.contains("/tree/") => json(r#"[{"type":"file","path":"f","size":1}]"#),
        _ => super::super::raw::redirect(&link),
    })
    .await;
    let plan = resolve_raw(&provider).await.unwrap();
    let whole = ByteRange::whole();
    let error = failure(
        provider
            .open(&plan.artifacts[0], &whole, &Auth::anonymous())
            .await,
    );
    assert_eq!(error.kind, ErrorKind::BlockedAddress);
    assert!(!format!("{error:?}").contains("s3cret"));
    assert!(inner.heads().is_empty());
}
