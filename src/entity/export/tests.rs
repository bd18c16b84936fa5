use modelferry_providers::{Http, Providers, Settings};
use serde_json::json;

use super::*;

fn manifest(
    provider: &str,
    reference: &str,
    files: &[(&str, Option<&str>)],
    card: serde_json::Value,
) -> Manifest {
    let files: Vec<_> = files
        .iter()
        .zip(1u8..)
        .map(|((path, git), nth)| {
            let sha256 = format!("{nth:02x}").repeat(32);
            json!({ "path": path, "size": 1, "sha256": sha256, "gitSha1": git })
        })
        .collect();
    let manifest = json!({
        "schemaVersion": 1, "id": "model_1", "kind": "model", "name": reference,
        "source": { "provider": provider, "reference": reference, "revision": COMMIT, "url": "https://h/" },
        "files": files, "importedAt": "2026-01-01T00:00:00Z", "toolVersion": "1", "card": card,
    });
    serde_json::from_value(manifest).unwrap()
}

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
const GIT: &str = "89abcdef0123456789abcdef0123456789abcdef";

fn locator(reference: &str) -> Locator {
    let http = Http::new(modelferry_providers::http::HttpSettings::default()).unwrap();
    let url = |text| modelferry_providers::SafeUrl::parse(text).unwrap();
    let settings = Settings {
        huggingface_endpoint: url("https://huggingface.co"),
        civitai_endpoint: url("https://civitai.com"),
    };
    Providers::new(&settings, &http)
        .parse(reference)
        .unwrap()
        .locator
}

fn arrange(layout: Layout, manifest: &Manifest) -> Result<Arrangement, Error> {
    layout.arrange(manifest, &locator(&manifest.source.reference))
}

fn targets(arrangement: &Arrangement) -> Vec<String> {
    let files = arrangement.files.iter();
    files.map(|(_, path)| path.display().to_string()).collect()
}

#[test]
fn a_huggingface_cache_has_blobs_snapshots_and_a_ref() {
    let files = [("config.json", Some(GIT)), ("sub/model.safetensors", None)];
    let manifest = manifest("huggingface", "acme/tiny@v1", &files, json!(null));
    let cache = arrange(Layout::HuggingFaceCache, &manifest).unwrap();
    let lfs = "02".repeat(32);
    let root = "models--acme--tiny";
    assert_eq!(
        targets(&cache),
        [format!("{root}/blobs/{GIT}"), format!("{root}/blobs/{lfs}")]
    );
    let links: Vec<_> = cache
        .links
        .iter()
        .map(|(at, to)| (at.display().to_string(), to.display().to_string()))
        .collect();
    let snapshot = format!("{root}/snapshots/{COMMIT}");
    assert_eq!(
        links,
        [
            (
                format!("{snapshot}/config.json"),
                format!("../../blobs/{GIT}")
            ),
            (
                format!("{snapshot}/sub/model.safetensors"),
                format!("../../../blobs/{lfs}")
            ),
        ]
    );
    assert_eq!(
        cache.texts,
        [(PathBuf::from(format!("{root}/refs/v1")), COMMIT.to_owned())]
    );
}

#[test]
fn a_ref_is_main_unless_the_source_named_another() {
    let refs = |reference: &str| {
        let manifest = manifest("huggingface", reference, &[("a", None)], json!(null));
        let cache = arrange(Layout::HuggingFaceCache, &manifest).unwrap();
        let names = cache
            .texts
            .iter()
            .map(|(path, _)| path.display().to_string());
        names.collect::<Vec<_>>()
    };
    assert_eq!(refs("acme/tiny"), ["models--acme--tiny/refs/main"]);
    assert_eq!(
        refs("hf://datasets/acme/data"),
        ["datasets--acme--data/refs/main"]
    );
    assert_eq!(refs(&format!("acme/tiny@{COMMIT}")), Vec::<String>::new());
}

#[test]
fn only_what_came_from_hugging_face_fits_its_cache() {
    let manifest = manifest(
        "civitai",
        "civitai:1@2",
        &[("a.safetensors", None)],
        json!(null),
    );
    let error = arrange(Layout::HuggingFaceCache, &manifest).unwrap_err();
    assert_eq!(error.code, Code::InvalidRequest);
}

#[test]
fn a_civitai_card_chooses_comfyuis_folder() {
    let cases = [
        (
            "Checkpoint",
            "Model",
            "a.safetensors",
            Some("checkpoints/a.safetensors"),
        ),
        (
            "Checkpoint",
            "Pruned Model",
            "a.ckpt",
            Some("checkpoints/a.ckpt"),
        ),
        (
            "Checkpoint",
            "Model",
            "a.gguf",
            Some("diffusion_models/a.gguf"),
        ),
        ("Checkpoint", "VAE", "a.pt", Some("vae/a.pt")),
        (
            "LORA",
            "Model",
            "a.safetensors",
            Some("loras/a.safetensors"),
        ),
        (
            "LoCon",
            "Model",
            "a.safetensors",
            Some("loras/a.safetensors"),
        ),
        (
            "DoRA",
            "Model",
            "a.safetensors",
            Some("loras/a.safetensors"),
        ),
        (
            "TextualInversion",
            "Negative",
            "a.pt",
            Some("embeddings/a.pt"),
        ),
        ("Controlnet", "Model", "a.pth", Some("controlnet/a.pth")),
        ("Upscaler", "Model", "a.pth", Some("upscale_models/a.pth")),
        ("Checkpoint", "Config", "a.yaml", Some("configs/a.yaml")),
        ("Checkpoint", "Model", "a.yaml", None),
        (
            "MotionModule",
            "Model",
            "a.ckpt",
            Some("animatediff_models/a.ckpt"),
        ),
        (
            "Checkpoint",
            "UNet",
            "a.safetensors",
            Some("diffusion_models/a.safetensors"),
        ),
        (
            "Checkpoint",
            "Diffusion Model",
            "a.sft",
            Some("diffusion_models/a.sft"),
        ),
        (
            "Checkpoint",
            "Text Encoder",
            "a.safetensors",
            Some("text_encoders/a.safetensors"),
        ),
        (
            "Checkpoint",
            "CLIPVision",
            "a.safetensors",
            Some("clip_vision/a.safetensors"),
        ),
        (
            "Checkpoint",
            "Enhancement LoRA",
            "a.safetensors",
            Some("loras/a.safetensors"),
        ),
        ("Hypernetwork", "Model", "a.pt", Some("hypernetworks/a.pt")),
        ("Checkpoint", "Workflow", "a.bin", None),
        ("AestheticGradient", "Model", "a.pt", None),
        ("Wildcards", "Model", "a.bin", None),
        ("LORA", "Training Data", "a.bin", None),
    ];
    for (of, file, path, expected) in cases {
        let card = json!({ "type": of, "files": [{ "path": path, "type": file }] });
        let manifest = manifest("civitai", "civitai:1@2", &[(path, None)], card);
        let found = arrange(Layout::ComfyUi, &manifest).ok();
        let found = found.map(|arrangement| targets(&arrangement).remove(0));
        assert_eq!(
            found,
            expected.map(|path| format!("models/{path}")),
            "{of} {file}"
        );
    }
}

#[test]
fn without_a_card_the_folders_of_a_repository_choose() {
    let files = [
        ("split_files/vae/model.safetensors", None),
        ("README.md", None),
        ("model.safetensors", None),
    ];
    let manifest = manifest("huggingface", "acme/comfy", &files, json!(null));
    let arrangement = arrange(Layout::ComfyUi, &manifest).unwrap();
    assert_eq!(
        targets(&arrangement),
        ["models/vae/acme--comfy/model.safetensors"]
    );
    let left_out: Vec<_> = arrangement
        .left_out
        .iter()
        .map(|(path, _)| path.as_str())
        .collect();
    assert_eq!(left_out, ["README.md", "model.safetensors"]);
}

#[test]
fn a_manifest_that_leads_out_of_its_folder_is_refused() {
    for path in ["../x", "/etc/passwd", "a/../../x", "C:\\x"] {
        let manifest = manifest("huggingface", "acme/tiny", &[(path, None)], json!(null));
        for (layout, name) in Layout::ALL {
            assert!(arrange(*layout, &manifest).is_err(), "{name}: {path}");
        }
    }
}
