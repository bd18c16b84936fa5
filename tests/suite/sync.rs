//! Scheduled imports, by the real program against the hub.

mod bad_input;
mod docs;
mod filters;
mod hub_lists;
mod own_lists;
mod prune;
mod repo;
mod schedule;

use std::fs;

use modelferry_fixtures::{Content, Hub, Repo, Scene};
use serde_json::Value;

use crate::support::{Home, Ran};

/// `sync add --json` of a source that nobody runs by itself before next year.
fn add(home: &Home, name: &str, source: &str, more: &[&str]) -> Value {
    let words = ["sync", "add", "--json", name, source, "--cron", "0 3 1 1 *"];
    home.succeed(&[&words, more].concat()).one_line()
}

/// `sync run --json` of one sync: its run, whatever came of it.
fn run(home: &Home, name: &str) -> Value {
    let ran = home.run(&["sync", "run", "--json", name]);
    ran.one_line()["run"].take()
}

fn dry_run(home: &Home, name: &str) -> Value {
    let ran = home.succeed(&["sync", "run", "--json", "--dry-run", name]);
    ran.one_line()["run"].take()
}

/// The counts of a run that are not nothing, but the bytes.
fn counts(run: &Value) -> Vec<(String, u64)> {
    let counts = run["counts"]
        .as_object()
        .unwrap_or_else(|| panic!("{run:#}"));
    let some = counts.iter().filter(|(name, _)| *name != "bytes");
    let some = some.map(|(name, count)| (name.clone(), count.as_u64().unwrap()));
    some.filter(|(_, count)| *count > 0).collect()
}

fn assert_counts(run: &Value, expected: &[(&str, u64)]) {
    let mut expected: Vec<_> = expected
        .iter()
        .map(|(name, count)| ((*name).to_owned(), *count))
        .collect();
    expected.sort();
    let mut found = counts(run);
    found.sort();
    assert_eq!(found, expected, "{run:#}");
}

/// The sources in one of a run's lists, sorted.
fn sources(run: &Value, list: &str) -> Vec<String> {
    let named = run["difference"][list]
        .as_array()
        .unwrap_or_else(|| panic!("{run:#}"));
    let mut sources: Vec<String> = named
        .iter()
        .map(|named| named["source"].as_str().unwrap().to_owned())
        .collect();
    sources.sort();
    sources
}

/// Puts a new file into a repository of the hub: another commit.
fn commit(hub: &Hub, repo: &str, path: &str, text: &str) {
    let file = modelferry_fixtures::RepoFile::plain(path, Content::bytes(text.to_owned()));
    hub.change_scene(|scene| {
        let repo = scene.repo_mut(repo).unwrap();
        repo.commit(|tree| tree.put(file));
    });
}

/// A model of one small file of its own.
fn model(id: &str, seed: u64) -> Repo {
    Repo::model(id).lfs("model.safetensors", Content::safetensors(seed, 20_000))
}

/// An author with so many models.
fn author_of(count: u64) -> Scene {
    (0..count).fold(Scene::empty(), |scene, nth| {
        scene.repo(model(&format!("acme/m{nth}"), nth))
    })
}

const ACME: &str = "https://huggingface.co/acme";

/// A file beside the home, by its path.
fn written(home: &Home, name: &str, text: &[u8]) -> String {
    let path = home.beside(name);
    fs::write(&path, text).unwrap();
    path.display().to_string()
}

fn assert_refused(ran: &Ran, code: &str, said: &str) {
    assert_eq!(ran.status, Some(2), "{ran:?}");
    let error = &ran.one_line()["error"];
    assert_eq!(error["code"], code, "{ran:?}");
    assert!(ran.stderr.contains(said), "{said}: {ran:?}");
    assert!(error["hint"].is_string(), "{ran:?}");
}
