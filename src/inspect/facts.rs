//! What a model says of itself in its headers: kept in the manifest and shown to people.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

mod census;
mod claims;
mod combine;
#[cfg(test)]
mod tests;

pub(super) use census::Census;
pub(super) use claims::{from_configuration, from_metadata};

/// What is known of a file, or of a whole model, from headers and small configuration files.
///
/// Everything here is a claim of the file, bounded in length and fit to be shown; nothing of it
/// says that the file is safe. What a file does not tell is absent, on the wire too.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Facts {
    /// What the weights are for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_type: Option<ModelType>,
    /// The family of networks: `llama`, `stable-diffusion-xl-v1-base`, `FluxTransformer2DModel`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub architecture: Option<String>,
    /// The model it was made from or is to be used with, as the file names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_model: Option<String>,
    /// The name that the file gives the model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The licence that the file names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub license: Option<String>,
    /// Trained numbers, counted as tensor elements.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameters: Option<u64>,
    /// How many tensors there are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tensors: Option<u64>,
    /// Tensor elements by the format's own name of their type: `BF16`, `F32`, `Q4_K`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub dtypes: BTreeMap<String, u64>,
    /// How the weights were made smaller: `Q4_K_M`, `gptq`, `bitsandbytes`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quantization: Option<String>,
    /// The rank of a LoRA.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rank: Option<u64>,
    /// The longest input of a language model, in tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context_length: Option<u64>,
    /// The width of a picture or video in pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width: Option<u64>,
    /// The height of a picture or video in pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub height: Option<u64>,
}

/// What a file of weights is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ModelType {
    /// A whole model, or a shard of one.
    Checkpoint,
    /// Low-rank changes to another model: LoRA, LoCon, LoHa, LoKr, DoRA.
    Lora,
    /// A textual inversion: words for a text encoder.
    Embedding,
    /// Another addition by PEFT: prefix, prompt or IA3 tuning.
    Adapter,
    /// A model that steers an image model by a picture.
    Controlnet,
    /// The encoder and decoder between pixels and latents.
    Vae,
    /// The encoder of prompts.
    TextEncoder,
    /// A projector that gives a language model eyes or ears.
    Projector,
    /// A whole set of folders for `diffusers`.
    Pipeline,
}

impl ModelType {
    /// The name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Checkpoint => "checkpoint",
            Self::Lora => "lora",
            Self::Embedding => "embedding",
            Self::Adapter => "adapter",
            Self::Controlnet => "controlnet",
            Self::Vae => "vae",
            Self::TextEncoder => "text-encoder",
            Self::Projector => "projector",
            Self::Pipeline => "pipeline",
        }
    }
}

impl Facts {
    /// Whether nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
