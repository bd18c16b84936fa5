//! The zip format of `torch.save`: `NAME/data.pkl`, `NAME/data/KEY` for each storage, and a few
//! small texts beside them.

use super::super::{
    archive::{Judge, base_name},
    finding::{Finding, Format, InspectError, malformed, shown},
    pickle::{Report, gate::Gate},
    source::Source,
    zip::{Directory, Entry},
};

/// A zip that looks like a checkpoint: its one root folder, with the slash.
pub(in super::super) struct Checkpoint {
    root: String,
}

impl Checkpoint {
    /// Looks for a `data.pkl` in the directory. `None` where there is none: not a checkpoint.
    pub(in super::super) fn find(directory: &Directory) -> Option<Self> {
        let entry = directory
            .entries
            .iter()
            .find(|entry| base_name(&entry.name).eq_ignore_ascii_case("data.pkl"))?;
        let root = entry
            .name
            .get(..entry.name.len() - "data.pkl".len())
            .unwrap_or_default();
        Some(Self {
            root: root.to_owned(),
        })
    }

    fn inside<'n>(&self, entry: &'n Entry) -> Option<&'n str> {
        entry.name.strip_prefix(self.root.as_str())
    }

    /// Raw bytes of a storage: any bytes at all, which no loader unpickles.
    fn is_storage(&self, entry: &Entry) -> bool {
        self.inside(entry).is_some_and(|name| {
            name.starts_with("data/") && !name.to_ascii_lowercase().ends_with(".pkl")
        })
    }

    fn layout_fault(&self, directory: &Directory) -> Option<String> {
        let name = self.root.strip_suffix('/').unwrap_or_default();
        if name.is_empty() || name.contains('/') {
            return Some("its data.pkl does not lie in one folder at the top".to_owned());
        }
        let bases = directory
            .entries
            .iter()
            .filter(|entry| base_name(&entry.name).eq_ignore_ascii_case("data.pkl"))
            .count();
        if bases != 1
            || !directory
                .entries
                .iter()
                .any(|entry| self.inside(entry) == Some("data.pkl"))
        {
            return Some("it has more than one data.pkl".to_owned());
        }
        let stray = directory
            .entries
            .iter()
            .find(|entry| self.inside(entry).is_none());
        stray.map(|entry| {
            format!(
                "its entry `{}` lies outside the folder of its data.pkl",
                shown(&entry.name, 120)
            )
        })
    }

    /// TorchScript and torch.package archives hold Python code that loading them runs.
    fn holds_code(&self, directory: &Directory) -> bool {
        directory
            .entries
            .iter()
            .filter_map(|entry| self.inside(entry))
            .any(|name| {
                name.eq_ignore_ascii_case("constants.pkl")
                    || name.starts_with("code/")
                    || name == ".data/extern_modules"
            })
    }
}

/// Judges a checkpoint: first whatever would run, then whether it is whole.
pub(in super::super) fn read(
    checkpoint: &Checkpoint,
    directory: &Directory,
    source: &mut Source<'_>,
    gate: Gate<'_>,
) -> Result<Finding, InspectError> {
    gate.admit("it is a PyTorch checkpoint, which holds a pickle")?;
    let mut judge = Judge::new(Finding::new(Format::TorchZip), gate);
    judge.fault = directory
        .fault()
        .or_else(|| checkpoint.layout_fault(directory));
    if checkpoint.holds_code(directory) {
        gate.refuse_hidden(
            "it is a TorchScript or torch.package archive, which holds program code".to_owned(),
            &mut judge.finding,
        )?;
    }
    let mut main = None;
    judge.check_total(directory, source.size());
    for entry in directory.in_order() {
        if entry.is_folder() {
            judge.folder(directory, entry, source)?;
            continue;
        }
        judge.check_entry(entry);
        if checkpoint.is_storage(entry) {
            judge.raw(directory, entry, source)?;
        } else if let Some(report) = judge.entry(directory, entry, source)?
            && checkpoint.inside(entry) == Some("data.pkl")
        {
            main = Some(report);
        }
    }
    if let Some(fault) = judge.fault {
        return Err(malformed(fault));
    }
    let mut finding = judge.finding;
    if let Some(report) = main {
        check_storages(checkpoint, directory, &report)?;
        finding.facts = report.census.facts();
        finding.facts.tensors = Some(report.tensors);
    }
    Ok(finding)
}

fn check_storages(
    checkpoint: &Checkpoint,
    directory: &Directory,
    report: &Report,
) -> Result<(), InspectError> {
    let sizes: std::collections::HashMap<&str, u64> = directory
        .entries
        .iter()
        .filter_map(|entry| Some((checkpoint.inside(entry)?.strip_prefix("data/")?, entry.size)))
        .collect();
    for storage in report.storages.values() {
        let key = shown(&storage.key, 40);
        match (sizes.get(storage.key.as_ref()), storage.bytes()) {
            (None, _) => return Err(malformed(format!("its storage `data/{key}` is missing"))),
            (Some(has), Some(needs)) if *has == needs => {}
            (Some(has), _) => {
                return Err(malformed(format!(
                    "its storage `data/{key}` has {has} bytes, which does not hold the {} elements it should",
                    storage.elements
                )));
            }
        }
    }
    Ok(())
}
