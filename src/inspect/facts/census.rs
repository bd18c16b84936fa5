//! What the tensors of a file tell: how many numbers of which type, and by their names, of what.

use std::collections::BTreeMap;

use super::{Facts, ModelType};

/// How many names are looked at. A model says what it is long before.
const MAX_NAMES: u64 = 20_000;
/// Most distinct types and ranks that are counted.
const MAX_DISTINCT: usize = 64;

/// Counts the tensors of one file.
#[derive(Debug, Default)]
pub(in super::super) struct Census {
    tensors: u64,
    elements: u64,
    dtypes: BTreeMap<String, u64>,
    named: u64,
    low_rank: u64,
    ranks: BTreeMap<u64, u64>,
    marks: u32,
    embeddings: u64,
}

/// A part of a name that tells a family of models, and whether it must stand at the start.
struct Mark {
    part: &'static str,
    at_start: bool,
    tells: u32,
}

const FLUX: u32 = 1;
const SD3: u32 = 1 << 1;
const SDXL: u32 = 1 << 2;
const SD2: u32 = 1 << 3;
const SD1: u32 = 1 << 4;
const REFINER: u32 = 1 << 5;
const HUNYUAN: u32 = 1 << 6;
const WAN: u32 = 1 << 7;
const CHROMA: u32 = 1 << 8;
const CLIP: u32 = 1 << 9;
const T5: u32 = 1 << 10;
const VAE_IN: u32 = 1 << 11;
const VAE_OUT: u32 = 1 << 12;
const CONTROL: u32 = 1 << 13;
const DIFFUSION: u32 = 1 << 14;
const UNET_LORA: u32 = 1 << 15;

const fn inside(part: &'static str, tells: u32) -> Mark {
    Mark {
        part,
        at_start: false,
        tells,
    }
}

const fn start(part: &'static str, tells: u32) -> Mark {
    Mark {
        part,
        at_start: true,
        tells,
    }
}

/// Tensor names as the training and conversion tools of each family write them.
const MARKS: [Mark; 24] = [
    inside("double_blocks.0.", FLUX),
    inside("lora_unet_double_blocks_", FLUX),
    inside("single_transformer_blocks.0.", FLUX),
    inside("individual_token_refiner", HUNYUAN),
    inside("distilled_guidance_layer.", CHROMA),
    inside("joint_blocks.0.", SD3),
    inside("lora_unet_joint_blocks_", SD3),
    start("conditioner.embedders.1.", SDXL),
    start("conditioner.embedders.0.model.", REFINER),
    start("lora_te2_", SDXL),
    start("add_embedding.linear_1.", SDXL | DIFFUSION),
    start("cond_stage_model.model.", SD2),
    start("cond_stage_model.transformer.", SD1),
    inside("blocks.0.cross_attn.norm_k", WAN),
    start("text_model.encoder.layers.0.", CLIP),
    start("encoder.block.0.layer.0.SelfAttention.", T5),
    start("encoder.conv_in.", VAE_IN),
    start("decoder.conv_out.", VAE_OUT),
    start("control_model.", CONTROL),
    start("controlnet_", CONTROL),
    start("input_hint_block.", CONTROL),
    start("model.diffusion_model.", DIFFUSION),
    start("down_blocks.0.", DIFFUSION),
    start("lora_unet_", UNET_LORA),
];

impl Census {
    /// Counts a tensor by its type and its number of elements.
    pub(in super::super) fn count(&mut self, dtype: &str, elements: u64) {
        self.tensors += 1;
        self.elements = self.elements.saturating_add(elements);
        if let Some(so_far) = self.dtypes.get_mut(dtype) {
            *so_far = so_far.saturating_add(elements);
        } else if self.dtypes.len() < MAX_DISTINCT {
            self.dtypes.insert(dtype.to_owned(), elements);
        }
    }

    /// Looks at a tensor's name, and at its first size where that is known.
    pub(in super::super) fn name(&mut self, name: &str, first_size: Option<u64>) {
        if self.named >= MAX_NAMES {
            return;
        }
        self.named += 1;
        self.low_rank += u64::from(is_low_rank(name));
        self.embeddings += u64::from(is_embedding(name));
        let down = [
            "lora_down.weight",
            "lora_A.weight",
            "lora.down.weight",
            "lora_A.default.weight",
        ];
        if let Some(rank) = first_size.filter(|_| down.iter().any(|end| name.ends_with(end)))
            && (self.ranks.len() < MAX_DISTINCT || self.ranks.contains_key(&rank))
        {
            *self.ranks.entry(rank).or_default() += 1;
        }
        for mark in &MARKS {
            let found = if mark.at_start {
                name.starts_with(mark.part)
            } else {
                name.contains(mark.part)
            };
            if found {
                self.marks |= mark.tells;
            }
        }
    }

    /// Adds what another part of the same file told.
    pub(in super::super) fn add(&mut self, other: Self) {
        for (dtype, elements) in other.dtypes {
            let so_far = self.dtypes.entry(dtype).or_default();
            *so_far = so_far.saturating_add(elements);
        }
        self.tensors += other.tensors;
        self.elements = self.elements.saturating_add(other.elements);
        self.named += other.named;
        self.low_rank += other.low_rank;
        self.embeddings += other.embeddings;
        self.marks |= other.marks;
        for (rank, times) in other.ranks {
            *self.ranks.entry(rank).or_default() += times;
        }
    }

    /// What was told, all in all.
    pub(in super::super) fn facts(self) -> Facts {
        let known = self.tensors > 0;
        let rank = self
            .ranks
            .iter()
            .max_by_key(|(_, times)| **times)
            .map(|(rank, _)| *rank);
        Facts {
            model_type: known.then(|| self.model_type()),
            architecture: self.architecture().map(str::to_owned),
            parameters: known.then_some(self.elements),
            tensors: Some(self.tensors),
            rank,
            dtypes: self.dtypes,
            ..Facts::default()
        }
    }

    fn has(&self, marks: u32) -> bool {
        self.marks & marks == marks
    }

    fn model_type(&self) -> ModelType {
        let diffusion = self.marks & (DIFFUSION | FLUX | SD3 | SDXL | SD2 | SD1) != 0;
        if self.low_rank > 0 && self.low_rank * 2 >= self.named {
            ModelType::Lora
        } else if self.embeddings > 0 && self.tensors <= 4 {
            ModelType::Embedding
        } else if self.has(CONTROL) {
            ModelType::Controlnet
        } else if self.has(VAE_IN | VAE_OUT) && !diffusion {
            ModelType::Vae
        } else if self.marks & (CLIP | T5) != 0 && !diffusion {
            ModelType::TextEncoder
        } else {
            ModelType::Checkpoint
        }
    }

    fn architecture(&self) -> Option<&'static str> {
        const TOLD: [(u32, &str); 11] = [
            (CHROMA, "chroma"),
            (HUNYUAN, "hunyuan-video"),
            (FLUX, "flux"),
            (SD3, "stable-diffusion-3"),
            (SDXL, "stable-diffusion-xl"),
            (REFINER, "stable-diffusion-xl-refiner"),
            (SD2, "stable-diffusion-2"),
            (SD1, "stable-diffusion-1"),
            (WAN, "wan"),
            (CLIP, "clip"),
            (T5, "t5"),
        ];
        let told = TOLD
            .iter()
            .find(|(mark, _)| self.has(*mark))
            .map(|(_, name)| *name);
        // A LoRA of a U-Net with one text encoder.
        told.or(self.has(UNET_LORA).then_some("stable-diffusion"))
    }
}

fn is_low_rank(name: &str) -> bool {
    ["lora_", ".lora.", ".hada_w", ".lokr_w", ".oft_", ".glora"]
        .iter()
        .any(|part| name.contains(part))
}

fn is_embedding(name: &str) -> bool {
    matches!(name, "emb_params" | "clip_l" | "clip_g" | "t5xxl" | "*")
        || (name.starts_with('<') && name.ends_with('>'))
}
