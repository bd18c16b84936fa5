use modelferry_fixtures::{Hub, Scene};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Answer, Key, Server};
use crate::support::Home;

async fn server(workers: &str) -> (Hub, Server) {
    let hub = Hub::start(Scene::standard()).await.unwrap();
    let server = Server::start(&hub, workers).await;
    (hub, server)
}

async fn send(server: &Server, method: Method, name: &str, body: &Value) -> Answer {
    let path = format!("/v1/credentials/{name}");
    let request = server.request(method, &path, &server.key);
    Answer::read(request.body(body.to_string()).send().await.unwrap()).await
}

async fn put(server: &Server, name: &str, body: &Value) -> Answer {
    send(server, Method::PUT, name, body).await
}

/// A gated repository, asked for with this `config`.
fn gated(config: &Value) -> Value {
    json!({ "huggingFaceModelName": "acme/gated", "config": config })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_is_stored_listed_used_and_deleted_and_never_shown() {
    let (_hub, server) = server("1").await;
    let stored = put(&server, "huggingface", &json!({ "value": "hf_good" })).await;
    assert_eq!(stored.status, 200, "{stored:?}");
    let shown = &stored.body["credential"];
    assert_eq!(
        (&shown["name"], &shown["host"]),
        (&json!("huggingface"), &json!("huggingface"))
    );
    assert!(
        shown["createdAt"].is_string() && shown["updatedAt"].is_string(),
        "{shown:#}"
    );
    let listed = server.get("/v1/credentials").await;
    assert_eq!(listed.body["credentials"], json!([shown]));
    assert!(!format!("{stored:?}{listed:?}").contains("hf_good"));
    let upload = server
        .post("/v1/uploads", &gated(&json!({})))
        .await
        .upload();
    assert_eq!(server.ended(&upload).await["status"], "imported");
    let gone = send(&server, Method::DELETE, "huggingface", &Value::Null).await;
    assert_eq!(gone.status, 204, "{gone:?}");
    let again = send(&server, Method::DELETE, "huggingface", &Value::Null).await;
    again.assert_problem(404, "not_found");
    assert_eq!(
        server.get("/v1/credentials").await.body["credentials"],
        json!([])
    );
    for file in server.home.files(".") {
        let bytes = std::fs::read(server.home.path().join(&file)).unwrap();
        let found = bytes.windows(7).any(|part| part == b"hf_good");
        assert!(!found, "{file} holds the secret");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_credential_is_refused_and_stores_nothing() {
    let (_hub, server) = server("0").await;
    let long = "a".repeat(10_000);
    for (name, body) in [
        ("huggingface", json!({})),
        ("huggingface", json!([])),
        ("huggingface", json!({ "value": 7 })),
        ("huggingface", json!({ "value": "" })),
        ("huggingface", json!({ "value": "two\nlines" })),
        ("huggingface", json!({ "value": long })),
        ("huggingface", json!({ "value": "s3cret", "colour": "red" })),
        (
            "huggingface",
            json!({ "value": "s3cret", "host": "civitai" }),
        ),
        ("huggingface.co", json!({ "value": "s3cret" })),
        ("two%20words", json!({ "value": "s3cret" })),
        (
            "team",
            json!({ "value": "s3cret", "host": "https://example.com" }),
        ),
        ("a.b", json!({ "value": "s3cret", "host": "example.com" })),
        (
            &*"n".repeat(65),
            json!({ "value": "s3cret", "host": "example.com" }),
        ),
    ] {
        let answer = put(&server, name, &body).await;
        answer.assert_problem(400, "invalid_request");
        assert!(!format!("{answer:?}").contains("s3cret"), "{answer:?}");
    }
    assert_eq!(
        server.get("/v1/credentials").await.body["credentials"],
        json!([])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_uses_the_credential_that_it_names_and_no_other_does() {
    let (_hub, server) = server("1").await;
    let named = json!({ "value": "hf_good", "host": "huggingface" });
    let stored = put(&server, "team", &named).await;
    assert_eq!(
        stored.body["credential"]["host"], "huggingface",
        "{stored:?}"
    );
    assert_eq!(
        put(&server, "huggingface", &json!({ "value": "hf_unknown" }))
            .await
            .status,
        200
    );
    let plain = server
        .post("/v1/uploads", &gated(&json!({})))
        .await
        .upload();
    assert_eq!(server.ended(&plain).await["status"], "failed");
    let body = gated(&json!({ "credential": "team" }));
    let planned = server.post("/v1/uploads?dryRun=true", &body).await;
    assert_eq!(planned.status, 269, "{planned:?}");
    let upload = server.post("/v1/uploads", &body).await.upload();
    assert_eq!(upload["config"]["credential"], "team");
    assert_eq!(server.ended(&upload).await["status"], "imported");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_that_is_missing_or_for_elsewhere_is_refused_at_once() {
    let (_hub, mut server) = server("0").await;
    let named = json!({ "value": "c_1", "host": "civitai" });
    assert_eq!(put(&server, "team", &named).await.status, 200);
    for (name, why) in [
        ("nobody", "no stored credential"),
        ("team", "is for civitai"),
    ] {
        let answer = server
            .post("/v1/uploads", &gated(&json!({ "credential": name })))
            .await;
        answer.assert_problem(400, "invalid_request");
        let said = answer.body["detail"].as_str().unwrap();
        assert!(said.contains(why), "{said}");
    }
    server.key = Key::make(&server.home, &["--owner", "other"]);
    let civitai = json!({ "civitaiModelUrl": "https://civitai.com/models/4384", "config": { "credential": "team" } });
    let theirs = server.post("/v1/uploads", &civitai).await;
    theirs.assert_problem(400, "invalid_request");
    assert_eq!(server.get("/v1/uploads").await.body["uploads"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_whose_credential_was_deleted_since_says_so() {
    let (_hub, server) = server("0").await;
    let named = json!({ "value": "hf_good", "host": "huggingface" });
    put(&server, "team", &named).await;
    let body = gated(&json!({ "credential": "team" }));
    let upload = server.post("/v1/uploads", &body).await.upload();
    assert_eq!(
        send(&server, Method::DELETE, "team", &Value::Null)
            .await
            .status,
        204
    );
    let _worker = server.home.start(&["worker", "--workers", "1"]);
    let record = server.ended(&upload).await;
    let message = record["errorMessage"].as_str().unwrap();
    assert!(
        message.contains("no stored credential `team`") && message.ends_with("[auth_required]"),
        "{message}"
    );
    put(&server, "team", &named).await;
    let path = format!("/v1/uploads/{}/action", upload["id"].as_str().unwrap());
    let retried = server
        .post(&path, &json!({ "action": "retry" }))
        .await
        .upload();
    assert_eq!(server.ended(&retried).await["status"], "imported");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_of_another_secret_key_fails_in_plain_words() {
    let hub = Hub::start(Scene::standard()).await.unwrap();
    let home = Home::of(&hub)
        .with("MODELFERRY_SECRET_KEY", &"ab".repeat(32))
        .with("MODELFERRY_ATTEMPTS", "1");
    let server = Server::in_home(home, "0").await;
    put(&server, "huggingface", &json!({ "value": "hf_good" })).await;
    let upload = server
        .post("/v1/uploads", &gated(&json!({})))
        .await
        .upload();
    let mut command = server.home.command(&["worker", "--workers", "1"]);
    command.env("MODELFERRY_SECRET_KEY", "cd".repeat(32));
    let _worker = crate::support::Running::start(command);
    let record = server.ended(&upload).await;
    let message = record["errorMessage"].as_str().unwrap();
    assert!(message.contains("sealed with the key"), "{message}");
    assert!(message.ends_with("[storage_error]"), "{message}");
}
