//! What the hub says of a repository beside its files: kept in the manifest,
//! and what an operator's rules on licences are held against.

use serde_json::{Map, Value, json};

use super::wire::Info;

/// Keys of a model card's metadata that are kept.
const KEPT: [&str; 5] = [
    "license",
    "license_name",
    "license_link",
    "base_model",
    "language",
];
/// The longest text, and the most entries of a list.
const MOST_SAID: usize = 500;
const MOST_LISTED: usize = 200;

/// The card, in the hub's own terms. `None` when the hub says nothing.
pub(super) fn card(info: &Info) -> Option<Value> {
    let metadata = info.card_data.as_ref().and_then(Value::as_object);
    let mut card: Map<String, Value> = KEPT
        .into_iter()
        .filter_map(|key| Some((key.to_owned(), bounded(metadata?.get(key)?)?)))
        .collect();
    let tags: Vec<String> = info
        .tags
        .as_ref()
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .take(MOST_LISTED)
        .map(clip)
        .collect();
    if !card.contains_key("license") {
        // The hub makes a tag of the licence, also where it read it elsewhere.
        let licenses: Vec<&str> = tags
            .iter()
            .filter_map(|tag| tag.strip_prefix("license:"))
            .collect();
        match licenses.as_slice() {
            [] => {}
            [one] => drop(card.insert("license".into(), json!(one))),
            several => drop(card.insert("license".into(), json!(several))),
        }
    }
    let told = [
        ("pipeline_tag", &info.pipeline_tag),
        ("library_name", &info.library_name),
    ];
    for (key, value) in told {
        if let Some(Value::String(text)) = value {
            card.insert(key.into(), json!(clip(text)));
        }
    }
    if !tags.is_empty() {
        card.insert("tags".into(), json!(tags));
    }
    (!card.is_empty()).then_some(Value::Object(card))
}

/// A text or a list of texts, cut to bounds.
fn bounded(value: &Value) -> Option<Value> {
    match value {
        Value::String(text) => Some(json!(clip(text))),
        Value::Array(items) => {
            let texts = items.iter().filter_map(Value::as_str).take(MOST_LISTED);
            Some(texts.map(clip).collect())
        }
        _ => None,
    }
}

fn clip(text: &str) -> String {
    text.chars().take(MOST_SAID).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(info: Value) -> Option<Value> {
        card(&serde_json::from_value(info).unwrap())
    }

    #[test]
    fn the_licence_is_the_cards_own_or_a_tag() {
        let cases = [
            (json!({ "cardData": { "license": "mit" } }), json!("mit")),
            (
                json!({ "cardData": { "license": ["mit", "gpl"] } }),
                json!(["mit", "gpl"]),
            ),
            (
                json!({ "tags": ["x", "license:apache-2.0"] }),
                json!("apache-2.0"),
            ),
            (
                json!({ "cardData": null, "tags": ["license:a", "license:b"] }),
                json!(["a", "b"]),
            ),
            (
                json!({ "cardData": { "license": "mit" }, "tags": ["license:other"] }),
                json!("mit"),
            ),
        ];
        for (info, license) in cases {
            assert_eq!(of(info.clone()).unwrap()["license"], license, "{info}");
        }
    }

    #[test]
    fn a_hub_that_says_nothing_gives_no_card() {
        for info in [json!({}), json!({ "cardData": 3 }), json!({ "tags": [] })] {
            assert_eq!(of(info.clone()), None, "{info}");
        }
    }

    #[test]
    fn what_is_kept_has_bounds() {
        let info = json!({
            "cardData": { "base_model": vec!["b"; 999], "license_name": "n".repeat(9999), "model-index": {} },
            "tags": vec!["t"; 999],
        });
        let card = of(info).unwrap();
        assert_eq!(card["base_model"].as_array().unwrap().len(), MOST_LISTED);
        assert_eq!(card["license_name"].as_str().unwrap().len(), MOST_SAID);
        assert_eq!(card["tags"].as_array().unwrap().len(), MOST_LISTED);
        assert!(card.get("model-index").is_none());
    }
}
