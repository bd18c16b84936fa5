//! Any text at all, as a source of all providers together.

use modelferry_providers::{Http, Providers, Reference, SafeUrl, Settings, SourceError};
use proptest::prelude::*;

use super::raw::quick;

fn providers() -> Providers {
    let settings = Settings {
        huggingface_endpoint: SafeUrl::parse("https://huggingface.co").unwrap(),
        civitai_endpoint: SafeUrl::parse("https://civitai.com").unwrap(),
    };
    Providers::new(&settings, &Http::new(quick()).unwrap())
}

const STARTS: &[&str] = &[
    "",
    "acme/tiny",
    "hf://",
    "https://",
    "http://",
    "https://huggingface.co/acme/tiny/resolve/main/",
    "https://civitai.com/models/4384",
    "https://civitai.com/api/download/models/1",
    "civitai:4384",
    "civitai:sha256:",
    "urn:air:sd1:checkpoint:civitai:4384@1",
    "air:",
    "https://example.com/a",
    "https://drive.google.com/file/d/",
];
const PIECES: &[&str] = &[
    "a",
    "1",
    "/",
    "/",
    "..",
    "%2e%2e",
    "%2F",
    "\\\\",
    "@",
    ":",
    "?",
    "&",
    "=",
    "#",
    " ",
    "%",
    "%00",
    "\u{0}",
    "\r\n",
    "\u{1b}[31m",
    "\u{202e}",
    "user:pw@",
    "token=s",
    "modelVersionId=",
    "é",
    "[",
    "]",
    "*",
];

fn holds_its_promises(read: Result<Reference, SourceError>) -> Result<(), TestCaseError> {
    match read {
        Ok(reference) => {
            let stored = serde_json::to_string(&reference).unwrap();
            prop_assert!(
                !stored.contains("/../") && !stored.contains("://user:pw@"),
                "{}",
                stored
            );
            prop_assert_eq!(
                serde_json::from_str::<Reference>(&stored).unwrap(),
                reference
            );
        }
        Err(error) => {
            let shown = error.to_string();
            prop_assert!(!shown.chars().any(char::is_control), "{:?}", shown);
            prop_assert!(!error.example.is_empty() && shown.len() < 2000);
        }
    }
    Ok(())
}

#[test]
fn no_text_is_too_much_for_the_providers() {
    let providers = providers();
    let middle = prop::collection::vec(prop::sample::select(PIECES), 0..12);
    let near = (prop::sample::select(STARTS), middle)
        .prop_map(|(start, rest)| start.to_owned() + &rest.concat());
    let texts = prop_oneof![3 => near, 1 => ".{0,100}"];
    let config = ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let outcome = runner.run(&texts, |text| holds_its_promises(providers.parse(&text)));
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}
