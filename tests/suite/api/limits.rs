use modelferry_fixtures::{Content, Hub, PlainFile, Scene};
use serde_json::json;

use super::{Key, MIB, Server};
use crate::support::Home;

/// A hub with files of 1 MiB, and a server that gives an owner this much.
async fn server(most: &str, workers: &str) -> (Hub, Server) {
    let mut scene = Scene::empty();
    for nth in 0..4u64 {
        let path = format!("/{nth}.bin");
        scene = scene.file(PlainFile::new(&path, Content::seeded(nth, MIB)));
    }
    let hub = Hub::start(scene).await.unwrap();
    let home = Home::of(&hub).with("MODELFERRY_MAX_OWNER_BYTES", most);
    let server = Server::in_home(home, workers).await;
    (hub, server)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_has_so_many_bytes_and_no_more() {
    let (hub, mut server) = server("2500 KiB", "1").await;
    let url = |nth: u64| format!("{}/{nth}.bin", hub.files_url());
    let status = async |server: &Server, nth: u64| {
        let record = server.ended(&server.ask(&url(nth)).await).await;
        record["status"].as_str().unwrap().to_owned()
    };
    assert_eq!(status(&server, 0).await, "imported");
    // The same content again takes no more room.
    assert_eq!(status(&server, 0).await, "imported");
    assert_eq!(status(&server, 1).await, "imported");
    let over = server.ended(&server.ask(&url(2)).await).await;
    let message = over["errorMessage"].as_str().unwrap();
    assert!(
        message.contains("max_owner_bytes") && message.ends_with("[too_large]"),
        "{message}"
    );
    let blobs = server.home.blobs();
    assert_eq!(
        blobs.len(),
        2,
        "what is over the limit is not fetched: {blobs:?}"
    );
    server.key = Key::make(&server.home, &["--owner", "other"]);
    assert_eq!(
        status(&server, 2).await,
        "imported",
        "each owner has their own"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_gives_one_owner_limits_of_its_own() {
    let (hub, server) = server("1 MiB", "0").await;
    let body = json!({ "url": format!("{}/0.bin", hub.files_url()), "kind": "asset" });
    let limit = ["owners", "limit", "local", "--json"];
    let limited = |words: &[&str]| server.home.succeed(&[&limit, words].concat()).one_line();
    let shown = limited(&["--max-queued", "2", "--max-bytes", "0 B"]);
    assert_eq!(
        (&shown["maxQueued"], &shown["maxBytes"]),
        (&json!(2), &json!(0))
    );
    let refused = server.post("/v1/uploads", &body).await;
    refused.assert_problem(413, "too_large");
    let shown = limited(&["--max-bytes", "default"]);
    assert_eq!(
        (&shown["maxQueued"], &shown["maxBytes"]),
        (&json!(2), &json!(MIB))
    );
    for _ in 0..2 {
        server.post("/v1/uploads", &body).await.upload();
    }
    let refused = server.post("/v1/uploads", &body).await;
    refused.assert_problem(429, "rate_limited");
    assert!(
        refused.body["detail"]
            .as_str()
            .unwrap()
            .starts_with("2 uploads"),
        "{refused:?}"
    );
    limited(&["--max-queued", "default"]);
    server.post("/v1/uploads", &body).await.upload();
    let none = server.home.run(&["owners", "limit", "local"]);
    assert_eq!(none.status, Some(2), "{none:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_that_is_full_is_refused_at_once() {
    let (hub, server) = server("2 MiB", "1").await;
    for nth in 0..2 {
        let url = format!("{}/{nth}.bin", hub.files_url());
        assert_eq!(
            server.ended(&server.ask(&url).await).await["status"],
            "imported"
        );
    }
    let body = json!({ "url": format!("{}/2.bin", hub.files_url()), "kind": "asset" });
    let refused = server.post("/v1/uploads", &body).await;
    refused.assert_problem(413, "too_large");
    let list = server.get("/v1/uploads").await.body;
    assert_eq!(list["uploads"].as_array().unwrap().len(), 2, "{list:#}");
}
