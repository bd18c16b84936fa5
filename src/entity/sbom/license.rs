//! The licence that a model's card states, in SPDX's words where it has one.

use serde::Serialize;
use serde_json::Value;

use super::super::Manifest;
use modelferry_providers::ProviderKind;

/// The licences of Hugging Face that SPDX knows by another spelling, lower case
/// (<https://huggingface.co/docs/hub/repositories-licenses>, <https://spdx.org/licenses/>).
/// What SPDX does not know, such as the RAIL family or `llama3`, is named.
const SPDX: &[(&str, &str)] = &[
    ("afl-3.0", "AFL-3.0"),
    ("agpl-3.0", "AGPL-3.0"),
    ("apache-2.0", "Apache-2.0"),
    ("artistic-2.0", "Artistic-2.0"),
    ("bsd-2-clause", "BSD-2-Clause"),
    ("bsd-3-clause", "BSD-3-Clause"),
    ("bsd-3-clause-clear", "BSD-3-Clause-Clear"),
    ("bsl-1.0", "BSL-1.0"),
    ("c-uda", "C-UDA-1.0"),
    ("cc-by-2.0", "CC-BY-2.0"),
    ("cc-by-2.5", "CC-BY-2.5"),
    ("cc-by-3.0", "CC-BY-3.0"),
    ("cc-by-4.0", "CC-BY-4.0"),
    ("cc-by-nc-2.0", "CC-BY-NC-2.0"),
    ("cc-by-nc-3.0", "CC-BY-NC-3.0"),
    ("cc-by-nc-4.0", "CC-BY-NC-4.0"),
    ("cc-by-nc-nd-3.0", "CC-BY-NC-ND-3.0"),
    ("cc-by-nc-nd-4.0", "CC-BY-NC-ND-4.0"),
    ("cc-by-nc-sa-2.0", "CC-BY-NC-SA-2.0"),
    ("cc-by-nc-sa-3.0", "CC-BY-NC-SA-3.0"),
    ("cc-by-nc-sa-4.0", "CC-BY-NC-SA-4.0"),
    ("cc-by-nd-4.0", "CC-BY-ND-4.0"),
    ("cc-by-sa-3.0", "CC-BY-SA-3.0"),
    ("cc-by-sa-4.0", "CC-BY-SA-4.0"),
    ("cc0-1.0", "CC0-1.0"),
    ("cdla-permissive-1.0", "CDLA-Permissive-1.0"),
    ("cdla-permissive-2.0", "CDLA-Permissive-2.0"),
    ("cdla-sharing-1.0", "CDLA-Sharing-1.0"),
    ("ecl-2.0", "ECL-2.0"),
    ("epl-1.0", "EPL-1.0"),
    ("epl-2.0", "EPL-2.0"),
    ("etalab-2.0", "etalab-2.0"),
    ("eupl-1.1", "EUPL-1.1"),
    ("eupl-1.2", "EUPL-1.2"),
    ("gpl-2.0", "GPL-2.0"),
    ("gpl-3.0", "GPL-3.0"),
    ("isc", "ISC"),
    ("lgpl-2.1", "LGPL-2.1"),
    ("lgpl-3.0", "LGPL-3.0"),
    ("lgpl-lr", "LGPLLR"),
    ("lppl-1.3c", "LPPL-1.3c"),
    ("mit", "MIT"),
    ("mpl-2.0", "MPL-2.0"),
    ("ms-pl", "MS-PL"),
    ("ncsa", "NCSA"),
    ("odbl", "ODbL-1.0"),
    ("odc-by", "ODC-By-1.0"),
    ("ofl-1.1", "OFL-1.1"),
    ("osl-3.0", "OSL-3.0"),
    ("pddl", "PDDL-1.0"),
    ("postgresql", "PostgreSQL"),
    ("unlicense", "Unlicense"),
    ("wtfpl", "WTFPL"),
    ("zlib", "Zlib"),
];

/// One licence, as CycloneDX holds it.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct LicenseChoice {
    license: License,
}

#[derive(Debug, Default, PartialEq, Eq, Serialize)]
struct License {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
}

/// Every licence that the card states.
pub(super) fn of(manifest: &Manifest) -> Vec<LicenseChoice> {
    let Some(card) = &manifest.card else {
        return Vec::new();
    };
    if manifest.source.provider == ProviderKind::Civitai {
        return civitai(manifest, card).into_iter().collect();
    }
    let stated: Vec<&str> = match card.get("license") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let stated = stated.into_iter();
    stated.filter_map(|stated| license(stated, card)).collect()
}

/// `other` is told by its name and where its text is.
fn license(stated: &str, card: &Value) -> Option<LicenseChoice> {
    let stated = stated.trim();
    let lower = stated.to_ascii_lowercase();
    let known = SPDX.iter().find(|(spelled, _)| *spelled == lower);
    if let Some((_, id)) = known {
        return Some(named(Some(id), None, None));
    }
    let said = |key: &str| card.get(key).and_then(Value::as_str).map(str::trim);
    let name = match lower.as_str() {
        "" | "unknown" => return None,
        "other" => said("license_name").unwrap_or(stated),
        _ => stated,
    };
    let link = said("license_link").filter(|link| is_address(link));
    Some(named(None, Some(name.to_owned()), link))
}

/// The hub has permissions of its own for each version, and a page that tells them.
fn civitai(manifest: &Manifest, card: &Value) -> Option<LicenseChoice> {
    let page = url::Url::parse(&manifest.source.url).ok()?;
    let version = card.get("id")?.as_u64()?;
    let origin = page.origin().ascii_serialization();
    let name = "Civitai permissions of this version".to_owned();
    let link = format!("{origin}/models/license/{version}");
    Some(named(None, Some(name), Some(&link)))
}

fn named(id: Option<&'static str>, name: Option<String>, url: Option<&str>) -> LicenseChoice {
    LicenseChoice {
        license: License {
            id,
            name,
            url: url.map(ToOwned::to_owned),
        },
    }
}

fn is_address(link: &str) -> bool {
    url::Url::parse(link).is_ok_and(|url| matches!(url.scheme(), "http" | "https"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_licence_has_its_spdx_id_or_its_name() {
        let card = json!({ "license_name": "gemma-terms", "license_link": "https://ai.google.dev/gemma/terms" });
        for (stated, id, name, url) in [
            ("mit", Some("MIT"), None, None),
            (" Apache-2.0 ", Some("Apache-2.0"), None, None),
            (
                "other",
                None,
                Some("gemma-terms"),
                Some("https://ai.google.dev/gemma/terms"),
            ),
            (
                "llama3.1",
                None,
                Some("llama3.1"),
                Some("https://ai.google.dev/gemma/terms"),
            ),
        ] {
            let expected = named(id, name.map(ToOwned::to_owned), url);
            assert_eq!(license(stated, &card), Some(expected), "{stated}");
        }
        for nothing in ["", "unknown", " "] {
            assert_eq!(license(nothing, &card), None, "{nothing:?}");
        }
    }

    #[test]
    fn a_link_that_is_no_address_is_left_out() {
        let card = json!({ "license_name": "mine", "license_link": "LICENSE" });
        let expected = named(None, Some("mine".to_owned()), None);
        assert_eq!(license("other", &card), Some(expected));
    }

    #[test]
    fn the_table_is_sorted_and_lower_case() {
        assert!(SPDX.windows(2).all(|pair| pair[0].0 < pair[1].0));
        let is_lower = |text: &str| text == text.to_ascii_lowercase();
        assert!(SPDX.iter().all(|(spelled, _)| is_lower(spelled)));
    }
}
