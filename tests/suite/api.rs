//! The HTTP API of the real program: answers, rows and stored bytes.

mod auth;
mod bad_requests;
mod console;
mod credentials;
mod events;
mod life;
mod limits;
mod operators;
mod parts;
mod sdk;
mod syncs;
mod tenancy;

use std::time::Duration;

use modelferry_fixtures::{Content, Fault, Hub, PlainFile, Scene, Site};
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::{Value, json};

use crate::support::{Home, Running};

const MIB: u64 = 1024 * 1024;

/// A server of its own home, and the first key to it.
pub struct Server {
    pub home: Home,
    pub url: String,
    pub key: Key,
    client: Client,
    _running: Running,
}

/// A key and its secret.
#[derive(Debug, Clone)]
pub struct Key {
    pub id: String,
    pub secret: String,
}

impl Key {
    pub fn make(home: &Home, words: &[&str]) -> Self {
        let words = [&["keys", "create", "--json"], words].concat();
        let made = home.succeed(&words).one_line();
        Self {
            id: made["key"].as_str().unwrap().to_owned(),
            secret: made["secret"].as_str().unwrap().to_owned(),
        }
    }
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: Value,
}

impl Answer {
    async fn read(response: Response) -> Self {
        let status = response.status().as_u16();
        let text = response.text().await.unwrap();
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Self { status, body }
    }

    /// The record of a good answer.
    pub fn upload(self) -> Value {
        assert_eq!(self.status, 200, "{self:?}");
        self.body["upload"].clone()
    }

    pub fn assert_problem(&self, status: u16, code: &str) {
        assert_eq!(
            (self.status, self.body["code"].as_str()),
            (status, Some(code)),
            "{self:?}"
        );
        assert_eq!(self.body["status"], status, "{self:?}");
        for field in ["type", "title", "detail", "hint"] {
            assert!(self.body[field].is_string(), "no {field} in {self:?}");
        }
    }
}

impl Server {
    /// A server whose home knows this hub.
    pub async fn start(hub: &Hub, workers: &str) -> Self {
        Self::in_home(Home::of(hub), workers).await
    }

    pub async fn in_home(home: Home, workers: &str) -> Self {
        let key = Key::make(&home, &[]);
        let client = Client::new();
        for _ in 0..5 {
            let listen = format!("127.0.0.1:{}", free_port());
            let running = home.start(&["serve", "--listen", &listen, "--workers", workers]);
            let url = format!("http://{listen}");
            if answers(&client, &url, &key).await {
                return Self {
                    home,
                    url,
                    key,
                    client,
                    _running: running,
                };
            }
        }
        panic!("every free port was taken by others before the server had it");
    }

    /// Stops it, and keeps its home.
    pub fn into_home(self) -> Home {
        self.home
    }

    pub fn request(&self, method: Method, path: &str, key: &Key) -> RequestBuilder {
        self.client
            .request(method, format!("{}{path}", self.url))
            .basic_auth(&key.id, Some(&key.secret))
    }

    pub async fn get(&self, path: &str) -> Answer {
        Answer::read(
            self.request(Method::GET, path, &self.key)
                .send()
                .await
                .unwrap(),
        )
        .await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.post_text(path, &body.to_string()).await
    }

    pub async fn post_text(&self, path: &str, body: &str) -> Answer {
        let request = self
            .request(Method::POST, path, &self.key)
            .body(body.to_owned());
        Answer::read(request.send().await.unwrap()).await
    }

    /// Asks for one of the hub's files as an asset.
    pub async fn ask(&self, url: &str) -> Value {
        self.post("/v1/uploads", &json!({ "url": url, "kind": "asset" }))
            .await
            .upload()
    }

    /// The record, once it has ended.
    pub async fn ended(&self, upload: &Value) -> Value {
        let path = format!("/v1/uploads/{}", upload["id"].as_str().unwrap());
        let mut record = Value::Null;
        until("the upload ends", async || {
            record = self.get(&path).await.upload();
            ["imported", "complete", "failed"].contains(&record["status"].as_str().unwrap())
        })
        .await;
        record
    }
}

/// Whether it is our server that answers there, once somebody does: another
/// may have been faster to take the port.
async fn answers(client: &Client, url: &str, key: &Key) -> bool {
    let mut status = None;
    until("somebody answers", async || {
        let request = client.get(format!("{url}/v1/uploads"));
        let answer = request.basic_auth(&key.id, Some(&key.secret)).send().await;
        status = answer.ok().map(|answer| answer.status().as_u16());
        status.is_some()
    })
    .await;
    status == Some(200)
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

pub async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(120), wait)
        .await
        .unwrap_or_else(|_| panic!("never: {what}"));
}

/// A hub with one plain file, and where that is.
async fn one_file(size: u64) -> (Hub, String) {
    let file = PlainFile::new("/a.bin", Content::seeded(3, size));
    let hub = Hub::start(Scene::empty().file(file)).await.unwrap();
    let url = format!("{}/a.bin", hub.files_url());
    (hub, url)
}

/// The same, so slow that nothing ends by itself.
async fn one_slow_file() -> (Hub, String) {
    let (hub, url) = one_file(8 * MIB).await;
    hub.order(Fault::throttle(MIB / 4).on(Site::Files));
    (hub, url)
}
