//! The model's card: what people and their tools want beside the weights.

use serde_json::{Map, Value, json};

use super::errors::clipped;
use super::lookup::Found;
use super::wire::{File, Image, Model};
use crate::path::RelPath;
use crate::url::SafeUrl;

/// The longest description kept, in characters.
const MOST_DESCRIBED: usize = 20_000;
/// The longest other text kept, in characters.
const MOST_SAID: usize = 500;
/// The most of anything that comes in a list.
const MOST_LISTED: usize = 200;
/// The most previews kept.
const MOST_IMAGES: usize = 20;
/// The longest prompt kept, in characters.
const MOST_PROMPTED: usize = 2000;
/// What is kept of how a preview was made.
const PROMPT_KEYS: [&str; 10] = [
    "prompt",
    "negativePrompt",
    "sampler",
    "cfgScale",
    "steps",
    "seed",
    "clipSkip",
    "Clip skip",
    "Size",
    "Model",
];

/// The card, in the hub's own terms and spelling. Its keys are those of
/// `/model-versions/{id}`, which is what `.civitai.info` files hold, and of
/// `/models/{id}` for the licence flags.
///
/// `download` is the version's download URL.
pub(super) fn card(found: &Found, paths: &[RelPath], download: &str) -> Value {
    let version = &found.version;
    let model = found.model.as_ref();
    let said = |text: &Option<String>| text.as_deref().map(|text| clipped(text, MOST_SAID));
    let name = model
        .and_then(|model| said(&model.name))
        .or_else(|| said(&version.model.name));
    let kind = model
        .and_then(|model| said(&model.kind))
        .or_else(|| said(&version.model.kind));
    let nsfw = model.and_then(|model| model.nsfw).or(version.model.nsfw);
    let poi = model.and_then(|model| model.poi).or(version.model.poi);
    let files = version.files.iter().zip(paths).take(MOST_LISTED);
    let mut card = json!({
        "modelId": found.model_id,
        "id": found.version_id,
        "modelName": name,
        "name": said(&version.name),
        "versionName": said(&version.name),
        "type": kind,
        "baseModel": said(&version.base_model),
        "baseModelType": said(&version.base_model_type),
        "trainedWords": texts(&version.trained_words),
        "air": said(&version.air),
        "nsfw": nsfw,
        "nsfwLevel": version.nsfw_level.or(model.and_then(|model| model.nsfw_level)),
        "description": version.description.as_deref().map(described),
        "createdAt": said(&version.created_at),
        "publishedAt": said(&version.published_at),
        "model": { "name": name, "type": kind, "nsfw": nsfw, "poi": poi },
        "downloadUrl": download,
        "files": files.map(|(file, path)| file_card(file, path, download)).collect::<Vec<_>>(),
        "images": version.images.iter().filter_map(image).take(MOST_IMAGES).collect::<Vec<_>>(),
    });
    if let (Some(model), Value::Object(card)) = (model, &mut card) {
        card.append(&mut model_card(model));
    }
    card
}

fn model_card(model: &Model) -> Map<String, Value> {
    let keys = json!({
        "creator": model.creator.username.as_deref().map(|name| clipped(name, MOST_SAID)),
        "tags": texts(&model.tags),
        "minor": model.minor,
        "sfwOnly": model.sfw_only,
        "allowNoCredit": model.allow_no_credit,
        "allowCommercialUse": model.allow_commercial_use.as_deref().map(texts),
        "allowDerivatives": model.allow_derivatives,
        "allowDifferentLicense": model.allow_different_license,
        "modelDescription": model.description.as_deref().map(described),
    });
    match keys {
        Value::Object(keys) => keys,
        _ => Map::new(),
    }
}

fn file_card(file: &File, path: &RelPath, download: &str) -> Value {
    let metadata = &file.metadata;
    let said = |text: &Option<String>| text.as_deref().map(|text| clipped(text, MOST_SAID));
    let hashes = file.hashes.iter().take(16);
    let hashes: Map<String, Value> = hashes
        .map(|(key, value)| (clipped(key, 40), json!(clipped(value, 128))))
        .collect();
    json!({
        "id": file.id,
        "name": said(&file.name),
        "path": path,
        "sizeKB": file.size_kb,
        "type": said(&file.kind),
        "primary": file.primary,
        "metadata": {
            "format": said(&metadata.format),
            "size": said(&metadata.size),
            "fp": said(&metadata.fp),
            "quantType": said(&metadata.quant_type),
        },
        "pickleScanResult": said(&file.pickle_scan_result),
        "virusScanResult": said(&file.virus_scan_result),
        "hashes": hashes,
        "downloadUrl": file.id.map(|id| format!("{download}?fileId={id}")),
    })
}

/// A preview whose URL can be fetched.
fn image(image: &Image) -> Option<Value> {
    let url = SafeUrl::parse(image.url.as_deref()?).ok()?;
    Some(json!({
        "url": url.as_url().as_str(),
        "nsfw": image.nsfw.as_ref().and_then(flag),
        "nsfwLevel": image.nsfw_level,
        "width": image.width,
        "height": image.height,
        "type": image.kind.as_deref().map(|kind| clipped(kind, 40)),
        "hash": image.hash.as_deref().map(|hash| clipped(hash, 100)),
        "meta": image.meta.as_ref().and_then(prompt),
    }))
}

/// How a preview was made, as far as people reuse it. A whole workflow may
/// have megabytes.
fn prompt(meta: &Value) -> Option<Value> {
    let kept: Map<String, Value> = PROMPT_KEYS
        .iter()
        .filter_map(|key| {
            let value = match meta.get(key)? {
                Value::String(text) => json!(clipped(text, MOST_PROMPTED)),
                number @ Value::Number(_) => number.clone(),
                _ => return None,
            };
            Some(((*key).to_owned(), value))
        })
        .collect();
    (!kept.is_empty()).then_some(Value::Object(kept))
}

/// A truth value, or the level's name that stood in its place before 2024.
fn flag(nsfw: &Value) -> Option<Value> {
    match nsfw {
        Value::Bool(_) => Some(nsfw.clone()),
        Value::String(level) => Some(json!(clipped(level, 40))),
        _ => None,
    }
}

fn texts(list: &[String]) -> Vec<String> {
    list.iter()
        .take(MOST_LISTED)
        .map(|text| clipped(text, MOST_SAID * 4))
        .collect()
}

fn described(text: &str) -> String {
    text.chars().take(MOST_DESCRIBED).collect()
}
