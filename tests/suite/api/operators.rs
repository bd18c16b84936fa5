use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::{Server, one_file, one_slow_file};
use crate::support::Home;

#[tokio::test(flavor = "multi_thread")]
async fn health_and_metrics_need_no_key() {
    let (hub, url) = one_file(10).await;
    let server = Server::start(&hub, "1").await;
    let record = server.ended(&server.ask(&url).await).await;
    assert_eq!(record["status"], "imported");
    let text = async |path: &str| {
        let response = reqwest::get(format!("{}{path}", server.url)).await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        assert!(response.headers().contains_key("x-request-id"), "{path}");
        response.text().await.unwrap()
    };
    assert_eq!(text("/healthz").await, "ok\n");
    assert_eq!(text("/readyz").await, "ready\n");
    let metrics = text("/metrics").await;
    let line = "modelferry_uploads{status=\"imported\",provider=\"other\"} 1";
    assert!(metrics.lines().any(|it| it == line), "{metrics}");
    assert!(
        metrics.lines().any(|it| it == "modelferry_jobs_waiting 0"),
        "{metrics}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_description_names_every_path_and_the_page_fetches_nothing_else() {
    let (hub, _) = one_file(10).await;
    let server = Server::start(&hub, "0").await;
    let document = server.get("/openapi.json").await.body;
    let paths: BTreeSet<&str> = document["paths"]
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let expected = BTreeSet::from([
        "/v1/uploads",
        "/v1/uploads/{id}",
        "/v1/uploads/{id}/action",
        "/v1/uploads/{id}/artifacts",
        "/v1/uploads/{id}/events",
        "/v1/events",
        "/v1/sources",
        "/v1/stats",
        "/v1/models",
        "/v1/assets",
        "/v1/credentials",
        "/v1/credentials/{name}",
        "/v1/webhooks/secret",
        "/v1/webhooks/secret/rotate",
        "/v1/webhooks/deliveries",
        "/v1/webhooks/deliveries/{id}/retry",
        "/v1/models/{id}",
        "/v1/models/{id}/files/{path}",
        "/v1/assets/{id}",
        "/v1/assets/{id}/files/{path}",
        "/v1/parts/{upload}/{number}",
    ]);
    assert_eq!(paths, expected);
    let record = &document["components"]["schemas"]["Upload"]["properties"];
    assert_eq!(record.as_object().unwrap().len(), 21, "{record:#}");
    let page = reqwest::get(format!("{}/docs", server.url))
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert!(
        page.contains("/openapi.json") && !page.contains("http://") && !page.contains("https://")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_id_comes_back_as_it_was_sent() {
    let (hub, _) = one_file(10).await;
    let server = Server::start(&hub, "0").await;
    let client = reqwest::Client::new();
    let send = async |id: &str| {
        let request = client
            .get(format!("{}/healthz", server.url))
            .header("x-request-id", id);
        let response = request.send().await.unwrap();
        response.headers()["x-request-id"]
            .to_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!(send("abc-123").await, "abc-123");
    assert!(send("two words").await.starts_with("req_"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_asked_to_end_puts_its_work_back_and_ends() {
    let (hub, url) = one_slow_file().await;
    let home = Home::of(&hub);
    let key = super::Key::make(&home, &[]);
    let listen = format!("127.0.0.1:{}", super::free_port());
    let running = home.start(&["serve", "--listen", &listen, "--workers", "1"]);
    let client = reqwest::Client::new();
    let at = format!("http://{listen}/v1/uploads");
    super::until("it answers", async || client.get(&at).send().await.is_ok()).await;
    let body = serde_json::json!({ "url": url, "kind": "asset" }).to_string();
    let made = client
        .post(&at)
        .basic_auth(&key.id, Some(&key.secret))
        .body(body)
        .send()
        .await
        .unwrap();
    let made: serde_json::Value = serde_json::from_str(&made.text().await.unwrap()).unwrap();
    let events = format!("{at}/{}/events", made["upload"]["id"].as_str().unwrap());
    let _stream = client
        .get(events)
        .basic_auth(&key.id, Some(&key.secret))
        .send()
        .await
        .unwrap();
    super::until("bytes move", async || {
        hub.bytes_sent(modelferry_fixtures::Site::Files) > 1000
    })
    .await;
    let asked = Instant::now();
    running.signal("TERM");
    let ran = tokio::task::spawn_blocking(|| running.ended())
        .await
        .unwrap();
    assert!(asked.elapsed() < Duration::from_secs(30));
    assert_eq!(ran.status, Some(0), "{ran:?}");
    let shown = home.succeed(&["uploads", "list", "--json"]).one_line();
    assert_eq!(shown["status"], "pending");
}
