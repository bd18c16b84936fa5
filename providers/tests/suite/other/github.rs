//! GitHub release assets.

use super::*;

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
