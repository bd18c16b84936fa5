use std::os::unix::fs::PermissionsExt;

use chrono::Utc;

use super::*;

const HEX: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

fn given() -> Vault {
    Vault::Given(SecretKeys::parse(HEX).unwrap())
}

async fn row(vault: &Vault, owner: &str, name: &str, secret: &str) -> CredentialRow {
    in_slot(vault, owner, Slot::read(name, None).unwrap(), secret).await
}

async fn in_slot(vault: &Vault, owner: &str, slot: Slot, secret: &str) -> CredentialRow {
    let secret = Token::new(secret).unwrap();
    CredentialRow {
        sealed: vault.seal(owner, &slot, &secret).await.unwrap(),
        owner: owner.to_owned(),
        slot,
        created_at: Utc::now(),
        updated_at: Utc::now(),
    }
}

#[test]
fn a_name_is_a_hub_or_a_host_with_or_without_a_port() {
    let cases = [
        ("huggingface", "huggingface"),
        ("Civitai", "civitai"),
        ("Example.COM", "example.com"),
        ("example.com:8443", "example.com:8443"),
        ("example.com:443", "example.com:443"),
        ("127.0.0.1:80", "127.0.0.1:80"),
        ("[::1]:80", "[::1]:80"),
        ("[::1]", "[::1]"),
    ];
    for (text, name) in cases {
        let parsed: CredentialName = text.parse().unwrap();
        assert_eq!(parsed.as_str(), name, "{text}");
        assert_eq!(parsed.as_str().parse(), Ok(parsed.clone()), "{text}");
    }
}

#[test]
fn what_is_no_host_is_no_name() {
    let cases = [
        "",
        ":",
        "a b",
        "https://example.com",
        "example.com/x",
        "user@example.com",
        "example.com:0",
        "example.com:70000",
        "example.com:",
        "huggingface.co",
        "civitai.com",
    ];
    for text in cases {
        assert!(text.parse::<CredentialName>().is_err(), "{text}");
    }
}

#[test]
fn a_key_is_read_as_hex_and_as_base64() {
    let base64 = "ABEiM0RVZneImaq7zN3u/wARIjNEVWZ3iJmqu8zd7v8";
    let key = SecretKey::parse(HEX).unwrap();
    for text in [
        base64.to_owned(),
        format!("{base64}=\n"),
        HEX.to_uppercase(),
    ] {
        assert_eq!(SecretKey::parse(&text).unwrap().id(), key.id(), "{text}");
    }
    for text in ["", "secret", &HEX[2..], &format!("{HEX}00")] {
        let why = SecretKey::parse(text).unwrap_err();
        assert!(text.is_empty() || !why.contains(text), "{why}");
    }
}

#[test]
fn a_key_never_shows_itself() {
    let shown = format!("{:?}", given());
    assert!(!shown.contains(&HEX[..8]), "{shown}");
    assert!(!shown.contains("17, 34"), "{shown}");
}

#[tokio::test]
async fn what_was_sealed_opens_to_the_secret() {
    let vault = given();
    let rows = [
        row(&vault, "local", "huggingface", "hf_1").await,
        row(&vault, "local", "civitai", "c_1").await,
        row(&vault, "local", "a.example", "ferry:pass").await,
        row(&vault, "local", "b.example", "bearer_1").await,
    ];
    let auth = vault.open(&rows).await.unwrap();
    assert_eq!(auth.huggingface.unwrap().expose(), "hf_1");
    assert_eq!(auth.civitai.unwrap().expose(), "c_1");
    let HostCredential::Basic(basic) = &auth.hosts["a.example"] else {
        panic!("{:?}", auth.hosts);
    };
    assert_eq!(basic.expose(), "ferry:pass");
    let HostCredential::Bearer(bearer) = &auth.hosts["b.example"] else {
        panic!("{:?}", auth.hosts);
    };
    assert_eq!(bearer.expose(), "bearer_1");
}

#[tokio::test]
async fn the_same_secret_is_sealed_differently_each_time() {
    let vault = given();
    let first = row(&vault, "local", "huggingface", "hf_1").await.sealed;
    let second = row(&vault, "local", "huggingface", "hf_1").await.sealed;
    assert_ne!(first.nonce, second.nonce);
    assert_ne!(first.sealed, second.sealed);
}

#[tokio::test]
async fn a_sealed_secret_opens_in_no_other_row() {
    let vault = given();
    let sealed = row(&vault, "local", "huggingface", "hf_1").await;
    let mut others = vec![sealed.clone(); 3];
    others[0].owner = "somebody".to_owned();
    others[1].slot = CredentialName::Civitai.into();
    others[2].sealed.sealed[0] ^= 1;
    for other in others {
        let error = vault.open(&[other]).await.unwrap_err();
        assert_eq!(error.code, Code::StorageError);
        assert!(error.message.contains("was changed"), "{error}");
    }
}

#[tokio::test]
async fn a_labelled_secret_can_not_be_sent_elsewhere() {
    let vault = given();
    let slot = |name, host| Slot::read(name, Some(host)).unwrap();
    let good = in_slot(&vault, "local", slot("team", "a.example"), "t_1").await;
    let auth = vault.open(std::slice::from_ref(&good)).await.unwrap();
    assert!(auth.hosts.contains_key("a.example"));
    for other in [slot("team", "b.example"), slot("other", "a.example")] {
        let moved = CredentialRow {
            slot: other,
            ..good.clone()
        };
        let error = vault.open(&[moved]).await.unwrap_err();
        assert!(error.message.contains("was changed"), "{error}");
    }
}

#[test]
fn a_label_is_told_from_a_hub_and_a_host() {
    for (name, host) in [
        ("team-2_a", "huggingface"),
        ("team", "civitai"),
        ("team", "Example.com:8443"),
    ] {
        let slot = Slot::read(name, Some(host)).unwrap();
        assert_eq!(slot.name(), name);
        assert_eq!(slot.target().as_str(), host.to_ascii_lowercase());
    }
    let long = "a".repeat(65);
    for (name, host) in [
        ("", "huggingface"),
        ("a.b", "huggingface"),
        ("a b", "huggingface"),
        ("Civitai", "huggingface"),
        (&*long, "huggingface"),
        ("team", "https://example.com"),
        ("team", ""),
    ] {
        assert!(Slot::read(name, Some(host)).is_err(), "{name} {host}");
    }
}

#[tokio::test]
async fn another_key_is_named_as_such_and_opens_nothing() {
    let sealed = row(&given(), "local", "huggingface", "hf_1").await;
    let other = Vault::Given(SecretKeys::parse(&"ab".repeat(32)).unwrap());
    let error = other.open(&[sealed]).await.unwrap_err();
    assert!(error.message.contains("holds another"), "{error}");
    assert!(error.hint.is_some());
}

#[tokio::test]
async fn an_earlier_key_opens_and_the_current_one_seals() {
    let before = row(&given(), "local", "huggingface", "hf_1").await;
    let other = "ab".repeat(32);
    let both = Vault::Given(SecretKeys::parse(&format!("{other}, {HEX}\n")).unwrap());
    let auth = both.open(std::slice::from_ref(&before)).await.unwrap();
    assert_eq!(auth.huggingface.unwrap().expose(), "hf_1");
    let after = row(&both, "local", "huggingface", "hf_1").await;
    assert_ne!(after.sealed.key_id, before.sealed.key_id);
    let new = Vault::Given(SecretKeys::parse(&other).unwrap());
    assert!(new.open(&[after]).await.is_ok());
    assert!(new.open(&[before]).await.is_err());
    for text in ["", ",", &format!("{HEX},short")] {
        assert!(SecretKeys::parse(text).is_err(), "{text}");
    }
}

#[tokio::test]
async fn a_key_is_made_once_for_its_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret.key");
    let vault = Vault::File(path.clone());
    assert!(vault.open(&[]).await.is_ok());
    assert!(!path.exists(), "no credential needs a key");
    let rows =
        futures_util::future::join_all((0..8).map(|_| row(&vault, "local", "civitai", "c"))).await;
    for row in rows {
        assert!(vault.open(&[row]).await.is_ok());
    }
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn a_key_that_is_gone_is_named_and_not_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let vault = Vault::File(folder.path().join("secret.key"));
    let sealed = row(&vault, "local", "civitai", "c").await;
    std::fs::remove_file(folder.path().join("secret.key")).unwrap();
    let error = vault.open(&[sealed]).await.unwrap_err();
    assert!(error.message.contains("is not there"), "{error}");
    assert!(!folder.path().join("secret.key").exists());
}
