//! What metadata and small configuration files claim of a model.

use serde_json::Value;

use super::{Facts, ModelType};
use crate::inspect::finding::shown;

/// Longest claim that is kept, in characters.
const MAX_CLAIM: usize = 200;

/// Metadata of safetensors: the keys of kohya's scripts (`ss_*`) and of the modelspec.
pub(in super::super) fn from_metadata<'m>(
    facts: &mut Facts,
    get: impl Fn(&str) -> Option<&'m str>,
) {
    let claim = |key: &str| get(key).and_then(claimed);
    if let Some(spec) = claim("modelspec.architecture") {
        let (family, part) = spec.split_once('/').unwrap_or((&spec, ""));
        facts.architecture = Some(family.to_owned());
        facts.model_type = of_part(part).or(facts.model_type);
    }
    if get("ss_network_module").is_some() {
        facts.model_type = Some(ModelType::Lora);
    }
    let base = claim("ss_base_model_version").or_else(|| claim("ss_sd_model_name"));
    facts.base_model = base.or(facts.base_model.take());
    let rank = claim("ss_network_dim").and_then(|rank| rank.parse().ok());
    facts.rank = facts.rank.or(rank);
    facts.name = claim("modelspec.title").or_else(|| claim("ss_output_name"));
    facts.license = claim("modelspec.license");
}

fn of_part(part: &str) -> Option<ModelType> {
    match part {
        "lora" | "locon" | "loha" | "lokr" => Some(ModelType::Lora),
        "textual-inversion" => Some(ModelType::Embedding),
        "controlnet" | "control-net" => Some(ModelType::Controlnet),
        "vae" => Some(ModelType::Vae),
        _ => None,
    }
}

/// A small JSON file that says what the weights beside it are.
pub(in super::super) fn from_configuration(path: &str, json: &[u8]) -> Option<Facts> {
    let name = path.rsplit('/').next().unwrap_or(path);
    let read: fn(&Value) -> Facts = match name {
        "adapter_config.json" => adapter,
        "model_index.json" => pipeline,
        "config.json" => configuration,
        _ if name.ends_with(".index.json") => index,
        _ => return None,
    };
    // Not JSON after all, or deeper than the parser goes: it tells nothing.
    let value = serde_json::from_slice(json).ok()?;
    Some(read(&value))
}

fn adapter(json: &Value) -> Facts {
    let sort = json
        .get("peft_type")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let low_rank = matches!(sort, "LORA" | "ADALORA" | "LOHA" | "LOKR" | "OFT" | "VERA");
    Facts {
        model_type: Some(if low_rank {
            ModelType::Lora
        } else {
            ModelType::Adapter
        }),
        base_model: text(json, "base_model_name_or_path"),
        rank: json.get("r").and_then(Value::as_u64),
        ..Facts::default()
    }
}

fn pipeline(json: &Value) -> Facts {
    Facts {
        model_type: Some(ModelType::Pipeline),
        architecture: text(json, "_class_name"),
        ..Facts::default()
    }
}

fn configuration(json: &Value) -> Facts {
    let first = json.get("architectures").and_then(|list| list.get(0));
    let architecture = first
        .and_then(Value::as_str)
        .and_then(claimed)
        .or_else(|| text(json, "_class_name"))
        .or_else(|| text(json, "model_type"));
    let model_type = architecture.as_deref().and_then(of_class);
    let length = |json: &Value| json.get("max_position_embeddings").and_then(Value::as_u64);
    Facts {
        model_type,
        architecture,
        quantization: json.get("quantization_config").and_then(quantization),
        context_length: length(json).or_else(|| length(json.get("text_config")?)),
        ..Facts::default()
    }
}

fn of_class(class: &str) -> Option<ModelType> {
    if class.contains("ControlNet") {
        Some(ModelType::Controlnet)
    } else if class.starts_with("Autoencoder") || class == "VQModel" {
        Some(ModelType::Vae)
    } else if class.contains("TextModel") || class == "T5EncoderModel" {
        Some(ModelType::TextEncoder)
    } else {
        None
    }
}

fn quantization(json: &Value) -> Option<String> {
    let method = text(json, "quant_method")?;
    let bits = json.get("bits").and_then(Value::as_u64);
    Some(match bits {
        Some(bits) => format!("{method} {bits}-bit"),
        None => method,
    })
}

fn index(json: &Value) -> Facts {
    let total = json
        .get("metadata")
        .and_then(|about| about.get("total_parameters"));
    Facts {
        parameters: total.and_then(Value::as_u64),
        tensors: json
            .get("weight_map")
            .and_then(Value::as_object)
            .map(|map| map.len() as u64),
        ..Facts::default()
    }
}

fn text(json: &Value, key: &str) -> Option<String> {
    claimed(json.get(key)?.as_str()?)
}

/// A claim made fit to be shown, unless it is none.
pub(super) fn claimed(text: &str) -> Option<String> {
    let text = text.trim();
    let none = matches!(text, "" | "None" | "null" | "unknown");
    (!none).then(|| shown(text, MAX_CLAIM))
}
