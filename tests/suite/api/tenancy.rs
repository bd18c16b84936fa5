//! Every route, as others see it: the description of the API is the list, so
//! that none is forgotten.

use reqwest::Method;
use serde_json::{Value, json};

use super::{Answer, Key, Server, one_file, until};
use crate::support::receiver::Receiver;

/// One operation of the description, with its placeholders.
#[derive(Debug)]
struct Route {
    method: Method,
    path: String,
}

async fn routes(server: &Server) -> Vec<Route> {
    let document = server.get("/openapi.json").await.body;
    let mut routes = Vec::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for method in operations.as_object().unwrap().keys() {
            routes.push(Route {
                method: method.to_uppercase().parse().unwrap(),
                path: path.clone(),
            });
        }
    }
    // A part's URL is signed, and takes no key: its own tests are in `parts`.
    routes.retain(|route| !route.path.starts_with("/v1/parts/"));
    assert!(routes.len() > 10, "{routes:#?}");
    routes
}

/// What one owner has: a thing for each placeholder.
struct Things {
    upload: String,
    asset: String,
    delivery: String,
    sync: String,
}

impl Things {
    async fn made(server: &Server, url: &str) -> Self {
        let receiver = Receiver::content().await;
        let body =
            json!({ "url": url, "kind": "asset", "config": { "webhookUrl": receiver.url("/") } });
        let upload = server.post("/v1/uploads", &body).await.upload();
        let record = server.ended(&upload).await;
        let mut delivery = Value::Null;
        until("it is delivered", async || {
            let path = "/v1/webhooks/deliveries?status=delivered";
            delivery = server.get(path).await.body["deliveries"][0]["id"].clone();
            delivery.is_string()
        })
        .await;
        let request = server.request(Method::PUT, "/v1/credentials/example.com", &server.key);
        let stored = request.body(r#"{"value":"s3cret"}"#).send().await.unwrap();
        assert_eq!(stored.status(), 200);
        let sync = json!({ "name": "nightly", "source": "acme/tiny", "cron": "@yearly" });
        let sync = server.post("/v1/syncs", &sync).await.body;
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        Self {
            upload: text(&record["id"]),
            asset: text(&record["entityId"]),
            delivery: text(&delivery),
            sync: text(&sync["sync"]["id"]),
        }
    }

    /// The path of this owner's own thing; `None` for a route that names none.
    fn at(&self, route: &Route) -> Option<String> {
        let path = &route.path;
        if !path.contains('{') {
            return None;
        }
        let id = match path.split('/').nth(2).unwrap() {
            "uploads" => &self.upload,
            "models" | "assets" => &self.asset,
            "webhooks" => &self.delivery,
            "syncs" => &self.sync,
            "credentials" => "example.com",
            _ => panic!("{path}: say here whose id it takes"),
        };
        let path = path.replace("{id}", id).replace("{name}", id);
        let path = path.replace("{path}", "a.bin");
        assert!(!path.contains('{'), "{path}: say here what stands there");
        Some(path)
    }
}

async fn send(server: &Server, method: &Method, path: &str, key: &Key) -> Answer {
    let body = if path.ends_with("/action") {
        r#"{"action":"cancel"}"#
    } else {
        "{}"
    };
    let request = server.request(method.clone(), path, key).body(body);
    Answer::read(request.send().await.unwrap()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn on_every_route_another_owners_things_are_not_there() {
    let (hub, url) = one_file(10).await;
    let server = Server::start(&hub, "1").await;
    let things = Things::made(&server, &url).await;
    let other = Key::make(&server.home, &["--owner", "other"]);
    let mut asked = 0;
    for route in routes(&server).await {
        let Some(path) = things.at(&route) else {
            continue;
        };
        // Putting one of that name makes one's own.
        if route.method == Method::PUT && path.starts_with("/v1/credentials/") {
            continue;
        }
        let theirs = send(&server, &route.method, &path, &other).await;
        theirs.assert_problem(404, "not_found");
        asked += 1;
    }
    assert!(asked >= 8, "{asked}");
    // All of it is still there for its owner.
    for path in [
        format!("/v1/uploads/{}", things.upload),
        format!("/v1/assets/{}", things.asset),
        format!("/v1/assets/{}/files/a.bin", things.asset),
    ] {
        assert_eq!(server.get(&path).await.status, 200, "{path}");
    }
    let stored = server.get("/v1/credentials").await.body;
    assert_eq!(stored["credentials"][0]["name"], "example.com");
    let theirs = send(&server, &Method::GET, "/v1/credentials", &other).await;
    assert_eq!(theirs.body["credentials"], json!([]));
    let theirs = send(&server, &Method::GET, "/v1/webhooks/deliveries", &other).await;
    assert_eq!(theirs.body["deliveries"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_route_answers_without_a_key_or_for_a_project_that_the_key_has_not() {
    let (hub, _) = one_file(10).await;
    let server = Server::start(&hub, "0").await;
    let key = Key::make(&server.home, &["--owner", "team", "--project", "p1"]);
    let client = reqwest::Client::new();
    for Route { method, path } in routes(&server).await {
        let path = path.replace(['{', '}'], "");
        let bare = client.request(method.clone(), format!("{}{path}", server.url));
        let answer = Answer::read(bare.send().await.unwrap()).await;
        assert_eq!(answer.status, 401, "{method} {path}: {answer:?}");
        answer.assert_problem(401, "auth_required");
        let foreign = format!("{path}?projectId=p2");
        send(&server, &method, &foreign, &key)
            .await
            .assert_problem(403, "access_denied");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_key_gets_no_answer_more() {
    let (hub, _) = one_file(10).await;
    let server = Server::start(&hub, "0").await;
    let key = Key::make(&server.home, &[]);
    assert_eq!(
        send(&server, &Method::GET, "/v1/uploads", &key)
            .await
            .status,
        200
    );
    server.home.succeed(&["keys", "revoke", &key.id]);
    for Route { method, path } in routes(&server).await {
        let path = path.replace(['{', '}'], "");
        send(&server, &method, &path, &key)
            .await
            .assert_problem(401, "auth_required");
    }
}
