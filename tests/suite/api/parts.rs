//! Files in parts: real PUTs, to this server and straight to a store.

mod crashes;
mod manual;
mod refusals;
mod stores;
mod urls;

use modelferry_fixtures::{Content, Hub, Scene};
use reqwest::{Client, Method};
use serde_json::{Value, json};

use super::{Answer, Key, MIB, Server};
use crate::support::{Home, hash_of};

/// The least length of a part that is not the last.
const LEAST: u64 = 5 * MIB;

/// A server whose home knows no hub.
async fn server(workers: &str) -> Server {
    Server::in_home(Home::alone(), workers).await
}

fn bytes(seed: u64, size: u64) -> Vec<u8> {
    Content::seeded(seed, size).to_vec()
}

/// Asks for an upload of so many bytes as an asset.
fn asked(size: u64, parts: u64) -> Value {
    json!({
        "fileName": "weights.bin", "contentType": "application/octet-stream",
        "fileSize": size, "kind": "asset", "parts": parts,
    })
}

async fn open(server: &Server, size: u64, parts: u64) -> Value {
    server
        .post("/v1/uploads", &asked(size, parts))
        .await
        .upload()
}

fn url(upload: &Value, number: usize) -> String {
    let part = &upload["parts"][number - 1];
    assert_eq!(part["number"], number, "{upload:#}");
    part["url"].as_str().unwrap().to_owned()
}

/// PUTs bytes as any client would, with no credentials.
async fn put(url: &str, bytes: &[u8]) -> Answer {
    let sent = Client::new().put(url).body(bytes.to_vec()).send().await;
    Answer::read(sent.unwrap()).await
}

async fn put_well(url: &str, bytes: &[u8]) {
    let answer = put(url, bytes).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

/// Cuts a file as the documentation says, and sends all of it.
async fn send_all(upload: &Value, file: &[u8]) {
    let count = upload["parts"].as_array().unwrap().len();
    let length = file.len().div_ceil(count).max(LEAST as usize);
    for (index, part) in file.chunks(length).enumerate() {
        put_well(&url(upload, index + 1), part).await;
    }
}

async fn act(server: &Server, upload: &Value, action: &str) -> Answer {
    let path = format!("/v1/uploads/{}/action", upload["id"].as_str().unwrap());
    server.post(&path, &json!({ "action": action })).await
}

async fn shown(server: &Server, upload: &Value) -> Value {
    let path = format!("/v1/uploads/{}", upload["id"].as_str().unwrap());
    server.get(&path).await.upload()
}

async fn artifacts(server: &Server, upload: &Value) -> Value {
    let path = format!("/v1/uploads/{}/artifacts", upload["id"].as_str().unwrap());
    server.get(&path).await.body
}

/// What is stored of it, served back.
async fn served(server: &Server, record: &Value) -> Vec<u8> {
    let asset = record["entityId"].as_str().unwrap();
    let entity = server.get(&format!("/v1/assets/{asset}")).await;
    let file = entity.body["asset"]["files"][0]["url"].as_str().unwrap();
    let path = file.strip_prefix(&server.url).unwrap();
    let got = server.request(Method::GET, path, &server.key).send().await;
    let got = got.unwrap();
    assert_eq!(got.status(), 200);
    got.bytes().await.unwrap().to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_in_parts_goes_the_way_of_every_import() {
    let server = server("1").await;
    let file = bytes(1, 12 * MIB + 5);
    let upload = open(&server, file.len() as u64, 3).await;
    assert_eq!(upload["status"], "pending");
    assert_eq!(upload["source"], "multipart");
    assert_eq!(upload["fileName"], "weights.bin");
    assert_eq!(upload["originalFileName"], "weights.bin");
    assert_eq!(upload["contentType"], "application/octet-stream");
    assert_eq!(upload["fileSize"], file.len());
    assert_eq!(upload["partsCount"], 3);
    assert_eq!(upload["parts"].as_array().unwrap().len(), 3);
    assert!(
        upload["parts"][0]["expires"]
            .as_str()
            .unwrap()
            .ends_with('Z')
    );
    assert!(upload.get("provider").is_none(), "{upload:#}");

    // In any order, of other lengths than the advised, and one of them twice.
    let (first, second) = (5 * MIB as usize + 17, 11 * MIB as usize);
    put_well(&url(&upload, 3), &file[second..]).await;
    put_well(&url(&upload, 1), &bytes(9, first as u64)).await;
    put_well(&url(&upload, 2), &file[first..second]).await;
    let sent = Client::new()
        .put(url(&upload, 1))
        .body(file[..first].to_vec())
        .send()
        .await
        .unwrap();
    let md5 = hex::encode(<md5::Md5 as md5::Digest>::digest(&file[..first]));
    assert_eq!(sent.headers()["etag"], format!("\"{md5}\""));

    let record = act(&server, &upload, "complete").await.upload();
    assert!(record.get("parts").is_none(), "{record:#}");
    assert_eq!(record["partsCount"], 3);
    let record = server.ended(&upload).await;
    assert_eq!(record["status"], "imported", "{record:#}");
    assert!(record.get("provider").is_none() && record.get("parts").is_none());
    assert_eq!(served(&server, &record).await, file);
    let told = artifacts(&server, &upload).await;
    let stored = &told["artifacts"][0];
    assert_eq!(stored["sha256"], hash_of(&file));
    assert_eq!(stored["verification"], "length");
    assert_eq!(stored["bytesTransferred"], file.len());
    server.home.assert_holds_only(&[hash_of(&file)]);
    act(&server, &upload, "complete")
        .await
        .assert_problem(409, "invalid_request");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_is_known_by_its_content_and_a_stated_hash_is_held_against_it() {
    let server = server("1").await;
    let file = Content::safetensors(3, 6 * MIB).to_vec();
    let mut body = asked(file.len() as u64, 2);
    body["fileName"] = json!("lora.safetensors");
    body["kind"] = json!("model");
    body["config"] = json!({ "sha256": hash_of(&file), "priority": 5 });
    let upload = server.post("/v1/uploads", &body).await.upload();
    assert_eq!(upload["config"], body["config"]);
    send_all(&upload, &file).await;
    act(&server, &upload, "complete").await.upload();
    let record = server.ended(&upload).await;
    assert_eq!(record["status"], "imported", "{record:#}");
    let id = record["entityId"].as_str().unwrap();
    let model = server.get(&format!("/v1/models/{id}")).await.body;
    assert_eq!(model["model"]["files"][0]["verification"], "sha256");
    assert_eq!(model["model"]["files"][0]["path"], "lora.safetensors");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_register_the_file_is_stored_and_nothing_is_made_of_it() {
    let server = server("1").await;
    let file = bytes(4, 1000);
    let mut body = asked(1000, 1);
    body["config"] = json!({ "register": false });
    let upload = server.post("/v1/uploads", &body).await.upload();
    send_all(&upload, &file).await;
    act(&server, &upload, "upload-complete").await.upload();
    let record = server.ended(&upload).await;
    assert_eq!(record["status"], "complete", "{record:#}");
    assert!(record.get("entityId").is_none());
    server.home.assert_holds_only(&[hash_of(&file)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_hash_does_not_match_is_not_published_and_a_hash_opens_nothing() {
    let server = server("1").await;
    let secret = bytes(5, 2 * MIB);
    let first = open(&server, secret.len() as u64, 1).await;
    send_all(&first, &secret).await;
    act(&server, &first, "complete").await.upload();
    assert_eq!(server.ended(&first).await["status"], "imported");

    // Somebody who knows the hash and the length, and does not have the bytes.
    let mut body = asked(secret.len() as u64, 1);
    body["config"] = json!({ "sha256": hash_of(&secret) });
    let plan = server.post("/v1/uploads?dryRun=true", &body).await;
    assert_eq!(plan.body["artifacts"][0]["present"], false, "{plan:?}");
    let upload = server.post("/v1/uploads", &body).await.upload();
    send_all(&upload, &bytes(6, 2 * MIB)).await;
    act(&server, &upload, "complete").await.upload();
    let record = server.ended(&upload).await;
    assert_eq!(record["status"], "failed", "{record:#}");
    let message = record["errorMessage"].as_str().unwrap();
    assert!(message.ends_with("[hash_mismatch]"), "{message}");
    server.home.assert_holds_only(&[hash_of(&secret)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gate_refuses_what_it_refuses_of_any_source() {
    let server = server("1").await;
    let file = Content::hostile_pickle().to_vec();
    let mut body = asked(file.len() as u64, 1);
    body["fileName"] = json!("model.ckpt");
    body["kind"] = json!("model");
    let upload = server.post("/v1/uploads", &body).await.upload();
    send_all(&upload, &file).await;
    act(&server, &upload, "complete").await.upload();
    let record = server.ended(&upload).await;
    assert_eq!(record["status"], "failed");
    let message = record["errorMessage"].as_str().unwrap();
    assert!(message.ends_with("[unsafe_pickle]"), "{message}");
    assert_eq!(
        artifacts(&server, &upload).await["error"]["code"],
        "unsafe_pickle"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn complete_says_which_parts_are_wrong_and_nothing_is_lost() {
    let server = server("1").await;
    let file = bytes(7, 17 * MIB);
    let upload = open(&server, 17 * MIB, 4).await;
    let complete = async || act(&server, &upload, "complete").await;
    let answer = complete().await;
    answer.assert_problem(400, "invalid_request");
    let said = answer.body["detail"].as_str().unwrap().to_owned();
    assert!(said.contains("parts 1, 2, 3, 4"), "{said}");

    let cut = |range: std::ops::Range<u64>| &file[range.start as usize..range.end as usize];
    put_well(&url(&upload, 1), cut(0..LEAST)).await;
    put_well(&url(&upload, 2), cut(LEAST..2 * LEAST)).await;
    put_well(&url(&upload, 4), cut(3 * LEAST..16 * MIB)).await;
    let answer = complete().await;
    answer.assert_problem(400, "invalid_request");
    assert!(
        answer.body["detail"]
            .as_str()
            .unwrap()
            .contains("part 3 is")
    );

    put_well(&url(&upload, 3), cut(2 * LEAST..3 * LEAST)).await;
    let answer = complete().await;
    answer.assert_problem(422, "size_mismatch");
    let said = answer.body["detail"].as_str().unwrap().to_owned();
    assert!(said.contains(&(16 * MIB).to_string()) && said.contains(&(17 * MIB).to_string()));
    assert_eq!(shown(&server, &upload).await["status"], "pending");

    put_well(&url(&upload, 4), cut(3 * LEAST..17 * MIB)).await;
    complete().await.upload();
    let record = server.ended(&upload).await;
    assert_eq!(served(&server, &record).await, file);
}

#[tokio::test(flavor = "multi_thread")]
async fn completing_twice_is_one_import() {
    let server = server("0").await;
    let file = bytes(8, 3000);
    let upload = open(&server, 3000, 1).await;
    send_all(&upload, &file).await;
    let together = (0..8).map(|_| act(&server, &upload, "complete"));
    for answer in futures_util::future::join_all(together).await {
        assert_eq!(answer.upload()["status"], "pending");
    }
    let worker = server.home.start(&["worker", "--workers", "1"]);
    let record = server.ended(&upload).await;
    drop(worker);
    assert_eq!(record["status"], "imported");
    let answer = act(&server, &upload, "complete").await;
    answer.assert_problem(409, "invalid_request");
    let list = server.get("/v1/uploads").await;
    assert_eq!(list.body["uploads"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_upload_leaves_no_parts_and_can_not_be_retried() {
    let server = server("0").await;
    let open_one = open(&server, 3000, 1).await;
    put_well(&url(&open_one, 1), &bytes(1, 3000)).await;
    let queued = open(&server, 3000, 1).await;
    put_well(&url(&queued, 1), &bytes(1, 3000)).await;
    act(&server, &queued, "complete").await.upload();
    for upload in [&open_one, &queued] {
        let record = act(&server, upload, "cancel").await.upload();
        assert_eq!(record["status"], "failed");
        assert!(
            record["errorMessage"]
                .as_str()
                .unwrap()
                .ends_with("[cancelled]")
        );
        assert!(record.get("parts").is_none());
        put(&url(&open_one, 1), &bytes(1, 3000))
            .await
            .assert_problem(409, "invalid_request");
        for action in ["complete", "retry", "cancel"] {
            act(&server, upload, action)
                .await
                .assert_problem(409, "invalid_request");
        }
    }
    server.home.assert_holds_only(&[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_request_made_twice_is_one_upload() {
    let server = server("0").await;
    let body = asked(3000, 1);
    let send = async |body: &Value| {
        let request = server
            .request(Method::POST, "/v1/uploads", &server.key)
            .header("idempotency-key", "k1")
            .body(body.to_string());
        Answer::read(request.send().await.unwrap()).await
    };
    let made = futures_util::future::join_all((0..4).map(|_| send(&body))).await;
    let mut made: Vec<Value> = made.into_iter().map(Answer::upload).collect();
    let first = made.pop().unwrap();
    for other in &made {
        assert_eq!(other["id"], first["id"]);
        assert_eq!(other["parts"].as_array().unwrap().len(), 1);
    }
    put_well(&url(&made[0], 1), &bytes(2, 3000)).await;
    send(&asked(3001, 1))
        .await
        .assert_problem(422, "invalid_request");
    let staged = std::fs::read_dir(server.home.path().join("storage/staging")).unwrap();
    assert_eq!(staged.count(), 1, "what was staged for the others is gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_shows_no_urls_and_another_owner_sees_nothing() {
    let server = server("0").await;
    let upload = open(&server, 3000, 1).await;
    let list = server.get("/v1/uploads?source=multipart").await;
    let listed = &list.body["uploads"][0];
    assert_eq!(listed["partsCount"], 1);
    assert!(listed.get("parts").is_none());
    let other = Key::make(&server.home, &["--owner", "other"]);
    let path = format!("/v1/uploads/{}", upload["id"].as_str().unwrap());
    let request = server.request(Method::GET, &path, &other);
    assert_eq!(request.send().await.unwrap().status(), 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_completes_goes_and_the_rest_stays() {
    let server = server("0").await;
    let (old, young) = (open(&server, 3000, 1).await, open(&server, 4000, 1).await);
    for (upload, size) in [(&old, 3000), (&young, 4000)] {
        put_well(&url(upload, 1), &bytes(1, size)).await;
    }
    let old_id = old["id"].as_str().unwrap();
    age(&server.home, old_id);
    let told = server.home.succeed(&["gc", "--dry-run", "--json"]).lines();
    assert_eq!(told[0]["name"], old_id);
    assert_eq!(shown(&server, &young).await["status"], "pending");
    server.home.succeed(&["gc"]);
    let record = shown(&server, &old).await;
    assert_eq!(record["status"], "failed", "{record:#}");
    let message = record["errorMessage"].as_str().unwrap();
    assert!(message.contains("7 days") && message.ends_with("[cancelled]"));
    let staged = server.home.files("storage/staging");
    let young_id = young["id"].as_str().unwrap();
    assert_eq!(staged, [format!("{young_id}/0.parts/0")]);
    assert_eq!(act(&server, &young, "complete").await.status, 200);
}

/// Makes an upload's URLs a month old. The records have no call for that.
fn age(home: &Home, upload: &str) {
    let script = "import sqlite3,sys; c=sqlite3.connect(sys.argv[1],timeout=60); \
        c.execute('update intakes set asked_at = asked_at - 2592000000 where upload_id = ?', [sys.argv[2]]); c.commit()";
    let done = std::process::Command::new("python3")
        .args(["-c", script])
        .arg(home.path().join("modelferry.db"))
        .arg(upload)
        .status();
    assert!(done.unwrap().success());
}
