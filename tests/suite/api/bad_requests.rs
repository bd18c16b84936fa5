use reqwest::Method;
use serde_json::{Value, json};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, Connection};

use super::{Server, one_file};
use crate::support::Home;

/// Rows in all tables that a request could write to.
async fn rows(server: &Server) -> i64 {
    let path = server.home.path().join("modelferry.db");
    let options = SqliteConnectOptions::new().filename(path).read_only(true);
    let mut database = SqliteConnection::connect_with(&options).await.unwrap();
    let tables: Vec<(String,)> = sqlx::query_as(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name <> '_sqlx_migrations'",
    )
    .fetch_all(&mut database)
    .await
    .unwrap();
    assert!(tables.len() > 10, "{tables:?}");
    let mut sum = 0;
    for (table,) in tables {
        let sql = AssertSqlSafe(format!("SELECT COUNT(*) FROM {table}"));
        let (count,): (i64,) = sqlx::query_as(sql).fetch_one(&mut database).await.unwrap();
        sum += count;
    }
    sum
}

/// Bodies of `POST /v1/uploads` that ask for nothing that could be done.
fn bodies(url: &str) -> Vec<(Value, u16, &'static str)> {
    let long = format!("https://example.com/{}", "a".repeat(10_000));
    let asset = |more: Value| {
        let mut body = json!({ "url": url, "kind": "asset" });
        let body_fields = body.as_object_mut().unwrap();
        body_fields.extend(more.as_object().unwrap().clone());
        body
    };
    let config = |config: Value| asset(json!({ "config": config }));
    let invalid = "invalid_request";
    let mut bodies = vec![
        (json!({}), invalid),
        (json!([]), invalid),
        (json!("acme/tiny"), invalid),
        (json!(null), invalid),
        (json!({ "url": url }), invalid),
        (json!({ "kind": "model" }), invalid),
        (json!({ "url": null, "kind": "asset" }), invalid),
        (
            asset(json!({ "huggingFaceModelName": "acme/tiny" })),
            invalid,
        ),
        (
            asset(json!({ "civitaiModelUrl": "https://civitai.com/models/4384" })),
            invalid,
        ),
        (
            json!({ "huggingFaceModelName": "acme/tiny", "civitaiModelUrl": "https://civitai.com/models/4384" }),
            invalid,
        ),
        (json!({ "url": url, "kind": "picture" }), invalid),
        (json!({ "url": url, "kind": 3 }), invalid),
        (json!({ "url": 7, "kind": "asset" }), invalid),
        (json!({ "url": [url], "kind": "asset" }), invalid),
        (json!({ "huggingFaceModelName": true }), invalid),
        (asset(json!({ "colour": "red" })), invalid),
        (asset(json!({ "status": "imported" })), invalid),
        (asset(json!({ "ownerId": "somebody" })), invalid),
        // Sources that are none, or not of the field they stand in.
        (json!({ "url": "", "kind": "asset" }), "invalid_source"),
        (json!({ "url": long, "kind": "asset" }), "invalid_source"),
        (json!({ "huggingFaceModelName": long }), "invalid_source"),
        (
            json!({ "huggingFaceModelName": "a".repeat(10_000) }),
            "invalid_source",
        ),
        (json!({ "civitaiModelUrl": long }), "invalid_source"),
        (
            json!({ "url": "ftp://example.com/a", "kind": "asset" }),
            "unsupported_source",
        ),
        (
            json!({ "url": "file:///etc/passwd", "kind": "asset" }),
            "unsupported_source",
        ),
        (
            json!({ "url": "acme/tiny", "kind": "model" }),
            "invalid_source",
        ),
        (
            json!({ "url": "https://me:pw@example.com/a", "kind": "asset" }),
            "invalid_source",
        ),
        (
            json!({ "huggingFaceModelName": "https://civitai.com/models/4384" }),
            "invalid_source",
        ),
        (
            json!({ "huggingFaceModelName": "acme/../../etc" }),
            "invalid_source",
        ),
        (json!({ "civitaiModelUrl": "acme/tiny" }), "invalid_source"),
        // What belongs to an asset, and what does not.
        (
            json!({ "huggingFaceModelName": "acme/tiny", "assetOptions": { "hide": true } }),
            invalid,
        ),
        (
            json!({ "url": url, "kind": "model", "assetOptions": {} }),
            invalid,
        ),
        (asset(json!({ "assetOptions": { "show": true } })), invalid),
        (asset(json!({ "assetOptions": { "hide": "yes" } })), invalid),
        (
            asset(json!({ "assetOptions": { "collectionIds": "c1" } })),
            invalid,
        ),
        (
            asset(json!({ "assetOptions": { "collectionIds": vec!["c"; 1001] } })),
            invalid,
        ),
        (asset(json!({ "assetOptions": 1 })), invalid),
        // `config`, key by key.
        (config(json!([])), invalid),
        (config(json!("x")), invalid),
        (config(json!({ "sha265": "ab" })), invalid),
        (config(json!({ "sha256": "ab" })), invalid),
        (config(json!({ "sha256": 1 })), invalid),
        (config(json!({ "priority": 11 })), invalid),
        (config(json!({ "priority": -11 })), invalid),
        (config(json!({ "priority": "high" })), invalid),
        (config(json!({ "priority": 1.5 })), invalid),
        (config(json!({ "revision": 1 })), invalid),
        (config(json!({ "include": "*.bin" })), invalid),
        (config(json!({ "include": vec!["a"; 1001] })), invalid),
        (config(json!({ "exclude": [1] })), invalid),
        (config(json!({ "register": "no" })), invalid),
        (config(json!({ "webhookUrl": 1 })), invalid),
        (
            config(json!({ "webhookUrl": "http://10.0.0.1/" })),
            "blocked_address",
        ),
        (config(json!({ "credential": 1 })), invalid),
        (config(json!({ "credential": "nobody" })), invalid),
    ];
    // This machine's own addresses are allowed here, for the hub; no other is.
    for host in [
        "169.254.169.254",
        "10.0.0.1",
        "192.168.1.1:8080",
        "167772161",
        "0xA000001",
        "012.0.0.1",
        "100.64.0.1",
        "0.0.0.0",
        "[::1]",
        "[::ffff:10.0.0.1]",
        "[64:ff9b::a00:1]",
        "[fd00::1]",
        "example.com:25",
    ] {
        let body = json!({ "url": format!("http://{host}/a.bin"), "kind": "asset" });
        bodies.push((body, "blocked_address"));
    }
    bodies
        .into_iter()
        .map(|(body, code)| (body, 400, code))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_request_says_what_is_wrong_and_stores_nothing() {
    let (hub, url) = one_file(10).await;
    let server = Server::start(&hub, "0").await;
    let before = rows(&server).await;
    for (body, status, code) in bodies(&url) {
        for path in ["/v1/uploads", "/v1/uploads?dryRun=true"] {
            let answer = server.post(path, &body).await;
            let shown: String = body.to_string().chars().take(200).collect();
            assert_eq!(answer.status, status, "{shown}: {answer:?}");
            answer.assert_problem(status, code);
            assert!(!answer.body.to_string().contains("pw@"), "{answer:?}");
            assert!(
                answer.body.to_string().len() < 2000,
                "{shown} is said back whole"
            );
        }
    }
    assert_eq!(rows(&server).await, before);
    assert_eq!(hub.requests().len(), 0, "nobody was asked for any of it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_no_json_object_is_refused_and_stores_nothing() {
    let (hub, _) = one_file(10).await;
    let server = Server::start(&hub, "0").await;
    let before = rows(&server).await;
    let big = format!("{{\"url\":\"{}\"}}", "a".repeat(2 * 1024 * 1024));
    let deep = "{\"config\":".repeat(5000);
    let cases: [(&[u8], u16, &str); 7] = [
        (big.as_bytes(), 413, "too_large"),
        (b"{", 400, "invalid_request"),
        (b"", 400, "invalid_request"),
        (b"{\"url\":\"\xff\"}", 400, "invalid_request"),
        (b"{\"url\":\"a\"} {}", 400, "invalid_request"),
        (b"url=a&kind=asset", 400, "invalid_request"),
        (deep.as_bytes(), 400, "invalid_request"),
    ];
    for (body, status, code) in cases {
        let request = server.request(Method::POST, "/v1/uploads", &server.key);
        let answer = request.body(body.to_vec()).send().await.unwrap();
        super::Answer::read(answer)
            .await
            .assert_problem(status, code);
    }
    assert_eq!(rows(&server).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_query_or_header_is_refused_and_stores_nothing() {
    let (hub, url) = one_file(10).await;
    let server = Server::start(&hub, "0").await;
    let before = rows(&server).await;
    let body = json!({ "url": url, "kind": "asset" });
    server
        .post("/v1/uploads?dryRun=yes", &body)
        .await
        .assert_problem(400, "invalid_request");
    for key in ["".to_owned(), "k".repeat(256)] {
        let request = server.request(Method::POST, "/v1/uploads", &server.key);
        let request = request
            .header("idempotency-key", &key)
            .body(body.to_string());
        super::Answer::read(request.send().await.unwrap())
            .await
            .assert_problem(400, "invalid_request");
    }
    for query in [
        "pageSize=0",
        "pageSize=101",
        "pageSize=many",
        "status=done",
        "source=ftp",
        "provider=nobody",
    ] {
        server
            .get(&format!("/v1/uploads?{query}"))
            .await
            .assert_problem(400, "invalid_request");
    }
    assert_eq!(rows(&server).await, before);
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
