//! The hub's answers, read leniently: any key may be missing, null or of
//! another type, which then counts as missing. Six years of recorded answers
//! agree on little more than `id` and `name`.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::id::CivitaiId;

/// `GET /api/v1/models/{id}`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Model {
    #[serde(deserialize_with = "id")]
    pub id: Option<CivitaiId>,
    #[serde(deserialize_with = "soft")]
    pub name: Option<String>,
    #[serde(deserialize_with = "soft")]
    pub description: Option<String>,
    #[serde(rename = "type", deserialize_with = "soft")]
    pub kind: Option<String>,
    /// `Archived` or `TakenDown`.
    #[serde(deserialize_with = "soft")]
    pub mode: Option<String>,
    #[serde(deserialize_with = "soft")]
    pub nsfw: Option<bool>,
    #[serde(deserialize_with = "whole")]
    pub nsfw_level: Option<u64>,
    #[serde(deserialize_with = "soft")]
    pub poi: Option<bool>,
    #[serde(deserialize_with = "soft")]
    pub minor: Option<bool>,
    #[serde(deserialize_with = "soft")]
    pub sfw_only: Option<bool>,
    #[serde(deserialize_with = "soft")]
    pub allow_no_credit: Option<bool>,
    #[serde(deserialize_with = "uses")]
    pub allow_commercial_use: Option<Vec<String>>,
    #[serde(deserialize_with = "soft")]
    pub allow_derivatives: Option<bool>,
    #[serde(deserialize_with = "soft")]
    pub allow_different_license: Option<bool>,
    #[serde(deserialize_with = "soft")]
    pub creator: Creator,
    #[serde(deserialize_with = "list")]
    pub tags: Vec<String>,
    #[serde(deserialize_with = "list")]
    pub model_versions: Vec<Version>,
}

/// `GET /api/v1/models`: one page.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct ModelPage {
    #[serde(deserialize_with = "list")]
    pub items: Vec<Model>,
    #[serde(deserialize_with = "soft")]
    pub metadata: PageMetadata,
}

/// Where a page ends.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct PageMetadata {
    /// Text, or a number where the list is a text search.
    #[serde(deserialize_with = "soft")]
    pub next_cursor: Option<Value>,
}

/// Who published a model. Deleted accounts leave none.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Creator {
    #[serde(deserialize_with = "soft")]
    pub username: Option<String>,
}

/// `GET /api/v1/model-versions/{id}` and `…/by-hash/{hash}`, and an item of `modelVersions`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Version {
    #[serde(deserialize_with = "id")]
    pub id: Option<CivitaiId>,
    #[serde(deserialize_with = "id")]
    pub model_id: Option<CivitaiId>,
    #[serde(deserialize_with = "soft")]
    pub name: Option<String>,
    #[serde(deserialize_with = "soft")]
    pub description: Option<String>,
    #[serde(deserialize_with = "soft")]
    pub base_model: Option<String>,
    #[serde(deserialize_with = "soft")]
    pub base_model_type: Option<String>,
    #[serde(deserialize_with = "soft")]
    pub created_at: Option<String>,
    #[serde(deserialize_with = "soft")]
    pub published_at: Option<String>,
    #[serde(deserialize_with = "soft")]
    pub status: Option<String>,
    #[serde(deserialize_with = "soft")]
    pub availability: Option<String>,
    #[serde(deserialize_with = "whole")]
    pub nsfw_level: Option<u64>,
    #[serde(deserialize_with = "soft")]
    pub air: Option<String>,
    #[serde(deserialize_with = "soft")]
    pub usage_control: Option<String>,
    #[serde(deserialize_with = "soft")]
    pub require_auth: Option<bool>,
    /// Since 2026-07. There means: sold now.
    #[serde(deserialize_with = "soft")]
    pub paid_access: Option<PaidAccess>,
    /// 2024 to 2026.
    #[serde(deserialize_with = "soft")]
    pub early_access_ends_at: Option<String>,
    /// Beside `paidAccess`, on lists.
    #[serde(deserialize_with = "soft")]
    pub early_access_deadline: Option<String>,
    /// Before 2024: days from publication, 0 for none.
    #[serde(deserialize_with = "number")]
    pub early_access_time_frame: Option<f64>,
    #[serde(deserialize_with = "list")]
    pub trained_words: Vec<String>,
    #[serde(deserialize_with = "soft")]
    pub model: ModelStub,
    #[serde(deserialize_with = "list")]
    pub files: Vec<File>,
    #[serde(deserialize_with = "list")]
    pub images: Vec<Image>,
    #[serde(deserialize_with = "soft")]
    pub download_url: Option<String>,
}

/// What a version says of its model.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct ModelStub {
    #[serde(deserialize_with = "soft")]
    pub name: Option<String>,
    #[serde(rename = "type", deserialize_with = "soft")]
    pub kind: Option<String>,
    #[serde(deserialize_with = "soft")]
    pub nsfw: Option<bool>,
    #[serde(deserialize_with = "soft")]
    pub poi: Option<bool>,
    #[serde(deserialize_with = "soft")]
    pub mode: Option<String>,
}

/// `paidAccess`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct PaidAccess {
    #[serde(deserialize_with = "soft")]
    pub permanent: bool,
    #[serde(deserialize_with = "soft")]
    pub ends_at: Option<String>,
}

/// A file of a version.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct File {
    #[serde(deserialize_with = "id")]
    pub id: Option<CivitaiId>,
    #[serde(deserialize_with = "soft")]
    pub name: Option<String>,
    /// KiB with a fraction; the product with 1024 is off by float noise.
    #[serde(rename = "sizeKB", deserialize_with = "number")]
    pub size_kb: Option<f64>,
    #[serde(rename = "type", deserialize_with = "soft")]
    pub kind: Option<String>,
    #[serde(deserialize_with = "soft")]
    pub metadata: FileMetadata,
    #[serde(deserialize_with = "soft")]
    pub pickle_scan_result: Option<String>,
    #[serde(deserialize_with = "soft")]
    pub pickle_scan_message: Option<String>,
    #[serde(deserialize_with = "soft")]
    pub virus_scan_result: Option<String>,
    #[serde(deserialize_with = "soft")]
    pub virus_scan_message: Option<String>,
    #[serde(deserialize_with = "texts")]
    pub hashes: BTreeMap<String, String>,
    #[serde(deserialize_with = "soft")]
    pub download_url: Option<String>,
    #[serde(deserialize_with = "soft")]
    pub primary: bool,
}

/// What distinguishes a file from its siblings.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct FileMetadata {
    #[serde(deserialize_with = "soft")]
    pub format: Option<String>,
    #[serde(deserialize_with = "soft")]
    pub size: Option<String>,
    #[serde(deserialize_with = "soft")]
    pub fp: Option<String>,
    #[serde(deserialize_with = "soft")]
    pub quant_type: Option<String>,
}

/// A preview.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Image {
    #[serde(deserialize_with = "soft")]
    pub url: Option<String>,
    /// A level (`None`, `Soft`, …) or a truth value before 2024.
    #[serde(deserialize_with = "soft")]
    pub nsfw: Option<Value>,
    #[serde(deserialize_with = "whole")]
    pub nsfw_level: Option<u64>,
    #[serde(deserialize_with = "whole")]
    pub width: Option<u64>,
    #[serde(deserialize_with = "whole")]
    pub height: Option<u64>,
    #[serde(rename = "type", deserialize_with = "soft")]
    pub kind: Option<String>,
    #[serde(deserialize_with = "soft")]
    pub hash: Option<String>,
    /// How it was made: prompt, seed, and whatever else its maker's tool wrote.
    #[serde(deserialize_with = "soft")]
    pub meta: Option<Value>,
}

/// `GET /api/v1/model-versions/mini/{id}`: one file of the version, flat.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Mini {
    #[serde(deserialize_with = "soft")]
    pub air: Option<String>,
    #[serde(deserialize_with = "soft")]
    pub version_name: Option<String>,
    #[serde(deserialize_with = "soft")]
    pub model_name: Option<String>,
    #[serde(deserialize_with = "soft")]
    pub base_model: Option<String>,
    #[serde(deserialize_with = "soft")]
    pub availability: Option<String>,
    #[serde(deserialize_with = "soft")]
    pub published_at: Option<String>,
    /// KiB.
    #[serde(deserialize_with = "number")]
    pub size: Option<f64>,
    #[serde(deserialize_with = "soft")]
    pub file_type: Option<String>,
    #[serde(deserialize_with = "soft")]
    pub file_name: Option<String>,
    #[serde(deserialize_with = "texts")]
    pub hashes: BTreeMap<String, String>,
    #[serde(deserialize_with = "list")]
    pub download_urls: Vec<String>,
    #[serde(deserialize_with = "soft")]
    pub format: Option<String>,
    #[serde(deserialize_with = "soft")]
    pub require_auth: Option<bool>,
    #[serde(deserialize_with = "soft")]
    pub check_permission: Option<bool>,
    #[serde(deserialize_with = "soft")]
    pub early_access_ends_at: Option<String>,
}

/// An error's body. The message stands under `error` or `message`, as text or as an object.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Failure {
    #[serde(deserialize_with = "shown")]
    pub error: Option<String>,
    #[serde(deserialize_with = "shown")]
    pub message: Option<String>,
    #[serde(deserialize_with = "soft")]
    pub deadline: Option<String>,
    #[serde(deserialize_with = "soft")]
    pub code: Option<String>,
}

/// The value, or the default for one that is null or of another type.
fn soft<'de, D: Deserializer<'de>, T: DeserializeOwned + Default>(from: D) -> Result<T, D::Error> {
    Ok(T::deserialize(Value::deserialize(from)?).unwrap_or_default())
}

/// The items that can be read.
fn list<'de, D: Deserializer<'de>, T: DeserializeOwned>(from: D) -> Result<Vec<T>, D::Error> {
    let Value::Array(items) = Value::deserialize(from)? else {
        return Ok(Vec::new());
    };
    Ok(items
        .into_iter()
        .filter_map(|item| T::deserialize(item).ok())
        .collect())
}

/// The entries that are text.
fn texts<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<String, String>, D::Error> {
    let Value::Object(entries) = Value::deserialize(from)? else {
        return Ok(BTreeMap::new());
    };
    let text = |(key, value): (String, Value)| Some((key, value.as_str()?.to_owned()));
    Ok(entries.into_iter().filter_map(text).collect())
}

fn number<'de, D: Deserializer<'de>>(from: D) -> Result<Option<f64>, D::Error> {
    Ok(Value::deserialize(from)?
        .as_f64()
        .filter(|number| number.is_finite()))
}

/// A whole number, perhaps written as `5.0`.
fn whole<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    /// Above it, a float no longer holds every whole number.
    const EXACT: f64 = (1u64 << 53) as f64;
    let value = Value::deserialize(from)?;
    let from_float = |number: f64| {
        ((0.0..=EXACT).contains(&number) && number.fract() == 0.0).then_some(number as u64)
    };
    Ok(value
        .as_u64()
        .or_else(|| value.as_f64().and_then(from_float)))
}

fn id<'de, D: Deserializer<'de>>(from: D) -> Result<Option<CivitaiId>, D::Error> {
    Ok(whole(from)?.and_then(|number| CivitaiId::new(number).ok()))
}

/// `allowCommercialUse`: `"Sell"`, `["Image", "RentCivit"]`, `"{Image,RentCivit}"`; `"None"` and `[]` allow none.
fn uses<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<String>>, D::Error> {
    let names: Vec<String> = match Value::deserialize(from)? {
        Value::Array(items) => items
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
        Value::String(text) => {
            let text = text.trim().trim_start_matches('{').trim_end_matches('}');
            text.split(',')
                .map(|name| name.trim().trim_matches('"').to_owned())
                .collect()
        }
        _ => return Ok(None),
    };
    Ok(Some(
        names
            .into_iter()
            .filter(|name| !name.is_empty() && name != "None")
            .collect(),
    ))
}

/// Text, or an object shown as JSON.
fn shown<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    Ok(match Value::deserialize(from)? {
        Value::Null => None,
        Value::String(text) => Some(text),
        other => Some(other.to_string()),
    })
}

#[cfg(test)]
pub(super) mod tests;
