//! What people's tools look for beside a model: `NAME.civitai.info`, and a
//! preview picture.
//!
//! The shape is that of `/model-versions/{id}`, as Civitai Helper for Stable
//! Diffusion web UI writes it. It and ComfyUI LoRA Manager read `modelId`,
//! `trainedWords`, `images[].meta.prompt`, `model.{name,type,description,tags}`
//! and the name, size and SHA-256 of the file that is `primary`; a null where
//! they expect a number ends them.

use serde_json::{Map, Value, json};

use super::choose::NO_WEIGHTS;
use crate::artifact::Plan;
use crate::digest::Sha256;
use crate::path::RelPath;
use crate::url::SafeUrl;

/// Keys of ours that the hub's own answers don't have at the top.
const OURS: [&str; 5] = [
    "modelName",
    "versionName",
    "modelDescription",
    "tags",
    "type",
];
/// Keys that stand under `model` too, as the hub has them there or as tools look for them.
const OF_THE_MODEL: [&str; 5] = [
    "tags",
    "allowNoCredit",
    "allowCommercialUse",
    "allowDerivatives",
    "allowDifferentLicense",
];
/// The level of a picture that says none.
const UNKNOWN_LEVEL: u64 = 32;

/// The words on one file of a plan.
#[derive(Debug, Clone, Copy)]
pub struct Sidecar<'p> {
    /// The file they stand beside.
    pub file: &'p RelPath,
    card: &'p Map<String, Value>,
}

impl Plan {
    /// A sidecar for each file that is weights or goes with them, or for every
    /// file where none is. Empty where the hub has no card of the model.
    pub fn sidecars(&self) -> Vec<Sidecar<'_>> {
        let Some(card) = card(self) else {
            return Vec::new();
        };
        let all: Vec<Sidecar<'_>> = self
            .artifacts
            .iter()
            .map(|artifact| Sidecar {
                file: &artifact.path,
                card,
            })
            .collect();
        let weights: Vec<Sidecar<'_>> =
            all.iter().copied().filter(Sidecar::is_of_weights).collect();
        if weights.is_empty() { all } else { weights }
    }

    /// The model's still pictures, the ones fit for most eyes first, and
    /// within that in the creator's order.
    pub fn previews(&self) -> Vec<SafeUrl> {
        let images = card(self).and_then(|card| card.get("images")?.as_array());
        let mut ranked: Vec<(u64, SafeUrl)> = images
            .into_iter()
            .flatten()
            .filter(|image| is_still(image))
            .filter_map(|image| {
                let url = SafeUrl::parse(image.get("url")?.as_str()?).ok()?;
                Some((level(image), url))
            })
            .collect();
        ranked.sort_by_key(|(level, _)| *level);
        ranked.into_iter().map(|(_, url)| url).collect()
    }
}

/// The card, where it is one of this hub.
fn card(plan: &Plan) -> Option<&Map<String, Value>> {
    let is_ours = plan.provider == crate::ProviderKind::Civitai;
    plan.card.as_ref().filter(|_| is_ours)?.as_object()
}

impl Sidecar<'_> {
    /// What `NAME.civitai.info` holds, of a file with that content.
    pub fn info(&self, content: &Sha256) -> Value {
        let mut info = self.card.clone();
        let mut model = match info.remove("model") {
            Some(Value::Object(model)) => model,
            _ => Map::new(),
        };
        model.extend(
            OF_THE_MODEL
                .iter()
                .filter_map(|key| Some(((*key).to_owned(), self.card.get(*key)?.clone()))),
        );
        if let Some(description) = self.card.get("modelDescription") {
            model.insert("description".to_owned(), description.clone());
        }
        OURS.iter().for_each(|key| drop(info.remove(*key)));
        if let Some(Value::String(name)) = info.remove("creator") {
            info.insert("creator".to_owned(), json!({ "username": name }));
        }
        info.insert("model".to_owned(), Value::Object(model));
        info.insert("files".to_owned(), self.files(content));
        let mut info = Value::Object(info);
        drop_nulls(&mut info);
        info
    }

    /// The version's files, of which the one beside this is the primary one.
    fn files(&self, content: &Sha256) -> Value {
        let mut files = self.card.get("files").cloned().unwrap_or_default();
        for file in files.as_array_mut().into_iter().flatten() {
            let is_this = file.get("path").and_then(Value::as_str) == Some(self.file.as_str());
            let Value::Object(file) = file else {
                continue;
            };
            file.remove("path");
            file.insert("primary".to_owned(), json!(is_this));
            if is_this {
                let mut hashes = match file.remove("hashes") {
                    Some(Value::Object(hashes)) => hashes,
                    _ => Map::new(),
                };
                let sha256 = content.to_string().to_uppercase();
                hashes.insert("SHA256".to_owned(), json!(sha256));
                file.insert("hashes".to_owned(), Value::Object(hashes));
            }
        }
        files
    }

    fn is_of_weights(&self) -> bool {
        let files = self.card.get("files").and_then(Value::as_array);
        let this = files
            .into_iter()
            .flatten()
            .find(|file| file.get("path").and_then(Value::as_str) == Some(self.file.as_str()));
        let kind = this.and_then(|file| file.get("type")?.as_str());
        kind.is_none_or(|kind| !NO_WEIGHTS.contains(&kind))
    }
}

/// Whether a preview is no video.
fn is_still(image: &Value) -> bool {
    image
        .get("type")
        .and_then(Value::as_str)
        .is_none_or(|kind| kind == "image")
}

/// How far a picture is from being fit for all: the hub's bit mask, or the
/// words that stood in its place before 2024.
fn level(image: &Value) -> u64 {
    if let Some(level) = image.get("nsfwLevel").and_then(Value::as_u64) {
        return if level == 0 { UNKNOWN_LEVEL } else { level };
    }
    match image.get("nsfw") {
        Some(Value::Bool(false)) => 1,
        Some(Value::Bool(true)) => 16,
        Some(Value::String(word)) => match word.as_str() {
            "None" => 1,
            "Soft" => 2,
            "Mature" => 4,
            "X" => 8,
            _ => UNKNOWN_LEVEL,
        },
        _ => UNKNOWN_LEVEL,
    }
}

fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(keys) => {
            keys.retain(|_, value| !value.is_null());
            keys.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

#[cfg(test)]
mod tests;
