//! Archives: what a zip holds, and compressed files that can't be looked into.
//!
//! Decided here: an archive that openly is one (`photos.zip`, `corpus.tar.gz`) is a legitimate
//! file of a data set or an asset, and its pickles are judged like any other. Under a name that
//! means weights, or none, an archive is a wrapper that some loaders open unasked (joblib,
//! pandas, torch): it is refused, because what is inside can't be vouched for.

use super::{
    finding::{Finding, Format, InspectError, WarningKind, malformed},
    name::{self, Meant},
    pickle::gate::Gate,
    source::Source,
    torch,
    zip::{self, Directory},
};

mod judge;
mod nested;
mod tar;
mod wrapper;

#[cfg(test)]
mod tests;

pub(super) use judge::Judge;
pub(super) use wrapper::read as read_wrapper;

/// How many entries of a plain archive are looked into whatever their name.
const LOOKED_INTO: usize = 10_000;

/// The part of an entry's name after its last slash.
pub(super) fn base_name(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

/// Reads and judges a file that starts as a zip.
pub(super) fn read_zip(
    path: &str,
    source: &mut Source<'_>,
    gate: Gate<'_>,
) -> Result<Finding, InspectError> {
    let directory = zip::directory(source)?;
    if let Some(checkpoint) = torch::Checkpoint::find(&directory)
        && name::meant(path) != Meant::Archive
    {
        return torch::read_zip(&checkpoint, &directory, source, gate);
    }
    let files = || directory.entries.iter().filter(|entry| !entry.is_folder());
    let arrays = files().count() > 0 && files().all(|entry| name::extension(&entry.name) == "npy");
    let meant = name::meant(path);
    match (arrays, meant, name::extension(path).as_str()) {
        (true, _, _) => read_plain(Format::Npz, &directory, source, gate),
        (_, Meant::Pickled, _) | (_, _, "bin" | "safetensors" | "gguf" | "onnx") => Err(malformed(
            "it is a zip archive, but not a PyTorch checkpoint: it has no data.pkl",
        )),
        (_, Meant::Weights, _) => {
            let mut finding = read_plain(Format::UnknownWeights, &directory, source, gate)?;
            finding.warn(WarningKind::RunsElsewhere, "it is an archive of weights and configuration, which may name code that its loader runs");
            Ok(finding)
        }
        _ => read_plain(Format::Zip, &directory, source, gate),
    }
}

fn read_plain(
    format: Format,
    directory: &Directory,
    source: &mut Source<'_>,
    gate: Gate<'_>,
) -> Result<Finding, InspectError> {
    let mut judge = Judge::new(Finding::new(format), gate);
    let strict = format != Format::Zip;
    judge.fault = if strict {
        directory.fault()
    } else {
        directory.overlap()
    };
    judge.open = !strict;
    if let Some(count) = directory.unread {
        judge.note_or_warn(format!("its {count} entries are too many to look into"));
    }
    judge.check_total(directory, source.size());
    for (index, entry) in directory.in_order().enumerate() {
        if entry.is_folder() {
            judge.folder(directory, entry, source)?;
            continue;
        }
        judge.check_entry(entry);
        if strict || index < LOOKED_INTO || name::meant(&entry.name).is_weights() {
            judge.entry(directory, entry, source)?;
        } else if index == LOOKED_INTO {
            judge.finding.warn(
                WarningKind::NotChecked,
                format!("only the first {LOOKED_INTO} of its entries were looked into"),
            );
        }
    }
    match judge.fault {
        Some(fault) => Err(malformed(fault)),
        None => Ok(judge.finding),
    }
}

fn is_container(format: Format) -> bool {
    matches!(
        format,
        Format::Zip
            | Format::SevenZip
            | Format::Tar
            | Format::Gzip
            | Format::Bzip2
            | Format::Xz
            | Format::Lzma
            | Format::Zlib
            | Format::Zstd
            | Format::Lz4
            | Format::Rar
    )
}
