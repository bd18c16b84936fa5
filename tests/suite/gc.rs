//! What `gc` takes, and what it never does.

use std::fs;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use modelferry::gc::{Collector, Garbage};
use modelferry::storage::{BlobEntry, StorageKey};
use modelferry_fixtures::{Content, Fault, Hub, PlainFile, Repo, Scene, Site};
use modelferry_providers::Sha256;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::support::pipeline::{MIB, Pipeline};
use crate::support::{Home, eventually, hash_of};

/// Puts a blob into the storage that nothing names.
fn plant(home: &Home, bytes: &[u8]) -> String {
    let hash = hash_of(bytes);
    let folder = home.path().join("storage/blobs/sha256").join(&hash[..2]);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(&hash), bytes).unwrap();
    hash
}

fn of_type<'l>(lines: &'l [Value], kind: &str) -> Vec<&'l Value> {
    lines.iter().filter(|line| line["type"] == kind).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_import_needs_stays_and_the_rest_goes() {
    let hub = Hub::start(Scene::standard()).await.unwrap();
    let home = Home::of(&hub);
    home.succeed(&["import", "acme/tiny"]);
    let needed = home.blobs();
    let stray = plant(&home, b"nobody's");

    let told = home.succeed(&["gc", "--dry-run", "--json"]).lines();
    assert_eq!(told[0]["removed"], false);
    assert!(home.blobs().contains(&stray));

    let done = home.succeed(&["gc", "--json"]).lines();
    assert_eq!(of_type(&done, "blob").len(), 1);
    assert_eq!(
        done[0]["name"],
        format!("blobs/sha256/{}/{stray}", &stray[..2])
    );
    assert_eq!(done[0]["removed"], true);
    let summary = of_type(&done, "summary")[0];
    assert_eq!(
        (&summary["blobs"], &summary["bytes"]),
        (&1.into(), &8.into())
    );
    home.assert_holds_only(&needed);

    let again = home.succeed(&["gc", "--json"]).lines();
    assert_eq!(again.len(), 1, "{again:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_import_leaves_nothing_after_gc() {
    let file = PlainFile::new("/model.ckpt", Content::hostile_pickle());
    let hub = Hub::start(Scene::empty().file(file)).await.unwrap();
    let home = Home::of(&hub);
    let url = format!("{}/model.ckpt", hub.files_url());
    let line = home.import(&[&url, "--kind", "model"]);
    assert_eq!(line["error"]["code"], "unsafe_pickle", "{line:#}");
    home.succeed(&["gc"]);
    home.assert_holds_only(&[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_import_stored_is_kept_for_its_return() {
    let repo = Repo::model("acme/two")
        .lfs("a.bin", Content::seeded(1, MIB))
        .lfs("b.bin", Content::seeded(2, 40 * MIB));
    let hub = Hub::start(Scene::empty().repo(repo)).await.unwrap();
    hub.order(Fault::throttle(4 * MIB).path("b.bin").method("GET"));
    let home = Home::of(&hub);
    let words = ["import", "acme/two", "--kind", "asset"];
    let running = home.start(&words);
    eventually("the first file is stored", || home.blobs().len() == 1);
    running.signal("KILL");
    drop(running.ended());
    let stored = home.blobs();
    home.succeed(&["gc"]);
    assert_eq!(home.blobs(), stored);
    hub.clear_faults();
    hub.forget_requests();
    home.succeed(&words);
    let bodies = hub.requests();
    assert!(
        !bodies
            .iter()
            .any(|seen| seen.site == Site::Cdn && seen.path.contains("a.bin"))
    );
    home.succeed(&["gc"]);
    assert_eq!(home.blobs().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storage_that_other_records_use_keeps_what_is_theirs() {
    let hub = Hub::start(Scene::standard()).await.unwrap();
    let first = Home::of(&hub);
    let shared = format!("file://{}", first.path().join("storage").display());
    let second = Home::of(&hub).with("MODELFERRY_STORAGE", &shared);
    first.succeed(&["import", "acme/tiny"]);
    second.succeed(&["import", "civitai:4384@128713"]);
    let all = first.blobs();
    let young = plant(&first, b"on its way for the other");
    for home in [&first, &second] {
        home.succeed(&["gc"]);
    }
    let mut kept = all.clone();
    kept.push(young);
    kept.sort();
    assert_eq!(first.blobs(), kept);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_of_an_entity_that_never_was_goes() {
    let file = PlainFile::new("/model.ckpt", Content::hostile_pickle());
    let hub = Hub::start(Scene::empty().file(file)).await.unwrap();
    let home = Home::of(&hub);
    let url = format!("{}/model.ckpt", hub.files_url());
    let line = home.import(&[&url, "--kind", "model"]);
    let [model, _] = modelferry::entity::ids_for(line["upload"]["id"].as_str().unwrap());
    let folder = home.path().join("storage/entities").join(&model);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("manifest.json"), "{}").unwrap();
    let done = home.succeed(&["gc", "--json"]).lines();
    assert_eq!(of_type(&done, "manifest")[0]["name"], model);
    assert!(!folder.join("manifest.json").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_that_can_not_be_read_stops_it() {
    let hub = Hub::start(Scene::standard()).await.unwrap();
    let home = Home::of(&hub);
    let stray = plant(&home, b"nobody's");
    let folder = home.path().join("storage/entities/model_of_another");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("manifest.json"), "{").unwrap();
    let ran = home.run(&["gc"]);
    assert_eq!(ran.status, Some(1));
    assert!(ran.stderr.contains("model_of_another"), "{ran:?}");
    assert_eq!(home.blobs(), [stray]);
}

/// Collects over and over until told to stop, and says how many blobs went.
async fn collect(pipeline: Arc<Pipeline>, over: CancellationToken) -> usize {
    let mut removed = 0;
    while !over.is_cancelled() {
        let collector = Collector {
            records: &pipeline.ferry.records,
            storage: &*pipeline.ferry.storage,
            worker: "worker_collecting",
            abandoned_after: Duration::from_secs(7 * 86_400),
            dry_run: false,
            cancel: &CancellationToken::new(),
        };
        let mut report = |garbage: &Garbage| {
            removed += usize::from(matches!(garbage, Garbage::Blob { .. }));
        };
        collector.run(&mut report).await.unwrap();
    }
    removed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn beside_imports_it_never_takes_what_they_need() {
    // Small files have a git id and no SHA-256 beforehand, large ones have both; all of them are
    // in the storage already as garbage, which imports are glad to reuse and gc to remove.
    let mut repo = Repo::model("acme/many");
    let mut contents = Vec::new();
    for seed in 0..24 {
        let content = Content::seeded(seed, 3000 + seed);
        repo = if seed % 2 == 0 {
            repo.file(&format!("{seed}.bin"), content.clone())
        } else {
            repo.lfs(&format!("{seed}.bin"), content.clone())
        };
        contents.push(content);
    }
    let hub = Hub::start(Scene::empty().repo(repo)).await.unwrap();
    let pipeline = Arc::new(Pipeline::on(&hub).await);
    let over = CancellationToken::new();
    let collecting = beside({
        let (pipeline, over) = (pipeline.clone(), over.clone());
        move || collect(pipeline, over)
    });
    let blobs = pipeline.home.path().join("storage/blobs/sha256");
    for round in 0..6 {
        for content in &contents {
            let hash = content.sha256();
            fs::create_dir_all(blobs.join(&hash[..2])).unwrap();
            let staged = pipeline.home.path().join(format!("planted-{round}"));
            fs::write(&staged, content.to_vec()).unwrap();
            fs::rename(staged, blobs.join(&hash[..2]).join(&hash)).unwrap();
        }
        let ended = pipeline.import("acme/many", None).await;
        let ended = ended.unwrap_or_else(|(error, _)| panic!("round {round}: {error:?}"));
        for file in &ended.files {
            let key = StorageKey::Blob(file.sha256.unwrap());
            let there = pipeline.ferry.storage.stat(&key).await.unwrap();
            assert_eq!(there, file.size, "round {round}: {}", file.path);
        }
        forget_entities(&pipeline).await;
    }
    over.cancel();
    let removed = collecting.await.unwrap();
    assert!(removed > 0, "gc never had anything to do");
}

/// Runs it on a thread of its own.
fn beside<F: Future<Output: Send + 'static>>(
    work: impl FnOnce() -> F + Send + 'static,
) -> tokio::task::JoinHandle<F::Output> {
    let runtime = tokio::runtime::Handle::current();
    tokio::task::spawn_blocking(move || runtime.block_on(work()))
}

/// Makes garbage of everything imported so far. The records have no call for
/// taking an entity back, so this writes to their file.
async fn forget_entities(pipeline: &Pipeline) {
    let script = "import sqlite3,sys; c=sqlite3.connect(sys.argv[1],timeout=30); \
        c.execute('delete from entity_files'); \
        c.execute(\"update uploads set status='failed', error_code='cancelled'\"); c.commit()";
    let database = pipeline.home.path().join("modelferry.db");
    let done = tokio::task::spawn_blocking(move || {
        Command::new("python3")
            .args(["-c", script])
            .arg(database)
            .status()
    });
    assert!(done.await.unwrap().unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_waits_for_a_collector_that_was_there_first() {
    let content = Content::seeded(7, 5000);
    let repo = Repo::model("acme/one").lfs("one.bin", content.clone());
    let hub = Hub::start(Scene::empty().repo(repo)).await.unwrap();
    let pipeline = Arc::new(Pipeline::on(&hub).await);
    let sha256: Sha256 = content.sha256().parse().unwrap();
    let records = &pipeline.ferry.records;
    records
        .condemn("worker_collecting", &[sha256])
        .await
        .unwrap();
    let importing = beside({
        let pipeline = pipeline.clone();
        move || async move {
            let ended = pipeline.import("acme/one", None).await;
            ended.map(drop).map_err(|(error, _)| error)
        }
    });
    let entry = BlobEntry {
        sha256,
        size: 5000,
        since: chrono::Utc::now(),
    };
    while records.named(&[entry]).await.unwrap().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!importing.is_finished());
    let key = StorageKey::Blob(sha256);
    assert_eq!(pipeline.ferry.storage.stat(&key).await.unwrap(), None);
    records.acquit("worker_collecting", &[]).await.unwrap();
    importing.await.unwrap().unwrap();
    assert_eq!(pipeline.ferry.storage.stat(&key).await.unwrap(), Some(5000));
}
