//! Every refusal of the hub, by its status and words.

use modelferry_fixtures::{Fault, Scene, Site};
use modelferry_providers::{Auth, ErrorKind};

use super::{harbour, is, token};

/// What the download endpoint answers, what it means, a word of the hint,
/// and whether asking again may help.
fn refusals() -> Vec<(u16, &'static str, ErrorKind, &'static str, bool)> {
    use ErrorKind::{
        AccessDenied, Archived, AuthRequired, EarlyAccess, InvalidSource, NotFound, RateLimited,
        RegionBlocked, Upstream,
    };
    vec![
        (
            400,
            r#"{"error":"Missing modelVersionId"}"#,
            InvalidSource,
            "check the ids",
            false,
        ),
        (
            400,
            r#"{"error":{"name":"ZodError","issues":[]}}"#,
            InvalidSource,
            "check the ids",
            false,
        ),
        (
            401,
            r#"{"error":"Unauthorized","message":"The creator of this asset requires you to be logged in to download it"}"#,
            AuthRequired,
            "CIVITAI_API_KEY",
            false,
        ),
        (
            401,
            r#"{"error":"Unauthorized","message":"The creator of this asset has disabled downloads on this file"}"#,
            AccessDenied,
            "token does not help",
            false,
        ),
        (
            401,
            r#"{"error":"Unauthorized"}"#,
            AuthRequired,
            "CIVITAI_API_KEY",
            false,
        ),
        (
            403,
            r#"{"error":"Early Access","deadline":"2099-02-03T04:05:06.000Z","message":"This asset is in Early Access. You can use Buzz access it now!"}"#,
            EarlyAccess,
            "wait until then",
            false,
        ),
        (
            403,
            r#"{"error":"Early Access","message":"This asset is in Early Access."}"#,
            EarlyAccess,
            "buy access",
            false,
        ),
        (
            403,
            r#"{"error":"You do not have access to download this file"}"#,
            AccessDenied,
            "its creator decides",
            false,
        ),
        (
            403,
            r#"{"error":"Forbidden"}"#,
            AccessDenied,
            "another login does not help",
            false,
        ),
        (
            403,
            "<html><title>Attention Required! | Cloudflare</title></html>",
            AccessDenied,
            "not by login",
            false,
        ),
        (
            404,
            r#"{"error":"Model not found"}"#,
            NotFound,
            "deleted, unpublished or hidden",
            false,
        ),
        (
            404,
            r#"{"error":"Missing model file"}"#,
            NotFound,
            "deleted, unpublished or hidden",
            false,
        ),
        (
            404,
            r#"{"error":"No model with id 5"}"#,
            NotFound,
            "deleted, unpublished or hidden",
            false,
        ),
        (
            404,
            "<html><title>Page Not Found</title></html>",
            NotFound,
            "to see",
            false,
        ),
        (
            410,
            r#"{"error":"Model archived, not available for download"}"#,
            Archived,
            "token does not help",
            false,
        ),
        (
            429,
            r#"{"error":"We've noticed an unusual amount of downloading from your account. Contact support@civitai.com or come back later."}"#,
            RateLimited,
            "come back in some hours",
            false,
        ),
        (
            429,
            r#"{"error":"You've requested too many pages, please use cursors instead"}"#,
            RateLimited,
            "try again later",
            true,
        ),
        (
            451,
            r#"{"error":"Access to this service is not available in your region due to legal restrictions.","code":"REGION_BLOCKED"}"#,
            RegionBlocked,
            "token does not change that",
            false,
        ),
        (
            405,
            r#"{"error":"Method not allowed"}"#,
            Upstream,
            "",
            false,
        ),
        (
            499,
            r#"{"error":"Client closed"}"#,
            Upstream,
            "try again later",
            true,
        ),
        (
            500,
            r#"{"message":"An unexpected error occurred","error":"boom"}"#,
            Upstream,
            "try again later",
            true,
        ),
        (
            500,
            r#"{"code":"INTERNAL","issues":[],"message":"boom"}"#,
            Upstream,
            "try again later",
            true,
        ),
        (
            503,
            r#"{"error":"Model search is temporarily overloaded — please retry."}"#,
            Upstream,
            "try again later",
            true,
        ),
        (
            522,
            "<html><title>civitai.com | 522: Connection timed out</title></html>",
            Upstream,
            "try again later",
            true,
        ),
    ]
}

#[tokio::test]
async fn each_refusal_of_a_download_has_its_code_and_an_honest_hint() {
    for (status, body, kind, hint, is_transient) in refusals() {
        // A hub for each, since one that pushed back is asked ever more slowly.
        let harbour = harbour(Scene::standard()).await;
        let file = &harbour.plan("civitai:4384").await.artifacts[0];
        let refusal = Fault::status(status).body(body).on(Site::Civitai);
        harbour.hub.order(refusal);
        let error = harbour.read(file, &Auth::anonymous()).await.unwrap_err();
        is(&error, kind);
        assert_eq!(error.status, Some(status), "{error}");
        assert_eq!(
            error.is_transient(),
            is_transient,
            "{status} {body}: {error}"
        );
        let said = error.hint.clone().unwrap_or_default();
        assert!(said.contains(hint), "{status} {body}: {said}");
        assert!(error.message.contains("127.0.0.1"), "{error}");
    }
}

#[tokio::test]
async fn each_refusal_of_metadata_has_the_same_code() {
    for (status, body, kind, hint, is_transient) in refusals() {
        let harbour = harbour(Scene::standard()).await;
        let refusal = Fault::status(status).body(body).on(Site::Civitai);
        harbour.hub.order(refusal);
        let error = harbour.refused("civitai:4384", &Auth::anonymous()).await;
        is(&error, kind);
        assert_eq!(
            error.is_transient(),
            is_transient,
            "{status} {body}: {error}"
        );
        if status != 404 {
            let said = error.hint.clone().unwrap_or_default();
            assert!(said.contains(hint), "{status} {body}: {said}");
        }
    }
}

#[tokio::test]
async fn the_hubs_own_code_is_kept() {
    let harbour = harbour(Scene::standard()).await;
    let body = r#"{"error":"not here","code":"REGION_BLOCKED"}"#;
    harbour.hub.order(Fault::status(451).body(body));
    let error = harbour.refused("civitai:4384", &Auth::anonymous()).await;
    assert_eq!(error.hub_code.as_deref(), Some("REGION_BLOCKED"));
}

#[tokio::test]
async fn an_overload_that_passes_is_not_seen() {
    let harbour = harbour(Scene::standard()).await;
    let overload = Fault::status(503)
        .header("retry-after", "0")
        .on(Site::Civitai);
    harbour.hub.order(overload.times(1));
    harbour.plan("civitai:4384").await;
}

#[tokio::test]
async fn a_page_in_place_of_metadata_is_no_version() {
    let harbour = harbour(Scene::standard()).await;
    harbour
        .hub
        .order(Fault::html("Just a moment...").on(Site::Civitai));
    let error = harbour
        .refused("civitai:4384@128713", &Auth::anonymous())
        .await;
    is(&error, ErrorKind::Upstream);
    assert!(error.message.contains("Just a moment..."), "{error}");
}

#[tokio::test]
async fn metadata_that_is_no_object_is_refused() {
    for body in ["[]", "null", "\"x\"", "{", r#"{"id":1}"#] {
        let harbour = harbour(Scene::standard()).await;
        harbour.hub.order(
            Fault::status(200)
                .body(body)
                .on(Site::Civitai)
                .path("/models/4384"),
        );
        is(
            &harbour.refused("civitai:4384", &Auth::anonymous()).await,
            ErrorKind::Upstream,
        );
    }
}

#[tokio::test]
async fn a_redirect_to_the_login_page_asks_for_a_login() {
    let harbour = harbour(Scene::standard()).await;
    let file = &harbour.plan("civitai:4384").await.artifacts[0];
    for (location, kind) in [
        ("/login?returnUrl=%2F", ErrorKind::AuthRequired),
        (
            "https://auth.civitai.example/login?returnUrl=%2F",
            ErrorKind::AuthRequired,
        ),
        ("/model-versions/128713", ErrorKind::AccessDenied),
    ] {
        let away = Fault::status(307)
            .header("location", location)
            .on(Site::Civitai);
        harbour.hub.order(away.path("/download/").times(1));
        is(
            &harbour.read(file, &Auth::anonymous()).await.unwrap_err(),
            kind,
        );
    }
    assert!(
        harbour
            .at(Site::Civitai)
            .iter()
            .all(|seen| seen.path != "/login")
    );
}

#[tokio::test]
async fn without_a_grant_the_hint_fits_whether_a_token_was_sent() {
    let harbour = harbour(Scene::standard()).await;
    let file = &harbour.plan("civitai:4384").await.artifacts[0];
    let body = r#"{"error":"You do not have access to download this file"}"#;
    harbour.hub.order(
        Fault::status(403)
            .body(body)
            .on(Site::Civitai)
            .path("/download/"),
    );
    let anonymous = harbour.read(file, &Auth::anonymous()).await.unwrap_err();
    let stranger = harbour
        .read(file, &token("civitai_good"))
        .await
        .unwrap_err();
    assert!(anonymous.message.contains("without a login"), "{anonymous}");
    assert!(
        stranger.message.contains("the token's account"),
        "{stranger}"
    );
}

#[tokio::test]
async fn a_used_up_quota_is_not_asked_again_and_a_stated_wait_is_sat_out() {
    let harbour = harbour(Scene::standard()).await;
    let file = &harbour.plan("civitai:4384").await.artifacts[0];
    let quota = r#"{"error":"We've noticed an unusual amount of downloading from your account."}"#;
    let refusal = Fault::status(429).body(quota).on(Site::Civitai);
    harbour
        .hub
        .order(refusal.clone().path("/download/").times(1));
    let error = harbour.read(file, &Auth::anonymous()).await.unwrap_err();
    is(&error, ErrorKind::RateLimited);
    assert_eq!(harbour.downloads().len(), 1);
    let wait = refusal.header("retry-after", "0").path("/download/");
    harbour.hub.order(wait.times(1));
    harbour.read(file, &Auth::anonymous()).await.unwrap();
    assert_eq!(harbour.downloads().len(), 3);
}

#[tokio::test]
async fn the_short_form_out_of_order_does_not_stop_a_version_that_is_known() {
    let harbour = harbour(Scene::standard()).await;
    harbour.hub.order(broken_at("/model-versions/mini/"));
    harbour.plan("civitai:4384@128713").await;
    // What only the short form knows, the download still says.
    let plan = harbour.plan("civitai:5001").await;
    let read = harbour.read(&plan.artifacts[0], &Auth::anonymous()).await;
    is(&read.unwrap_err(), ErrorKind::AuthRequired);
}

#[tokio::test]
async fn a_versions_own_endpoint_out_of_order_is_made_good_by_the_others() {
    let sound = harbour(Scene::standard()).await;
    let expected = sound.plan("civitai:4384@128713").await;
    let harbour = harbour(Scene::standard()).await;
    harbour.hub.order(broken_at("/model-versions/128713"));
    for source in [
        "civitai:4384",
        "civitai:4384@128713",
        "https://civitai.com/model-versions/128713",
    ] {
        let plan = harbour.plan(source).await;
        assert_eq!(plan.artifacts, expected.artifacts, "{source}");
        assert_eq!(
            plan.card.unwrap()["air"],
            expected.card.as_ref().unwrap()["air"]
        );
    }
    // Where the model can't be told either, the outage is what is reported.
    for path in ["/model-versions/mini/128713", "/models/4384"] {
        harbour.hub.order(broken_at(path));
    }
    let error = harbour
        .refused(
            "https://civitai.com/model-versions/128713",
            &Auth::anonymous(),
        )
        .await;
    is(&error, ErrorKind::Upstream);
    assert_eq!(error.status, Some(500));
}

fn broken_at(path: &str) -> Fault {
    Fault::status(500).body("{}").on(Site::Civitai).path(path)
}
