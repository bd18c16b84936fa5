//! The real program tells a receiver that verifies with the published library.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use modelferry_fixtures::{Content, Hub, PlainFile, Scene};
use reqwest::Method;
use serde_json::{Value, json};

use crate::api::{Server, until};
use crate::support::receiver::Receiver;
use crate::support::{Home, python};

/// `examples/webhook_receiver.py`, and what it prints.
struct Published {
    child: Child,
    port: u64,
    lines: mpsc::Receiver<Value>,
}

impl Published {
    fn start(secret: &str) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/webhook_receiver.py");
        let mut child = python()
            .arg(script)
            .arg("0")
            .env("WEBHOOK_SECRET", secret)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, lines) = mpsc::channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in stdout.lines() {
                let line = serde_json::from_str(&line.unwrap()).unwrap();
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let mut published = Self {
            child,
            port: 0,
            lines,
        };
        published.port = published.next()["listens"].as_u64().unwrap();
        published
    }

    fn next(&self) -> Value {
        self.lines.recv_timeout(Duration::from_secs(120)).unwrap()
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/hook?token=s3cret", self.port)
    }
}

impl Drop for Published {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn hub() -> (Hub, String) {
    let file = PlainFile::new("/a.bin", Content::seeded(3, 1000));
    let hub = Hub::start(Scene::empty().file(file)).await.unwrap();
    let url = format!("{}/a.bin", hub.files_url());
    (hub, url)
}

async fn ask(server: &Server, url: &str, config: &Value) -> Value {
    let body = json!({ "url": url, "kind": "asset", "config": config });
    server.post("/v1/uploads", &body).await.upload()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_end_of_an_upload_is_told_to_a_receiver_that_verifies() {
    let (hub, url) = hub().await;
    let server = Server::start(&hub, "1").await;
    let secret = server.get("/v1/webhooks/secret").await;
    assert_eq!(secret.status, 200, "{secret:?}");
    let published = Published::start(secret.body["secret"].as_str().unwrap());
    let hook = published.url();
    let told = |event: &Value, kind: &str, upload: &Value| {
        assert_eq!(event["type"], kind, "{event:#}");
        assert_eq!(&event["data"]["upload"], upload, "{event:#}");
        assert!(event["timestamp"].is_string(), "{event:#}");
    };
    for (url, register, kind) in [
        (url.clone(), true, "upload.imported"),
        (url.clone(), false, "upload.complete"),
        (format!("{url}.missing"), true, "upload.failed"),
    ] {
        let config = json!({ "webhookUrl": hook, "register": register });
        let upload = ask(&server, &url, &config).await;
        let shown = upload["config"]["webhookUrl"].as_str().unwrap();
        assert!(shown.ends_with("/hook?…"), "{shown}");
        told(&published.next(), kind, &server.ended(&upload).await);
    }
    let rotated = server.post("/v1/webhooks/secret/rotate", &json!({})).await;
    assert_ne!(rotated.body["secret"], secret.body["secret"]);
    assert!(rotated.body["previousUntil"].is_string(), "{rotated:?}");
    let upload = ask(&server, &url, &json!({ "webhookUrl": hook })).await;
    told(
        &published.next(),
        "upload.imported",
        &server.ended(&upload).await,
    );
    let mut shown = Value::Null;
    until("all are known to be delivered", async || {
        shown = server
            .get("/v1/webhooks/deliveries?status=delivered")
            .await
            .body;
        shown["deliveries"].as_array().unwrap().len() == 4
    })
    .await;
    assert!(!shown.to_string().contains("s3cret"), "{shown:#}");
    assert_eq!(shown["deliveries"][0]["uploadId"], upload["id"]);
    assert_eq!(shown["deliveries"][0]["attempts"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_of_another_owner_verifies_nothing() {
    let (hub, url) = hub().await;
    let server = Server::start(&hub, "1").await;
    let theirs = server
        .home
        .succeed(&["webhooks", "secret", "--owner", "other"]);
    let published = Published::start(theirs.stdout.trim());
    let upload = ask(&server, &url, &json!({ "webhookUrl": published.url() })).await;
    let refused = published.next();
    assert!(refused["refused"].is_string(), "{refused:#}");
    let mut delivery = Value::Null;
    until("the refusal is known", async || {
        delivery = server.get("/v1/webhooks/deliveries").await.body["deliveries"][0].clone();
        delivery["attempts"] == 1
    })
    .await;
    assert_eq!(
        (&delivery["status"], &delivery["uploadId"]),
        (&json!("waiting"), &upload["id"])
    );
    let why = delivery["lastError"].as_str().unwrap();
    assert!(why.contains("status 400"), "{why}");
    assert!(delivery["nextAttemptAt"].is_string(), "{delivery:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_upload_is_told_as_failed() {
    let (hub, url) = hub().await;
    let receiver = Receiver::content().await;
    let server = Server::start(&hub, "0").await;
    let upload = ask(
        &server,
        &url,
        &json!({ "webhookUrl": receiver.url("/hook") }),
    )
    .await;
    let path = format!("/v1/uploads/{}/action", upload["id"].as_str().unwrap());
    let cancelled = server
        .post(&path, &json!({ "action": "cancel" }))
        .await
        .upload();
    let _worker = server.home.start(&["worker", "--workers", "1"]);
    until("it is told", async || !receiver.told().is_empty()).await;
    let told = receiver.told()[0].json();
    assert_eq!(told["type"], "upload.failed");
    assert_eq!(told["data"]["upload"], cancelled);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_dies_with_a_delivery_on_its_way_leaves_it_to_the_next() {
    let (hub, url) = hub().await;
    let receiver = Receiver::content().await;
    let server = Server::start(&hub, "0").await;
    ask(
        &server,
        &url,
        &json!({ "webhookUrl": receiver.url("/hook") }),
    )
    .await;
    for (point, told) in [("webhook-claimed", 0), ("webhook-sent", 1)] {
        let mut command = server.home.command(&["worker", "--workers", "1"]);
        command.env("MODELFERRY_CRASH_AT", point);
        let running = crate::support::Running::start(command);
        let ran = tokio::task::spawn_blocking(|| running.ended())
            .await
            .unwrap();
        assert_eq!(ran.status, None, "{point}: {ran:?}");
        assert_eq!(receiver.told().len(), told, "{point}");
    }
    let _worker = server.home.start(&["worker", "--workers", "1"]);
    until("it is known to be delivered", async || {
        let shown = server.get("/v1/webhooks/deliveries").await.body;
        shown["deliveries"][0]["status"] == "delivered"
    })
    .await;
    let told = receiver.told();
    assert_eq!(told.len(), 2);
    assert_eq!(told[0].id(), told[1].id());
    assert_eq!(told[0].body, told[1].body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_may_not_be_reached_is_refused_and_stores_nothing() {
    let (hub, url) = hub().await;
    let home = Home::of(&hub);
    let server = Server::in_home(home, "0").await;
    let long = format!("https://hooks.example.com/{}", "a".repeat(3000));
    for (hook, code) in [
        (json!("http://169.254.169.254/latest"), "blocked_address"),
        (json!("http://10.0.0.1/"), "blocked_address"),
        (json!("http://[fd00::1]/"), "blocked_address"),
        (json!("ftp://hooks.example.com/"), "invalid_request"),
        (json!("https://me:pw@hooks.example.com/"), "invalid_request"),
        (json!("hooks.example.com"), "invalid_request"),
        (json!(long), "invalid_request"),
        (json!(7), "invalid_request"),
    ] {
        let body = json!({ "url": url, "kind": "asset", "config": { "webhookUrl": hook } });
        let answer = server.post("/v1/uploads", &body).await;
        answer.assert_problem(400, code);
    }
    assert_eq!(server.get("/v1/uploads").await.body["uploads"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_that_ended_is_sent_again_on_request() {
    let (hub, url) = hub().await;
    let receiver = Receiver::content().await;
    let server = Server::start(&hub, "1").await;
    ask(
        &server,
        &url,
        &json!({ "webhookUrl": receiver.url("/hook") }),
    )
    .await;
    let mut id = String::new();
    until("it is delivered", async || {
        let shown = server
            .get("/v1/webhooks/deliveries?status=delivered")
            .await
            .body;
        id = shown["deliveries"][0]["id"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        !id.is_empty()
    })
    .await;
    let path = format!("/v1/webhooks/deliveries/{id}/retry");
    let again = server.post(&path, &json!({})).await;
    assert_eq!(again.body["delivery"]["status"], "waiting", "{again:?}");
    until("it came again", async || receiver.told().len() == 2).await;
    assert_eq!(receiver.told()[1].id(), id);
    let other = crate::api::Key::make(&server.home, &["--owner", "other"]);
    let theirs = server
        .request(Method::POST, &path, &other)
        .send()
        .await
        .unwrap();
    assert_eq!(theirs.status(), 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn however_workers_die_every_end_is_told() {
    const UPLOADS: usize = 30;
    let (hub, url) = hub().await;
    let receiver = Receiver::content().await;
    let server = Server::start(&hub, "0").await;
    let config = json!({ "webhookUrl": receiver.url("/hook") });
    let mut asked = Vec::new();
    for _ in 0..UPLOADS {
        let upload = ask(&server, &url, &config).await;
        asked.push(upload["id"].as_str().unwrap().to_owned());
    }
    let told = || {
        let told = receiver.told();
        let ids = told
            .iter()
            .map(|one| one.json()["data"]["upload"]["id"].clone());
        ids.map(|id| id.as_str().unwrap().to_owned())
            .collect::<BTreeSet<_>>()
    };
    // Whoever works is killed when a few more have ended, until all have.
    while told().len() < UPLOADS {
        let before = told().len();
        let worker = server.home.start(&["worker", "--workers", "2"]);
        until("some more are told", async || {
            told().len() >= (before + 4).min(UPLOADS)
        })
        .await;
        worker.signal("KILL");
        tokio::task::spawn_blocking(|| worker.ended())
            .await
            .unwrap();
    }
    assert_eq!(told(), asked.into_iter().collect::<BTreeSet<_>>());
    let mut kinds = BTreeMap::<String, BTreeSet<String>>::new();
    for one in receiver.told() {
        let json = one.json();
        assert_eq!(json["type"], "upload.imported", "{json:#}");
        let upload = json["data"]["upload"]["id"].as_str().unwrap().to_owned();
        kinds.entry(upload).or_default().insert(one.id().to_owned());
    }
    // One may come twice, and is then the same one.
    assert!(kinds.values().all(|ids| ids.len() == 1), "{kinds:#?}");
}
