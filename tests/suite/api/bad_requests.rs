use reqwest::Method;
use serde_json::{Value, json};

use super::{Server, one_file};
use crate::support::Home;

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_request_says_what_is_wrong_and_stores_nothing() {
    let (hub, url) = one_file(10).await;
    let server = Server::start(&hub, "0").await;
    let long = format!("https://example.com/{}", "a".repeat(10_000));
    let cases: Vec<(Value, &str)> = vec![
        (json!({}), "invalid_request"),
        (json!([]), "invalid_request"),
        (json!({ "url": url }), "invalid_request"),
        (
            json!({ "url": url, "kind": "asset", "huggingFaceModelName": "acme/tiny" }),
            "invalid_request",
        ),
        (json!({ "url": url, "kind": "picture" }), "invalid_request"),
        (json!({ "url": 7, "kind": "asset" }), "invalid_request"),
        (
            json!({ "url": url, "kind": "asset", "colour": "red" }),
            "invalid_request",
        ),
        (json!({ "url": long, "kind": "asset" }), "invalid_source"),
        (
            json!({ "url": "ftp://example.com/a", "kind": "asset" }),
            "unsupported_source",
        ),
        (
            json!({ "url": "acme/tiny", "kind": "model" }),
            "invalid_source",
        ),
        (
            json!({ "url": "http://169.254.169.254/latest", "kind": "asset" }),
            "blocked_address",
        ),
        (
            json!({ "url": "http://[::ffff:10.0.0.1]/a", "kind": "asset" }),
            "blocked_address",
        ),
        (
            json!({ "huggingFaceModelName": "https://civitai.com/models/4384" }),
            "invalid_source",
        ),
        (json!({ "civitaiModelUrl": "acme/tiny" }), "invalid_source"),
        (
            json!({ "huggingFaceModelName": "acme/tiny", "assetOptions": { "hide": true } }),
            "invalid_request",
        ),
        (
            json!({ "url": url, "kind": "model", "assetOptions": {} }),
            "invalid_request",
        ),
        (
            json!({ "url": url, "kind": "asset", "assetOptions": { "show": true } }),
            "invalid_request",
        ),
        (
            json!({ "url": url, "kind": "asset", "config": { "sha265": "ab" } }),
            "invalid_request",
        ),
        (
            json!({ "url": url, "kind": "asset", "config": { "sha256": "ab" } }),
            "invalid_request",
        ),
        (
            json!({ "url": url, "kind": "asset", "config": { "priority": 11 } }),
            "invalid_request",
        ),
        (
            json!({ "url": url, "kind": "asset", "config": [] }),
            "invalid_request",
        ),
    ];
    for (body, code) in cases {
        let answer = server.post("/v1/uploads", &body).await;
        assert!((400..500).contains(&answer.status), "{body}: {answer:?}");
        answer.assert_problem(answer.status, code);
    }
    let big = format!("\"{}\"", "a".repeat(2 * 1024 * 1024));
    server
        .post_text("/v1/uploads", &big)
        .await
        .assert_problem(413, "too_large");
    server
        .post_text("/v1/uploads", "{")
        .await
        .assert_problem(400, "invalid_request");
    assert_eq!(server.get("/v1/uploads").await.body["uploads"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_or_method_that_is_not_there_is_a_problem_too() {
    let (hub, _) = one_file(10).await;
    let server = Server::start(&hub, "0").await;
    server
        .get("/v1/nothing")
        .await
        .assert_problem(404, "not_found");
    server
        .get("/v1/uploads/upload_0")
        .await
        .assert_problem(404, "not_found");
    server
        .get("/v1/models/model_0")
        .await
        .assert_problem(404, "not_found");
    server
        .post(
            "/v1/uploads/upload_0/action",
            &json!({ "action": "cancel" }),
        )
        .await
        .assert_problem(404, "not_found");
    server
        .post("/v1/uploads/upload_0/action", &json!({ "action": "stop" }))
        .await
        .assert_problem(400, "invalid_request");
    let request = server.request(Method::DELETE, "/v1/uploads", &server.key);
    assert_eq!(request.send().await.unwrap().status(), 405);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_whose_queue_is_full_is_told_to_wait() {
    let (hub, url) = one_file(10).await;
    let home = Home::of(&hub).with("MODELFERRY_MAX_QUEUED", "2");
    let server = Server::in_home(home, "0").await;
    for _ in 0..2 {
        server.ask(&url).await;
    }
    let body = json!({ "url": url, "kind": "asset" });
    server
        .post("/v1/uploads", &body)
        .await
        .assert_problem(429, "rate_limited");
    let other = super::Key::make(&server.home, &["--owner", "other"]);
    let request = server
        .request(Method::POST, "/v1/uploads", &other)
        .body(body.to_string());
    assert_eq!(request.send().await.unwrap().status(), 200);
}
