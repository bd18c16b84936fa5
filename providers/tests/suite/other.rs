//! Plain URLs against the hub's file server and raw ones.

use std::time::Duration;

use futures_util::TryStreamExt;
use modelferry_fixtures::{Content, DigestHeader, Fault, Hub, PlainFile, Scene};
use modelferry_providers::auth::HostCredential;
use modelferry_providers::digest::HeaderAlgorithm;
use modelferry_providers::{
    Artifact, Auth, Body, ByteRange, ErrorKind, Locator, Other, Plan, Provider, ProviderError,
    Reference, SafeUrl, Services, Size, Token,
};
use sha2::{Digest as _, Sha256};

use super::raw::{Play, Raw, answer, client};

async fn hub() -> Hub {
    Hub::start(Scene::standard()).await.unwrap()
}

fn other() -> Other {
    Other::new(client())
}

fn at(url: &str) -> Reference {
    Reference::new(Locator::Other {
        url: SafeUrl::parse(url).unwrap(),
    })
}

async fn resolve(url: &str) -> Result<Plan, ProviderError> {
    other().resolve(&at(url), &Auth::anonymous()).await
}

/// The plan of a file on the hub, which must resolve.
async fn plan(hub: &Hub, path: &str) -> Plan {
    resolve(&format!("{}{path}", hub.files_url()))
        .await
        .unwrap()
}

async fn open(file: &Artifact, range: &ByteRange) -> Result<Body, ProviderError> {
    other().open(file, range, &Auth::anonymous()).await
}

async fn bytes(body: Body) -> Vec<u8> {
    let chunks: Vec<_> = body.bytes.try_collect().await.unwrap();
    chunks.concat()
}

fn held(hub: &Hub, path: &str) -> Vec<u8> {
    hub.scene().find_file(path).unwrap().content.to_vec()
}

fn codes(plan: &Plan) -> Vec<&str> {
    plan.warnings
        .iter()
        .map(|warning| warning.code.as_str())
        .collect()
}

#[test]
fn web_addresses_are_claimed_and_nothing_else() {
    let other = other();
    for source in [
        "https://example.com/model.safetensors",
        "HTTP://example.com:8080/x?sig=a%2Bb",
        "  https://example.com/x  ",
    ] {
        let read = other.parse(source).unwrap().unwrap();
        assert!(matches!(read.locator, Locator::Other { .. }), "{source}");
    }
    for source in [
        "acme/tiny",
        "hf://acme/tiny",
        "civitai:4384",
        "urn:air:sd1:model:civitai:1@2",
        "C:\\x",
        "",
    ] {
        assert!(other.parse(source).is_none(), "{source}");
    }
}

#[test]
fn malformed_addresses_are_refused_with_an_example() {
    let other = other();
    for (source, unsupported) in [
        ("https://", false),
        ("https:example.com/x", false),
        ("https://user:s3cret@example.com/x", false),
        ("https://hf.co@evil/", false),
        ("https://example.com/a b", false),
        ("https://example.com/a\r\nX: y", false),
        ("https://example.com:99999/", false),
        ("https://[fe80::1%25eth0]/", false),
        ("file:///etc/passwd", true),
        ("ftp://example.com/x", true),
        ("s3://bucket/key", true),
        ("javascript:alert(1)", true),
        ("https://drive.google.com/drive/folders/1AbC", true),
    ] {
        let error = other.parse(source).unwrap().unwrap_err();
        assert_eq!(error.unsupported, unsupported, "{source}");
        assert!(error.example.contains("https://"), "{source}");
        assert!(!error.to_string().contains("s3cret"), "{error}");
    }
    let error = other
        .parse("https://user:pw@example.com/x")
        .unwrap()
        .unwrap_err();
    assert!(error.message.contains("credentials set"), "{error}");
}

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

fn other_at(services: Services) -> Other {
    Other::with_services(client(), services)
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

/// A GitHub whose API answers `api` and whose release asset is `weights`.
async fn github(api: fn() -> Play) -> (Raw, Other) {
    let server = Raw::start(move |head, _| {
        if head.starts_with("GET /repos/o/r/releases/tags/v1 ") {
            api()
        } else {
            answer("200 OK", "ETag: \"1\"\r\n", "weights")
        }
    })
    .await;
    let other = other_at(Services {
        github: Some(server.url("")),
        github_api: Some(server.url("")),
        drive: None,
    });
    (server, other)
}

#[tokio::test]
async fn a_release_assets_digest_comes_from_githubs_api() {
    let (server, other) = github(|| {
        let digest = hex::encode(Sha256::digest("weights"));
        answer("200 OK", "", &format!(
            r#"{{"assets":[{{"name":"b.bin","size":9}},{{"name":"a.bin","size":7,"digest":"sha256:{digest}"}}]}}"#
        ))
    })
    .await;
    let source = at(server
        .url("/o/r/releases/download/v1/a.bin")
        .as_url()
        .as_str());
    let plan = other.resolve(&source, &Auth::anonymous()).await.unwrap();
    let sha256 = plan.artifacts[0].digests.sha256.unwrap();
    assert_eq!(sha256.as_bytes()[..], Sha256::digest("weights")[..]);

    let mut doubted = source.clone();
    doubted.selection.sha256 = "ab".repeat(32).parse().ok();
    let plan = other.resolve(&doubted, &Auth::anonymous()).await.unwrap();
    assert_eq!(
        plan.artifacts[0].digests.sha256, doubted.selection.sha256,
        "the user's goes first"
    );
    assert!(codes(&plan).contains(&"sha256_disagrees"));
}

#[tokio::test]
async fn without_githubs_word_the_asset_resolves_all_the_same() {
    let apis: [fn() -> Play; 6] = [
        || answer("403 Forbidden", "RateLimit: \"x\";r=0;t=9999\r\n", "{}"),
        || answer("429 Slow", "Retry-After: 9999\r\n", "{}"),
        || answer("404 Not Found", "", "{}"),
        || {
            answer(
                "200 OK",
                "",
                r#"{"assets":[{"name":"a.bin","size":7,"digest":null}]}"#,
            )
        },
        || {
            answer(
                "200 OK",
                "",
                r#"{"assets":[{"name":"a.bin","size":8,"digest":"sha256:abababababababababababababababababababababababababababababababab"}]}"#,
            )
        },
        || answer("200 OK", "", "not json"),
    ];
    for api in apis {
        let (server, other) = github(api).await;
        let source = at(server
            .url("/o/r/releases/download/v1/a.bin")
            .as_url()
            .as_str());
        let plan = other.resolve(&source, &Auth::anonymous()).await.unwrap();
        assert_eq!(plan.artifacts[0].digests.sha256, None);
        assert_eq!(server.heads().len(), 2, "asked once, whatever it answers");
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

#[tokio::test]
async fn a_selection_that_means_nothing_here_is_refused() {
    let hub = hub().await;
    let url = format!("{}/big.bin", hub.files_url());
    let refused = async |change: fn(&mut Reference)| {
        let mut source = at(&url);
        change(&mut source);
        other()
            .resolve(&source, &Auth::anonymous())
            .await
            .map(drop)
            .map_err(|error| error.kind)
    };
    let invalid = Err(ErrorKind::InvalidSource);
    assert_eq!(
        refused(|s| s.selection.revision = Some("main".into())).await,
        invalid
    );
    assert_eq!(
        refused(|s| s.selection.include = vec!["*.gguf".into()]).await,
        invalid
    );
    assert_eq!(
        refused(|s| s.selection.exclude = vec!["*".into()]).await,
        invalid
    );
    assert_eq!(
        refused(|s| s.selection.include = vec!["[z-a]".into()]).await,
        invalid
    );
    assert_eq!(
        refused(|s| s.selection.include = vec!["*.bin".into()]).await,
        Ok(())
    );
}

#[tokio::test]
async fn the_users_sha256_is_what_the_file_must_hash_to() {
    let hub = hub().await;
    let mut source = at(&format!("{}/big.bin", hub.files_url()));
    source.selection.sha256 = "ab".repeat(32).parse().ok();
    let plan = other().resolve(&source, &Auth::anonymous()).await.unwrap();
    assert_eq!(plan.artifacts[0].digests.sha256, source.selection.sha256);
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
