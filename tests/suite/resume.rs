//! What is fetched again after a kill, and what never is joined.

use std::time::{Duration, Instant};

use modelferry_fixtures::{Content, Fault, Hub, PlainFile, Repo, Scene, Site};

use crate::support::Home;
use crate::support::pipeline::MIB;

const SIZE: u64 = 440 * MIB;

/// Runs the import, kills it once the origin has sent so much since now, and
/// says how much it had sent then.
fn kill_once_sent(hub: &Hub, site: Site, bytes: u64, home: &Home, words: &[&str]) -> u64 {
    let before = hub.bytes_sent(site);
    let mut running = home.start(words);
    let patience = Instant::now();
    while hub.bytes_sent(site) - before < bytes {
        assert!(running.is_running(), "it ended before it could be killed");
        assert!(
            patience.elapsed() < Duration::from_secs(120),
            "it gets nowhere"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
    running.kill();
    home.assert_sound();
    hub.bytes_sent(site) - before
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_costs_no_more_than_the_bytes_in_flight() {
    let repo = Repo::model("acme/long").lfs("model.bin", Content::sparse(SIZE));
    let hub = Hub::start(Scene::empty().repo(repo)).await.unwrap();
    let home = Home::of(&hub);
    let words = ["import", "--json", "acme/long", "--kind", "asset"];
    let sent = kill_once_sent(&hub, Site::Cdn, 330 * MIB, &home, &words);
    // Every link that the first process was given is dead by now.
    hub.expire_links();
    let before = hub.bytes_sent(Site::Cdn);
    home.succeed(&words);
    home.assert_clean(1);
    let again = sent + hub.bytes_sent(Site::Cdn) - before - SIZE;
    assert!(again <= 256 * MIB, "{} MiB came twice", again / MIB);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_that_changed_meanwhile_starts_over() {
    let file = PlainFile::new("/big.bin", Content::seeded(32, 160 * MIB));
    let changed = file.content.changed();
    let hub = Hub::start(Scene::empty().file(file)).await.unwrap();
    hub.order(Fault::throttle(30 * MIB).method("GET"));
    let url = format!("{}/big.bin", hub.files_url());
    let home = Home::of(&hub);
    let words = ["import", "--json", url.as_str(), "--kind", "asset"];
    kill_once_sent(&hub, Site::Files, 100 * MIB, &home, &words);
    hub.clear_faults();
    hub.order(Fault::change_file());
    let ran = home.run(&words);
    let line = ran.one_line();
    if ran.status == Some(0) {
        assert_eq!(line["artifacts"][0]["sha256"], changed.sha256());
    } else {
        assert_eq!(line["error"]["code"], "source_changed", "{line}");
    }
    crate::support::pipeline::blobs_that_match(home.path());
}
