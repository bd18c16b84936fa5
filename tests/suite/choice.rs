//! Which files of a repository are taken: safetensors before pickles of the
//! same weights, and no leftovers of training runs that the gate refuses.

use std::fs;

use modelferry_fixtures::{Content, Repo, Scene, Site};
use serde_json::Value;

use crate::support::{Home, hub};

/// What the Trainer of transformers leaves: an object of a class of its own.
fn training_args() -> Content {
    Content::bytes(
        b"\x80\x02ctransformers.training_args\nTrainingArguments\n)\x81}X\x02\0\0\0lrK\x01sb."
            .to_vec(),
    )
}

/// A model in both formats, with what is left of its training.
fn trained() -> Repo {
    Repo::model("acme/trained")
        .file("config.json", Content::bytes("{}\n"))
        .lfs("model.safetensors", Content::safetensors(1, 4096))
        .lfs("optimizer.pt", Content::pickle_torch_zip(2))
        .lfs("pytorch_model.bin", Content::pickle_torch_zip(3))
        .lfs("training_args.bin", training_args())
}

fn artifact<'l>(line: &'l Value, path: &str) -> Option<&'l Value> {
    let files = line["artifacts"].as_array().unwrap();
    files.iter().find(|file| file["path"] == path)
}

fn paths(line: &Value) -> Vec<&str> {
    let files = line["artifacts"].as_array().unwrap();
    files
        .iter()
        .map(|file| file["path"].as_str().unwrap())
        .collect()
}

/// The files of the entity that came of it.
fn registered(home: &Home, line: &Value) -> Vec<String> {
    let entity = line["upload"]["entityId"].as_str().expect("an entity");
    let path = format!("storage/entities/{entity}/manifest.json");
    let manifest = fs::read(home.path().join(path)).unwrap();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    let files = manifest["files"].as_array().unwrap();
    files
        .iter()
        .map(|file| file["path"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn safetensors_are_taken_before_pickles_and_refused_leftovers_are_listed() {
    let hub = hub(Scene::empty().repo(trained()));
    let home = Home::of(&hub);
    let line = home.import(&["acme/trained"]);
    assert_eq!(line["outcome"], "imported", "{line:#}");
    assert!(artifact(&line, "pytorch_model.bin").is_none());
    let refused = artifact(&line, "training_args.bin").unwrap();
    assert_eq!(refused["status"], "refused", "{line:#}");
    let reason = refused["reason"].as_str().unwrap();
    assert!(reason.contains("TrainingArguments"), "{reason}");
    assert_eq!(artifact(&line, "optimizer.pt").unwrap()["status"], "stored");
    let taken = ["config.json", "model.safetensors", "optimizer.pt"];
    assert_eq!(registered(&home, &line), taken);
    assert_eq!(home.blobs().len(), taken.len());
    let shown = home.succeed(&["uploads", "show", line["upload"]["id"].as_str().unwrap()]);
    assert!(
        shown.stdout.contains("training_args.bin was left out"),
        "{shown:?}"
    );
}

#[test]
fn people_are_told_what_was_left_out_and_how_to_have_it() {
    let hub = hub(Scene::empty().repo(trained()));
    let ran = Home::of(&hub).succeed(&["import", "acme/trained"]);
    for said in [
        "pytorch_model.bin left out: the same weights are here as safetensors",
        "--include '*'",
        "training_args.bin was left out: the arguments of a training run",
    ] {
        assert!(ran.all_text().contains(said), "{said}: {ran:?}");
    }
}

#[test]
fn a_second_run_is_unchanged_and_moves_nothing() {
    let hub = hub(Scene::empty().repo(trained()));
    let home = Home::of(&hub);
    let first = home.import(&["acme/trained"]);
    hub.forget_requests();
    let second = home.import(&["acme/trained"]);
    assert_eq!(second["outcome"], "unchanged", "{second:#}");
    assert_eq!(second["upload"]["id"], first["upload"]["id"]);
    assert_eq!(hub.bytes_sent(Site::Cdn), 0);
    let refused = artifact(&second, "training_args.bin").unwrap();
    assert_eq!(
        (&refused["status"], &refused["reused"]),
        (&"refused".into(), &false.into())
    );
    assert_eq!(
        artifact(&second, "model.safetensors").unwrap()["reused"],
        true
    );
}

#[test]
fn another_policy_makes_another_import() {
    let hub = hub(Scene::empty().repo(trained()));
    let home = Home::of(&hub);
    let scanned = home.import(&["acme/trained"]);
    let allowed = home.import(&["--pickle", "allow", "acme/trained"]);
    assert_eq!(allowed["outcome"], "imported", "{allowed:#}");
    assert_ne!(allowed["upload"]["id"], scanned["upload"]["id"]);
    let all = [
        "config.json",
        "model.safetensors",
        "optimizer.pt",
        "pytorch_model.bin",
        "training_args.bin",
    ];
    assert_eq!(registered(&home, &allowed), all);
    let again = home.import(&["--pickle", "allow", "acme/trained"]);
    assert_eq!(again["outcome"], "unchanged");
}

#[test]
fn where_pickles_are_refused_leftovers_are_left_out_unread() {
    let hub = hub(Scene::empty().repo(trained()));
    let home = Home::of(&hub).with("MODELFERRY_PICKLE", "refuse");
    let line = home.import(&["acme/trained"]);
    assert_eq!(line["outcome"], "imported", "{line:#}");
    assert_eq!(
        registered(&home, &line),
        ["config.json", "model.safetensors"]
    );
    for path in ["optimizer.pt", "training_args.bin"] {
        assert_eq!(artifact(&line, path).unwrap()["status"], "refused");
    }
}

#[test]
fn include_says_what_is_taken() {
    let hub = hub(Scene::empty().repo(trained()));
    let home = Home::of(&hub);
    let line = home.import(&[
        "--include",
        "*.json",
        "--include",
        "*model*",
        "acme/trained",
    ]);
    assert_eq!(line["outcome"], "imported", "{line:#}");
    assert_eq!(
        paths(&line),
        ["config.json", "model.safetensors", "pytorch_model.bin"]
    );
}

#[test]
fn a_refused_file_that_was_asked_for_by_name_fails_the_import() {
    let hub = hub(Scene::empty().repo(trained()));
    let home = Home::of(&hub);
    let by_name: [&[&str]; 3] = [
        &["hf://acme/trained/training_args.bin"],
        &["--include", "training_args.bin", "acme/trained"],
        &[
            "--include",
            "*.safetensors",
            "--include",
            "training_args.bin",
            "acme/trained",
        ],
    ];
    for words in by_name {
        let line = home.import(words);
        assert_eq!(
            line["error"]["code"], "unsafe_pickle",
            "{words:?}: {line:#}"
        );
        assert_eq!(line["upload"]["status"], "failed");
    }
    let line = home.import(&[
        "--include",
        "*.safetensors",
        "--include",
        "training_args.*",
        "acme/trained",
    ]);
    assert_eq!(line["outcome"], "imported", "{line:#}");
    assert_eq!(
        artifact(&line, "training_args.bin").unwrap()["status"],
        "refused"
    );
}

#[test]
fn leftovers_alone_are_no_model() {
    let repo = Repo::model("acme/leftovers")
        .file("config.json", Content::bytes("{}\n"))
        .lfs("training_args.bin", training_args());
    let hub = hub(Scene::empty().repo(repo));
    let line = Home::of(&hub).import(&["acme/leftovers"]);
    assert_eq!(line["error"]["code"], "unsafe_pickle", "{line:#}");
}

#[test]
fn refused_weights_fail_the_import() {
    let repo = trained().lfs("extra.pt", Content::hostile_pickle());
    let hub = hub(Scene::empty().repo(repo));
    let home = Home::of(&hub);
    let line = home.import(&["acme/trained"]);
    assert_eq!(line["error"]["code"], "unsafe_pickle", "{line:#}");
    assert!(
        line["error"]["message"]
            .as_str()
            .unwrap()
            .contains("extra.pt")
    );
    assert_eq!(home.files("storage/entities"), Vec::<String>::new());
}

#[test]
fn a_leftover_that_is_held_already_is_refused_all_the_same() {
    let hub = hub(Scene::empty().repo(trained()));
    let home = Home::of(&hub);
    let kept = home.import(&["--pickle", "allow", "acme/trained"]);
    assert_eq!(kept["outcome"], "imported", "{kept:#}");
    let line = home.import(&["acme/trained"]);
    assert_eq!(line["outcome"], "imported", "{line:#}");
    assert_eq!(
        artifact(&line, "training_args.bin").unwrap()["status"],
        "refused"
    );
    assert_eq!(
        registered(&home, &line),
        ["config.json", "model.safetensors", "optimizer.pt"]
    );
}

#[test]
fn resolve_shows_what_is_left_out_and_why() {
    let hub = hub(Scene::empty().repo(trained()));
    let home = Home::of(&hub);
    let plan = home
        .succeed(&["resolve", "--json", "acme/trained"])
        .one_line();
    assert!(!paths(&plan).contains(&"pytorch_model.bin"), "{plan:#}");
    assert_eq!(plan["leftOut"][0]["path"], "pytorch_model.bin");
    let reason = plan["leftOut"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("model.safetensors"), "{reason}");
    assert_eq!(plan["warnings"][0]["code"], "prefers_safetensors");
    let args = artifact(&plan, "training_args.bin").unwrap();
    assert_eq!(args["refused"]["code"], "unsafe_pickle");
    let people = home.succeed(&["resolve", "acme/trained"]);
    for said in ["left out: a pickle", "refused: `training_args.bin`"] {
        assert!(people.stdout.contains(said), "{said}: {people:?}");
    }
}
