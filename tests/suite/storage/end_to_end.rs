//! The real program, from the hub into a bucket.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use modelferry_fixtures::{Content, Fault as HubFault, Hub, PlainFile, Repo, Scene, Site};
use serde_json::Value;

use super::moto;
use super::s3::{Address, Fault, Server, ask};
use crate::crash::kills;
use crate::support::pipeline::MIB;
use crate::support::{Home, eventually, hash_of};

const BUCKET: &str = "models";
const ROOT: &str = "some/folder";

pub(super) fn home(hub: &Hub, address: &Address) -> Home {
    let home = Home::of(hub).with("MODELFERRY_STORAGE", &address.place.to_string());
    let variables = address.variables.iter();
    variables.fold(home, |home, (name, value)| home.with(name, value))
}

fn blob(hash: &str) -> String {
    format!("{ROOT}/blobs/sha256/{}/{hash}", &hash[..2])
}

/// The objects below the storage's root, without what the server adds.
fn objects(server: &Server, below: &str) -> Vec<String> {
    let mut names = server.objects(BUCKET);
    names.retain(|name| name.starts_with(&format!("{ROOT}/{below}")));
    names
}

fn assert_nothing_staged(server: &Server) {
    assert_eq!(objects(server, "staging"), Vec::<String>::new());
    assert_eq!(server.parts(), 0, "parts of unfinished uploads are left");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_lands_in_a_bucket_and_is_unchanged_the_second_time() {
    let repo = Repo::model("acme/mixed")
        .lfs("model.safetensors", Content::safetensors(1, 20 * MIB))
        .lfs("small.safetensors", Content::safetensors(2, 3 * MIB))
        .file("config.json", Content::bytes("{\"model_type\":\"x\"}"))
        .file("empty.txt", Content::bytes(""));
    let hub = Hub::start(Scene::empty().repo(repo)).await.unwrap();
    let server = Server::start().await;
    let home = home(&hub, &server.place(BUCKET));
    let line = home.import(&["acme/mixed"]);
    assert_eq!(line["outcome"], "imported", "{line:#}");
    let entity = line["upload"]["entityId"].as_str().unwrap();
    let manifest = server.read(BUCKET, &format!("{ROOT}/entities/{entity}/manifest.json"));
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    let files = manifest["files"].as_array().unwrap();
    assert_eq!(files.len(), 4);
    for file in files {
        let hash = file["sha256"].as_str().unwrap();
        let stored = server.read(BUCKET, &blob(hash));
        assert_eq!(hash_of(&stored), hash);
        assert_eq!(file["size"], stored.len());
    }
    assert_eq!(objects(&server, "blobs").len(), 4);
    assert_nothing_staged(&server);

    let before = hub.bytes_sent(Site::Cdn);
    let again = home.import(&["acme/mixed"]);
    assert_eq!(again["outcome"], "unchanged", "{again:#}");
    assert_eq!(hub.bytes_sent(Site::Cdn), before);
    home.succeed(&["verify"]);
    home.succeed(&["gc"]);
    assert_eq!(objects(&server, "blobs").len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_not_there_until_its_bytes_are_verified() {
    let content = Content::seeded(3, 30 * MIB);
    let repo = Repo::model("acme/big").lfs("big.bin", content.clone());
    let hub = Hub::start(Scene::empty().repo(repo)).await.unwrap();
    hub.order(HubFault::throttle(15 * MIB).method("GET").on(Site::Cdn));
    let server = Server::start().await;
    let home = home(&hub, &server.place(BUCKET)).with("MODELFERRY_CONNECTIONS_PER_HOST", "1");
    let running = home.start(&["import", "acme/big", "--kind", "asset"]);
    let (mut looked, mut most_parts) = (0, 0);
    while hub.bytes_sent(Site::Cdn) < content.size() {
        assert_eq!(objects(&server, "blobs"), Vec::<String>::new());
        looked += 1;
        most_parts = most_parts.max(server.parts());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(
        looked > 3 && most_parts > 0,
        "{looked} looks, {most_parts} parts"
    );
    let ran = running.ended();
    assert_eq!(ran.status, Some(0), "{ran:?}");
    assert_eq!(objects(&server, "blobs"), [blob(&content.sha256())]);
    assert_nothing_staged(&server);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_whose_parts_do_not_fit_into_memory_is_refused_before_it_moves() {
    let file = PlainFile::new("/huge.bin", Content::sparse(300_000 * MIB));
    let hub = Hub::start(Scene::empty().file(file)).await.unwrap();
    let server = Server::start().await;
    let home = home(&hub, &server.place(BUCKET)).with("MODELFERRY_MEMORY", "16 MiB");
    let url = format!("{}/huge.bin", hub.files_url());
    let line = home.import(&[&url, "--kind", "asset"]);
    assert_eq!(line["error"]["code"], "too_large", "{line:#}");
    let hint = line["error"]["hint"].as_str().unwrap();
    assert!(hint.contains("MODELFERRY_MEMORY to 34 MiB"), "{hint}");
    assert!(hub.bytes_sent(Site::Files) < MIB);
    assert_nothing_staged(&server);
}

/// Kills an import with `kill -9` in the middle, and lets another process go on.
async fn resumed(hub: &Hub, site: Site, source: &str, content: &Content) {
    hub.order(HubFault::throttle(12 * MIB).method("GET").on(site));
    let server = Server::start().await;
    // Little memory: what is in flight, and so comes twice, is much less than the file.
    let home = home(hub, &server.place(BUCKET)).with("MODELFERRY_MEMORY", "24 MiB");
    let words = ["import", source, "--kind", "asset"];
    let running = home.start(&words);
    eventually("most of it is sent", || {
        hub.bytes_sent(site) > content.size() * 3 / 4
    });
    running.signal("KILL");
    drop(running.ended());
    assert_eq!(objects(&server, "blobs"), Vec::<String>::new());
    hub.clear_faults();
    home.succeed(&words);
    let again = hub.bytes_sent(site) - content.size();
    assert!(
        again < content.size() * 3 / 4,
        "{} MiB came twice",
        again / MIB
    );
    let stored = server.read(BUCKET, &blob(&content.sha256()));
    assert_eq!(hash_of(&stored), content.sha256());
    assert_nothing_staged(&server);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_import_goes_on_from_the_stored_parts() {
    let content = Content::seeded(4, 140 * MIB);
    let repo = Repo::model("acme/long").lfs("long.bin", content.clone());
    let hub = Hub::start(Scene::empty().repo(repo)).await.unwrap();
    resumed(&hub, Site::Cdn, "acme/long", &content).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_import_of_unknown_hash_goes_on_too() {
    let content = Content::seeded(5, 140 * MIB);
    let file = PlainFile::new("/long.bin", content.clone());
    let hub = Hub::start(Scene::empty().file(file)).await.unwrap();
    let url = format!("{}/long.bin", hub.files_url());
    resumed(&hub, Site::Files, &url, &content).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_killed_at_random_moments_gets_into_the_bucket_in_the_end() {
    let repo = Repo::model("acme/crash")
        .lfs("model.safetensors", Content::safetensors(31, 100 * MIB))
        .file("config.json", Content::bytes("{\"model_type\": \"crash\"}"));
    let hub = Hub::start(Scene::empty().repo(repo)).await.unwrap();
    hub.order(HubFault::throttle(20 * MIB).on(Site::Cdn));
    let fresh = async || {
        let server = Server::start().await;
        let home = home(&hub, &server.place(BUCKET)).with("MODELFERRY_MEMORY", "32 MiB");
        (server, home)
    };
    let (mut server, mut home) = fresh().await;
    let (mut killed, mut random) = (0, 0x6d6f_6465_6c66_6572_u64);
    while killed < kills() {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let running = home.start(&["import", "acme/crash"]);
        tokio::time::sleep(Duration::from_millis(50 + (random >> 33) % 2_000)).await;
        running.signal("KILL");
        if running.ended().status.is_none() {
            killed += 1;
            assert_blobs_are_sound(&server);
        } else {
            assert_imported_whole(&server, &home);
            (server, home) = fresh().await;
        }
    }
    hub.clear_faults();
    assert_imported_whole(&server, &home);
}

fn assert_blobs_are_sound(server: &Server) {
    for name in objects(server, "blobs") {
        let hash = hash_of(&server.read(BUCKET, &name));
        assert!(name.ends_with(&hash), "{name} holds {hash}");
    }
}

/// Imports it, if it is not, and looks for what is left over.
fn assert_imported_whole(server: &Server, home: &Home) {
    // This server throws an upload away when whoever completes it hangs up
    // before it is done. The next run finds out, and the one after it is whole.
    let ran = home.run(&["import", "acme/crash"]);
    if ran.status != Some(0) {
        assert!(ran.stderr.contains("this file starts over"), "{ran:?}");
        home.succeed(&["import", "acme/crash"]);
    }
    assert_eq!(objects(server, "blobs").len(), 2);
    assert_blobs_are_sound(server);
    home.succeed(&["gc"]);
    // An upload begun right before a kill has no marker, and this server lists none.
    assert_eq!(objects(server, "staging"), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_import_leaves_no_parts_behind() {
    let content = Content::seeded(6, 12 * MIB);
    let repo = Repo::model("acme/bad").lfs("bad.bin", content);
    let hub = Hub::start(Scene::empty().repo(repo)).await.unwrap();
    hub.order(HubFault::flip_always().on(Site::Cdn));
    let server = Server::start().await;
    let home = home(&hub, &server.place(BUCKET));
    let line = home.import(&["acme/bad", "--kind", "asset"]);
    assert_eq!(line["error"]["code"], "hash_mismatch", "{line:#}");
    assert_eq!(objects(&server, ""), Vec::<String>::new());
    assert_nothing_staged(&server);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_away_in_the_middle_is_waited_for() {
    let content = Content::seeded(7, 24 * MIB);
    let repo = Repo::model("acme/patient").lfs("file.bin", content.clone());
    let hub = Hub::start(Scene::empty().repo(repo)).await.unwrap();
    let server = Server::start().await;
    let parts = Arc::new(AtomicU32::new(0));
    let mut back: Option<Instant> = None;
    server.order({
        let parts = parts.clone();
        move |method, path| {
            if method == "PUT" && path.contains("partNumber=") {
                parts.fetch_add(1, Ordering::Relaxed);
                back.get_or_insert(Instant::now() + Duration::from_secs(3));
            }
            let away = back.is_some_and(|back| Instant::now() < back);
            away.then_some(Fault::Answer(503, "ServiceUnavailable"))
        }
    });
    let home = home(&hub, &server.place(BUCKET));
    let line = home.import(&["acme/patient", "--kind", "asset"]);
    assert_eq!(line["outcome"], "imported", "{line:#}");
    assert!(parts.load(Ordering::Relaxed) > 3, "no part was sent again");
    assert_eq!(objects(&server, "blobs"), [blob(&content.sha256())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_credentials_end_it_before_anything_moves() {
    let hub = Hub::start(Scene::standard()).await.unwrap();
    let server = Server::start().await;
    let home = home(&hub, &server.place(BUCKET)).with("AWS_SECRET_ACCESS_KEY", "hunter2-secret");
    let ran = home.run(&["import", "acme/tiny"]);
    assert_ne!(ran.status, Some(0));
    assert!(ran.stderr.contains("storage_error"), "{ran:?}");
    assert!(ran.stderr.contains("AWS_SECRET_ACCESS_KEY"), "{ran:?}");
    assert!(!ran.all_text().contains("hunter2"), "{ran:?}");
    assert!(hub.requests().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn config_show_names_the_bucket_and_no_secret() {
    let hub = Hub::start(Scene::empty()).await.unwrap();
    let home = home(
        &hub,
        &Address::new("http://127.0.0.1:1", BUCKET, "k", "hunter2-secret"),
    );
    let ran = home.succeed(&["config", "show", "--json"]);
    let lines = ran.lines();
    let storage = lines.iter().find(|line| line["key"] == "storage").unwrap();
    assert_eq!(storage["value"], format!("s3://{BUCKET}/{ROOT}"));
    assert!(!ran.all_text().contains("hunter2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_object_is_found_and_fetched_again() {
    let large = Content::seeded(8, 9 * MIB);
    let small = Content::seeded(9, MIB);
    let repo = Repo::model("acme/pair")
        .lfs("large.bin", large.clone())
        .lfs("small.bin", small.clone());
    let hub = Hub::start(Scene::empty().repo(repo)).await.unwrap();
    let server = Server::start().await;
    let home = home(&hub, &server.place(BUCKET));
    home.succeed(&["import", "acme/pair", "--kind", "asset"]);
    for content in [&large, &small] {
        server.change(BUCKET, &blob(&content.sha256()), |bytes| bytes[1000] ^= 1);
    }
    let ran = home.run(&["verify", "--json"]);
    assert_eq!(ran.status, Some(1));
    assert_eq!(ran.lines().last().unwrap()["damaged"], 2);
    home.succeed(&["verify", "--repair"]);
    for content in [&large, &small] {
        let stored = server.read(BUCKET, &blob(&content.sha256()));
        assert_eq!(hash_of(&stored), content.sha256());
    }
    assert_nothing_staged(&server);
}

#[tokio::test(flavor = "multi_thread")]
async fn gc_ends_an_upload_that_nothing_names() {
    let hub = Hub::start(Scene::standard()).await.unwrap();
    let address = moto::address().await;
    let home = home(&hub, &address);
    home.succeed(&["import", "acme/tiny"]);
    let endpoint = &address.variables["AWS_ENDPOINT_URL"];
    let bucket = address
        .place
        .to_string()
        .split('/')
        .nth(2)
        .unwrap()
        .to_owned();
    let lost = blob(&hash_of(b"lost"));
    let (status, ..) = ask("POST", &format!("{endpoint}/{bucket}/{lost}?uploads"), b"").await;
    assert_eq!(status, 200);
    let lines = home.succeed(&["gc", "--json"]).lines();
    assert_eq!(lines[0]["type"], "unfinished");
    assert_eq!(
        format!("{ROOT}/{}", lines[0]["name"].as_str().unwrap()),
        lost
    );
    assert_eq!(lines[1]["unfinished"], 1);
    let again = home.succeed(&["gc", "--json"]).lines();
    assert_eq!(again.len(), 1, "{again:?}");
    home.succeed(&["verify"]);
}
