//! What a sync takes of its list.

use modelferry_fixtures::{Content, Repo, RepoFile, Scene};

use super::{ACME, add, assert_counts, commit, dry_run, run, sources};
use crate::support::{Home, hub};

fn sized(id: &str, size: u64) -> Repo {
    let seed = id.len() as u64 + size;
    Repo::model(id).lfs("model.safetensors", Content::safetensors(seed, size))
}

fn shop() -> Scene {
    Scene::empty()
        .repo(
            sized("acme/small-chat", 10_000)
                .made_for("text-generation", "acme/base")
                .modified("2026-05-01T00:00:00.000Z"),
        )
        .repo(
            sized("acme/large-chat", 200_000)
                .made_for("text-generation", "acme/other")
                .modified("2026-06-01T00:00:00.000Z"),
        )
        .repo(
            sized("acme/painter", 30_000)
                .made_for("text-to-image", "acme/base")
                .modified("2026-04-01T00:00:00.000Z"),
        )
}

#[test]
fn each_filter_takes_what_it_says() {
    let hub = hub(shop());
    let home = Home::of(&hub);
    let (small, large, painter) = ("acme/small-chat", "acme/large-chat", "acme/painter");
    let cases: &[(&[&str], &[&str])] = &[
        (&[], &[large, painter, small]),
        (&["--match", "*-chat"], &[large, small]),
        (
            &["--match", "*/painter", "--match", "acme/small*"],
            &[painter, small],
        ),
        (&["--type", "Text-Generation"], &[large, small]),
        (&["--base-model", "acme/base"], &[painter, small]),
        (&["--max-size", "100 kB"], &[painter, small]),
        (&["--newest", "1"], &[large]),
        (
            &["--newest", "2", "--type", "text-generation"],
            &[large, small],
        ),
        (&["--since", "2026-05-01"], &[large, small]),
        (&["--since", "2026-05-01T00:00:01Z"], &[large]),
        (
            &["--type", "text-generation", "--base-model", "acme/base"],
            &[small],
        ),
        (&["--match", "nobody/*"], &[]),
    ];
    for (nth, (words, expected)) in cases.iter().enumerate() {
        let name = format!("case {nth}");
        add(&home, &name, ACME, words);
        let run = dry_run(&home, &name);
        assert_eq!(sources(&run, "new"), *expected, "{words:?}");
    }
}

#[test]
fn what_is_too_large_is_looked_at_once_and_again_only_when_it_changed() {
    let hub = hub(shop());
    let home = Home::of(&hub);
    add(&home, "small", ACME, &["--max-size", "100 kB"]);
    let first = run(&home, "small");
    assert_counts(&first, &[("seen", 2), ("new", 2)]);
    hub.forget_requests();
    assert_counts(&run(&home, "small"), &[("seen", 2), ("unchanged", 2)]);
    assert_eq!(hub.requests().len(), 1, "{:?}", hub.requests());

    hub.change_scene(|scene| {
        let shrunk = RepoFile::lfs("model.safetensors", Content::safetensors(5, 5000));
        scene
            .repo_mut("acme/large-chat")
            .unwrap()
            .commit(|tree| tree.put(shrunk));
    });
    let third = run(&home, "small");
    assert_eq!(sources(&third, "new"), ["acme/large-chat"]);
}

#[test]
fn what_a_filter_leaves_out_later_is_kept_and_not_called_missing() {
    let hub = hub(shop());
    let home = Home::of(&hub);
    add(
        &home,
        "newest",
        ACME,
        &["--newest", "1", "--prune", "--prune-percent", "100"],
    );
    assert_eq!(sources(&run(&home, "newest"), "new"), ["acme/large-chat"]);
    hub.change_scene(|scene| {
        let small = scene.repo_mut("acme/small-chat").unwrap();
        small.last_modified = "2026-07-01T00:00:00.000Z".into();
    });
    let second = run(&home, "newest");
    assert_counts(&second, &[("seen", 1), ("new", 1)]);
    assert_eq!(home.blobs().len(), 2);
}

#[test]
fn files_are_chosen_in_every_source() {
    let hub = hub(shop());
    let home = Home::of(&hub);
    commit(&hub, "acme/painter", "notes.md", "notes\n");
    add(&home, "weights", ACME, &["--exclude", "*.md"]);
    let first = run(&home, "weights");
    assert_counts(&first, &[("seen", 3), ("new", 3)]);
    assert_eq!(home.blobs().len(), 3, "the notes stay away");
}
