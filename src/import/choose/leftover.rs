//! Leftovers of training runs, by the names that frameworks give them.

/// What of a training run this file is, if its name says that it is one.
///
/// Hugging Face's Trainer and Accelerate, DeepSpeed and PyTorch's distributed
/// checkpoints leave these beside the weights. Many are pickles of arbitrary
/// classes, and none is needed to use the model.
pub fn leftover(path: &str) -> Option<&'static str> {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    if name == ".metadata" || name.ends_with(".distcp") {
        return Some("part of a distributed checkpoint of a training run");
    }
    let (stem, extension) = name.rsplit_once('.')?;
    if !matches!(extension, "bin" | "pt" | "pth" | "pkl" | "pickle") {
        return None;
    }
    if folder.split('/').any(is_global_step) {
        return Some("the state of a DeepSpeed training run");
    }
    of_stem(stem)
}

fn of_stem(stem: &str) -> Option<&'static str> {
    // Accelerate and Trainer count copies from 0: `optimizer_1`, `rng_state_3`.
    let counted = stem.rsplit_once('_').filter(|(_, n)| is_number(n));
    let name = counted.map_or(stem, |(name, _)| name);
    Some(match name {
        "training_args" => "the arguments of a training run",
        "optimizer" => "the state of an optimizer",
        "scheduler" | "lr_scheduler" => "the state of a learning rate scheduler",
        "rng_state" | "random_states" => "the state of random number generators",
        "scaler" => "the state of a gradient scaler",
        "trainer_state" | "training_state" => "the state of a training run",
        "sampler" | "dl_state_dict" => "the state of a data loader",
        "custom_checkpoint" => "an object of a training script",
        _ if stem.ends_with("_optim_states") => "the state of an optimizer",
        _ if stem.starts_with("mp_rank_") && stem.ends_with("_model_states") => {
            "the state of a DeepSpeed training run"
        }
        _ => return None,
    })
}

/// `global_step1000`
fn is_global_step(folder: &str) -> bool {
    folder.strip_prefix("global_step").is_some_and(is_number)
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}
