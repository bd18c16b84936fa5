use super::*;

fn environment(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn load(home: &Path, pairs: &[(&str, &str)]) -> Result<Config, Error> {
    let flags = Flags {
        home: Some(home.to_owned()),
        config: None,
    };
    Config::from_parts(&flags, &environment(pairs))
}

fn shown<'a>(config: &'a Config, key: &str) -> &'a Shown {
    config.shown.iter().find(|shown| shown.key == key).unwrap()
}

#[test]
fn a_variable_beats_the_file_and_the_file_beats_the_default() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(
        home.path().join("modelferry.toml"),
        "connections = 3\nmemory = \"64 MiB\"",
    )
    .unwrap();
    let config = load(home.path(), &[("MODELFERRY_CONNECTIONS", "5")]).unwrap();
    assert_eq!(
        (
            config.connections,
            config.memory,
            config.connections_per_host
        ),
        (5, 64 << 20, 8)
    );
    assert_eq!(
        shown(&config, "connections").origin,
        "variable MODELFERRY_CONNECTIONS"
    );
    assert!(shown(&config, "memory").origin.starts_with("file "));
    assert_eq!(shown(&config, "connections_per_host").origin, "default");
    assert_eq!(shown(&config, "home").origin, "flag --home");
}

#[test]
fn secrets_are_masked() {
    let home = tempfile::tempdir().unwrap();
    let config = load(
        home.path(),
        &[("HF_TOKEN", "hf_secret"), ("CIVITAI_TOKEN", "c_secret")],
    )
    .unwrap();
    assert_eq!(
        config.auth.huggingface.as_ref().unwrap().expose(),
        "hf_secret"
    );
    assert!(!format!("{:?}", config).contains("_secret"));
}

#[test]
fn a_database_password_is_masked_wherever_it_stands() {
    let home = tempfile::tempdir().unwrap();
    for url in [
        "postgres://ferry:s3cret@db/ferry",
        "postgres://ferry@db/ferry?password=s3cret&sslmode=require",
    ] {
        let config = load(home.path(), &[("MODELFERRY_DATABASE_URL", url)]).unwrap();
        let value = shown(&config, "database_url").value.clone().unwrap();
        assert!(
            value.contains("********") && value.contains("@db/ferry"),
            "{value}"
        );
        assert!(!format!("{config:?}").contains("s3cret"));
    }
}

#[test]
fn the_login_token_file_is_found() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("token"), "hf_from_file\n").unwrap();
    let config = load(home.path(), &[("HF_HOME", home.path().to_str().unwrap())]).unwrap();
    assert_eq!(config.auth.huggingface.unwrap().expose(), "hf_from_file");
}

#[test]
fn only_an_endpoint_that_somebody_named_opens_a_way() {
    let home = tempfile::tempdir().unwrap();
    assert!(load(home.path(), &[]).unwrap().named_endpoints.is_empty());
    let config = load(home.path(), &[("HF_ENDPOINT", "http://127.0.0.1:8080/")]).unwrap();
    assert_eq!(config.named_endpoints, [config.huggingface_endpoint]);
}

#[test]
fn a_bad_setting_is_named_with_its_origin_and_its_right_form() {
    let home = tempfile::tempdir().unwrap();
    let cases = [
        ("MODELFERRY_CONNECTIONS", "none", "whole number"),
        ("MODELFERRY_MEMORY", "1 KiB", "8 MiB"),
        ("MODELFERRY_ALLOW_NETS", "localhost", "10.0.0.0/8"),
        ("MODELFERRY_PICKLE", "yes", "scan, refuse or allow"),
        ("MODELFERRY_STORAGE", "ftp://bucket", "not supported"),
        ("MODELFERRY_STORAGE", "s3://", "s3://my-bucket/prefix"),
        ("MODELFERRY_STORAGE", "file://relative", "absolute"),
        ("MODELFERRY_DATABASE_URL", "mysql://db/ferry", "postgres://"),
        ("HF_ENDPOINT", "huggingface.co", "not a URL"),
        ("HF_TOKEN", "two words", "visible ASCII"),
    ];
    for (name, value, expected) in cases {
        let error = load(home.path(), &[(name, value)]).unwrap_err();
        assert_eq!(error.code, Code::InvalidRequest);
        assert!(
            error.message.contains(name) && error.message.contains(expected),
            "{}",
            error.message
        );
    }
}

#[test]
fn an_unknown_setting_in_the_file_is_refused() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("modelferry.toml"), "conections = 3").unwrap();
    assert!(
        load(home.path(), &[])
            .unwrap_err()
            .message
            .contains("conections")
    );
}
