//! The facts of a whole model from those of its files.

use std::collections::BTreeMap;

use super::{Facts, ModelType};

impl Facts {
    /// What the files of one upload say together. `files` are their paths and facts.
    ///
    /// Shards of one model (`model-00001-of-00003`) are summed. Where a folder holds the same
    /// weights in several forms, the largest counts; in a pipeline each folder counts.
    #[must_use]
    pub fn combine<'f>(files: impl IntoIterator<Item = (&'f str, &'f Self)>) -> Self {
        let mut files: Vec<_> = files
            .into_iter()
            .filter(|(_, facts)| !facts.is_empty())
            .collect();
        files.sort_by_key(|(path, _)| (path.matches('/').count(), *path));
        let weights = files
            .iter()
            .filter(|(path, facts)| !path.ends_with(".json") && facts.tensors.is_some());
        let of_folder = largest_of_each_folder(weights.copied());
        let index = files
            .iter()
            .find(|(_, facts)| facts.model_type == Some(ModelType::Pipeline));
        let mut whole = Self::default();
        if index.is_some() {
            for part in of_folder.into_values() {
                whole.sum(&part);
            }
            (whole.architecture, whole.model_type, whole.name) = (None, None, None);
        } else if let Some(best) = of_folder.into_values().max_by_key(|facts| facts.parameters) {
            whole = best;
        }
        whole.described_by(
            files
                .iter()
                .filter(|(path, _)| path.ends_with(".json"))
                .map(|(_, facts)| *facts),
        );
        whole.filled_from(files.iter().map(|(_, facts)| *facts));
        whole
    }

    /// Adds another part of the same model.
    fn sum(&mut self, part: &Self) {
        let add = |a: Option<u64>, b: Option<u64>| match (a, b) {
            (Some(a), Some(b)) => Some(a.saturating_add(b)),
            (a, b) => a.or(b),
        };
        self.parameters = add(self.parameters, part.parameters);
        self.tensors = add(self.tensors, part.tensors);
        for (dtype, elements) in &part.dtypes {
            let so_far = self.dtypes.entry(dtype.clone()).or_default();
            *so_far = so_far.saturating_add(*elements);
        }
        self.filled_from([part]);
    }

    /// Takes over what a configuration file knows better than tensor names do.
    fn described_by<'f>(&mut self, files: impl Iterator<Item = &'f Self>) {
        let mut told = Self::default();
        told.filled_from(
            files.filter(|facts| facts.model_type.is_some() || facts.architecture.is_some()),
        );
        self.model_type = told.model_type.or(self.model_type);
        self.architecture = told.architecture.or(self.architecture.take());
        self.base_model = told.base_model.or(self.base_model.take());
    }

    /// Takes over what is not known yet, save counts.
    fn filled_from<'f>(&mut self, files: impl IntoIterator<Item = &'f Self>) {
        for other in files {
            let fill = |mine: &mut Option<String>, theirs: &Option<String>| {
                if mine.is_none() {
                    mine.clone_from(theirs);
                }
            };
            self.model_type = self.model_type.or(other.model_type);
            fill(&mut self.architecture, &other.architecture);
            fill(&mut self.base_model, &other.base_model);
            fill(&mut self.name, &other.name);
            fill(&mut self.license, &other.license);
            fill(&mut self.quantization, &other.quantization);
            self.rank = self.rank.or(other.rank);
            self.context_length = self.context_length.or(other.context_length);
        }
    }
}

/// Sums the shards of each model, and keeps the largest model of each folder.
fn largest_of_each_folder<'f>(
    files: impl Iterator<Item = (&'f str, &'f Facts)>,
) -> BTreeMap<&'f str, Facts> {
    let mut groups: BTreeMap<(&str, String), Facts> = BTreeMap::new();
    for (path, facts) in files {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let group = groups.entry((folder, without_shard(name))).or_default();
        group.sum(facts);
    }
    let mut of_folder: BTreeMap<&str, Facts> = BTreeMap::new();
    for ((folder, _), group) in groups {
        let best = of_folder.entry(folder).or_default();
        if best.parameters <= group.parameters {
            *best = group;
        }
    }
    of_folder
}

/// `model-00001-of-00003.safetensors` without its number.
fn without_shard(name: &str) -> String {
    let Some((before, after)) = name.split_once("-of-") else {
        return name.to_owned();
    };
    let digits = |c: char| c.is_ascii_digit();
    format!(
        "{}{}",
        before.trim_end_matches(digits),
        after.trim_start_matches(digits)
    )
}
