use std::io::Cursor;

use serde_json::{Value, json};

use super::*;
use crate::inspect;
use crate::request::ImportRequest;

/// A plan of one file at a plain URL, with this card.
fn plan(card: &Value) -> Plan {
    serde_json::from_value(json!({
        "provider": "other",
        "reference": "https://example.com/model.safetensors",
        "revision": "1",
        "name": "model.safetensors",
        "page": "https://example.com/model.safetensors",
        "place": { "owner": "example.com", "name": "model.safetensors", "revision": "1" },
        "is_asset": false,
        "artifacts": [{
            "path": "model.safetensors",
            "size": { "is": "exact", "bytes": 1000 },
            "origin": { "provider": "other", "url": "https://example.com/model.safetensors" },
        }],
        "warnings": [],
        "card": card,
    }))
    .unwrap()
}

fn request(kind: Option<Kind>) -> ImportRequest {
    let reference = serde_json::from_value(json!({
        "locator": { "provider": "other", "url": "https://example.com/model.safetensors" },
        "selection": {},
    }))
    .unwrap();
    ImportRequest::local(reference, kind)
}

fn refusal(rules: &Rules, card: &Value) -> Option<(Code, String)> {
    let (plan, request) = (plan(card), request(Some(Kind::Model)));
    let refused = rules
        .admit(&plan, &request)
        .and_then(|()| rules.admit_files(&plan, &request))
        .err()?;
    let hint = refused.hint.unwrap_or_default();
    Some((refused.code, format!("{} {hint}", refused.message)))
}

fn finding(path: &str, bytes: &[u8]) -> Finding {
    let mut content = Cursor::new(bytes.to_vec());
    inspect::inspect(
        path,
        bytes.len() as u64,
        &mut content,
        PicklePolicy::Scan,
        &AllowList::default(),
    )
    .unwrap()
}

#[test]
fn without_rules_everything_may_come_in() {
    for card in [Value::Null, json!({ "license": "other", "nsfwLevel": 31 })] {
        assert_eq!(refusal(&Rules::default(), &card), None);
    }
}

#[test]
fn a_licence_must_be_among_those_taken() {
    let rules = Rules {
        licenses: vec!["mit".into(), "apache-2.0".into()],
        ..Rules::default()
    };
    let taken = [
        json!({ "license": "mit" }),
        json!({ "license": "Apache-2.0" }),
        json!({ "license": ["mit", "apache-2.0"] }),
    ];
    for card in taken {
        assert_eq!(refusal(&rules, &card), None, "{card}");
    }
    let refused = [
        json!({ "license": "other" }),
        json!({ "license": ["mit", "cc-by-nc-4.0"] }),
        json!({ "license": [] }),
        json!({ "license": 3 }),
        json!({}),
        Value::Null,
    ];
    for card in refused {
        let (code, text) = refusal(&rules, &card).unwrap();
        assert_eq!(code, Code::NotAllowed, "{card}");
        assert!(text.contains("`licenses`") && text.contains("MODELFERRY_LICENSES"));
    }
    let lenient = Rules {
        licenses: vec!["unknown".into()],
        ..Rules::default()
    };
    assert_eq!(refusal(&lenient, &json!({})), None);
}

#[test]
fn adult_content_is_measured_by_its_highest_level() {
    let at_most = |level: &str| Rules {
        max_nsfw: Some(level.parse().unwrap()),
        ..Rules::default()
    };
    // The card, and the lowest rule that takes it.
    let cases = [
        (json!({ "nsfwLevel": 1 }), Some("pg")),
        (json!({ "nsfwLevel": 3 }), Some("pg13")),
        (json!({ "nsfwLevel": 5 }), Some("r")),
        (json!({ "nsfwLevel": 1, "nsfw": true }), Some("r")),
        (json!({ "nsfwLevel": 15 }), Some("x")),
        (json!({ "nsfwLevel": 31 }), Some("xxx")),
        (json!({ "nsfwLevel": 32 }), Some("xxx")),
        (json!({ "nsfwLevel": 0 }), None),
        (json!({ "nsfwLevel": null }), None),
        (json!({ "tags": ["not-for-all-audiences"] }), Some("r")),
        (json!({ "tags": ["text-generation"] }), Some("pg")),
        (json!({}), Some("pg")),
    ];
    let levels = ["pg", "pg13", "r", "x", "xxx"];
    for (card, lowest) in cases {
        let lowest = lowest.map_or(levels.len(), |word| {
            levels.iter().position(|level| *level == word).unwrap()
        });
        for (nth, level) in levels.iter().enumerate() {
            let refused = refusal(&at_most(level), &card);
            assert_eq!(refused.is_some(), nth < lowest, "{card} at {level}");
            if let Some((code, text)) = refused {
                assert_eq!(code, Code::NotAllowed);
                assert!(text.contains("`max_nsfw`"), "{text}");
            }
        }
    }
}

#[test]
fn a_file_above_the_largest_size_is_refused_unseen() {
    let rules = |most| Rules {
        max_file_size: Some(most),
        ..Rules::default()
    };
    assert_eq!(refusal(&rules(1000), &json!({})), None);
    let (code, text) = refusal(&rules(999), &json!({})).unwrap();
    assert_eq!(code, Code::TooLarge);
    assert!(text.contains("`max_file_size`") && text.contains("1000"));
}

#[test]
fn a_kind_that_may_not_come_in_is_refused_unseen() {
    let rules = Rules {
        kinds: vec![Kind::Image, Kind::Video],
        ..Rules::default()
    };
    let (code, text) = refusal(&rules, &json!({})).unwrap();
    assert_eq!(code, Code::NotAllowed);
    assert!(
        text.contains("`model`") && text.contains("image, video"),
        "{text}"
    );
}

#[test]
fn formats_are_told_by_content_and_text_is_always_one() {
    // One black pixel.
    let gif =
        b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;"
            .as_slice();
    let pickle = b"\x80\x02}.".as_slice();
    let text = b"just words\n".as_slice();
    let cases = [
        ("image", gif, true),
        ("IMAGE/GIF", gif, true),
        ("image/jpeg", gif, false),
        ("weights", gif, false),
        ("pickle", pickle, true),
        ("weights", pickle, true),
        ("safetensors", pickle, false),
        ("safetensors", text, true),
    ];
    for (word, bytes, taken) in cases {
        let rules = Rules {
            formats: vec![word.parse().unwrap()],
            ..Rules::default()
        };
        let verdict = rules.admit_format("file", &finding("file", bytes));
        assert_eq!(verdict.is_ok(), taken, "{word}");
        if let Err(error) = verdict {
            assert_eq!(error.code, Code::NotAllowed);
            assert!(error.message.contains("`formats`"), "{}", error.message);
        }
    }
    for bad in ["", "jpegs", "foo/bar", "image/"] {
        assert!(bad.parse::<FormatRule>().is_err(), "{bad}");
    }
}

#[test]
fn an_override_holds_for_its_request_alone() {
    let rules = Rules::default();
    let mut request = request(None);
    request.overrides = Overrides {
        pickle: Some(PicklePolicy::Allow),
        allow_flagged: true,
    };
    let own = rules.for_request(&request);
    assert_eq!(
        (own.pickle, own.flagged),
        (PicklePolicy::Allow, FlaggedPolicy::Warn)
    );
    assert_ne!(own.fingerprint(), rules.fingerprint());
    assert_eq!(rules.pickle, PicklePolicy::Scan);
}
