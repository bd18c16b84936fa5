//! The same content wanted several times at once is fetched once.

use std::sync::Arc;

use modelferry_fixtures::{Content, Fault, Hub, PlainFile, Repo, Scene, Site};

use crate::support::Home;
use crate::support::pipeline::{MIB, Pipeline};

const SIZE: u64 = 24 * MIB;

/// Two addresses of the same bytes.
async fn twins() -> (Hub, [String; 2], String) {
    let content = Content::seeded(41, SIZE);
    let scene = Scene::empty()
        .file(PlainFile::new("/one.bin", content.clone()))
        .file(PlainFile::new("/two.bin", content.clone()));
    let hub = Hub::start(scene).await.unwrap();
    hub.order(Fault::throttle(6 * MIB).method("GET"));
    let urls = ["/one.bin", "/two.bin"].map(|path| format!("{}{path}", hub.files_url()));
    (hub, urls, content.sha256())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_uploads_of_one_process_fetch_one_content_once() {
    let (hub, urls, sha256) = twins().await;
    let pipeline = Arc::new(Pipeline::on(&hub).await);
    let [first, second] = &urls;
    let (one, two) = tokio::join!(
        pipeline.import(first, Some(&sha256)),
        pipeline.import(second, Some(&sha256)),
    );
    let files = [one.unwrap(), two.unwrap()].map(|ended| ended.files[0].clone());
    let reused = files.iter().filter(|file| file.reused).count();
    assert_eq!(reused, 1, "one of them waited for the other");
    assert!(
        hub.bytes_sent(Site::Files) < SIZE + MIB,
        "what was looked at first is little"
    );
    for url in &urls {
        let path = url.rsplit('/').next().unwrap();
        let asked = |seen: &modelferry_fixtures::Seen| seen.path.ends_with(path);
        assert!(
            hub.requests().iter().any(asked),
            "access to {path} was proven"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_on_one_home_fetch_one_content_once() {
    let (hub, urls, sha256) = twins().await;
    let home = Home::of(&hub);
    let start = |url: &String| {
        let words = [
            "import",
            "--json",
            url.as_str(),
            "--kind",
            "asset",
            "--sha256",
            sha256.as_str(),
        ];
        home.start(&words)
    };
    for running in [start(&urls[0]), start(&urls[1])] {
        let ran = running.ended();
        assert_eq!(ran.status, Some(0), "{ran:?}");
    }
    assert!(
        hub.bytes_sent(Site::Files) < SIZE + MIB,
        "what was looked at first is little"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_waiting_process_takes_over_from_one_that_dies() {
    let (hub, urls, sha256) = twins().await;
    let home = Home::of(&hub);
    let words = |url: &String| {
        [
            "import", "--json", url, "--kind", "asset", "--sha256", &sha256,
        ]
        .map(str::to_owned)
    };
    let [first, second] = urls.each_ref().map(words);
    let mut dying = home.start(&first.each_ref().map(String::as_str));
    while hub.bytes_sent(Site::Files) < MIB {
        assert!(dying.is_running());
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let waiting = home.start(&second.each_ref().map(String::as_str));
    std::thread::sleep(std::time::Duration::from_millis(300));
    dying.kill();
    let ran = waiting.ended();
    assert_eq!(ran.status, Some(0), "{ran:?}");
    assert_eq!(ran.one_line()["artifacts"][0]["sha256"], sha256);
}

#[tokio::test]
async fn the_same_bytes_under_two_names_of_a_repository_come_once() {
    let content = Content::seeded(42, 3 * MIB);
    let repo = Repo::model("acme/twice")
        .lfs("a.bin", content.clone())
        .lfs("b.bin", content.clone());
    let hub = Hub::start(Scene::empty().repo(repo)).await.unwrap();
    let pipeline = Pipeline::on(&hub).await;
    let ended = pipeline.import("acme/twice", None).await.unwrap();
    let sent = hub.bytes_sent(Site::Cdn);
    assert!(sent < 4 * MIB, "what was looked at first is little: {sent}");
    assert_eq!(pipeline.assert_blobs_match_their_names(), 1);
    let reused: Vec<bool> = ended.files.iter().map(|file| file.reused).collect();
    assert_eq!(reused, [false, true]);
}
