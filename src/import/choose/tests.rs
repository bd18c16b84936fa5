use super::leftover;
use super::twins::{File, twins};

/// The paths that are left out of these.
fn left_out<'p>(paths: &[&'p str]) -> Vec<&'p str> {
    let files: Vec<File<'_>> = paths.iter().map(|path| File { path, size: None }).collect();
    let found = twins(&files);
    assert_eq!(found.len(), files.len());
    paths
        .iter()
        .zip(found)
        .filter(|(_, twin)| twin.is_some())
        .map(|(path, _)| *path)
        .collect()
}

/// What it shows, the files, and those of them that are left out.
type Case = (
    &'static str,
    &'static [&'static str],
    &'static [&'static str],
);

const LEFT_OUT: &[Case] = &[
    (
        "transformers, one file of each",
        &["config.json", "model.safetensors", "pytorch_model.bin"],
        &["pytorch_model.bin"],
    ),
    (
        "other formats are other files",
        &[
            "flax_model.msgpack",
            "model.safetensors",
            "onnx/model.onnx",
            "model.gguf",
            "pytorch_model.bin",
            "rust_model.ot",
            "tf_model.h5",
        ],
        &["pytorch_model.bin"],
    ),
    (
        "transformers, sharded, with the index of the shards",
        &[
            "model-00001-of-00002.safetensors",
            "model-00002-of-00002.safetensors",
            "model.safetensors.index.json",
            "pytorch_model-00001-of-00003.bin",
            "pytorch_model-00002-of-00003.bin",
            "pytorch_model-00003-of-00003.bin",
            "pytorch_model.bin.index.json",
        ],
        &[
            "pytorch_model-00001-of-00003.bin",
            "pytorch_model-00002-of-00003.bin",
            "pytorch_model-00003-of-00003.bin",
            "pytorch_model.bin.index.json",
        ],
    ),
    (
        "one file against shards",
        &[
            "model.safetensors",
            "pytorch_model-00001-of-00002.bin",
            "pytorch_model-00002-of-00002.bin",
        ],
        &[
            "pytorch_model-00001-of-00002.bin",
            "pytorch_model-00002-of-00002.bin",
        ],
    ),
    (
        "a shard is missing, so that the pickle is the whole one",
        &[
            "model-00001-of-00003.safetensors",
            "model-00003-of-00003.safetensors",
            "pytorch_model.bin",
        ],
        &[],
    ),
    (
        "diffusers, folder by folder",
        &[
            "model_index.json",
            "safety_checker/pytorch_model.bin",
            "text_encoder/model.safetensors",
            "text_encoder/pytorch_model.bin",
            "unet/diffusion_pytorch_model.bin",
            "unet/diffusion_pytorch_model.safetensors",
            "vae/diffusion_pytorch_model.safetensors",
        ],
        &[
            "text_encoder/pytorch_model.bin",
            "unet/diffusion_pytorch_model.bin",
        ],
    ),
    (
        "a variant stands for its own kind alone",
        &[
            "unet/diffusion_pytorch_model.bin",
            "unet/diffusion_pytorch_model.fp16.bin",
            "unet/diffusion_pytorch_model.fp16.safetensors",
            "text_encoder/model.fp16.safetensors",
            "text_encoder/pytorch_model.fp16.bin",
        ],
        &[
            "unet/diffusion_pytorch_model.fp16.bin",
            "text_encoder/pytorch_model.fp16.bin",
        ],
    ),
    (
        "a sharded variant, however the shard and the variant are ordered",
        &[
            "model.fp16-00001-of-00001.safetensors",
            "pytorch_model-00001-of-00001.fp16.bin",
            "pytorch_model.bin.index.fp16.json",
        ],
        &[
            "pytorch_model-00001-of-00001.fp16.bin",
            "pytorch_model.bin.index.fp16.json",
        ],
    ),
    (
        "the non-EMA weights are others",
        &[
            "unet/diffusion_pytorch_model.non_ema.bin",
            "unet/diffusion_pytorch_model.safetensors",
        ],
        &[],
    ),
    (
        "single-file checkpoints by their own names",
        &[
            "v1-5-pruned-emaonly.ckpt",
            "v1-5-pruned-emaonly.safetensors",
            "v1-5-pruned.ckpt",
        ],
        &["v1-5-pruned-emaonly.ckpt"],
    ),
    (
        "adapters and embeddings",
        &[
            "adapter_model.bin",
            "adapter_model.safetensors",
            "learned_embeds.bin",
            "learned_embeds.safetensors",
            "pytorch_lora_weights.bin",
            "pytorch_lora_weights.safetensors",
            "sub/lora.pt",
            "sub/lora.safetensors",
        ],
        &[
            "adapter_model.bin",
            "learned_embeds.bin",
            "pytorch_lora_weights.bin",
            "sub/lora.pt",
        ],
    ),
    (
        "OpenCLIP",
        &["open_clip_model.safetensors", "open_clip_pytorch_model.bin"],
        &["open_clip_pytorch_model.bin"],
    ),
    (
        "Meta's layout in its own folder",
        &[
            "model-00001-of-00002.safetensors",
            "model-00002-of-00002.safetensors",
            "original/consolidated.00.pth",
            "original/consolidated.01.pth",
            "original/params.json",
            "original/tokenizer.model",
        ],
        &[
            "original/consolidated.00.pth",
            "original/consolidated.01.pth",
        ],
    ),
    (
        "Meta's layout beside the other one",
        &["consolidated.00.pth", "model.safetensors", "params.json"],
        &["consolidated.00.pth"],
    ),
    (
        "Meta's layout as safetensors",
        &["consolidated.00.pth", "consolidated.safetensors"],
        &["consolidated.00.pth"],
    ),
    (
        "Meta's layout in another folder is another model",
        &["8b/consolidated.00.pth", "model.safetensors"],
        &[],
    ),
    (
        "another folder is another model",
        &["checkpoint-500/pytorch_model.bin", "model.safetensors"],
        &[],
    ),
    (
        "CTranslate2 writes model.bin, and it is no pickle",
        &["model.bin", "model.safetensors", "vocabulary.json"],
        &[],
    ),
    (
        "OpenVINO's too",
        &[
            "model.safetensors",
            "openvino_model.bin",
            "openvino_model.xml",
        ],
        &[],
    ),
    (
        "nothing but pickles",
        &["pytorch_model.bin", "pytorch_model.bin.index.json"],
        &[],
    ),
    (
        "nothing but safetensors",
        &["model.safetensors", "consolidated.safetensors"],
        &[],
    ),
    (
        "a pickle that is no weights stays, whatever lies beside it",
        &["model.pkl", "model.safetensors", "training_args.bin"],
        &[],
    ),
    (
        "names that only look like shards",
        &[
            "a-of-b.bin",
            "a-of-b.safetensors",
            "x-1-of-.pt",
            "x-1-of-.safetensors",
        ],
        &["a-of-b.bin", "x-1-of-.pt"],
    ),
    ("nothing at all", &[], &[]),
];

#[test]
fn pickled_weights_are_left_out_where_the_same_are_there_as_safetensors() {
    for (what, files, expected) in LEFT_OUT {
        assert_eq!(left_out(files), *expected, "{what}");
    }
}

#[test]
fn what_is_left_out_does_not_depend_on_the_order_of_the_listing() {
    for (what, files, expected) in LEFT_OUT {
        let mut backward: Vec<&str> = files.to_vec();
        backward.reverse();
        let mut found = left_out(&backward);
        found.reverse();
        assert_eq!(found, *expected, "{what}");
    }
}

#[test]
fn a_stub_does_not_stand_for_weights_many_times_its_size() {
    let files = |copy: u64| {
        [
            File {
                path: "model.safetensors",
                size: Some(copy),
            },
            File {
                path: "pytorch_model-00001-of-00002.bin",
                size: Some(8_000),
            },
            File {
                path: "pytorch_model-00002-of-00002.bin",
                size: Some(8_000),
            },
        ]
    };
    assert_eq!(twins(&files(1_999)), [None; 3]);
    let twin = Some("model.safetensors");
    assert_eq!(twins(&files(2_000)), [None, twin, twin]);
}

#[test]
fn leftovers_of_training_runs_are_known_by_their_names() {
    let leftovers = [
        "training_args.bin",
        "checkpoint-500/training_args.bin",
        "optimizer.pt",
        "optimizer.bin",
        "optimizer_1.bin",
        "scheduler.pt",
        "scheduler.bin",
        "lr_scheduler.pt",
        "rng_state.pth",
        "rng_state_7.pth",
        "scaler.pt",
        "random_states_0.pkl",
        "trainer_state.pt",
        "sampler.bin",
        "sampler_1.bin",
        "dl_state_dict.bin",
        "custom_checkpoint_0.pkl",
        "global_step1000/mp_rank_00_model_states.pt",
        "run/global_step5/anything.pt",
        "zero_pp_rank_0_mp_rank_00_optim_states.pt",
        "bf16_zero_pp_rank_3_mp_rank_00_optim_states.pt",
        "optimizer_0/.metadata",
        "pytorch_model_fsdp_0/__0_0.distcp",
    ];
    for path in leftovers {
        assert!(leftover(path).is_some(), "{path}");
    }
    let others = [
        "pytorch_model.bin",
        "model.pt",
        "optimizer.safetensors",
        "trainer_state.json",
        "scheduler/scheduler_config.json",
        "optimizer_model.bin",
        "my_optimizer.pt",
        "global_step/model.pt",
        "global_stepx/model.pt",
        "adapter_model.bin",
        "training_args.json",
        "optimizer",
        "tokenizer.pkl",
        "",
    ];
    for path in others {
        assert_eq!(leftover(path), None, "{path}");
    }
}
