use modelferry_fixtures::build::{Pickle, header::gguf, safetensors, torch};

use super::{Facts, ModelType};
use crate::inspect::tests::look;

/// A safetensors file of tensors of one F16 element, with metadata.
fn tensors(names: &[&str], metadata: &str) -> Vec<u8> {
    let entries: Vec<String> = names
        .iter()
        .enumerate()
        .map(|(at, name)| {
            format!(
                r#""{name}":{{"dtype":"F16","shape":[1,1],"data_offsets":[{},{}]}}"#,
                at * 2,
                at * 2 + 2
            )
        })
        .collect();
    let header = format!(r#"{{"__metadata__":{{{metadata}}},{}}}"#, entries.join(","));
    safetensors(&header, &vec![0; names.len() * 2])
}

fn told(names: &[&str]) -> (Option<ModelType>, Option<String>) {
    let facts = look("a.safetensors", &tensors(names, "")).unwrap().facts;
    (facts.model_type, facts.architecture)
}

#[test]
fn tensor_names_tell_what_a_model_is() {
    let table: [(&[&str], ModelType, Option<&str>); 14] = [
        (
            &["model.layers.0.self_attn.q_proj.weight"],
            ModelType::Checkpoint,
            None,
        ),
        (
            &[
                "lora_unet_down_blocks_0.lora_down.weight",
                "lora_te_x.lora_up.weight",
            ],
            ModelType::Lora,
            Some("stable-diffusion"),
        ),
        (
            &["lora_te2_x.lora_down.weight"],
            ModelType::Lora,
            Some("stable-diffusion-xl"),
        ),
        (
            &["lora_unet_double_blocks_0_img_attn.lora_A.weight"],
            ModelType::Lora,
            Some("flux"),
        ),
        (
            &["base_model.model.layers.0.q_proj.lora_A.weight"],
            ModelType::Lora,
            None,
        ),
        (
            &["lora_unet_x.hada_w1_a"],
            ModelType::Lora,
            Some("stable-diffusion"),
        ),
        (&["emb_params"], ModelType::Embedding, None),
        (&["clip_l", "clip_g"], ModelType::Embedding, None),
        (
            &["control_model.input_blocks.0.0.weight"],
            ModelType::Controlnet,
            None,
        ),
        (
            &["encoder.conv_in.weight", "decoder.conv_out.weight"],
            ModelType::Vae,
            None,
        ),
        (
            &["text_model.encoder.layers.0.mlp.fc1.weight"],
            ModelType::TextEncoder,
            Some("clip"),
        ),
        (
            &["model.diffusion_model.x", "cond_stage_model.transformer.y"],
            ModelType::Checkpoint,
            Some("stable-diffusion-1"),
        ),
        (
            &[
                "model.diffusion_model.x",
                "conditioner.embedders.0.model.z",
                "conditioner.embedders.1.y",
            ],
            ModelType::Checkpoint,
            Some("stable-diffusion-xl"),
        ),
        (
            &["model.diffusion_model.joint_blocks.0.x"],
            ModelType::Checkpoint,
            Some("stable-diffusion-3"),
        ),
    ];
    for (names, model_type, architecture) in table {
        assert_eq!(
            told(names),
            (Some(model_type), architecture.map(str::to_owned)),
            "{names:?}"
        );
    }
}

#[test]
fn metadata_of_training_tools_is_read() {
    let metadata = r#""ss_network_module":"networks.lora","ss_network_dim":"16","ss_base_model_version":"sdxl_base_v1-0","ss_output_name":"my\u202estyle","modelspec.architecture":"stable-diffusion-xl-v1-base/lora","modelspec.license":"None""#;
    let facts = look("a.safetensors", &tensors(&["x"], metadata))
        .unwrap()
        .facts;
    assert_eq!(
        facts,
        Facts {
            model_type: Some(ModelType::Lora),
            architecture: Some("stable-diffusion-xl-v1-base".to_owned()),
            base_model: Some("sdxl_base_v1-0".to_owned()),
            name: Some(r"my\u{202e}style".to_owned()),
            rank: Some(16),
            parameters: Some(1),
            tensors: Some(1),
            dtypes: [("F16".to_owned(), 1)].into(),
            ..Facts::default()
        }
    );
}

#[test]
fn gguf_keys_are_read() {
    let file = gguf()
        .text("general.license", "apache-2.0")
        .text("general.base_model.0.name", "Llama 3")
        .u32("general.file_type", 15)
        .u32("llama.context_length", 8192)
        .finish();
    let facts = look("a.gguf", &file).unwrap().facts;
    assert_eq!(facts.model_type, Some(ModelType::Checkpoint));
    assert_eq!(facts.architecture.as_deref(), Some("llama"));
    assert_eq!(facts.name.as_deref(), Some("Fixture"));
    assert_eq!(facts.license.as_deref(), Some("apache-2.0"));
    assert_eq!(facts.base_model.as_deref(), Some("Llama 3"));
    assert_eq!(facts.quantization.as_deref(), Some("Q4_K_M"));
    assert_eq!(
        (facts.parameters, facts.context_length),
        (Some(8), Some(8192))
    );
    assert_eq!(facts.dtypes, [("F32".to_owned(), 8)].into());
}

#[test]
fn checkpoints_are_counted_from_their_pickles() {
    let zip = look("a.pt", &torch::checkpoint().finish()).unwrap().facts;
    let legacy = look(
        "a.pt",
        &torch::legacy(&torch::state_dict(), &[("0", &[0; 16])]),
    )
    .unwrap()
    .facts;
    assert_eq!(
        (zip.parameters, &zip.dtypes),
        (Some(4), &[("F32".to_owned(), 4)].into())
    );
    assert_eq!(zip, legacy);
    let lora = Pickle::protocol(2)
        .raw(b"}(")
        .text("lora_unet_x.lora_down.weight")
        .tensor("0", 4)
        .raw(b"u")
        .stop();
    let facts = look("a.pt", &torch::zipped(&lora, &[("0", &[0; 16])]).finish())
        .unwrap()
        .facts;
    assert_eq!(facts.model_type, Some(ModelType::Lora));
}

#[test]
fn small_configuration_files_tell_what_lies_beside_them() {
    let read = |path: &str, json: &str| look(path, json.as_bytes()).unwrap().facts;
    let adapter = read(
        "a/adapter_config.json",
        r#"{"peft_type":"LORA","r":8,"base_model_name_or_path":"org/base"}"#,
    );
    assert_eq!(
        (adapter.model_type, adapter.rank),
        (Some(ModelType::Lora), Some(8))
    );
    assert_eq!(adapter.base_model.as_deref(), Some("org/base"));
    let prompt = read("adapter_config.json", r#"{"peft_type":"PROMPT_TUNING"}"#);
    assert_eq!(prompt.model_type, Some(ModelType::Adapter));
    let pipeline = read("model_index.json", r#"{"_class_name":"FluxPipeline"}"#);
    assert_eq!(
        (pipeline.model_type, pipeline.architecture.as_deref()),
        (Some(ModelType::Pipeline), Some("FluxPipeline"))
    );
    let config = read(
        "config.json",
        r#"{"architectures":["LlamaForCausalLM"],"max_position_embeddings":4096,"quantization_config":{"quant_method":"gptq","bits":4}}"#,
    );
    assert_eq!(config.architecture.as_deref(), Some("LlamaForCausalLM"));
    assert_eq!(
        (config.quantization.as_deref(), config.context_length),
        (Some("gptq 4-bit"), Some(4096))
    );
    assert_eq!(
        read("config.json", r#"{"_class_name":"AutoencoderKL"}"#).model_type,
        Some(ModelType::Vae)
    );
    assert!(read("config.json", r#"{"architectures":5}"#).is_empty());
    assert!(read("config.json", "{ broken").is_empty());
    assert!(read("other.json", r#"{"architectures":["X"]}"#).is_empty());
}

fn counted(parameters: u64) -> Facts {
    Facts {
        model_type: Some(ModelType::Checkpoint),
        parameters: Some(parameters),
        tensors: Some(1),
        dtypes: [("F16".to_owned(), parameters)].into(),
        ..Facts::default()
    }
}

#[test]
fn shards_are_summed_and_copies_are_not() {
    let config = Facts {
        architecture: Some("LlamaForCausalLM".to_owned()),
        ..Facts::default()
    };
    let (a, b) = (counted(3), counted(4));
    let whole = Facts::combine([
        ("model-00002-of-00002.safetensors", &a),
        ("model-00001-of-00002.safetensors", &b),
        ("pytorch_model.bin", &counted(5)),
        ("config.json", &config),
    ]);
    assert_eq!((whole.parameters, whole.tensors), (Some(7), Some(2)));
    assert_eq!(whole.dtypes, [("F16".to_owned(), 7)].into());
    assert_eq!(whole.architecture.as_deref(), Some("LlamaForCausalLM"));
}

#[test]
fn a_pipeline_is_the_sum_of_its_folders() {
    let index = Facts {
        model_type: Some(ModelType::Pipeline),
        architecture: Some("FluxPipeline".to_owned()),
        ..Facts::default()
    };
    let vae = Facts {
        model_type: Some(ModelType::Vae),
        ..counted(2)
    };
    let whole = Facts::combine([
        ("model_index.json", &index),
        ("transformer/model.safetensors", &counted(10)),
        ("transformer/model.fp16.safetensors", &counted(10)),
        ("vae/model.safetensors", &vae),
    ]);
    assert_eq!(whole.model_type, Some(ModelType::Pipeline));
    assert_eq!(whole.architecture.as_deref(), Some("FluxPipeline"));
    assert_eq!(whole.parameters, Some(12));
}

#[test]
fn an_adapter_says_its_base() {
    let config = Facts {
        model_type: Some(ModelType::Lora),
        base_model: Some("org/base".to_owned()),
        ..Facts::default()
    };
    let whole = Facts::combine([
        ("adapter_config.json", &config),
        ("adapter_model.safetensors", &counted(2)),
    ]);
    assert_eq!(
        (whole.model_type, whole.base_model.as_deref()),
        (Some(ModelType::Lora), Some("org/base"))
    );
}

#[test]
fn facts_are_json_in_camel_case_without_what_is_not_known() {
    let facts = Facts {
        model_type: Some(ModelType::TextEncoder),
        base_model: Some("x".to_owned()),
        ..Facts::default()
    };
    let json = serde_json::to_string(&facts).unwrap();
    assert_eq!(json, r#"{"modelType":"text-encoder","baseModel":"x"}"#);
    assert_eq!(serde_json::from_str::<Facts>(&json).unwrap(), facts);
    assert!(serde_json::from_str::<Facts>("{}").unwrap().is_empty());
}
