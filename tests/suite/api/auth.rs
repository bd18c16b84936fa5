use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Answer, Key, Server, one_file, one_slow_file};
use crate::support::Home;

async fn get(server: &Server, path: &str, key: &Key) -> Answer {
    let request = server.request(Method::GET, path, key);
    Answer::read(request.send().await.unwrap()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_key_that_works_gets_in() {
    let (hub, _) = one_file(10).await;
    let server = Server::start(&hub, "0").await;
    let url = format!("{}/v1/uploads", server.url);
    let client = reqwest::Client::new();
    let none = client.get(&url).send().await.unwrap();
    assert!(none.headers().contains_key("www-authenticate"));
    Answer::read(none)
        .await
        .assert_problem(401, "auth_required");
    let wrong = Key {
        secret: "wrong".into(),
        ..server.key.clone()
    };
    get(&server, "/v1/uploads", &wrong)
        .await
        .assert_problem(401, "auth_required");
    let bearer = format!("{}:{}", server.key.id, server.key.secret);
    assert_eq!(
        client
            .get(&url)
            .bearer_auth(bearer)
            .send()
            .await
            .unwrap()
            .status(),
        200
    );
    let revoked = Key::make(&server.home, &[]);
    assert_eq!(get(&server, "/v1/uploads", &revoked).await.status, 200);
    server.home.succeed(&["keys", "revoke", &revoked.id]);
    get(&server, "/v1/uploads", &revoked)
        .await
        .assert_problem(401, "auth_required");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_owners_things_are_not_there() {
    let (hub, url) = one_file(10).await;
    let server = Server::start(&hub, "1").await;
    let record = server.ended(&server.ask(&url).await).await;
    let (id, entity) = (
        record["id"].as_str().unwrap(),
        record["entityId"].as_str().unwrap(),
    );
    let other = Key::make(&server.home, &["--owner", "other"]);
    for path in [
        format!("/v1/uploads/{id}"),
        format!("/v1/uploads/{id}/artifacts"),
        format!("/v1/uploads/{id}/events"),
        format!("/v1/assets/{entity}"),
        format!("/v1/assets/{entity}/files/a.bin"),
    ] {
        get(&server, &path, &other)
            .await
            .assert_problem(404, "not_found");
        assert_eq!(get(&server, &path, &server.key).await.status, 200, "{path}");
    }
    assert_eq!(
        get(&server, "/v1/uploads", &other).await.body["uploads"],
        json!([])
    );
    let action = server.request(Method::POST, &format!("/v1/uploads/{id}/action"), &other);
    let answer = action.body(r#"{"action":"cancel"}"#).send().await.unwrap();
    Answer::read(answer).await.assert_problem(404, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_acts_for_its_projects_and_no_other() {
    let (hub, url) = one_slow_file().await;
    let server = Server::start(&hub, "0").await;
    let key = Key::make(
        &server.home,
        &["--owner", "team", "--author", "ann", "--project", "p1"],
    );
    let body = json!({ "url": url, "kind": "asset" }).to_string();
    let ask = async |project: &str| {
        let path = format!("/v1/uploads?projectId={project}");
        let request = server.request(Method::POST, &path, &key).body(body.clone());
        Answer::read(request.send().await.unwrap()).await
    };
    let record = ask("p1").await.upload();
    assert_eq!(
        (&record["ownerId"], &record["authorId"]),
        (&json!("p1"), &json!("ann"))
    );
    assert_eq!(ask("team").await.upload()["ownerId"], "team");
    ask("p2").await.assert_problem(403, "access_denied");
    let path = format!("/v1/uploads/{}", record["id"].as_str().unwrap());
    get(&server, &path, &key)
        .await
        .assert_problem(404, "not_found");
    let path = format!("{path}?projectId=p1");
    assert_eq!(get(&server, &path, &key).await.status, 200);
}

/// Reads one answer, as far as its body's end.
async fn one_answer(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    while !text.ends_with(b"}") {
        let byte = stream.read_u8().await;
        text.push(byte.expect("the connection stays"));
    }
    String::from_utf8(text).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_keeps_the_connection_for_the_next_request() {
    let (hub, _) = one_file(10).await;
    let server = Server::start(&hub, "0").await;
    let address = server.url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).await.unwrap();
    for _ in 0..3 {
        // As many clients do: the head first, and the body a moment later.
        let head =
            format!("POST /v1/uploads HTTP/1.1\r\nhost: {address}\r\ncontent-length: 2\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
        stream.write_all(b"{}").await.unwrap();
        let answer = one_answer(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    }
}

#[test]
fn a_listener_that_others_reach_needs_keys_first() {
    let home = Home::alone();
    let ran = home.run(&["serve", "--listen", "0.0.0.0:0"]);
    assert_eq!(ran.status, Some(2), "{ran:?}");
    assert!(ran.stderr.contains("keys create"), "{ran:?}");
}

#[test]
fn a_secret_is_shown_once_and_kept_nowhere() {
    let home = Home::alone();
    let key = Key::make(&home, &["--project", "p1", "--project", "p2"]);
    let listed = home.succeed(&["keys", "list", "--json"]).one_line();
    assert_eq!(listed["projects"], json!(["p1", "p2"]));
    assert_eq!(
        (&listed["key"], &listed["ownerId"]),
        (&json!(key.id), &json!("local"))
    );
    for file in home.files(".") {
        let bytes = std::fs::read(home.path().join(&file)).unwrap();
        let found = bytes
            .windows(key.secret.len())
            .any(|part| part == key.secret.as_bytes());
        assert!(!found, "{file} holds the secret");
    }
    assert_eq!(home.run(&["keys", "revoke", "key_0"]).status, Some(1));
    assert_eq!(
        home.run(&["keys", "create", "--owner", "two words"]).status,
        Some(2)
    );
}
