use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::Value;

use super::{MIB, Server, one_file, one_slow_file};
use modelferry_fixtures::{Fault, Site};

#[derive(Debug, PartialEq)]
struct Event {
    kind: String,
    id: Option<i64>,
    data: Value,
    at: Duration,
}

/// Reads a stream to its end.
async fn follow(server: &Server, upload: &Value, last: Option<i64>) -> Vec<Event> {
    let path = format!("/v1/uploads/{}/events", upload["id"].as_str().unwrap());
    let mut request = server.request(Method::GET, &path, &server.key);
    if let Some(last) = last {
        request = request.header("last-event-id", last);
    }
    let started = Instant::now();
    let mut response = request.send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let (mut events, mut text) = (Vec::new(), String::new());
    while let Some(bytes) = response.chunk().await.unwrap() {
        text.push_str(std::str::from_utf8(&bytes).unwrap());
        while let Some((one, rest)) = text.split_once("\n\n") {
            let field = |name: &str| {
                one.lines()
                    .find_map(|line| line.strip_prefix(name))
                    .map(str::trim)
            };
            if let Some(kind) = field("event:") {
                events.push(Event {
                    kind: kind.to_owned(),
                    id: field("id:").map(|id| id.parse().unwrap()),
                    data: serde_json::from_str(field("data:").unwrap()).unwrap(),
                    at: started.elapsed(),
                });
            }
            text = rest.to_owned();
        }
    }
    events
}

fn statuses(events: &[Event]) -> Vec<&str> {
    let moves = events.iter().filter(|event| event.kind == "status");
    moves
        .map(|event| event.data["status"].as_str().unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_tells_every_move_and_ends_with_the_last() {
    let (hub, url) = one_file(MIB).await;
    let server = Server::start(&hub, "1").await;
    let upload = server.ask(&url).await;
    let events = follow(&server, &upload, None).await;
    assert_eq!(
        statuses(&events),
        ["pending", "validating", "validated", "imported"]
    );
    let file = events
        .iter()
        .find(|event| event.kind == "artifact")
        .unwrap();
    assert_eq!(
        (&file.data["path"], &file.data["status"]),
        (&"a.bin".into(), &"stored".into())
    );
    let again = follow(&server, &upload, None).await;
    assert_eq!(statuses(&again), statuses(&events));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_goes_on_after_the_last_event_seen() {
    let (hub, url) = one_file(MIB).await;
    let server = Server::start(&hub, "1").await;
    let upload = server.ask(&url).await;
    let events = follow(&server, &upload, None).await;
    let validating = events
        .iter()
        .find(|event| event.data["status"] == "validating")
        .unwrap();
    let rest = follow(&server, &upload, validating.id).await;
    assert_eq!(statuses(&rest), ["validated", "imported"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn progress_of_another_process_comes_at_most_four_times_a_second() {
    let (hub, url) = one_file(8 * MIB).await;
    hub.order(Fault::throttle(3 * MIB).on(Site::Files));
    let server = Server::start(&hub, "0").await;
    let upload = server.ask(&url).await;
    let _worker = server.home.start(&["worker", "--workers", "1"]);
    let events = follow(&server, &upload, None).await;
    assert_eq!(statuses(&events).last(), Some(&"imported"));
    let progress: Vec<&Event> = events
        .iter()
        .filter(|event| event.kind == "progress")
        .collect();
    assert!(progress.len() >= 2, "{events:#?}");
    let done: Vec<u64> = progress
        .iter()
        .map(|event| event.data["bytesDone"].as_u64().unwrap())
        .collect();
    assert!(
        done.is_sorted() && done.last() <= Some(&(8 * MIB)),
        "{done:?}"
    );
    let seconds = progress.last().unwrap().at - progress[0].at;
    let most = 4 * (seconds.as_secs() as usize + 1) + 1;
    assert!(progress.len() <= most, "{} in {seconds:?}", progress.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_upload_ends_its_streams() {
    let (hub, url) = one_slow_file().await;
    let server = Server::start(&hub, "1").await;
    let upload = server.ask(&url).await;
    let path = format!("/v1/uploads/{}/action", upload["id"].as_str().unwrap());
    let cancel = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        server
            .post(&path, &serde_json::json!({ "action": "cancel" }))
            .await
    };
    let (events, _) = tokio::join!(follow(&server, &upload, None), cancel);
    let last = events.iter().rfind(|event| event.kind == "status").unwrap();
    assert_eq!(last.data["status"], "failed");
    assert_eq!(last.data["error"]["code"], "cancelled");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_a_key_that_is_revoked_ends_soon() {
    let (hub, url) = one_slow_file().await;
    let server = Server::start(&hub, "0").await;
    let upload = server.ask(&url).await;
    let viewer = super::Key::make(&server.home, &[]);
    let path = format!("/v1/uploads/{}/events", upload["id"].as_str().unwrap());
    let request = server.request(Method::GET, &path, &viewer);
    let mut stream = request.send().await.unwrap();
    assert!(stream.chunk().await.unwrap().is_some());
    server.home.succeed(&["keys", "revoke", &viewer.id]);
    let ends = async { while stream.chunk().await.unwrap().is_some() {} };
    // The upload itself goes on for ever: nothing else ends the stream.
    tokio::time::timeout(Duration::from_secs(60), ends)
        .await
        .unwrap();
    let path = format!("/v1/uploads/{}", upload["id"].as_str().unwrap());
    assert_eq!(server.get(&path).await.upload()["status"], "pending");
}
