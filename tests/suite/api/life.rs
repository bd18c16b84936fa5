use modelferry_fixtures::{Hub, Scene};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Answer, MIB, Server, one_file, one_slow_file};

/// The documented record's fields, and no other.
const REQUIRED: &[&str] = &[
    "id",
    "authorId",
    "createdAt",
    "fileName",
    "kind",
    "ownerId",
    "source",
    "status",
    "updatedAt",
];
const OPTIONAL: &[&str] = &[
    "assetOptions",
    "config",
    "contentType",
    "entityId",
    "errorMessage",
    "fileSize",
    "jobId",
    "originalFileName",
    "parts",
    "partsCount",
    "provider",
    "url",
];

fn assert_shape(record: &Value) {
    let fields = record.as_object().unwrap();
    for field in REQUIRED {
        assert!(fields.contains_key(*field), "no {field} in {record:#}");
    }
    for (field, value) in fields {
        let known = REQUIRED.contains(&field.as_str()) || OPTIONAL.contains(&field.as_str());
        assert!(known && !value.is_null(), "{field} in {record:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hugging_face_model_becomes_an_entity() {
    let hub = Hub::start(Scene::standard()).await.unwrap();
    let server = Server::start(&hub, "2").await;
    let asked = json!({ "huggingFaceModelName": "acme/tiny" });
    let made = server.post("/v1/uploads", &asked).await.upload();
    assert_shape(&made);
    assert_eq!(
        (&made["status"], &made["source"]),
        (&json!("pending"), &json!("huggingface"))
    );
    let record = server.ended(&made).await;
    assert_shape(&record);
    assert_eq!(record["status"], "imported", "{record:#}");
    assert_eq!(record["provider"], "huggingface");
    let id = record["entityId"].as_str().unwrap();
    let shown = server.get(&format!("/v1/models/{id}")).await;
    assert_eq!(shown.status, 200, "{shown:?}");
    let files = shown.body["model"]["files"].as_array().unwrap();
    assert!(!files.is_empty());
    for file in files {
        let path = file["url"]
            .as_str()
            .unwrap()
            .strip_prefix(&server.url)
            .unwrap();
        let got = server
            .request(Method::GET, path, &server.key)
            .send()
            .await
            .unwrap();
        assert_eq!(got.status(), 200, "{path}");
        let bytes = got.bytes().await.unwrap();
        assert_eq!(json!(crate::support::hash_of(&bytes)), file["sha256"]);
    }
    server
        .get(&format!("/v1/assets/{id}"))
        .await
        .assert_problem(404, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_url_of_a_kind_becomes_an_asset_whose_file_is_served_in_ranges() {
    let (hub, url) = one_file(3 * MIB).await;
    let server = Server::start(&hub, "1").await;
    let asked = json!({
        "url": url, "kind": "asset", "assetOptions": { "collectionIds": ["c1"], "hide": true },
        "config": { "priority": 3, "register": true },
    });
    let made = server.post("/v1/uploads", &asked).await.upload();
    assert_eq!(
        (&made["assetOptions"], &made["config"]),
        (&asked["assetOptions"], &asked["config"])
    );
    let record = server.ended(&made).await;
    assert_shape(&record);
    assert_eq!(record["fileSize"], 3 * MIB, "{record:#}");
    let shown = server
        .get(&format!(
            "/v1/assets/{}",
            record["entityId"].as_str().unwrap()
        ))
        .await;
    let file = &shown.body["asset"]["files"][0];
    let path = file["url"]
        .as_str()
        .unwrap()
        .strip_prefix(&server.url)
        .unwrap();
    let request = server
        .request(Method::GET, path, &server.key)
        .header("range", "bytes=5-9");
    let part = request.send().await.unwrap();
    assert_eq!(part.status(), 206);
    assert_eq!(
        part.headers()["content-range"],
        format!("bytes 5-9/{}", 3 * MIB)
    );
    let tag = part.headers()["etag"].clone();
    let whole = server
        .request(Method::GET, path, &server.key)
        .send()
        .await
        .unwrap();
    let whole = whole.bytes().await.unwrap();
    assert_eq!(part.bytes().await.unwrap(), whole.slice(5..10));
    let known = server
        .request(Method::GET, path, &server.key)
        .header("if-none-match", tag);
    assert_eq!(known.send().await.unwrap().status(), 304);
    let beyond = server
        .request(Method::GET, path, &server.key)
        .header("range", "bytes=9999999-");
    assert_eq!(beyond.send().await.unwrap().status(), 416);
}

#[tokio::test(flavor = "multi_thread")]
async fn artifacts_say_what_became_of_each_file() {
    let (hub, url) = one_file(MIB).await;
    let server = Server::start(&hub, "1").await;
    let record = server.ended(&server.ask(&url).await).await;
    let shown = server
        .get(&format!(
            "/v1/uploads/{}/artifacts",
            record["id"].as_str().unwrap()
        ))
        .await;
    let file = &shown.body["artifacts"][0];
    assert_eq!(
        (&file["status"], &file["bytesTransferred"]),
        (&json!("stored"), &json!(MIB))
    );
    assert!(
        shown.body["revision"].is_string() && shown.body["error"].is_null(),
        "{shown:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_says_why_in_words_and_code() {
    let (hub, url) = one_file(MIB).await;
    let server = Server::start(&hub, "1").await;
    let record = server
        .ended(&server.ask(&format!("{url}.missing")).await)
        .await;
    assert_shape(&record);
    let message = record["errorMessage"].as_str().unwrap();
    assert!(message.ends_with("[not_found]"), "{message}");
    let shown = server
        .get(&format!(
            "/v1/uploads/{}/artifacts",
            record["id"].as_str().unwrap()
        ))
        .await;
    assert_eq!(shown.body["error"]["code"], "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_shows_the_plan_and_stores_nothing() {
    let hub = Hub::start(Scene::standard()).await.unwrap();
    let server = Server::start(&hub, "0").await;
    for how in ["true", "api"] {
        let path = format!("/v1/uploads?dryRun={how}");
        let plan = server
            .post(&path, &json!({ "huggingFaceModelName": "acme/tiny" }))
            .await;
        assert_eq!(plan.status, 269, "{plan:?}");
        assert_eq!(plan.body["creativeUnitsCost"], 0);
        assert!(!plan.body["artifacts"].as_array().unwrap().is_empty());
    }
    let gone = json!({ "huggingFaceModelName": "acme/not-there" });
    let refused = server.post("/v1/uploads?dryRun=true", &gone).await;
    assert_eq!(refused.status, 422, "{refused:?}");
    let list = server.get("/v1/uploads").await;
    assert_eq!(list.body["uploads"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_and_body_make_one_upload() {
    let (hub, url) = one_file(MIB).await;
    let server = Server::start(&hub, "0").await;
    let send = async |key: &str, kind: &str| {
        let body = json!({ "url": url, "kind": kind }).to_string();
        let request = server.request(Method::POST, "/v1/uploads", &server.key);
        let request = request.header("idempotency-key", key).body(body);
        Answer::read(request.send().await.unwrap()).await
    };
    let first = send("k1", "asset").await.upload();
    assert_eq!(send("k1", "asset").await.upload(), first);
    send("k1", "image")
        .await
        .assert_problem(422, "invalid_request");
    assert_ne!(send("k2", "asset").await.upload()["id"], first["id"]);
    let together = futures_util::future::join_all((0..8).map(|_| send("k3", "asset"))).await;
    let ids: std::collections::BTreeSet<String> = together
        .into_iter()
        .map(|answer| answer.upload()["id"].to_string())
        .collect();
    assert_eq!(ids.len(), 1);
    let list = server.get("/v1/uploads").await;
    assert_eq!(list.body["uploads"].as_array().unwrap().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_paged_and_narrowed() {
    let (hub, url) = one_file(MIB).await;
    let server = Server::start(&hub, "0").await;
    let mut made = Vec::new();
    for _ in 0..5 {
        made.insert(0, server.ask(&url).await["id"].clone());
    }
    let mut seen = Vec::new();
    let mut path = "/v1/uploads?pageSize=2".to_owned();
    loop {
        let page = server.get(&path).await;
        let uploads = page.body["uploads"].as_array().unwrap();
        seen.extend(uploads.iter().map(|upload| upload["id"].clone()));
        let Some(token) = page.body["nextPaginationToken"].as_str() else {
            break;
        };
        path = format!("/v1/uploads?pageSize=2&paginationToken={token}");
    }
    assert_eq!(seen, made);
    for (query, count) in [
        ("status=pending", 5),
        ("status=failed", 0),
        ("source=url", 5),
        ("provider=civitai", 0),
    ] {
        let page = server.get(&format!("/v1/uploads?{query}")).await;
        assert_eq!(
            page.body["uploads"].as_array().unwrap().len(),
            count,
            "{query}"
        );
    }
    server
        .get("/v1/uploads?pageSize=101")
        .await
        .assert_problem(400, "invalid_request");
    server
        .get("/v1/uploads?status=done")
        .await
        .assert_problem(400, "invalid_request");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_is_cancelled_and_retried() {
    let (hub, url) = one_slow_file().await;
    let server = Server::start(&hub, "1").await;
    let upload = server.ask(&url).await;
    let path = format!("/v1/uploads/{}/action", upload["id"].as_str().unwrap());
    let cancelled = server
        .post(&path, &json!({ "action": "cancel" }))
        .await
        .upload();
    assert_eq!(cancelled["status"], "failed");
    assert!(
        cancelled["errorMessage"]
            .as_str()
            .unwrap()
            .ends_with("[cancelled]")
    );
    server
        .post(&path, &json!({ "action": "cancel" }))
        .await
        .assert_problem(409, "invalid_request");
    hub.clear_faults();
    let retried = server
        .post(&path, &json!({ "action": "retry" }))
        .await
        .upload();
    assert_eq!(retried["status"], "pending");
    assert_eq!(server.ended(&retried).await["status"], "imported");
    server
        .post(&path, &json!({ "action": "retry" }))
        .await
        .assert_problem(409, "invalid_request");
}
