//! `/v1/syncs`: made, read, changed, run and removed, each by its owner alone.

use modelferry_fixtures::{Content, Fault, Hub, Repo, Scene, Site};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Answer, Key, Server, until};
use crate::support::Home;
use crate::support::receiver::Receiver;

async fn hub() -> Hub {
    let scene = (0..3).fold(Scene::empty(), |scene, nth| {
        let weights = Content::safetensors(nth, 20_000);
        scene.repo(Repo::model(&format!("acme/m{nth}")).lfs("model.safetensors", weights))
    });
    Hub::start(scene).await.unwrap()
}

fn body(name: &str) -> Value {
    json!({ "name": name, "source": "https://huggingface.co/acme", "cron": "0 3 1 1 *" })
}

impl Server {
    async fn send(&self, method: Method, path: &str, body: &Value) -> Answer {
        let request = self.request(method, path, &self.key);
        Answer::read(request.body(body.to_string()).send().await.unwrap()).await
    }

    async fn make(&self, body: &Value) -> Value {
        let answer = self.post("/v1/syncs", body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body["sync"].clone()
    }
}

fn path(sync: &Value) -> String {
    format!("/v1/syncs/{}", sync["id"].as_str().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_is_made_and_read_back() {
    let hub = hub().await;
    let server = Server::start(&hub, "0").await;
    let mut asked = body("nightly");
    asked["timezone"] = json!("Europe/Berlin");
    asked["filters"] =
        json!({ "name": ["acme/*"], "type": ["x"], "maxSize": 5, "include": ["*.gguf"] });
    asked["prune"] = json!({ "limit": 3 });
    let made = server.make(&asked).await;
    assert_eq!(made["ownerId"], "local");
    assert_eq!(made["listing"], "author");
    assert_eq!(made["filters"], asked["filters"]);
    assert_eq!(made["prune"], json!({ "limit": 3, "percent": 50 }));
    assert_eq!(made["paused"], false);
    assert_eq!(made["nextRuns"].as_array().map(Vec::len), Some(5));
    assert_eq!(made["nextRuns"][0], made["nextRunAt"]);
    assert!(
        made["schedule"].as_str().unwrap().contains("03:00"),
        "{made:#}"
    );
    let read = server.get(&path(&made)).await;
    assert_eq!(read.body["sync"], made);
}

#[tokio::test(flavor = "multi_thread")]
async fn syncs_and_runs_come_page_by_page() {
    let hub = hub().await;
    let server = Server::start(&hub, "1").await;
    for name in ["c", "a", "b"] {
        server.make(&body(name)).await;
    }
    let first = server.get("/v1/syncs?pageSize=2").await.body;
    let names = |page: &Value| -> Vec<String> {
        let syncs = page["syncs"].as_array().unwrap().iter();
        syncs
            .map(|sync| sync["name"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(names(&first), ["a", "b"]);
    let token = first["nextPaginationToken"].as_str().unwrap();
    let second = server
        .get(&format!("/v1/syncs?pageSize=2&paginationToken={token}"))
        .await
        .body;
    assert_eq!(names(&second), ["c"]);
    assert!(second["nextPaginationToken"].is_null());

    for count in 1..=3 {
        let asked = server.post("/v1/syncs/a/run", &json!({})).await;
        assert_eq!(asked.status, 202, "{asked:?}");
        let page = server.get("/v1/syncs/a/runs").await.body;
        assert_eq!(page["runs"].as_array().map(Vec::len), Some(count));
        done(&server, "a").await;
    }
    let first = server.get("/v1/syncs/a/runs?pageSize=2").await.body;
    assert_eq!(first["runs"].as_array().map(Vec::len), Some(2));
    let token = first["nextPaginationToken"].as_str().unwrap();
    let second = server
        .get(&format!("/v1/syncs/a/runs?paginationToken={token}"))
        .await
        .body;
    assert_eq!(second["runs"].as_array().map(Vec::len), Some(1));
}

/// The newest run of a sync, once it has ended.
async fn done(server: &Server, sync: &str) -> Value {
    let mut run = Value::Null;
    until("the run ends", async || {
        let mut page = server.get(&format!("/v1/syncs/{sync}/runs")).await.body;
        run = page["runs"][0].take();
        !run["endedAt"].is_null()
    })
    .await;
    run
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_asked_for_and_a_dry_run_answered_at_once() {
    let hub = hub().await;
    let server = Server::start(&hub, "1").await;
    server.make(&body("nightly")).await;
    let dry = server
        .post("/v1/syncs/nightly/run?dryRun=true", &json!({}))
        .await;
    assert_eq!(dry.status, 200, "{dry:?}");
    let run = &dry.body["run"];
    assert_eq!(
        (&run["counts"]["new"], &run["id"]),
        (&json!(3), &Value::Null)
    );
    assert_eq!(server.home.blobs().len(), 0);

    let asked = server.post("/v1/syncs/nightly/run", &json!({})).await;
    assert_eq!(asked.status, 202, "{asked:?}");
    let run = done(&server, "nightly").await;
    assert_eq!(run["id"], asked.body["run"]["id"]);
    assert_eq!(
        (&run["status"], &run["cause"]),
        (&json!("done"), &json!("request"))
    );
    assert_eq!(run["counts"]["new"], 3);
    let sync = server.get("/v1/syncs/nightly").await.body;
    assert_eq!(sync["sync"]["lastRun"], run);
    let models = server.get("/v1/uploads?status=imported").await.body;
    assert_eq!(models["uploads"].as_array().map(Vec::len), Some(3));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_answered_again_and_what_is_being_run_is_refused() {
    let hub = hub().await;
    hub.order(Fault::delay(std::time::Duration::from_millis(1500)).on(Site::HuggingFace));
    let idle = Server::start(&hub, "0").await;
    idle.make(&body("nightly")).await;
    let first = idle.post("/v1/syncs/nightly/run", &json!({})).await;
    let second = idle.post("/v1/syncs/nightly/run", &json!({})).await;
    assert_eq!(first.body["run"]["status"], "waiting", "{first:?}");
    assert_eq!(first.body["run"]["id"], second.body["run"]["id"]);

    let busy = Server::start(&hub, "1").await;
    busy.make(&body("nightly")).await;
    busy.post("/v1/syncs/nightly/run", &json!({})).await;
    until("it is being run", async || {
        let page = busy.get("/v1/syncs/nightly/runs").await.body;
        page["runs"][0]["status"] == "running"
    })
    .await;
    let refused = busy.post("/v1/syncs/nightly/run", &json!({})).await;
    refused.assert_problem(409, "invalid_request");
    assert!(
        refused.body["detail"]
            .as_str()
            .unwrap()
            .contains("is being run by")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_touches_what_it_names_and_null_takes_away() {
    let hub = hub().await;
    let server = Server::start(&hub, "0").await;
    let mut asked = body("nightly");
    asked["prune"] = json!({});
    asked["kind"] = json!("model");
    asked["filters"] = json!({ "newest": 3 });
    let made = server.make(&asked).await;
    let patch = async |changes: Value| server.send(Method::PATCH, &path(&made), &changes).await;

    let renamed = patch(json!({ "name": "weekly", "cron": "@weekly" }))
        .await
        .body;
    assert_eq!(renamed["sync"]["name"], "weekly");
    assert_eq!(renamed["sync"]["filters"], json!({ "newest": 3 }));
    assert_eq!(renamed["sync"]["prune"]["limit"], 10);
    assert_ne!(renamed["sync"]["nextRunAt"], made["nextRunAt"]);

    let bare = patch(json!({ "prune": null, "kind": null, "filters": {} }))
        .await
        .body;
    assert!(
        bare["sync"]["prune"].is_null() && bare["sync"]["kind"].is_null(),
        "{bare:#}"
    );
    assert_eq!(bare["sync"]["filters"], json!({}));

    let paused = patch(json!({ "paused": true })).await.body;
    assert!(paused["sync"]["nextRunAt"].is_null());
    assert_eq!(paused["sync"]["nextRuns"], json!([]));
    let resumed = patch(json!({ "paused": false })).await.body;
    assert!(resumed["sync"]["nextRunAt"].is_string());

    server.make(&body("other")).await;
    patch(json!({ "name": "other" }))
        .await
        .assert_problem(409, "invalid_request");
    patch(json!({ "cron": "never" }))
        .await
        .assert_problem(400, "invalid_request");
    patch(json!({ "crom": "@daily" }))
        .await
        .assert_problem(400, "invalid_request");
    patch(json!({ "source": "/etc/passwd" }))
        .await
        .assert_problem(400, "invalid_source");
    let after = server.get(&path(&made)).await.body;
    assert_eq!(
        after["sync"]["name"], "weekly",
        "what was refused changed nothing"
    );

    let removed = server.send(Method::DELETE, &path(&made), &json!({})).await;
    assert_eq!(removed.status, 204);
    server
        .get(&path(&made))
        .await
        .assert_problem(404, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_requests_are_refused_and_nothing_is_stored() {
    let hub = hub().await;
    let home = Home::of(&hub).with("MODELFERRY_ALLOW_NETS", "");
    let server = Server::in_home(home, "0").await;
    let with = |key: &str, value: Value| {
        let mut body = body("x");
        body[key] = value;
        body
    };
    for (body, status, code) in [
        (json!({}), 400, "invalid_request"),
        (
            json!({ "name": "x", "source": "acme/tiny" }),
            400,
            "invalid_request",
        ),
        (with("unknown", json!(1)), 400, "invalid_request"),
        (with("cron", json!("0 3 30 2 *")), 400, "invalid_request"),
        (with("cron", json!(3)), 400, "invalid_request"),
        (
            with("timezone", json!("Mars/Olympus")),
            400,
            "invalid_request",
        ),
        (with("name", json!("")), 400, "invalid_request"),
        (
            with("source", json!("nothing at all")),
            400,
            "invalid_source",
        ),
        (
            with("source", json!("/etc/models.txt")),
            400,
            "invalid_source",
        ),
        (
            with("source", json!("file:///etc/models.txt")),
            400,
            "invalid_source",
        ),
        (
            with("source", json!("list:models.txt")),
            400,
            "invalid_source",
        ),
        (
            with("source", json!("http://10.0.0.1/list.txt")),
            400,
            "blocked_address",
        ),
        (
            with("source", json!("list:http://localhost/x")),
            400,
            "blocked_address",
        ),
        (
            with("filters", json!({ "newest": 0 })),
            400,
            "invalid_request",
        ),
        (
            with("filters", json!({ "sizes": 1 })),
            400,
            "invalid_request",
        ),
        (with("prune", json!({ "limit": 0 })), 400, "invalid_request"),
        (with("prune", json!({ "most": 1 })), 400, "invalid_request"),
        (with("kind", json!("poem")), 400, "invalid_request"),
        (
            with("webhookUrl", json!("http://10.0.0.1/hook")),
            400,
            "blocked_address",
        ),
        (
            with("webhookUrl", json!("ftp://example.com/hook")),
            400,
            "invalid_request",
        ),
    ] {
        let answer = server.post("/v1/syncs", &body).await;
        answer.assert_problem(status, code);
    }
    server.make(&body("taken")).await;
    server
        .post("/v1/syncs", &body("taken"))
        .await
        .assert_problem(409, "invalid_request");
    let listed = server.get("/v1/syncs").await.body;
    assert_eq!(listed["syncs"].as_array().map(Vec::len), Some(1));
    server
        .get("/v1/syncs?pageSize=0")
        .await
        .assert_problem(400, "invalid_request");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_owner_finds_nothing() {
    let hub = hub().await;
    let server = Server::start(&hub, "0").await;
    let made = server.make(&body("nightly")).await;
    let other = Key::make(&server.home, &["--owner", "somebody"]);
    for (method, path) in [
        (Method::GET, path(&made)),
        (Method::PATCH, path(&made)),
        (Method::DELETE, path(&made)),
        (Method::POST, format!("{}/run", path(&made))),
        (Method::POST, format!("{}/run?dryRun=true", path(&made))),
        (Method::GET, format!("{}/runs", path(&made))),
        (Method::GET, "/v1/syncs/nightly".to_owned()),
    ] {
        let request = server.request(method.clone(), &path, &other).body("{}");
        let answer = Answer::read(request.send().await.unwrap()).await;
        assert_eq!(answer.status, 404, "{method} {path}: {answer:?}");
    }
    let request = server.request(Method::GET, "/v1/syncs", &other);
    let listed = Answer::read(request.send().await.unwrap()).await;
    assert_eq!(listed.body["syncs"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_is_told_of_each_run() {
    let (hub, receiver) = (hub().await, Receiver::content().await);
    let server = Server::start(&hub, "1").await;
    let mut asked = body("nightly");
    asked["webhookUrl"] = json!(receiver.url("/hook?token=s3cret"));
    let made = server.make(&asked).await;
    assert!(!made.to_string().contains("s3cret"), "{made:#}");
    server.post("/v1/syncs/nightly/run", &json!({})).await;
    let run = done(&server, "nightly").await;
    until("the receiver is told", async || !receiver.told().is_empty()).await;
    let told = receiver.told()[0].json();
    assert_eq!(told["type"], "sync.run");
    assert_eq!(
        told["data"]["sync"],
        json!({ "id": made["id"], "name": "nightly" })
    );
    let about = &told["data"]["run"];
    assert_eq!(
        (&about["id"], &about["status"]),
        (&run["id"], &run["status"])
    );
    assert_eq!(
        (&about["counts"], &about["difference"]),
        (&run["counts"], &run["difference"])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_asks_with_the_credential_that_it_names() {
    let weights = Content::safetensors(1, 20_000);
    let secret = Repo::model("acme/secret").lfs("model.safetensors", weights);
    let scene = Scene::empty().repo(secret.private(&["hf_named"]));
    let hub = Hub::start(scene).await.unwrap();
    hub.change_scene(|scene| {
        let tokens = &mut scene.huggingface_tokens;
        tokens.push(("hf_named".to_owned(), "acme".to_owned()));
    });
    let server = Server::start(&hub, "1").await;
    let mut asked = body("named");
    asked["credential"] = json!("mine");
    let unknown = server.post("/v1/syncs", &asked).await;
    unknown.assert_problem(422, "auth_required");
    let stored = json!({ "value": "hf_named", "host": "huggingface" });
    let stored = server
        .send(Method::PUT, "/v1/credentials/mine", &stored)
        .await;
    assert_eq!(stored.status, 200, "{stored:?}");
    assert_eq!(server.make(&asked).await["credential"], "mine");
    server.make(&body("plain")).await;
    for (name, seen) in [("named", 1), ("plain", 0)] {
        server
            .post(&format!("/v1/syncs/{name}/run"), &json!({}))
            .await;
        let run = done(&server, name).await;
        assert_eq!(
            (&run["counts"]["seen"], &run["counts"]["new"]),
            (&json!(seen), &json!(seen)),
            "{run:#}"
        );
    }
}
