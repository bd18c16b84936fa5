//! Credentials, signed links, and proof of access.

use super::*;

fn basic(hub: &Hub, pair: &str) -> Auth {
    let host = SafeUrl::parse(&hub.files_url()).unwrap().authority();
    let mut auth = Auth::anonymous();
    auth.hosts
        .insert(host, HostCredential::Basic(Token::new(pair).unwrap()));
    auth
}

#[tokio::test]
async fn a_stored_credential_opens_its_own_host() {
    let hub = hub().await;
    let source = at(&format!("{}/basic.bin", hub.files_url()));
    let auth = basic(&hub, "ferry:s3cret");
    let plan = other().resolve(&source, &auth).await.unwrap();
    let file = &plan.artifacts[0];
    let body = other()
        .open(file, &ByteRange::whole(), &auth)
        .await
        .unwrap();
    assert_eq!(bytes(body).await, held(&hub, "/basic.bin"));
    assert_eq!(codes(&plan), ["credential_in_clear"]);
    other().may_read(file, &auth).await.unwrap();
    for wrong in [Auth::anonymous(), basic(&hub, "ferry:wrong")] {
        let error = other().may_read(file, &wrong).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::AuthRequired);
        assert!(error.hint.unwrap().contains("credentials set"));
        let error = other().resolve(&source, &wrong).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::AuthRequired);
    }
}

#[tokio::test]
async fn a_credential_of_one_host_is_not_sent_to_another() {
    let elsewhere = hub().await;
    let target = format!("{}/big.bin", elsewhere.files_url());
    let scene = Scene::empty().file(PlainFile::redirect("/moved.bin", 302, &target));
    let home = Hub::start(scene).await.unwrap();
    let source = at(&format!("{}/moved.bin", home.files_url()));
    other()
        .resolve(&source, &basic(&home, "ferry:s3cret"))
        .await
        .unwrap();
    assert!(home.requests().iter().all(|seen| seen.has_authorization()));
    assert!(
        !elsewhere
            .requests()
            .iter()
            .any(|seen| seen.has_authorization())
    );
}

#[tokio::test]
async fn a_presigned_link_keeps_its_query_and_never_shows_it() {
    let hub = hub().await;
    let link = hub.signed_url("/presigned.bin");
    let plan = resolve(&link).await.unwrap();
    let secret = link.split_once("X-Amz-Signature=").unwrap().1;
    assert!(!format!("{plan:?} {} {}", plan.page, plan.reference).contains(secret));
    // Signed for GET alone.
    hub.order(Fault::status(403).method("HEAD"));
    other()
        .may_read(&plan.artifacts[0], &Auth::anonymous())
        .await
        .unwrap();
    let body = open(&plan.artifacts[0], &ByteRange::whole()).await.unwrap();
    assert_eq!(bytes(body).await, held(&hub, "/presigned.bin"));
    hub.expire_links();
    for error in [
        open(&plan.artifacts[0], &ByteRange::whole())
            .await
            .map(drop)
            .unwrap_err(),
        other()
            .may_read(&plan.artifacts[0], &Auth::anonymous())
            .await
            .unwrap_err(),
        resolve(&link).await.map(drop).unwrap_err(),
    ] {
        assert_eq!(error.kind, ErrorKind::AccessDenied, "{error}");
        assert_eq!(error.hub_code.as_deref(), Some("AccessDenied"));
        assert!(
            error
                .hint
                .as_deref()
                .is_some_and(|hint| hint.contains("expired")),
            "{error:?}"
        );
        assert!(!format!("{error:?} {error}").contains(secret));
    }
}

#[tokio::test]
async fn reading_is_proven_without_moving_a_body() {
    let hub = hub().await;
    let plan = plan(&hub, "/big.bin").await;
    for refusals in [0, 1] {
        hub.forget_requests();
        hub.order(Fault::status(405).method("HEAD").times(refusals));
        other()
            .may_read(&plan.artifacts[0], &Auth::anonymous())
            .await
            .unwrap();
        let moved: u64 = hub.requests().iter().map(|seen| seen.bytes_sent).sum();
        assert!(moved < 100, "{moved}");
        hub.clear_faults();
    }
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let hub = hub().await;
    let error = resolve(&format!("{}/nothing.bin?sig=s3cret", hub.files_url()))
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound);
    assert_eq!(error.status, Some(404));
    assert!(
        error.message.contains("404 Not Found") && error.hint.is_some(),
        "{error}"
    );
    assert!(!format!("{error:?}").contains("s3cret"));
}
