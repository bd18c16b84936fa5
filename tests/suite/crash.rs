//! The program killed at any moment: what is there is right, and the same
//! command goes on from it.

use std::time::Duration;

use modelferry_fixtures::{Content, Fault, Hub, Repo, Scene, Site};

use crate::support::Home;
use crate::support::pipeline::MIB;

/// Each step that makes something durable is followed by one of these, and
/// the next step comes after it.
const POINTS: &[&str] = &[
    "claimed",
    "plan-saved",
    "staged",
    "part-written",
    "verified",
    "synced",
    "renamed",
    "published",
    "stored",
    "whole-verified",
    "put-written",
    "put-renamed",
    "whole-published",
    "stored:2",
    "validating",
    "validated",
    "manifest-written",
    "library-linked",
    "imported",
];

/// What only a file passes that is long enough for checkpoints.
const CHECKPOINTS: &[&str] = &["flushed", "checkpoint-saved", "checkpoint-saved:2"];

const LARGE: u64 = 20 * MIB + 5;
const SOURCE: &str = "acme/crash";

/// A repository of a file in parts and two small ones.
async fn hub(large: u64) -> Hub {
    let repo = Repo::model(SOURCE)
        .lfs("model.safetensors", Content::safetensors(31, large))
        .file("config.json", Content::bytes("{\"model_type\": \"crash\"}"))
        .file("README.md", Content::bytes("# Crash\n"));
    Hub::start(Scene::empty().repo(repo)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_dies_between_any_two_steps_leaves_what_the_next_goes_on_with() {
    die_at_each(&hub(LARGE).await, POINTS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_dies_at_a_checkpoint_leaves_what_the_next_goes_on_with() {
    die_at_each(&hub(160 * MIB).await, CHECKPOINTS);
}

fn die_at_each(hub: &Hub, points: &[&str]) {
    for point in points {
        let home = Home::of(hub);
        home.crash_at(point, &["import", SOURCE]);
        home.assert_sound();
        let line = home.import(&[SOURCE]);
        let outcome = line["outcome"].as_str().unwrap();
        let expected = if *point == "imported" {
            "unchanged"
        } else {
            "imported"
        };
        assert_eq!(outcome, expected, "after {point}: {line:#}");
        home.assert_clean(3);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_killed_at_random_moments_gets_there_in_the_end() {
    let kills = kills();
    let hub = hub(48 * MIB).await;
    // Slow enough for the kills to fall into the transfer too.
    hub.order(Fault::throttle(6 * MIB).on(Site::Cdn));
    let mut home = Home::of(&hub);
    let mut random = 0x6d6f_6465_6c66_6572_u64;
    let (mut killed, mut finished) = (0, 0);
    while killed < kills {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let wait = Duration::from_millis(20 + (random >> 33) % 1_500);
        if home.kill_after(wait, &["import", SOURCE]) {
            killed += 1;
        } else {
            home.assert_clean(3);
            home = Home::of(&hub);
            finished += 1;
        }
    }
    let ran = home.run(&["import", SOURCE]);
    assert_eq!(
        ran.status,
        Some(0),
        "after {killed} kills, {finished} finished: {ran:?}"
    );
    home.assert_clean(3);
}

/// How many random kills to do: a longer run for whoever asks for one.
pub fn kills() -> u64 {
    let asked_for = std::env::var("MODELFERRY_TEST_KILLS").ok();
    asked_for.and_then(|text| text.parse().ok()).unwrap_or(10)
}
