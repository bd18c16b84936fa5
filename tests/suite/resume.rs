//! What is fetched again after a kill, and what never is joined.

use std::time::{Duration, Instant};

use modelferry_fixtures::{Content, Fault, Hub, PlainFile, Repo, Scene, Site};

use super::pipeline::MIB;
use super::program::Program;

const SIZE: u64 = 440 * MIB;

/// Runs the import, kills it once the origin has sent so much since now, and
/// says how much it had sent then.
fn kill_once_sent(hub: &Hub, site: Site, bytes: u64, program: &Program, words: &[&str]) -> u64 {
    let before = hub.bytes_sent(site);
    let mut child = program.start(words);
    let patience = Instant::now();
    while hub.bytes_sent(site) - before < bytes {
        assert!(
            child.try_wait().unwrap().is_none(),
            "it ended before it could be killed"
        );
        assert!(
            patience.elapsed() < Duration::from_secs(120),
            "it gets nowhere"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    program.assert_sound();
    hub.bytes_sent(site) - before
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_costs_no_more_than_the_bytes_in_flight() {
    let repo = Repo::model("acme/long").lfs("model.bin", Content::sparse(SIZE));
    let hub = Hub::start(Scene::empty().repo(repo)).await.unwrap();
    let program = Program::on(&hub);
    let words = ["import", "acme/long", "--kind", "asset"];
    let sent = kill_once_sent(&hub, Site::Cdn, 330 * MIB, &program, &words);
    // Every link that the first process was given is dead by now.
    hub.expire_links();
    let before = hub.bytes_sent(Site::Cdn);
    let ran = program.run(&words);
    assert!(ran.status.success(), "{ran:?}");
    program.assert_clean(1);
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
    let program = Program::on(&hub);
    let words = ["import", url.as_str(), "--kind", "asset"];
    kill_once_sent(&hub, Site::Files, 100 * MIB, &program, &words);
    hub.clear_faults();
    hub.order(Fault::change_file());
    let ran = program.run(&words);
    let line = &ran.lines[0];
    if ran.status.success() {
        assert_eq!(line["artifacts"][0]["sha256"], changed.sha256());
    } else {
        assert_eq!(line["error"]["code"], "source_changed", "{line}");
    }
    super::pipeline::blobs_that_match(program.home());
}
