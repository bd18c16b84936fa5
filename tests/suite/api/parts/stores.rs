//! The same with a bucket behind it.

use super::*;
use crate::storage::moto;
use crate::storage::s3::{self, Address};

fn home(address: &Address) -> Home {
    let home = Home::alone().with("MODELFERRY_STORAGE", &address.place.to_string());
    let variables = address.variables.iter();
    variables.fold(home, |home, (name, value)| home.with(name, value))
}

/// Brings a file in, and checks every step that any storage has in common.
async fn bring(server: &Server, file: &[u8], parts: u64) -> (Value, Value) {
    let upload = open(server, file.len() as u64, parts).await;
    let answer = act(server, &upload, "complete").await;
    answer.assert_problem(400, "invalid_request");
    put_well(&url(&upload, 1), &bytes(99, 5 * MIB)).await;
    let again = shown(server, &upload).await;
    send_all(&again, file).await;
    act(server, &upload, "complete").await.upload();
    let record = server.ended(&upload).await;
    assert_eq!(record["status"], "imported", "{record:#}");
    (upload, record)
}

/// A served file is a redirect to the store.
async fn assert_stored(server: &Server, record: &Value, file: &[u8]) {
    assert!(served(server, record).await == file);
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_go_straight_to_an_s3_store() {
    let store = s3::Server::start().await;
    let server = Server::in_home(home(&store.place("models")), "1").await;
    let file = bytes(1, 12 * MIB + 1);
    let (upload, record) = bring(&server, &file, 2).await;
    for number in [1, 2] {
        assert!(url(&upload, number).starts_with(&store.endpoint()));
    }
    assert_stored(&server, &record, &file).await;
    assert_eq!(store.parts(), 0);
    let hash = hash_of(&file);
    let objects = store.objects("models");
    let (blobs, others): (Vec<&String>, Vec<&String>) =
        objects.iter().partition(|name| name.contains("/blobs/"));
    assert_eq!(blobs.len(), 1, "{objects:?}");
    assert!(blobs[0].ends_with(&hash));
    assert!(
        !others.iter().any(|name| name.contains("staging")),
        "{objects:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_go_straight_to_a_store_that_knows_their_tags() {
    let address = moto::address().await;
    let server = Server::in_home(home(&address), "1").await;
    let file = bytes(2, 11 * MIB);
    let (upload, record) = bring(&server, &file, 2).await;
    assert!(!url(&upload, 1).starts_with(&server.url));
    assert_stored(&server, &record, &file).await;
    let left = address.open().staged_uploads().await.unwrap();
    assert_eq!(left, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_length_at_the_store_is_found_when_it_is_completed() {
    let store = s3::Server::start().await;
    let server = Server::in_home(home(&store.place("models")), "1").await;
    let file = bytes(3, 12 * MIB);
    let upload = open(&server, 12 * MIB, 2).await;
    put_well(&url(&upload, 1), &file[..MIB as usize]).await;
    put_well(&url(&upload, 2), &file[MIB as usize..]).await;
    let answer = act(&server, &upload, "complete").await;
    answer.assert_problem(422, "size_mismatch");
    assert!(
        answer.body["detail"]
            .as_str()
            .unwrap()
            .contains("part 1 is")
    );
    send_all(&upload, &file).await;
    act(&server, &upload, "complete").await.upload();
    let record = server.ended(&upload).await;
    assert_stored(&server, &record, &file).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_go_through_the_server_where_the_operator_wants_it_so() {
    for address in [
        s3_place().await,
        Stand {
            address: moto::address().await,
            _server: None,
        },
    ] {
        let home = home(&address.address).with("MODELFERRY_PARTS_THROUGH", "server");
        let server = Server::in_home(home, "1").await;
        let file = bytes(4, 17 * MIB + 3);
        let (upload, record) = bring(&server, &file, 3).await;
        assert!(url(&upload, 1).starts_with(&server.url));
        assert_stored(&server, &record, &file).await;
        let left = address.address.open().staged_uploads().await.unwrap();
        assert_eq!(left, []);
        put(&url(&upload, 1), &file[..LEAST as usize])
            .await
            .assert_problem(409, "invalid_request");
    }
}

struct Stand {
    address: Address,
    _server: Option<s3::Server>,
}

async fn s3_place() -> Stand {
    let store = s3::Server::start().await;
    Stand {
        address: store.place("models"),
        _server: Some(store),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_can_not_list_parts_gets_them_from_the_server() {
    let store = s3::Server::start().await;
    store.order(|method, path| {
        let lists = method == "GET" && path.contains("uploadId=");
        lists.then_some(s3::Fault::Answer(405, "MethodNotAllowed"))
    });
    let server = Server::in_home(home(&store.place("models")), "1").await;
    let file = bytes(5, 11 * MIB);
    let (upload, record) = bring(&server, &file, 2).await;
    assert!(url(&upload, 1).starts_with(&server.url));
    assert_stored(&server, &record, &file).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_upload_leaves_nothing_at_the_store() {
    let store = s3::Server::start().await;
    for through in ["storage", "server"] {
        let home = home(&store.place("models")).with("MODELFERRY_PARTS_THROUGH", through);
        let server = Server::in_home(home, "0").await;
        let upload = open(&server, 12 * MIB, 2).await;
        put_well(&url(&upload, 1), &bytes(1, 6 * MIB)).await;
        act(&server, &upload, "cancel").await.upload();
        assert_eq!(store.parts(), 0);
        let objects = store.objects("models");
        assert!(
            !objects.iter().any(|name| name.contains("staging")),
            "{objects:?}"
        );
        assert_ne!(put(&url(&upload, 1), &bytes(1, 6 * MIB)).await.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_parts_have_a_url_each() {
    let store = s3::Server::start().await;
    let server = Server::in_home(home(&store.place("models")), "0").await;
    let upload = open(&server, 10_000 * LEAST, 10_000).await;
    let urls: std::collections::HashSet<String> =
        (1..=10_000).map(|number| url(&upload, number)).collect();
    assert_eq!(urls.len(), 10_000);
    put_well(&url(&upload, 10_000), &bytes(1, LEAST)).await;
    let answer = act(&server, &upload, "complete").await;
    answer.assert_problem(400, "invalid_request");
    let said = answer.body["detail"].as_str().unwrap();
    assert!(said.ends_with("20 and 9979 more are not there"), "{said}");
}
