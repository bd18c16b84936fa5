//! A flag beats a variable beats the config file beats the default, and each says so.

use std::fs;

use serde_json::Value;

use crate::support::Home;

fn setting(home: &Home, words: &[&str], key: &str) -> (Value, String) {
    let shown = home.succeed(&[words, &["config", "show", "--json"]].concat());
    let found = shown.lines().into_iter().find(|line| line["key"] == key);
    let found = found.unwrap_or_else(|| panic!("no {key}: {shown:?}"));
    let origin = found["origin"].as_str().unwrap_or_default().to_owned();
    (found["value"].clone(), origin)
}

#[test]
fn each_value_says_where_it_came_from() {
    let home = Home::alone();
    assert_eq!(
        setting(&home, &[], "connections"),
        ("16".into(), "default".into())
    );
    let file = home.path().join("modelferry.toml");
    fs::create_dir_all(home.path()).unwrap();
    fs::write(&file, "connections = 3\nmemory = \"64 MiB\"\n").unwrap();
    let from_file = format!("file {}", file.display());
    assert_eq!(setting(&home, &[], "connections"), ("3".into(), from_file));
    let home = home.with("MODELFERRY_CONNECTIONS", "5");
    let from_variable = "variable MODELFERRY_CONNECTIONS".to_owned();
    assert_eq!(
        setting(&home, &[], "connections"),
        ("5".into(), from_variable)
    );
    let elsewhere = home.beside("elsewhere").display().to_string();
    assert_eq!(
        setting(&home, &["--home", &elsewhere], "home"),
        (elsewhere.clone().into(), "flag --home".into())
    );
}

#[test]
fn a_config_file_can_be_named_and_must_then_be_there() {
    let home = Home::alone();
    let file = home.beside("mine.toml");
    fs::write(&file, "connections = 7\n").unwrap();
    let file = file.display().to_string();
    let (value, _) = setting(&home, &["--config", &file], "connections");
    assert_eq!(value, "7");
    let missing = home.beside("none.toml").display().to_string();
    let ran = home.run(&["--config", &missing, "config", "show"]);
    assert_eq!(ran.status, Some(2), "{ran:?}");
    assert!(ran.stderr.contains("none.toml"), "{ran:?}");
}

#[test]
fn a_bad_setting_is_named_with_its_place_and_what_it_should_be() {
    let cases = [
        ("MODELFERRY_CONNECTIONS", "many"),
        ("MODELFERRY_MEMORY", "a lot"),
        ("MODELFERRY_ALLOW_NETS", "everywhere"),
        ("MODELFERRY_PICKLE", "maybe"),
        ("MODELFERRY_STORAGE", "ftp://nas/models"),
        ("MODELFERRY_DATABASE_URL", "mysql://db/models"),
        ("HF_ENDPOINT", "not a url"),
        ("HF_TOKEN", "two\nlines"),
    ];
    for (variable, value) in cases {
        let home = Home::alone().with(variable, value);
        let ran = home.run(&["import", "--json", "acme/tiny"]);
        assert_eq!(ran.status, Some(2), "{variable}: {ran:?}");
        assert_eq!(
            ran.one_line()["error"]["code"],
            "invalid_request",
            "{ran:?}"
        );
        assert!(ran.stderr.contains(variable), "{variable}: {ran:?}");
        assert!(!home.path().exists(), "{variable}");
    }
}

#[test]
fn a_config_file_with_an_unknown_name_is_refused_and_the_known_ones_are_told() {
    let home = Home::alone();
    fs::create_dir_all(home.path()).unwrap();
    fs::write(home.path().join("modelferry.toml"), "conections = 3\n").unwrap();
    let ran = home.run(&["config", "show"]);
    assert_eq!(ran.status, Some(2), "{ran:?}");
    assert!(ran.stderr.contains("conections"), "{ran:?}");
    assert!(ran.stderr.contains("connections_per_host"), "{ran:?}");
}

#[test]
fn secrets_are_masked() {
    let home = Home::alone().with("HF_TOKEN", "hf_geheim").with(
        "MODELFERRY_DATABASE_URL",
        "postgres://ferry:geheim@127.0.0.1/ferry",
    );
    for words in [&["config", "show"][..], &["config", "show", "--json"]] {
        let ran = home.succeed(words);
        assert!(!ran.all_text().contains("geheim"), "{ran:?}");
        assert!(ran.stdout.contains("***"), "{ran:?}");
    }
}
