//! What the console stands on: the page, sources read, lists, statistics, and
//! one stream for all uploads.

use reqwest::{Client, Method};
use serde_json::{Value, json};

use super::{Key, MIB, Server, free_port, one_file, one_slow_file, until};
use crate::databases::{Backend, TestDatabase};
use crate::support::Home;
use modelferry_fixtures::{Hub, Scene};

/// A server with a database of this kind; it lasts as long as the second value.
async fn server_on(backend: Backend, hub: &Hub, workers: &str) -> (Server, TestDatabase) {
    let database = backend.fresh().await;
    let home = Home::of(hub).with("MODELFERRY_DATABASE_URL", &database.url);
    (Server::in_home(home, workers).await, database)
}

/// A stream that is read as it comes.
struct Stream {
    response: reqwest::Response,
    text: String,
}

#[derive(Debug)]
struct Event {
    kind: String,
    id: Option<String>,
    data: Value,
}

impl Stream {
    async fn open(server: &Server, key: &Key, last: Option<&str>) -> Self {
        let mut request = server.request(Method::GET, "/v1/events", key);
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        let mut stream = Self {
            response,
            text: String::new(),
        };
        let first = stream.next().await.unwrap();
        assert_eq!(first.kind, "ready");
        stream
    }

    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some((one, rest)) = self.text.split_once("\n\n") {
                let field = |name: &str| {
                    let found = one.lines().find_map(|line| line.strip_prefix(name));
                    found.map(|text| text.trim().to_owned())
                };
                let event = field("event:").map(|kind| Event {
                    kind,
                    id: field("id:"),
                    data: serde_json::from_str(&field("data:").unwrap()).unwrap(),
                });
                self.text = rest.to_owned();
                if event.is_some() {
                    return event;
                }
                continue;
            }
            let bytes = self.response.chunk().await.ok()??;
            self.text.push_str(std::str::from_utf8(&bytes).unwrap());
        }
    }

    /// Every status of this upload that is told, up to this one.
    async fn statuses_until(&mut self, id: &str, last: &str) -> Vec<String> {
        let mut told = Vec::new();
        while told.last().map(String::as_str) != Some(last) {
            let event = self.next().await.expect("the stream goes on");
            if event.kind == "upload" && event.data["upload"]["id"] == id {
                told.push(event.data["upload"]["status"].as_str().unwrap().to_owned());
            }
        }
        told
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_is_served_under_a_strict_policy() {
    let (hub, _) = one_file(10).await;
    let server = Server::start(&hub, "0").await;
    let page = Client::new().get(&server.url).send().await.unwrap();
    assert_eq!(page.status(), 200);
    let headers = page.headers();
    assert_eq!(headers["content-type"], "text/html; charset=utf-8");
    assert_eq!(headers["x-content-type-options"], "nosniff");
    assert_eq!(headers["referrer-policy"], "no-referrer");
    let policy = headers["content-security-policy"].to_str().unwrap();
    for part in [
        "default-src 'none'",
        "script-src 'self';",
        "frame-ancestors 'none'",
    ] {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    let text = page.text().await.unwrap();
    assert!(text.contains("main.js"), "{text}");
    for name in ["main.js", "base.css", "icon.svg"] {
        let url = format!("{}/console/any/{name}", server.url);
        let file = Client::new().get(url).send().await.unwrap();
        assert_eq!(file.status(), 200, "{name}");
    }
    server
        .get("/console/any/none.js")
        .await
        .assert_problem(404, "not_found");
    server
        .get("/console/any/..%2F..%2FCargo.toml")
        .await
        .assert_problem(404, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_is_read_without_asking_its_hub() {
    let hub = Hub::start(Scene::standard()).await.unwrap();
    let server = Server::start(&hub, "0").await;
    let cases = [
        (
            "acme/tiny@main",
            "huggingface",
            "huggingFaceModelName",
            "model",
            "acme/tiny",
        ),
        (
            "hf://datasets/acme/rows",
            "huggingface",
            "huggingFaceModelName",
            "dataset",
            "acme/rows",
        ),
        (
            "civitai:4384@128713",
            "civitai",
            "civitaiModelUrl",
            "version",
            "4384",
        ),
        (
            "https://example.com/a/b.bin?sig=1",
            "other",
            "url",
            "file",
            "b.bin",
        ),
    ];
    let texts: Vec<&str> = cases
        .iter()
        .map(|case| case.0)
        .chain(["no source"])
        .collect();
    let answer = server.post("/v1/sources", &json!({ "texts": texts })).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let sources = answer.body["sources"].as_array().unwrap();
    for (source, (text, provider, field, sort, name)) in sources.iter().zip(cases) {
        for (key, value) in [
            ("provider", provider),
            ("field", field),
            ("sort", sort),
            ("name", name),
        ] {
            assert_eq!(source[key], value, "{key} of {text}");
        }
        assert_eq!(source["needsKind"], field == "url", "{text}");
        assert_eq!(source["error"], Value::Null, "{text}");
    }
    let bad = &sources[4]["error"];
    assert_eq!(bad["code"], "invalid_source");
    assert!(bad["hint"].as_str().unwrap().contains("org/name"), "{bad}");
    let one = server.get("/v1/sources?text=acme%2Ftiny").await;
    assert_eq!(one.body["source"]["name"], "acme/tiny");
    assert_eq!(hub.requests().len(), 0);
    let many = json!({ "texts": vec!["a/b"; 1001] });
    server
        .post("/v1/sources", &many)
        .await
        .assert_problem(400, "invalid_request");
}

#[tokio::test(flavor = "multi_thread")]
async fn models_and_assets_are_listed_and_statistics_add_up() {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        lists_and_statistics(backend).await;
    }
}

async fn lists_and_statistics(backend: Backend) {
    let hub = Hub::start(Scene::standard()).await.unwrap();
    let (server, _database) = server_on(backend, &hub, "2").await;
    let asked = json!({ "huggingFaceModelName": "acme/tiny" });
    let made = server.post("/v1/uploads", &asked).await.upload();
    let record = server.ended(&made).await;
    let asset = server.ask(&format!("{}/big.bin", hub.files_url())).await;
    server.ended(&asset).await;
    let models = server
        .get("/v1/models?pageSize=10&provider=huggingface&text=TINY")
        .await;
    let listed = &models.body["models"][0];
    assert_eq!(listed["id"], record["entityId"], "{models:?}");
    assert_eq!(
        (&listed["reference"], &listed["kind"]),
        (&json!("acme/tiny"), &json!("model"))
    );
    assert_eq!(listed["facts"]["architecture"], "TinyForCausalLM");
    assert_eq!(listed["size"], record["fileSize"]);
    let assets = server.get("/v1/assets").await;
    assert_eq!(assets.body["assets"].as_array().unwrap().len(), 1);
    let stats = server.get("/v1/stats").await;
    let stats = &stats.body["stats"];
    assert_eq!(stats["uploads"], json!({ "imported": 2 }));
    assert_eq!(
        (&stats["held"]["models"], &stats["held"]["assets"]),
        (&json!(1), &json!(1))
    );
    let moved: u64 = stats["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| s["bytesTransferred"].as_u64().unwrap())
        .sum();
    assert_eq!(moved, stats["held"]["bytes"].as_u64().unwrap());
    let counts = server.get("/v1/stats?fields=uploads").await;
    assert_eq!(counts.body["stats"]["uploads"], json!({ "imported": 2 }));
    assert_eq!(counts.body["stats"]["held"], Value::Null);
    let other = Key::make(&server.home, &["--owner", "other"]);
    for (path, field) in [("/v1/models", "models"), ("/v1/assets", "assets")] {
        let answer = server
            .request(Method::GET, path, &other)
            .send()
            .await
            .unwrap();
        let body: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        assert_eq!(body, json!({ field: [] }));
    }
    for bad in [
        "/v1/stats?step=1",
        "/v1/stats?since=2001-01-01T00:00:00Z&step=60",
        "/v1/stats?since=yesterday",
        "/v1/stats?fields=everything",
        "/v1/models?paginationToken=none",
        "/v1/models?pageSize=0",
        "/v1/uploads?status=done",
        "/v1/uploads?code=none",
    ] {
        server.get(bad).await.assert_problem(400, "invalid_request");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_shows_the_plan_that_resolve_shows() {
    let hub = Hub::start(Scene::standard()).await.unwrap();
    let server = Server::start(&hub, "0").await;
    for (source, field) in [
        ("acme/tiny", "huggingFaceModelName"),
        ("civitai:4384@128713", "civitaiModelUrl"),
    ] {
        let asked = server
            .post("/v1/uploads?dryRun=true", &json!({ field: source }))
            .await;
        assert_eq!(asked.status, 269, "{asked:?}");
        let mut shown = asked.body;
        assert_eq!(
            shown.as_object_mut().unwrap().remove("creativeUnitsCost"),
            Some(json!(0))
        );
        let mut resolved = server
            .home
            .succeed(&["resolve", "--json", source])
            .one_line();
        resolved.as_object_mut().unwrap().remove("source");
        assert_eq!(shown, resolved);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_stream_tells_of_every_upload_of_its_owner_and_of_no_other() {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        stream_of_one_owner(backend).await;
    }
}

async fn stream_of_one_owner(backend: Backend) {
    let (hub, url) = one_file(MIB).await;
    let (server, _database) = server_on(backend, &hub, "1").await;
    let other = Key::make(&server.home, &["--owner", "other"]);
    let mut stream = Stream::open(&server, &server.key, None).await;
    let body = json!({ "url": url, "kind": "asset" }).to_string();
    let theirs = server
        .request(Method::POST, "/v1/uploads", &other)
        .body(body);
    assert_eq!(theirs.send().await.unwrap().status(), 200);
    let mine = server.ask(&url).await;
    let id = mine["id"].as_str().unwrap();
    loop {
        let event = stream.next().await.unwrap();
        if event.kind == "upload" {
            assert_eq!(event.data["upload"]["ownerId"], "local", "{event:?}");
            assert!(event.id.is_some());
            if event.data["upload"]["status"] == "imported" {
                assert_eq!(event.data["upload"]["id"], id);
                break;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_comes_back_is_told_what_happened_meanwhile() {
    let (hub, url) = one_slow_file().await;
    let server = Server::start(&hub, "1").await;
    let upload = server.ask(&url).await;
    let id = upload["id"].as_str().unwrap();
    let mut stream = Stream::open(&server, &server.key, None).await;
    let progress = loop {
        let event = stream.next().await.unwrap();
        if event.kind == "progress" {
            break event;
        }
    };
    assert_eq!(progress.data["uploadId"], id);
    drop(stream);
    let action = json!({ "action": "cancel" });
    server
        .post(&format!("/v1/uploads/{id}/action"), &action)
        .await
        .upload();
    let since = modelferry_time(&upload);
    let mut again = Stream::open(&server, &server.key, Some(&since)).await;
    let told = again.statuses_until(id, "failed").await;
    assert_eq!(told, ["failed"]);
}

/// When a record was made, as an event's id.
fn modelferry_time(upload: &Value) -> String {
    let text = upload["createdAt"].as_str().unwrap();
    let time: chrono::DateTime<chrono::Utc> = text.parse().unwrap();
    time.timestamp_millis().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_with_its_key() {
    let (hub, _) = one_file(10).await;
    let server = Server::start(&hub, "0").await;
    let key = Key::make(&server.home, &[]);
    let mut stream = Stream::open(&server, &key, None).await;
    server.home.succeed(&["keys", "revoke", &key.id]);
    assert!(stream.next().await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_key_comes_with_a_link_that_signs_in() {
    let home = Home::alone();
    let listen = format!("127.0.0.1:{}", free_port());
    let running = home.start(&["serve", "--listen", &listen, "--workers", "0"]);
    let url = format!("http://{listen}/healthz");
    until("it answers", async || reqwest::get(&url).await.is_ok()).await;
    running.signal("TERM");
    let ran = tokio::task::spawn_blocking(move || running.ended())
        .await
        .unwrap();
    let key = ran
        .stdout
        .lines()
        .find_map(|line| line.strip_prefix("key     "))
        .unwrap()
        .to_owned();
    let secret = ran
        .stdout
        .lines()
        .find_map(|line| line.strip_prefix("secret  "))
        .unwrap();
    let link = format!("http://{listen}/#key={key}:{secret}");
    assert!(ran.stderr.contains(&link), "{ran:?}");
}
