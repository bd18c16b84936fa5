//! What the operator and the hubs' own scanners have a say in.

use modelferry_fixtures::{
    CivitaiFile, CivitaiModel, CivitaiVersion, Content, Fault, Hub, Repo, RepoFile, Scene, Site,
};
use serde_json::Value;

use crate::support::{Home, hub, standard};

fn flagged(status: &str) -> Hub {
    let pickle = RepoFile::lfs("model.pt", Content::pickle_torch_zip(4)).security(status);
    let repo = Repo::model("acme/flagged").put(pickle);
    hub(Scene::empty().repo(repo))
}

fn warnings(plan: &Value) -> Vec<&str> {
    let warnings = plan["warnings"].as_array().unwrap();
    warnings
        .iter()
        .map(|warning| warning["code"].as_str().unwrap())
        .collect()
}

#[test]
fn each_rule_refuses_by_its_name_before_anything_moves() {
    let hub = standard();
    let cases = [
        ("MODELFERRY_KINDS", "image", "not_allowed", "kinds"),
        (
            "MODELFERRY_LICENSES",
            "apache-2.0, bsd",
            "not_allowed",
            "licenses",
        ),
        (
            "MODELFERRY_MAX_FILE_SIZE",
            "1 MB",
            "too_large",
            "max_file_size",
        ),
    ];
    for (variable, value, code, rule) in cases {
        let home = Home::of(&hub).with(variable, value);
        let line = home.import(&["acme/tiny"]);
        assert_eq!(line["error"]["code"], code, "{variable}: {line:#}");
        let message = line["error"]["message"].as_str().unwrap();
        assert!(message.contains(&format!("`{rule}`")), "{message}");
        let hint = line["error"]["hint"].as_str().unwrap();
        assert!(hint.contains(variable), "{hint}");
    }
    assert_eq!(hub.bytes_sent(Site::Cdn), 0);
}

#[test]
fn a_body_without_end_stops_at_the_largest_size() {
    let hub = standard();
    hub.order(Fault::endless().on(Site::Files).method("GET"));
    let home = Home::of(&hub).with("MODELFERRY_MAX_FILE_SIZE", "24 MiB");
    let url = format!("{}/chunked.bin", hub.files_url());
    let line = home.import(&[&url, "--kind", "asset"]);
    assert_eq!(line["error"]["code"], "too_large", "{line:#}");
    assert!(hub.bytes_sent(Site::Files) < 256 * 1024 * 1024);
    assert!(home.blobs().is_empty());
}

#[test]
fn a_format_that_is_not_taken_is_told_by_content() {
    let hub = hub(Scene::empty().repo(
        Repo::model("acme/mixed")
            .lfs("model.safetensors", Content::safetensors(1, 4096))
            .lfs("model.gguf", Content::gguf(2, 4096)),
    ));
    let home = Home::of(&hub).with("MODELFERRY_FORMATS", "safetensors, image");
    let line = home.import(&["acme/mixed"]);
    assert_eq!(line["error"]["code"], "not_allowed", "{line:#}");
    let message = line["error"]["message"].as_str().unwrap();
    assert!(
        message.contains("GGUF") && message.contains("`formats`"),
        "{message}"
    );
    let line = home.import(&["--exclude", "*.gguf", "acme/mixed"]);
    assert_eq!(line["outcome"], "imported", "{line:#}");
}

#[test]
fn rules_that_are_met_let_everything_through() {
    let hub = standard();
    let home = Home::of(&hub)
        .with("MODELFERRY_KINDS", "model")
        .with("MODELFERRY_LICENSES", "MIT")
        .with("MODELFERRY_MAX_FILE_SIZE", "2 MiB")
        .with("MODELFERRY_MAX_NSFW", "pg")
        .with("MODELFERRY_FORMATS", "weights");
    let line = home.import(&["--exclude", "sub/*", "acme/tiny"]);
    assert_eq!(line["outcome"], "imported", "{line:#}");
}

#[test]
fn a_rule_that_can_not_be_read_is_a_usage_error() {
    let cases = [
        ("MODELFERRY_KINDS", "movies"),
        ("MODELFERRY_FORMATS", "jpegs"),
        ("MODELFERRY_MAX_FILE_SIZE", "big"),
        ("MODELFERRY_MAX_NSFW", "some"),
        ("MODELFERRY_FLAGGED", "no"),
        ("MODELFERRY_PICKLE_ALLOW", "os system"),
        ("MODELFERRY_PICKLE_ALLOW", "argparse.Namespace"),
    ];
    for (variable, value) in cases {
        let ran = Home::alone()
            .with(variable, value)
            .run(&["uploads", "list"]);
        assert_eq!(ran.status, Some(2), "{variable}: {ran:?}");
        assert!(ran.stderr.contains(variable), "{ran:?}");
    }
}

#[test]
fn the_operator_can_vouch_for_a_reference() {
    let namespace = b"\x80\x02cargparse\nNamespace\n)\x81}X\x01\0\0\0aK\x01sb.".to_vec();
    let repo = Repo::model("acme/args").lfs("model.pkl", Content::bytes(namespace));
    let hub = hub(Scene::empty().repo(repo));
    let line = Home::of(&hub).import(&["acme/args"]);
    assert_eq!(line["error"]["code"], "unsafe_pickle", "{line:#}");
    let hint = line["error"]["hint"].as_str().unwrap();
    assert!(hint.contains("`argparse Namespace`"), "{hint}");
    let home = Home::of(&hub).with("MODELFERRY_PICKLE_ALLOW", "argparse Namespace");
    assert_eq!(home.import(&["acme/args"])["outcome"], "imported");
}

#[test]
fn what_the_hub_calls_dangerous_is_refused_unless_the_operator_says_otherwise() {
    let hub = flagged("unsafe");
    let home = Home::of(&hub);
    let line = home.import(&["acme/flagged"]);
    assert_eq!(line["error"]["code"], "unsafe_pickle", "{line:#}");
    let message = line["error"]["message"].as_str().unwrap();
    assert!(
        message.contains("huggingface") && message.contains("pickle scan"),
        "{message}"
    );
    assert_eq!(hub.bytes_sent(Site::Cdn), 0);
    let line = home.import(&["--allow-flagged", "acme/flagged"]);
    assert_eq!(line["outcome"], "imported", "{line:#}");
    let other = Home::of(&hub).with("MODELFERRY_FLAGGED", "warn");
    assert_eq!(other.import(&["acme/flagged"])["outcome"], "imported");
}

#[test]
fn other_words_of_the_hub_warn_and_its_good_word_lets_nothing_in() {
    for (status, warning) in [
        ("suspicious", "hub_flagged_suspicious"),
        ("caution", "hub_flagged_suspicious"),
        ("queued", "hub_scan_pending"),
    ] {
        let hub = flagged(status);
        let plan = Home::of(&hub)
            .succeed(&["resolve", "--json", "acme/flagged"])
            .one_line();
        assert_eq!(warnings(&plan), [warning], "{plan:#}");
        assert_eq!(plan["artifacts"][0]["scan"]["source"], "huggingface");
    }
    let hostile = RepoFile::lfs("model.pt", Content::hostile_pickle()).security("safe");
    let hub = hub(Scene::empty().repo(Repo::model("acme/flagged").put(hostile)));
    let line = Home::of(&hub).import(&["acme/flagged"]);
    assert_eq!(line["error"]["code"], "unsafe_pickle", "{line:#}");
}

#[test]
fn scan_results_cost_one_request_for_fifty_files_and_two_hundred_at_most() {
    for (files, questions) in [(3, 1), (50, 1), (51, 2), (400, 4)] {
        let hub = hub(Scene::empty().repo(Repo::many("acme/many", files, 100)));
        let home = Home::of(&hub);
        home.succeed(&["resolve", "--json", "acme/many"]);
        let asked = hub.requests();
        let asked = asked
            .iter()
            .filter(|seen| seen.path.contains("/paths-info/"));
        assert_eq!(asked.count(), questions, "{files} files");
    }
}

#[test]
fn a_hub_that_keeps_its_scan_results_to_itself_fails_no_import() {
    let hub = standard();
    hub.order(Fault::status(403).path("/paths-info/"));
    let home = Home::of(&hub);
    let plan = home.succeed(&["resolve", "--json", "acme/tiny"]).one_line();
    assert_eq!(warnings(&plan), ["no_hub_scan"], "{plan:#}");
    assert_eq!(home.import(&["acme/tiny"])["outcome"], "imported");
}

#[test]
fn a_flagged_leftover_is_left_out_and_the_rest_comes_in() {
    let args = RepoFile::lfs("training_args.bin", Content::pickle_torch_zip(5)).security("unsafe");
    let repo = Repo::model("acme/flagged")
        .lfs("model.safetensors", Content::safetensors(1, 4096))
        .put(args);
    let hub = hub(Scene::empty().repo(repo));
    let line = Home::of(&hub).import(&["acme/flagged"]);
    assert_eq!(line["outcome"], "imported", "{line:#}");
    let refused = &line["artifacts"][1];
    assert_eq!(refused["status"], "refused");
    assert!(refused["reason"].as_str().unwrap().contains("dangerous"));
}

fn civitai(file: CivitaiFile, nsfw_level: u64) -> Hub {
    let version = CivitaiVersion::new(11, "v1")
        .file(file)
        .patch("nsfwLevel", nsfw_level.into());
    let model = CivitaiModel::new(1, "Boat", "LORA").version(version);
    hub(Scene::empty().model(model))
}

#[test]
fn civitai_scans_count_as_well() {
    let file = |result| {
        CivitaiFile::new(21, "boat.safetensors", Content::safetensors(21, 4096)).scan(result, None)
    };
    let hub = civitai(file("Danger"), 1);
    let home = Home::of(&hub);
    let line = home.import(&["civitai:1@11"]);
    assert_eq!(line["error"]["code"], "not_allowed", "{line:#}");
    assert_eq!(hub.bytes_sent(Site::Cdn), 0);
    let line = home.import(&["--allow-flagged", "civitai:1@11"]);
    assert_eq!(line["outcome"], "imported", "{line:#}");
    let id = line["upload"]["id"].as_str().unwrap();
    let shown = home.succeed(&["uploads", "show", "--json", id]).one_line();
    assert_eq!(
        shown["artifacts"][0]["scan"]["verdict"], "danger",
        "{shown:#}"
    );

    let hub = civitai(file("Pending"), 1);
    let plan = Home::of(&hub)
        .succeed(&["resolve", "--json", "civitai:1@11"])
        .one_line();
    assert_eq!(warnings(&plan), ["hub_scan_pending"], "{plan:#}");
}

#[test]
fn a_civitai_model_above_the_adult_level_is_refused() {
    let file = || CivitaiFile::new(21, "boat.safetensors", Content::safetensors(21, 4096));
    for (level, most, code) in [
        (1, "pg", None),
        (4, "pg13", Some("not_allowed")),
        (4, "r", None),
        (31, "x", Some("not_allowed")),
    ] {
        let hub = civitai(file(), level);
        let home = Home::of(&hub).with("MODELFERRY_MAX_NSFW", most);
        let line = home.import(&["civitai:1@11"]);
        assert_eq!(
            line["error"]["code"].as_str(),
            code,
            "{level} {most}: {line:#}"
        );
    }
}
