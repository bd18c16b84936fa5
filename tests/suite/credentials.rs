//! Stored credentials: used where they belong, and shown nowhere.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use modelferry_fixtures::{Hub, Scene};
use serde_json::json;

use crate::api::{Key, Server};
use crate::secrets::assert_not_shown;
use crate::support::{Home, Ran, Running, eventually, standard};

const KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// `credentials set`, with the secret on stdin.
fn set(home: &Home, words: &[&str], secret: &str) -> Ran {
    let mut command = home.command(&[&["credentials", "set"], words].concat());
    command.stdin(Stdio::piped());
    let mut running = Running::start(command);
    // Whoever refuses the words does not read it.
    let _ = running.stdin().write_all(secret.as_bytes());
    running.ended()
}

fn stored(home: &Home, words: &[&str], secret: &str) -> Ran {
    let ran = set(home, words, secret);
    assert_eq!(ran.status, Some(0), "{words:?}: {ran:?}");
    ran
}

/// `host:port` of a URL.
fn authority(url: &str) -> String {
    url.trim_start_matches("http://").to_owned()
}

#[test]
fn a_stored_token_opens_a_gated_repository_and_is_shown_nowhere() {
    let hub = standard();
    let home = Home::of(&hub);
    let set = stored(&home, &["-vv", "huggingface"], "hf_good\n");
    let resolved = home.succeed(&["-vv", "resolve", "--json", "acme/gated"]);
    let imported = home.succeed(&["-vv", "import", "--json", "acme/gated"]);
    assert_eq!(imported.one_line()["outcome"], "imported");
    let listed = home.succeed(&["-vv", "credentials", "list"]);
    let listed_json = home.succeed(&["credentials", "list", "--json"]);
    let settings = home.succeed(&["config", "show"]);
    for ran in [&set, &resolved, &imported, &listed, &listed_json, &settings] {
        assert_not_shown(&home, ran, "hf_good");
    }
    let line = listed_json.one_line();
    assert_eq!(line["name"], "huggingface");
    assert_eq!(line["ownerId"], "local");
    let key = home.path().join("secret.key");
    assert_eq!(
        fs::metadata(key).unwrap().permissions().mode() & 0o777,
        0o600
    );
}

#[test]
fn a_removed_token_opens_nothing() {
    let hub = standard();
    let home = Home::of(&hub);
    stored(&home, &["huggingface"], "hf_good");
    home.succeed(&["resolve", "acme/gated"]);
    home.succeed(&["credentials", "remove", "huggingface"]);
    let refused = home.import(&["acme/gated"]);
    assert_eq!(refused["error"]["code"], "gated", "{refused:#}");
    let again = home.run(&["credentials", "remove", "huggingface"]);
    assert_eq!(again.status, Some(1), "{again:?}");
    assert!(again.stderr.contains("no stored credential"), "{again:?}");
}

#[test]
fn a_hosts_password_goes_to_that_host_and_port_alone() {
    let (hub, other) = (standard(), standard());
    let home = Home::of(&hub);
    let host = authority(&hub.files_url());
    let set = stored(&home, &[&host], "ferry:s3cret");
    let url = format!("{}/basic.bin", hub.files_url());
    let imported = home.succeed(&["-vv", "import", "--json", "--kind", "asset", &url]);
    for secret in ["s3cret", "ZmVycnk6czNjcmV0"] {
        assert_not_shown(&home, &set, secret);
        assert_not_shown(&home, &imported, secret);
    }
    let elsewhere = format!("{}/basic.bin", other.files_url());
    let refused = home.import(&["--kind", "asset", &elsewhere]);
    assert_eq!(refused["error"]["code"], "auth_required", "{refused:#}");
    let told = |hub: &Hub| {
        let asks = hub.requests();
        asks.iter().any(|ask| ask.authorization.is_some())
    };
    assert!(told(&hub));
    assert!(!told(&other));
}

#[test]
fn a_hosts_name_without_its_port_is_another_host() {
    let hub = standard();
    let home = Home::of(&hub);
    stored(&home, &["127.0.0.1"], "ferry:s3cret");
    let url = format!("{}/basic.bin", hub.files_url());
    let refused = home.import(&["--kind", "asset", &url]);
    assert_eq!(refused["error"]["code"], "auth_required", "{refused:#}");
}

#[test]
fn the_environments_token_beats_the_stored_one() {
    let hub = standard();
    let home = Home::of(&hub);
    stored(&home, &["huggingface"], "hf_unknown");
    let refused = home.import(&["acme/gated"]);
    assert_eq!(refused["outcome"], "failed", "{refused:#}");
    let home = home.with("HF_TOKEN", "hf_good");
    assert_eq!(home.import(&["acme/gated"])["outcome"], "imported");
}

#[test]
fn another_secret_key_is_an_error_in_plain_words() {
    let hub = standard();
    let home = Home::of(&hub).with("MODELFERRY_SECRET_KEY", KEY);
    stored(&home, &["huggingface"], "hf_good");
    assert!(!home.path().join("secret.key").exists());
    let settings = home.succeed(&["config", "show"]);
    assert_not_shown(&home, &settings, KEY);
    let home = home.with("MODELFERRY_SECRET_KEY", &"ab".repeat(32));
    let ran = home.run(&["-vv", "import", "--json", "acme/gated"]);
    assert_eq!(ran.status, Some(1), "{ran:?}");
    let error = &ran.one_line()["error"];
    assert_eq!(error["code"], "storage_error", "{ran:?}");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("sealed with the key"), "{message}");
    let hint = error["hint"].as_str().unwrap();
    assert!(hint.contains("credentials set huggingface"), "{hint}");
    for secret in ["hf_good", KEY] {
        assert_not_shown(&home, &ran, secret);
    }
    stored(&home, &["huggingface"], "hf_good");
    assert_eq!(home.import(&["acme/gated"])["outcome"], "imported");
}

#[test]
fn a_new_secret_key_takes_over_from_the_old_one() {
    let hub = standard();
    let home = Home::of(&hub).with("MODELFERRY_SECRET_KEY", KEY);
    stored(&home, &["huggingface"], "hf_good");
    stored(
        &home,
        &["team", "--host", "civitai", "--owner", "ann"],
        "c_1",
    );
    let secret = home.succeed(&["webhooks", "secret"]).stdout;
    let new = "ab".repeat(32);
    let home = home.with("MODELFERRY_SECRET_KEY", &new);
    let refused = home.run(&["credentials", "reseal"]);
    assert_eq!(refused.status, Some(1), "{refused:?}");
    assert!(
        refused
            .stderr
            .contains("0 secrets are sealed anew, 3 could not be"),
        "{refused:?}"
    );
    let home = home.with("MODELFERRY_SECRET_KEY", &format!("{new},{KEY}"));
    assert_eq!(home.import(&["acme/gated"])["outcome"], "imported");
    let resealed = home.succeed(&["credentials", "reseal"]);
    assert!(
        resealed.stderr.contains("3 secrets are sealed anew"),
        "{resealed:?}"
    );
    let home = home.with("MODELFERRY_SECRET_KEY", &new);
    let again = home.import(&["acme/gated", "--force"]);
    assert_eq!(again["outcome"], "imported", "{again:#}");
    assert_eq!(home.succeed(&["webhooks", "secret"]).stdout, secret);
    let nothing = home.succeed(&["credentials", "reseal"]);
    assert!(
        nothing
            .stderr
            .contains("0 secrets are sealed anew, 0 could"),
        "{nothing:?}"
    );
}

#[test]
fn what_is_no_name_key_or_secret_is_refused() {
    let home = Home::alone();
    for name in ["https://example.com", "huggingface.co", "a b"] {
        let ran = set(&home, &[name], "s3cret");
        assert_eq!(ran.status, Some(2), "{name}: {ran:?}");
    }
    for secret in ["", "two\nlines", "with blanks"] {
        let ran = set(&home, &["civitai"], secret);
        assert_eq!(ran.status, Some(2), "{secret}: {ran:?}");
        assert!(
            secret.is_empty() || !ran.all_text().contains(secret),
            "{ran:?}"
        );
    }
    let ran = set(&home, &["civitai", "s3cret"], "s3cret");
    assert_eq!(ran.status, Some(2), "an argument holds no secret: {ran:?}");
    let home = home.with("MODELFERRY_SECRET_KEY", "t00short");
    let ran = set(&home, &["civitai"], "s3cret");
    assert_eq!(ran.status, Some(2), "{ran:?}");
    assert!(ran.stderr.contains("64 hex digits"), "{ran:?}");
    assert!(!ran.all_text().contains("t00short"), "{ran:?}");
}

#[tokio::test]
async fn an_owners_stored_token_comes_before_the_operators() {
    let hub = Hub::start(Scene::standard()).await.unwrap();
    let home = Home::of(&hub).with("HF_TOKEN", "hf_unknown");
    stored(&home, &["huggingface", "--owner", "ann"], "hf_good");
    let ann = Key::make(&home, &["--owner", "ann"]);
    let mut server = Server::in_home(home, "1").await;
    let body = json!({ "huggingFaceModelName": "acme/gated" });
    let refused = server.post("/v1/uploads?dryRun=true", &body).await;
    assert!(refused.status >= 400, "{refused:?}");
    let theirs = server.post("/v1/uploads", &body).await.upload();
    assert_eq!(server.ended(&theirs).await["status"], "failed");
    server.key = ann;
    let planned = server.post("/v1/uploads?dryRun=true", &body).await;
    assert_eq!(planned.status, 269, "{planned:?}");
    let hers = server.post("/v1/uploads", &body).await.upload();
    assert_eq!(server.ended(&hers).await["status"], "imported");
}

#[test]
fn on_a_terminal_the_secret_is_asked_for_and_not_echoed() {
    let hub = standard();
    let home = Home::of(&hub);
    let terminal = home.beside("terminal");
    let program = env!("CARGO_BIN_EXE_modelferry");
    let line = format!(
        "tty > {}; {program} credentials set huggingface",
        terminal.display()
    );
    let like = home.command(&[]);
    let variables = like.get_envs();
    let mut command = Command::new("script");
    command
        .args(["--quiet", "--return", "--echo", "always"])
        .args(["--command", &line, "/dev/null"])
        .env_clear()
        .envs(variables.filter_map(|(name, value)| Some((name, value?))))
        .env("TERM", "xterm-256color")
        .env("SHELL", "/bin/sh")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut running = Running::start(command);
    let mut stdin = running.stdin();
    eventually("the terminal echoes nothing", || {
        let name = fs::read_to_string(&terminal).unwrap_or_default();
        let stty = Command::new("stty")
            .args(["-a", "-F", name.trim()])
            .output();
        String::from_utf8_lossy(&stty.unwrap().stdout).contains(" -echo ")
    });
    stdin.write_all(b"hf_good\n").unwrap();
    let ran = running.ended();
    drop(stdin);
    assert_eq!(ran.status, Some(0), "{ran:?}");
    assert!(ran.stdout.contains("secret for huggingface:"), "{ran:?}");
    assert_not_shown(&home, &ran, "hf_good");
    assert_eq!(home.import(&["acme/gated"])["outcome"], "imported");
}
