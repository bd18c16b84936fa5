//! Which of ComfyUI's folders a file belongs into: by the card of its hub, by
//! the folder it lay in, by what its headers say it is.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::{Arrangement, base_name, has_own_names};
use crate::entity::{Manifest, ManifestFile};
use crate::error::{Code, Error};
use crate::inspect::ModelType;

/// The folders below `models` that ComfyUI reads.
/// <https://github.com/comfyanonymous/ComfyUI/blob/master/folder_paths.py>
/// The last two are those of the nodes that everybody has for motion modules and IP-Adapter.
const FOLDERS: &[&str] = &[
    "audio_encoders",
    "checkpoints",
    "classifiers",
    "clip",
    "clip_vision",
    "configs",
    "controlnet",
    "diffusion_models",
    "embeddings",
    "gligen",
    "hypernetworks",
    "latent_upscale_models",
    "loras",
    "model_patches",
    "photomaker",
    "style_models",
    "t2i_adapter",
    "text_encoders",
    "unet",
    "upscale_models",
    "vae",
    "vae_approx",
    "animatediff_models",
    "ipadapter",
];

/// The endings of files that ComfyUI loads.
const WEIGHTS: &[&str] = &[
    "safetensors",
    "sft",
    "ckpt",
    "pt",
    "pt2",
    "pth",
    "bin",
    "pkl",
    "gguf",
];

pub(super) fn arrange(manifest: &Manifest) -> Result<Arrangement, Error> {
    let mut arrangement = Arrangement::default();
    let mut unknown = None;
    let mut taken: HashMap<PathBuf, usize> = HashMap::new();
    for (number, file) in manifest.files.iter().enumerate() {
        let folder = folder(manifest, file);
        let left_out = match folder {
            Some(folder) => {
                let target = target(manifest, file, folder);
                if taken.insert(target.clone(), number).is_some() {
                    return Err(twice(&target));
                }
                arrangement.files.push((number, target));
                continue;
            }
            None if !is_weights(&file.path) => "ComfyUI loads no such file",
            None => {
                unknown.get_or_insert(&file.path);
                "nothing tells which folder it belongs into"
            }
        };
        arrangement.left_out.push((file.path.clone(), left_out));
    }
    match unknown {
        Some(path) if arrangement.files.is_empty() => Err(unplaceable(path)),
        _ => Ok(arrangement),
    }
}

fn folder(manifest: &Manifest, file: &ManifestFile) -> Option<&'static str> {
    if !is_weights(&file.path) {
        return is_config(manifest, file).then_some("configs");
    }
    by_card(manifest, file)
        .or_else(|| by_path(&file.path))
        .or_else(|| by_facts(file))
}

/// Civitai's card names the model's type, and each file's.
fn by_card(manifest: &Manifest, file: &ManifestFile) -> Option<&'static str> {
    let card = manifest.card.as_ref()?;
    match file_type(manifest, file)? {
        "VAE" => return Some("vae"),
        "Text Encoder" => return Some("text_encoders"),
        "Vision Encoder" | "CLIPVision" => return Some("clip_vision"),
        "UNet" | "Diffusion Model" => return Some("diffusion_models"),
        "ControlNet" => return Some("controlnet"),
        "Upscaler" => return Some("upscale_models"),
        "Enhancement LoRA" => return Some("loras"),
        "Negative" => return Some("embeddings"),
        "Training Data" | "Archive" | "Workflow" => return None,
        _ => {}
    }
    let is_gguf = file.path.ends_with(".gguf");
    Some(match card["type"].as_str()? {
        "Checkpoint" if is_gguf => "diffusion_models",
        "Checkpoint" => "checkpoints",
        "LORA" | "LoCon" | "DoRA" => "loras",
        "TextualInversion" => "embeddings",
        "VAE" => "vae",
        "Controlnet" => "controlnet",
        "Upscaler" => "upscale_models",
        "Hypernetwork" => "hypernetworks",
        "MotionModule" => "animatediff_models",
        "UNet" | "Diffusion Model" | "DiffusionModel" => "diffusion_models",
        "Text Encoder" | "TextEncoder" | "CLIP" => "text_encoders",
        "CLIPVision" | "Vision Encoder" => "clip_vision",
        _ => return None,
    })
}

/// What Civitai's card calls a file.
fn file_type<'a>(manifest: &'a Manifest, file: &ManifestFile) -> Option<&'a str> {
    let files = manifest.card.as_ref()?["files"].as_array()?;
    let own = files
        .iter()
        .find(|listed| listed["path"] == file.path.as_str())?;
    own["type"].as_str()
}

/// The only text that ComfyUI reads beside models: a checkpoint's layers.
fn is_config(manifest: &Manifest, file: &ManifestFile) -> bool {
    file.path.to_ascii_lowercase().ends_with(".yaml") && file_type(manifest, file) == Some("Config")
}

/// Repositories made for ComfyUI name its folders.
fn by_path(path: &str) -> Option<&'static str> {
    let folders = path.rsplit('/').skip(1);
    folders
        .filter_map(|name| FOLDERS.iter().find(|known| **known == name))
        .copied()
        .next()
}

fn by_facts(file: &ManifestFile) -> Option<&'static str> {
    match file.facts.as_ref()?.model_type? {
        ModelType::Checkpoint => Some("checkpoints"),
        ModelType::Lora => Some("loras"),
        ModelType::Embedding => Some("embeddings"),
        ModelType::Controlnet => Some("controlnet"),
        ModelType::Vae => Some("vae"),
        ModelType::TextEncoder => Some("text_encoders"),
        ModelType::Adapter | ModelType::Projector | ModelType::Pipeline => None,
    }
}

/// Names such as `model.safetensors` go into a folder named for their model:
/// ComfyUI lists folders within its own.
fn target(manifest: &Manifest, file: &ManifestFile, folder: &str) -> PathBuf {
    let root = Path::new("models").join(folder);
    let name = base_name(&file.path);
    if has_own_names(manifest) {
        return root.join(name);
    }
    let reference = manifest.name.replace(['/', '\\', ':'], "--");
    root.join(reference.trim_matches('.')).join(name)
}

fn is_weights(path: &str) -> bool {
    let ending = path.rsplit('.').next().unwrap_or_default();
    WEIGHTS
        .iter()
        .any(|known| ending.eq_ignore_ascii_case(known))
}

fn twice(target: &Path) -> Error {
    Error::new(
        Code::InvalidRequest,
        format!("two files would both be {}", target.display()),
    )
    .hint("use --layout files, or import one of them with --include")
}

fn unplaceable(path: &str) -> Error {
    Error::new(
        Code::InvalidRequest,
        format!("nothing tells which of ComfyUI's folders {path} belongs into"),
    )
    .hint("use --layout files with --to the folder it belongs into, such as ComfyUI/models/loras")
}
