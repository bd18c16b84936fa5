//! Which pickled weights of a listing are there as safetensors too, by the names
//! that transformers, diffusers, PEFT, kohya's scripts and Meta's own releases give.

use std::collections::{BTreeMap, BTreeSet, HashMap};

/// A file of the listing.
#[derive(Debug, Clone, Copy)]
pub struct File<'p> {
    /// Its path in the source.
    pub path: &'p str,
    /// Its length, where it is known.
    pub size: Option<u64>,
}

/// What `torch.load` opens among weights.
const PICKLED: [&str; 4] = ["bin", "pt", "pth", "ckpt"];
/// Safetensors this many times smaller than the pickle are other weights: the
/// widest gap between two copies is from 32-bit floats to 4-bit numbers.
const MOST_TIMES_SMALLER: u64 = 8;

/// Folder, and name without shard and extension: what the copies of one model have in common.
type Key<'p> = (&'p str, String);

/// One model's safetensors in one folder.
#[derive(Debug, Default)]
struct Set<'p> {
    first: &'p str,
    whole: bool,
    /// Which shards there are, by how many there should be.
    shards: BTreeMap<u32, BTreeSet<u32>>,
    /// All of them together, where every length is known.
    size: Option<u64>,
}

impl Set<'_> {
    fn is_complete(&self) -> bool {
        let full = |(of, held): (&u32, &BTreeSet<u32>)| {
            held.len() == *of as usize && held.last() == Some(of) && held.first() == Some(&1)
        };
        self.whole || self.shards.iter().any(full)
    }
}

/// For each file: the safetensors that make it superfluous, if there are any.
pub fn twins<'p>(files: &[File<'p>]) -> Vec<Option<&'p str>> {
    let safetensors = safetensors(files);
    let totals = totals(files);
    let twin = |key: &Key<'p>| {
        alternatives(key).find_map(|other| {
            let set = safetensors.get(&other).filter(|set| set.is_complete())?;
            let (copy, pickle) = (set.size, totals.get(key).copied().flatten());
            let is_stub = copy
                .zip(pickle)
                .is_some_and(|(copy, pickle)| copy < pickle / MOST_TIMES_SMALLER);
            (!is_stub).then_some(set.first)
        })
    };
    files
        .iter()
        .map(|file| key_of_pickle(file.path).and_then(|key| twin(&key)))
        .collect()
}

fn safetensors<'p>(files: &[File<'p>]) -> HashMap<Key<'p>, Set<'p>> {
    let mut sets: HashMap<Key<'p>, Set<'p>> = HashMap::new();
    for file in files {
        let (folder, name) = split(file.path);
        let Some(base) = name.strip_suffix(".safetensors") else {
            continue;
        };
        let (stem, shard) = without_shard(base);
        let set = sets
            .entry((folder, canonical(&stem)))
            .or_insert_with(|| Set {
                first: file.path,
                size: Some(0),
                ..Set::default()
            });
        set.size = set.size.zip(file.size).map(|(a, b)| a.saturating_add(b));
        match shard {
            None => set.whole = true,
            Some((number, of)) => {
                set.shards.entry(of).or_default().insert(number);
            }
        }
    }
    sets
}

/// How long the pickles of each model are together, where every length is known.
fn totals<'p>(files: &[File<'p>]) -> HashMap<Key<'p>, Option<u64>> {
    let mut totals = HashMap::new();
    for file in files {
        if let Some(key) = key_of_pickle(file.path) {
            let total = totals.entry(key).or_insert(Some(0u64));
            *total = total.zip(file.size).map(|(a, b)| a.saturating_add(b));
        }
    }
    totals
}

/// The model that this pickle, or index of pickled shards, belongs to.
fn key_of_pickle(path: &str) -> Option<Key<'_>> {
    let (folder, name) = split(path);
    if let Some((stem, rest)) = name.split_once(".bin.index") {
        // `pytorch_model.bin.index.fp16.json`
        let variant = rest.strip_suffix(".json")?;
        return Some((folder, canonical(&format!("{stem}{variant}"))));
    }
    let (base, extension) = name.rsplit_once('.')?;
    if !PICKLED.contains(&extension) {
        return None;
    }
    let (stem, _) = without_shard(base);
    // What CTranslate2 and fastText write, and no pickle; transformers never named one so.
    let is_other_format = extension == "bin" && stem == "model";
    (!is_other_format).then(|| (folder, canonical(&stem)))
}

/// Where the same model may lie as safetensors.
fn alternatives<'p>(key: &Key<'p>) -> impl Iterator<Item = Key<'p>> {
    let (folder, stem) = key.clone();
    let is_part = |number: &str| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    // Meta's own layout, `consolidated.00.pth`, often in a folder `original` beside the other one.
    let is_meta = stem.strip_prefix("consolidated.").is_some_and(is_part);
    let beside = match folder.rsplit_once('/') {
        Some((parent, "original")) => Some(parent),
        None if folder == "original" => Some(""),
        _ => None,
    };
    let whole = |folder| ["consolidated", "model"].map(|stem| (folder, stem.to_owned()));
    let others = is_meta.then(|| {
        whole(folder)
            .into_iter()
            .chain(beside.into_iter().flat_map(whole))
    });
    std::iter::once((folder, stem)).chain(others.into_iter().flatten())
}

fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

/// `pytorch_model.fp16` and `model.fp16`, `diffusion_pytorch_model` and
/// `diffusion_model`: the same model under both formats' customary names.
fn canonical(stem: &str) -> String {
    stem.replacen("pytorch_model", "model", 1)
}

/// Splits `model-00001-of-00002.fp16` into `model.fp16` and `(1, 2)`.
fn without_shard(base: &str) -> (String, Option<(u32, u32)>) {
    let shard = || {
        let (before, after) = base.split_once("-of-")?;
        let (stem, number) = before.rsplit_once('-')?;
        let digits = after.bytes().take_while(u8::is_ascii_digit).count();
        let (of, rest) = after.split_at(digits);
        Some((
            format!("{stem}{rest}"),
            (number.parse().ok()?, of.parse().ok()?),
        ))
    };
    match shard() {
        Some((stem, shard)) => (stem, Some(shard)),
        None => (base.to_owned(), None),
    }
}
