//! Refusals, each by its own name, with the page to visit.

use super::*;

/// Who asks for what, and how that must end: kind, status, the hub's code,
/// and what the hint names.
struct Case {
    source: &'static str,
    auth: Option<&'static str>,
    kind: ErrorKind,
    status: u16,
    code: Option<&'static str>,
    page: &'static str,
}

const fn case(
    source: &'static str,
    auth: Option<&'static str>,
    kind: ErrorKind,
    status: u16,
    code: Option<&'static str>,
    page: &'static str,
) -> Case {
    Case {
        source,
        auth,
        kind,
        status,
        code,
        page,
    }
}

const OTHER: Option<&str> = Some("hf_other");
const BAD: Option<&str> = Some("hf_garbage");
const GATED: Option<&str> = Some("GatedRepo");
const NO_REPO: Option<&str> = Some("RepoNotFound");

const CASES: &[Case] = &[
    case(
        "acme/gated",
        None,
        ErrorKind::Gated,
        401,
        GATED,
        "acme/gated",
    ),
    case(
        "acme/gated",
        BAD,
        ErrorKind::Gated,
        401,
        GATED,
        "acme/gated",
    ),
    case(
        "acme/gated",
        OTHER,
        ErrorKind::Gated,
        403,
        GATED,
        "acme/gated",
    ),
    case(
        "acme/manual",
        None,
        ErrorKind::Gated,
        401,
        GATED,
        "acme/manual",
    ),
    case(
        "acme/manual",
        OTHER,
        ErrorKind::Gated,
        403,
        GATED,
        "acme/manual",
    ),
    case(
        "hf://acme/gated/config.json",
        None,
        ErrorKind::Gated,
        401,
        GATED,
        "acme/gated",
    ),
    case(
        "acme/private",
        None,
        ErrorKind::NotFound,
        401,
        NO_REPO,
        "settings/tokens",
    ),
    case(
        "acme/private",
        OTHER,
        ErrorKind::NotFound,
        404,
        NO_REPO,
        "acme/private",
    ),
    case(
        "acme/nothing",
        None,
        ErrorKind::NotFound,
        401,
        NO_REPO,
        "acme/nothing",
    ),
    case(
        "acme/nothing",
        OTHER,
        ErrorKind::NotFound,
        404,
        NO_REPO,
        "acme/nothing",
    ),
    case(
        "acme/tiny",
        BAD,
        ErrorKind::AuthRequired,
        401,
        None,
        "settings/tokens",
    ),
    case(
        "acme/private",
        BAD,
        ErrorKind::AuthRequired,
        401,
        None,
        "settings/tokens",
    ),
    case(
        "acme/disabled",
        None,
        ErrorKind::AccessDenied,
        403,
        None,
        "acme/disabled",
    ),
    case(
        "acme/tiny@v9",
        None,
        ErrorKind::NotFound,
        404,
        Some("RevisionNotFound"),
        "acme/tiny",
    ),
    case(
        "hf://acme/tiny/no.bin",
        None,
        ErrorKind::NotFound,
        404,
        None,
        "acme/tiny/tree/",
    ),
    case(
        "hf://acme/tiny@v1/sub",
        None,
        ErrorKind::NotFound,
        404,
        None,
        "acme/tiny/tree/",
    ),
    case(
        "hf://datasets/acme/tiny",
        None,
        ErrorKind::NotFound,
        401,
        NO_REPO,
        "datasets/acme/tiny",
    ),
];

#[tokio::test]
async fn each_refusal_has_its_own_name_and_the_page_to_visit() {
    let harbour = standard().await;
    for case in CASES {
        let auth = case.auth.map(token).unwrap_or_default();
        let what = format!("{} as {:?}", case.source, case.auth);
        let error = failure(harbour.resolve_as(case.source, &auth).await);
        assert_eq!(error.kind, case.kind, "{what}: {error:?}");
        assert_eq!(error.status, Some(case.status), "{what}: {error:?}");
        assert_eq!(error.hub_code.as_deref(), case.code, "{what}");
        let hint = error.hint.clone().unwrap();
        assert!(hint.contains(&harbour.page(case.page)), "{what}: {hint}");
        assert!(!error.is_transient(), "{what}");
        assert!(!format!("{error:?} {error}").contains("garbage"), "{what}");
    }
}

#[tokio::test]
async fn those_with_a_grant_get_in() {
    let harbour = standard().await;
    for source in ["acme/gated", "acme/manual", "acme/private"] {
        let auth = token("hf_good");
        let plan = harbour.resolve_as(source, &auth).await.unwrap();
        assert_eq!(plan.artifacts.len(), 3, "{source}");
        for file in &plan.artifacts {
            harbour.provider.may_read(file, &auth).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_gate_is_found_before_the_plan_and_no_body_moves() {
    let harbour = standard().await;
    failure(harbour.resolve("acme/gated").await);
    let asked = harbour.hub.requests();
    let last = asked.last().unwrap();
    assert_eq!(last.method, "HEAD", "proven by the headers of a file");
    assert!(last.path.contains("/resolve/"), "{}", last.path);
    assert_eq!(harbour.hub.bytes_sent(Site::Cdn), 0);
}

#[tokio::test]
async fn an_open_repository_costs_no_proof_at_resolving() {
    let harbour = standard().await;
    harbour.plan("acme/many").await;
    assert_eq!(harbour.hub.requests().len(), 2, "its commit and its tree");
}

#[tokio::test]
async fn a_mirror_that_does_not_say_whether_a_repository_is_gated_is_put_to_the_proof() {
    let server = Raw::start(|head, _| {
        if head.contains("/revision/main ") {
            return json(&format!(r#"{{"sha":"{SHA}"}}"#));
        }
        if head.contains("/tree/") {
            return json(r#"[{"type":"file","path":"f.txt","size":1}]"#);
        }
        let refused = "X-Error-Code: GatedRepo\r\n";
        answer("401 Unauthorized", refused, "")
    })
    .await;
    let error = failure(resolve_raw(&provider_at(&server.url(""))).await);
    assert_eq!(error.kind, ErrorKind::Gated);
}

#[tokio::test]
async fn a_grant_taken_back_later_is_noticed_at_proof_and_at_opening() {
    let harbour = standard().await;
    let auth = token("hf_good");
    let plan = harbour.resolve_as("acme/gated", &auth).await.unwrap();
    harbour.hub.change_scene(|scene| {
        scene.repo_mut("acme/gated").unwrap().granted.clear();
    });
    for file in &plan.artifacts {
        let error = failure(harbour.provider.may_read(file, &auth).await);
        assert_eq!(error.kind, ErrorKind::Gated);
        let whole = ByteRange::whole();
        let error = failure(harbour.provider.open(file, &whole, &auth).await);
        assert_eq!(error.kind, ErrorKind::Gated);
        assert!(error.hint.unwrap().contains(&harbour.page("acme/gated")));
    }
}

#[tokio::test]
async fn one_proof_stands_for_all_files_of_a_repository() {
    let harbour = standard().await;
    let plan = harbour.plan("acme/tiny").await;
    let grants: std::collections::HashSet<_> = plan
        .artifacts
        .iter()
        .map(|file| file.origin.grant())
        .collect();
    assert_eq!(grants.len(), 1);
    let data = harbour.plan("hf://datasets/acme/data").await;
    assert!(!grants.contains(&data.artifacts[0].origin.grant()));
}

#[tokio::test]
async fn what_the_hub_says_of_other_troubles_is_passed_on() {
    for (status, kind, is_transient) in [
        (451, ErrorKind::RegionBlocked, false),
        (418, ErrorKind::Upstream, false),
        (500, ErrorKind::Upstream, true),
        (504, ErrorKind::Upstream, true),
    ] {
        let harbour = standard().await;
        harbour.hub.order(Fault::status(status));
        let error = failure(harbour.resolve("acme/tiny").await);
        assert_eq!((error.kind, error.status), (kind, Some(status)), "{error}");
        assert_eq!(error.is_transient(), is_transient, "{status}");
        assert!(
            error.message.contains(&format!("ordered {status}")),
            "{error}"
        );
        assert!(error.request_id.is_some());
    }
}

#[tokio::test]
async fn control_characters_of_the_hub_never_reach_a_message() {
    let server = Raw::start(|_, _| {
        answer(
            "403 Forbidden",
            "X-Error-Message: a\x1b[31mb\r\nX-Error-Code: x\x1by\r\n",
            "",
        )
    })
    .await;
    let error = failure(resolve_raw(&provider_at(&server.url(""))).await);
    let shown = format!("{error} {:?} {:?}", error.hint, error.hub_code);
    assert!(!shown.chars().any(char::is_control), "{shown:?}");
    let server = Raw::start(|_, _| {
        let body = "{\"error\":\"c\\u001b[31md\"}";
        answer("403 Forbidden", "Content-Type: application/json\r\n", body)
    })
    .await;
    let error = failure(resolve_raw(&provider_at(&server.url(""))).await);
    assert!(error.message.contains("31md"), "{error}");
    assert!(!error.message.chars().any(char::is_control), "{error:?}");
}

#[tokio::test]
async fn an_endpoint_that_is_no_hub_is_said_to_be_none() {
    for body in ["<html>welcome</html>", "[]", "{}", r#"{"sha":"main"}"#] {
        let server = Raw::start(move |_, _| json(body)).await;
        let error = failure(resolve_raw(&provider_at(&server.url(""))).await);
        assert_eq!(error.kind, ErrorKind::Upstream, "{body}");
        assert!(error.hint.unwrap().contains("HF_ENDPOINT"), "{body}");
    }
}

#[tokio::test]
async fn an_endpoint_that_sends_its_api_elsewhere_is_not_followed_with_the_token() {
    let elsewhere = Raw::start(|_, _| json("{}")).await;
    let target = elsewhere.url("/api/models/a/b").as_url().to_string();
    let server = Raw::start(move |_, _| super::super::raw::redirect(&target)).await;
    let provider = provider_at(&server.url(""));
    let reference = provider.parse("a/b").unwrap().unwrap();
    let error = failure(provider.resolve(&reference, &token("hf_good")).await);
    assert_eq!(error.kind, ErrorKind::Upstream);
    assert!(error.hint.unwrap().contains("HF_ENDPOINT"));
    assert!(elsewhere.heads().is_empty());
}
