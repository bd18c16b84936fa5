//! Tokens and signed queries are used, and shown nowhere.

use std::fs;

use crate::support::{Home, Ran, standard};

/// Fails where a secret stands in what was said, or in a file of the home.
pub fn assert_not_shown(home: &Home, ran: &Ran, secret: &str) {
    assert!(
        !ran.all_text().contains(secret),
        "{secret} is said: {ran:?}"
    );
    for file in home.files(".") {
        let bytes = fs::read(home.path().join(&file)).unwrap();
        let found = bytes
            .windows(secret.len())
            .any(|window| window == secret.as_bytes());
        assert!(!found, "{secret} is in {file}");
    }
}

#[test]
fn a_token_of_the_environment_is_used_and_shown_nowhere() {
    let hub = standard();
    let home = Home::of(&hub)
        .with("HF_TOKEN", "hf_good")
        .with("CIVITAI_API_KEY", "civitai_good");
    let imported = home.succeed(&["-vv", "import", "acme/gated", "civitai:5003"]);
    assert_not_shown(&home, &imported, "hf_good");
    assert_not_shown(&home, &imported, "civitai_good");
    let settings = home.succeed(&["config", "show"]);
    assert!(settings.stdout.contains("********"), "{settings:?}");
    assert_not_shown(&home, &settings, "hf_good");
}

#[test]
fn a_token_in_a_link_is_used_and_shown_nowhere() {
    let hub = standard();
    let home = Home::of(&hub);
    let endpoint = hub.civitai_url();
    let source = format!("{endpoint}/api/download/models/50030?token=civitai_good");
    let imported = home.succeed(&["-vv", "import", &source]);
    let listed = home.succeed(&["uploads", "list", "--json"]);
    for ran in [imported, listed] {
        assert!(!ran.all_text().contains("civitai_good"), "{ran:?}");
    }
    for file in home.files("storage/entities") {
        let manifest = home.path().join("storage/entities").join(file);
        assert!(
            !fs::read_to_string(manifest)
                .unwrap()
                .contains("civitai_good")
        );
    }
}

#[test]
fn a_signed_query_is_used_and_shown_nowhere() {
    let hub = standard();
    let home = Home::of(&hub);
    let url = hub.signed_url("/presigned.bin");
    let (_, query) = url.split_once('?').unwrap();
    let signature = query.rsplit('=').next().unwrap();
    assert!(signature.len() > 16, "{signature}");
    let imported = home.succeed(&["-vv", "import", &url]);
    let again = home.succeed(&["-vv", "import", "--json", &url]);
    let listed = home.succeed(&["uploads", "list", "--json"]);
    hub.expire_links();
    let refused = home.run(&["-vv", "import", "--force", &url]);
    assert_eq!(refused.status, Some(1), "{refused:?}");
    for ran in [imported, again, listed, refused] {
        assert!(!ran.all_text().contains(signature), "{ran:?}");
    }
    for file in home.files("storage/entities") {
        let manifest = home.path().join("storage/entities").join(file);
        assert!(!fs::read_to_string(manifest).unwrap().contains(signature));
    }
}
