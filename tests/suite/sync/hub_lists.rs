//! Lists on a hub: authors, collections, creators, tags, searches, versions.

use modelferry_fixtures::{
    CivitaiFile, CivitaiModel, CivitaiVersion, Collection, Content, Fault, Mirror, Repo, RepoKind,
    Scene, Site,
};

use super::{ACME, add, assert_counts, author_of, commit, dry_run, model, run, sources};
use crate::support::{Home, hub};

#[test]
fn an_authors_models_are_imported_and_later_only_what_differs() {
    let hub = hub(author_of(5).repo(model("other/x", 90)));
    let home = Home::of(&hub);
    assert_eq!(add(&home, "acme", ACME, &[])["listing"], "author");
    assert_counts(&run(&home, "acme"), &[("seen", 5), ("new", 5)]);

    commit(&hub, "acme/m1", "news.md", "news\n");
    hub.change_scene(|scene| {
        scene.repos.retain(|repo| repo.id != "acme/m2");
        scene.repos.push(model("acme/m9", 9));
    });
    let expected = [
        ("seen", 5),
        ("new", 1),
        ("changed", 1),
        ("unchanged", 3),
        ("missing", 1),
    ];
    let foreseen = dry_run(&home, "acme");
    assert_counts(&foreseen, &expected);
    let second = run(&home, "acme");
    assert_counts(&second, &expected);
    for run in [foreseen, second] {
        assert_eq!(sources(&run, "new"), ["acme/m9"]);
        assert_eq!(sources(&run, "changed"), ["acme/m1"]);
        assert_eq!(sources(&run, "missing"), ["acme/m2"]);
    }
    assert_counts(
        &run(&home, "acme"),
        &[("seen", 5), ("unchanged", 5), ("missing", 1)],
    );
}

#[test]
fn an_author_of_whom_nothing_changed_costs_one_request_a_page() {
    let hub = hub(author_of(7).mirror(Mirror {
        page_size: 3,
        ..Mirror::default()
    }));
    let home = Home::of(&hub);
    add(&home, "acme", ACME, &[]);
    run(&home, "acme");
    hub.forget_requests();
    assert_counts(&run(&home, "acme"), &[("seen", 7), ("unchanged", 7)]);
    assert_eq!(hub.requests().len(), 3, "{:?}", hub.requests());
}

#[test]
fn what_is_there_again_is_missing_no_more() {
    let hub = hub(author_of(3));
    let home = Home::of(&hub);
    add(&home, "acme", ACME, &[]);
    run(&home, "acme");
    let gone = hub.scene().find_repo("acme/m1").unwrap().clone();
    hub.change_scene(|scene| scene.repos.retain(|repo| repo.id != "acme/m1"));
    assert_counts(
        &run(&home, "acme"),
        &[("seen", 2), ("unchanged", 2), ("missing", 1)],
    );
    hub.change_scene(|scene| scene.repos.push(gone));
    let back = run(&home, "acme");
    assert_counts(&back, &[("seen", 3), ("unchanged", 3)]);
    assert_eq!(back["counts"]["bytes"], 0);
}

#[test]
fn one_source_that_fails_stops_no_other() {
    let scene =
        author_of(3).repo(model("acme/gated", 50).gated(modelferry_fixtures::Gate::Manual, &[]));
    let hub = hub(scene);
    let home = Home::of(&hub);
    add(&home, "acme", ACME, &[]);
    let ran = home.run(&["sync", "run", "--json", "acme"]);
    assert_eq!(ran.status, Some(1), "{ran:?}");
    let run = &ran.one_line()["run"];
    assert_eq!(run["status"], "done");
    assert_counts(run, &[("seen", 4), ("new", 3), ("failed", 1)]);
    assert_eq!(run["difference"]["failed"][0]["error"]["code"], "gated");
}

#[test]
fn a_list_that_breaks_off_fails_the_run_and_calls_nothing_missing() {
    let hub = hub(author_of(6).mirror(Mirror {
        page_size: 2,
        ..Mirror::default()
    }));
    let home = Home::of(&hub);
    add(&home, "acme", ACME, &["--prune", "--prune-percent", "100"]);
    run(&home, "acme");
    hub.order(Fault::status(403).on(Site::HuggingFace).path("cursor"));
    let broken = run(&home, "acme");
    assert_eq!(broken["status"], "failed", "{broken:#}");
    assert_eq!(broken["error"]["code"], "auth_required");
    assert_counts(&broken, &[("seen", 2), ("unchanged", 2)]);
    hub.clear_faults();
    assert_counts(&run(&home, "acme"), &[("seen", 6), ("unchanged", 6)]);
}

#[test]
fn a_collection_is_followed_across_owners_and_types() {
    let slug = "acme/fine-0123456789abcdef01234567";
    let mut scene = author_of(2)
        .repo(model("other/x", 90))
        .repo(Repo::dataset("acme/data").file("a.csv", Content::bytes("a,b\n1,2\n")));
    scene.collections.push(Collection {
        slug: slug.into(),
        title: "Fine".into(),
        items: vec![
            (RepoKind::Dataset, "acme/data".into()),
            (RepoKind::Model, "other/x".into()),
        ],
    });
    let hub = hub(scene);
    let home = Home::of(&hub);
    let address = format!("https://huggingface.co/collections/{slug}");
    assert_eq!(add(&home, "fine", &address, &[])["listing"], "collection");
    let first = run(&home, "fine");
    assert_counts(&first, &[("seen", 2), ("new", 2)]);
    assert_eq!(
        sources(&first, "new"),
        ["hf://datasets/acme/data", "other/x"]
    );
}

fn weights(id: u64) -> CivitaiFile {
    CivitaiFile::new(id, "w.safetensors", Content::safetensors(id, 20_000))
}

fn version(id: u64, published_at: &str) -> CivitaiVersion {
    let mut version = CivitaiVersion::new(id, &format!("v{id}")).file(weights(id * 10));
    version.published_at = published_at.into();
    version
}

const EARLIER: &str = "2026-02-03T04:05:06.789Z";
/// Later than any sync of a test is made.
const LATER: &str = "2199-01-01T00:00:00.000Z";

fn painters(count: u64) -> Scene {
    (1..=count).fold(Scene::empty(), |scene, id| {
        let mut model = CivitaiModel::new(id, &format!("Fox {id}"), "LORA").creator("painter");
        model.tags = vec!["anime".into()];
        scene.model(model.version(version(id * 10, EARLIER)))
    })
}

#[test]
fn a_creators_models_are_followed_at_their_newest_versions() {
    let hub = hub(painters(3));
    let home = Home::of(&hub);
    let made = add(&home, "painter", "https://civitai.com/user/painter", &[]);
    assert_eq!(made["listing"], "creator");
    assert_counts(&run(&home, "painter"), &[("seen", 3), ("new", 3)]);
    hub.forget_requests();
    assert_counts(&run(&home, "painter"), &[("seen", 3), ("unchanged", 3)]);
    assert_eq!(hub.requests().len(), 1, "{:?}", hub.requests());

    hub.change_scene(|scene| scene.models[1].versions.insert(0, version(21, LATER)));
    let third = run(&home, "painter");
    assert_counts(&third, &[("seen", 3), ("changed", 1), ("unchanged", 2)]);
    let changed = &third["difference"]["changed"][0];
    assert_eq!(
        (&changed["from"], &changed["revision"]),
        (&"20".into(), &"21".into())
    );
}

#[test]
fn tags_and_searches_go_on_past_an_empty_page_and_take_each_model_once() {
    let hub = hub(painters(230));
    let home = Home::of(&hub);
    for (name, address, kind) in [
        ("tag", "https://civitai.com/tag/anime", "tag"),
        (
            "search",
            "https://civitai.com/models?query=fox&types=LORA",
            "search",
        ),
    ] {
        let made = add(&home, name, address, &[]);
        assert_eq!(made["listing"], kind);
        assert_eq!(made["source"], address, "a search is shown whole");
        let foreseen = dry_run(&home, name);
        assert_counts(&foreseen, &[("seen", 230), ("new", 230)]);
        assert_eq!(
            foreseen["difference"]["new"].as_array().map(Vec::len),
            Some(100)
        );
        assert_eq!(foreseen["difference"]["cut"], true);
    }
}

/// A model of two old versions.
fn one_model() -> Scene {
    let model = CivitaiModel::new(7, "Fox", "LORA")
        .version(version(72, EARLIER))
        .version(version(71, "2025-02-03T04:05:06.789Z"));
    Scene::empty().model(model)
}

#[test]
fn of_a_model_the_newest_version_is_taken_and_every_one_published_from_then_on() {
    let hub = hub(one_model());
    let home = Home::of(&hub);
    assert_eq!(
        add(&home, "fox", "civitai:7", &[])["listing"],
        "civitai-model"
    );
    let first = run(&home, "fox");
    assert_counts(&first, &[("seen", 1), ("new", 1)]);
    assert_eq!(sources(&first, "new"), ["civitai:7@72"]);

    hub.change_scene(|scene| {
        scene.models[0].versions.insert(0, version(73, LATER));
        scene.models[0]
            .versions
            .insert(0, version(74, "2199-02-01T00:00:00.000Z"));
    });
    hub.forget_requests();
    let second = run(&home, "fox");
    assert_counts(&second, &[("seen", 3), ("new", 2), ("unchanged", 1)]);
    assert_eq!(sources(&second, "new"), ["civitai:7@73", "civitai:7@74"]);

    hub.forget_requests();
    assert_counts(&run(&home, "fox"), &[("seen", 3), ("unchanged", 3)]);
    assert_eq!(hub.requests().len(), 1, "the model alone is asked for");
}

#[test]
fn so_many_versions_of_a_model_are_taken_as_are_asked_for() {
    let hub = hub(one_model());
    let home = Home::of(&hub);
    add(
        &home,
        "both",
        "https://civitai.com/models/7",
        &["--newest", "2"],
    );
    assert_counts(&run(&home, "both"), &[("seen", 2), ("new", 2)]);
}

#[test]
fn a_version_that_is_gone_is_kept_here_and_called_missing() {
    let hub = hub(one_model());
    let home = Home::of(&hub);
    add(&home, "fox", "civitai:7", &[]);
    run(&home, "fox");
    hub.change_scene(|scene| {
        scene.models[0].versions.retain(|version| version.id != 72);
    });
    let gone = run(&home, "fox");
    assert_eq!(sources(&gone, "missing"), ["civitai:7@72"]);
    assert_eq!(home.blobs().len(), 2, "the older version came in its place");
}
