//! Pages and messages in the place of a file.

use super::*;

#[tokio::test]
async fn a_page_or_message_where_a_file_was_meant_is_refused_by_its_title() {
    let page = "<!DOCTYPE html><html><head><title>Log in &amp; go on</title></head></html>";
    let cases = [
        ("/model.bin", "text/html", page, "Log in & go on"),
        (
            "/model.bin",
            "application/octet-stream",
            page,
            "Log in & go on",
        ),
        (
            "/download",
            "text/plain",
            "  <!-- x --><html><title>Gone</title>",
            "Gone",
        ),
        (
            "/model.bin",
            "application/json",
            "{\"error\":\"quota used up\"}",
            "quota used up",
        ),
        (
            "/model.gguf",
            "application/xml",
            "<?xml version=\"1.0\"?><Error><Code>NoSuchKey</Code><Message>No key</Message></Error>",
            "No key",
        ),
    ];
    for (path, media, text, title) in cases {
        let hub = Hub::start(
            Scene::empty().file(PlainFile::new(path, Content::bytes(text)).content_type(media)),
        )
        .await
        .unwrap();
        let error = resolve(&format!("{}{path}", hub.files_url()))
            .await
            .unwrap_err();
        assert_eq!(
            error.kind,
            ErrorKind::HtmlInsteadOfFile,
            "{path} {media}: {error}"
        );
        assert!(error.message.contains(title), "{error}");
        assert!(error.hint.is_some());
    }
}

#[tokio::test]
async fn markup_that_the_url_names_is_a_file() {
    let hub = hub().await;
    let plan = plan(&hub, "/page.html").await;
    assert_eq!(plan.name, "page.html");
    let body = open(&plan.artifacts[0], &ByteRange::whole()).await.unwrap();
    assert_eq!(bytes(body).await, held(&hub, "/page.html"));
}

#[tokio::test]
async fn a_redirect_to_a_login_page_does_not_make_it_the_file() {
    let scene = Scene::standard().file(PlainFile::redirect("/model.bin", 302, "/page.html"));
    let hub = Hub::start(scene).await.unwrap();
    let error = resolve(&format!("{}/model.bin", hub.files_url()))
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::HtmlInsteadOfFile);
    assert!(error.message.contains("Log in"), "{error}");
}

#[tokio::test]
async fn a_page_that_comes_later_is_no_changed_file() {
    let hub = hub().await;
    let plan = plan(&hub, "/big.bin").await;
    hub.order(Fault::html("Please sign in"));
    let error = open(&plan.artifacts[0], &ByteRange::whole())
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::HtmlInsteadOfFile);
    assert!(error.message.contains("Please sign in"), "{error}");
}

fn drive(hub: &Hub) -> Services {
    Services {
        drive: SafeUrl::parse(&hub.files_url()).ok(),
        ..Services::default()
    }
}

#[tokio::test]
async fn google_drives_page_for_large_files_is_clicked_through() {
    let hub = hub().await;
    let other = other_at(drive(&hub));
    let source = at(&format!("{}/uc?id=1AbC", hub.files_url()));
    let plan = other.resolve(&source, &Auth::anonymous()).await.unwrap();
    assert_eq!(plan.name, "from-drive.bin");
    let file = &plan.artifacts[0];
    let range = ByteRange {
        start: 100,
        end: None,
        validator: None,
    };
    let body = other.open(file, &range, &Auth::anonymous()).await.unwrap();
    assert_eq!(body.offset, 100);
    assert_eq!(bytes(body).await, held(&hub, "/uc")[100..]);
    assert!(hub.requests().last().unwrap().query.contains("uuid="));
}

#[tokio::test]
async fn no_other_hosts_forms_are_sent() {
    let hub = hub().await;
    let error = resolve(&format!("{}/uc?id=1AbC", hub.files_url()))
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::HtmlInsteadOfFile);
    assert_eq!(hub.requests().len(), 1);
}

#[tokio::test]
async fn a_drive_file_over_its_quota_is_named_as_such() {
    let hub = hub().await;
    hub.order(Fault::html("Google Drive - Quota exceeded"));
    let source = at(&format!("{}/uc?id=1AbC", hub.files_url()));
    let error = other_at(drive(&hub))
        .resolve(&source, &Auth::anonymous())
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::RateLimited);
    assert!(error.hint.unwrap().contains("24 hours"));
}
