use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::{Server, one_file, one_slow_file};
use crate::support::Home;
use modelferry::records::Records;

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

/// Reads stdin as Prometheus' own library does, and prints the families with their samples' sums.
const PARSER: &str = "
import sys, json
from prometheus_client.parser import text_string_to_metric_families as read
families = list(read(sys.stdin.read()))
names = [family.name for family in families]
assert len(names) == len(set(names)), 'a family comes twice'
for family in families:
    assert family.documentation and family.type in ('counter', 'gauge', 'histogram'), family
    seen = [(sample.name, tuple(sorted(sample.labels.items()))) for sample in family.samples]
    assert len(seen) == len(set(seen)), 'a series comes twice'
print(json.dumps({f'{family.type} {family.name}': [[s.name, s.labels, s.value] for s in family.samples] for family in families}))
";

fn parsed(metrics: &str) -> serde_json::Value {
    let packages = concat!(env!("CARGO_MANIFEST_DIR"), "/.cache/python");
    let mut python = Command::new("python3")
        .args(["-c", PARSER])
        .env("PYTHONPATH", packages)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = python.stdin.take().unwrap();
    stdin.write_all(metrics.as_bytes()).unwrap();
    drop(stdin);
    let read = python.wait_with_output().unwrap();
    assert!(
        read.status.success(),
        "run scripts/python-packages first; {metrics}"
    );
    serde_json::from_slice(&read.stdout).unwrap()
}

/// The values of a family's series with all these labels.
fn sum(families: &serde_json::Value, family: &str, labels: &[(&str, &str)]) -> f64 {
    let samples = families[family]
        .as_array()
        .unwrap_or_else(|| panic!("no {family} in {families:#}"));
    samples
        .iter()
        .filter(|sample| labels.iter().all(|(name, value)| sample[1][name] == *value))
        .filter_map(|sample| sample[2].as_f64())
        .sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_tell_of_uploads_bytes_queue_and_requests() {
    let (hub, url) = one_file(1000).await;
    let server = Server::start(&hub, "1").await;
    let url = format!("{url}?sig=s3cret");
    server.ended(&server.ask(&url).await).await;
    let missing = server.ask(&format!("{}/none.bin", hub.files_url())).await;
    server.ended(&missing).await;
    server.get("/v1/uploads/upload_of_nobody").await;
    server.get("/nothing/here?sig=s3cret").await;
    let text = server.get("/metrics").await.body;
    let text = text.as_str().unwrap();
    for secret in [
        "s3cret",
        "sig=",
        &server.key.secret,
        &server.key.id,
        "none.bin",
    ] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    let metrics = parsed(text);
    let sum = |family: &str, labels: &[(&str, &str)]| sum(&metrics, family, labels);
    let other = ("provider", "other");
    assert_eq!(
        sum("gauge modelferry_uploads", &[("status", "imported"), other]),
        1.0
    );
    assert_eq!(
        sum("gauge modelferry_uploads", &[("status", "failed")]),
        1.0
    );
    assert_eq!(
        sum("gauge modelferry_upload_errors", &[("code", "not_found")]),
        1.0
    );
    assert_eq!(
        sum(
            "counter modelferry_upload_failures",
            &[("code", "not_found")]
        ),
        1.0
    );
    assert_eq!(
        sum("counter modelferry_upload_moves", &[("status", "imported")]),
        1.0
    );
    assert_eq!(
        sum("counter modelferry_transferred_bytes", &[other]),
        1000.0
    );
    assert_eq!(sum("counter modelferry_job_claims", &[]), 2.0);
    assert_eq!(sum("gauge modelferry_jobs_running", &[]), 0.0);
    let create = [("method", "POST"), ("route", "/v1/uploads")];
    let good = [&create[..], &[("status", "200")]].concat();
    assert_eq!(sum("counter modelferry_http_requests", &good), 2.0);
    let unknown = [("route", "/v1/uploads/{id}"), ("status", "404")];
    assert_eq!(sum("counter modelferry_http_requests", &unknown), 1.0);
    assert_eq!(
        sum("counter modelferry_http_requests", &[("route", "none")]),
        1.0
    );
    let timed = [&create[..], &[("le", "+Inf")]].concat();
    assert_eq!(
        sum("histogram modelferry_http_request_duration_seconds", &timed),
        2.0
    );
    assert_eq!(sum("gauge modelferry_http_requests_in_flight", &[]), 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_of_uploads_are_the_same_from_every_process() {
    let (hub, url) = one_file(1000).await;
    let server = Server::start(&hub, "0").await;
    let upload = server.ask(&url).await;
    let worker = server.home.start(&["worker", "--workers", "1"]);
    server.ended(&upload).await;
    worker.signal("TERM");
    let text = server.get("/metrics").await.body;
    let metrics = parsed(text.as_str().unwrap());
    let bytes = sum(&metrics, "counter modelferry_transferred_bytes", &[]);
    assert_eq!(bytes, 1000.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_stream_is_counted_until_it_is_closed() {
    let (hub, url) = one_slow_file().await;
    let server = Server::start(&hub, "0").await;
    let upload = server.ask(&url).await;
    let open = async || {
        let text = server.get("/metrics").await.body;
        sum(
            &parsed(text.as_str().unwrap()),
            "gauge modelferry_event_streams",
            &[],
        )
    };
    let path = format!("/v1/uploads/{}/events", upload["id"].as_str().unwrap());
    let request = server.request(reqwest::Method::GET, &path, &server.key);
    let stream = request.send().await.unwrap();
    assert_eq!(open().await, 1.0);
    drop(stream);
    super::until("the stream is gone", async || open().await == 0.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_line_of_a_json_log_is_json_and_names_its_request_or_upload() {
    let (hub, url) = one_file(1000).await;
    let home = Home::of(&hub)
        .with("MODELFERRY_LOG", "json")
        .with("RUST_LOG", "modelferry=debug");
    let key = super::Key::make(&home, &[]);
    let listen = format!("127.0.0.1:{}", super::free_port());
    let running = home.start(&["serve", "--listen", &listen, "--workers", "1"]);
    let client = reqwest::Client::new();
    let at = format!("http://{listen}/v1/uploads");
    super::until("it answers", async || client.get(&at).send().await.is_ok()).await;
    let body = serde_json::json!({ "url": url, "kind": "asset" }).to_string();
    let request = client
        .post(&at)
        .basic_auth(&key.id, Some(&key.secret))
        .body(body);
    let made = request
        .header("x-request-id", "mine-1")
        .send()
        .await
        .unwrap();
    let made: serde_json::Value = serde_json::from_str(&made.text().await.unwrap()).unwrap();
    let id = made["upload"]["id"].as_str().unwrap();
    let mine = format!("{at}/{id}");
    super::until("it is imported", async || {
        let request = client.get(&mine).basic_auth(&key.id, Some(&key.secret));
        let text = request.send().await.unwrap().text().await.unwrap();
        text.contains("\"imported\"")
    })
    .await;
    running.signal("TERM");
    let ran = tokio::task::spawn_blocking(|| running.ended())
        .await
        .unwrap();
    let lines: Vec<serde_json::Value> = ran
        .stderr
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|why| panic!("{why}: {line}")))
        .collect();
    let spans = |message: &str, name: &str, id: &str| {
        lines.iter().any(|line| {
            let spans = line["spans"].as_array();
            line["fields"]["message"] == message
                && spans.is_some_and(|spans| {
                    spans
                        .iter()
                        .any(|span| span["name"] == name && span["id"] == id)
                })
        })
    };
    assert!(spans("answered", "request", "mine-1"), "{ran:?}");
    assert!(spans("done", "upload", id), "{ran:?}");
    assert!(!ran.stderr.contains(&key.secret), "{ran:?}");
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

#[tokio::test(flavor = "multi_thread")]
async fn a_server_asked_to_end_under_load_loses_nothing_that_it_answered() {
    let (hub, url) = one_slow_file().await;
    let home = Home::of(&hub);
    let key = super::Key::make(&home, &[]);
    let listen = format!("127.0.0.1:{}", super::free_port());
    let running = home.start(&["serve", "--listen", &listen, "--workers", "2"]);
    let at = format!("http://{listen}/v1/uploads");
    let client = reqwest::Client::new();
    super::until("it answers", async || client.get(&at).send().await.is_ok()).await;
    let clients: Vec<_> = (0..8)
        .map(|nth| {
            let (client, key, at, url) = (client.clone(), key.clone(), at.clone(), url.clone());
            tokio::spawn(async move {
                let mut made = Vec::new();
                for round in 0.. {
                    let url = format!("{url}?{nth}-{round}");
                    let body = serde_json::json!({ "url": url, "kind": "asset" }).to_string();
                    let request = client.post(&at).basic_auth(&key.id, Some(&key.secret));
                    let Ok(answer) = request.body(body).send().await else {
                        break;
                    };
                    assert_eq!(answer.status(), 200);
                    let Ok(text) = answer.text().await else {
                        break;
                    };
                    let answer: serde_json::Value = serde_json::from_str(&text).unwrap();
                    made.push(answer["upload"]["id"].as_str().unwrap().to_owned());
                }
                made
            })
        })
        .collect();
    super::until("work is under way", async || {
        hub.bytes_sent(modelferry_fixtures::Site::Files) > 1000
    })
    .await;
    running.signal("TERM");
    let asked = Instant::now();
    let ran = tokio::task::spawn_blocking(|| running.ended())
        .await
        .unwrap();
    assert!(asked.elapsed() < Duration::from_secs(30), "{ran:?}");
    assert_eq!(ran.status, Some(0), "{ran:?}");
    let mut made = 0;
    let records = Records::open(home.path().join("modelferry.db").as_path())
        .await
        .unwrap();
    for client in clients {
        for id in client.await.unwrap() {
            records.get("local", &id).await.unwrap();
            made += 1;
        }
    }
    assert!(made > 0, "nobody was answered");
    // What was worked on is anybody's at once.
    assert_eq!(records.queue().await.unwrap().running, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_tells_operators_how_it_is_and_clients_nothing() {
    let (hub, _) = one_file(10).await;
    let home = Home::of(&hub);
    let listen = format!("127.0.0.1:{}", super::free_port());
    let worker = home.start(&["worker", "--workers", "1", "--listen", &listen]);
    let status = async |path: &str| {
        let answer = reqwest::get(format!("http://{listen}{path}")).await;
        answer.ok().map(|answer| answer.status().as_u16())
    };
    super::until("it answers", async || status("/readyz").await == Some(200)).await;
    assert_eq!(status("/healthz").await, Some(200));
    assert_eq!(status("/metrics").await, Some(200));
    assert_eq!(status("/v1/uploads").await, Some(404));
    worker.signal("TERM");
    let ran = tokio::task::spawn_blocking(|| worker.ended())
        .await
        .unwrap();
    assert_eq!(ran.status, Some(0), "{ran:?}");
}
