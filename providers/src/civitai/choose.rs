//! Which of a version's files: chosen here, since the hub's own choice depends
//! on the account's preferences and mistakes one file for another.

mod score;

use std::collections::HashSet;

use super::filter::FileFilter;
use super::hash::ModelHash;
use super::reference::{CivitaiRef, CivitaiTarget};
use super::wire::File;
use crate::error::{ErrorKind, ProviderError};
use crate::glob::Globs;
use crate::path::RelPath;
use crate::source::Selection;

/// The types whose files the hub takes for the version's weights.
const WEIGHTS: [&str; 4] = ["Model", "Pruned Model", "Diffusion Model", "UNet"];
/// The types that hold no weights at all.
pub(super) const NO_WEIGHTS: [&str; 5] =
    ["Training Data", "Config", "Archive", "Workflow", "Other"];
/// The most choices that an error lists.
const MOST_LISTED: usize = 20;

/// A file and the path it would land at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Named<'a> {
    pub file: &'a File,
    pub path: &'a RelPath,
}

impl Named<'_> {
    /// Whether the file is weights, or a part that goes with them.
    pub fn is_weights(&self) -> bool {
        self.file
            .kind
            .as_deref()
            .is_none_or(|kind| !NO_WEIGHTS.contains(&kind))
    }

    fn is_main(&self) -> bool {
        self.file
            .kind
            .as_deref()
            .is_some_and(|kind| WEIGHTS.contains(&kind))
    }
}

/// How errors name the version, and where its files are asked for.
pub(super) struct Scope<'a> {
    /// `version 128713 at civitai.com`.
    pub version: &'a str,
    /// `https://civitai.com/api/download/models/128713`.
    pub download: &'a str,
}

/// The files that the reference and the selection mean, in the hub's order.
///
/// # Errors
/// [`ErrorKind::NotFound`] when there is none, [`ErrorKind::InvalidSource`]
/// when several could be meant or a pattern can't be read.
pub(super) fn choose<'a>(
    files: &[Named<'a>],
    of: &CivitaiRef,
    selection: &Selection,
    scope: &Scope,
) -> Result<Vec<Named<'a>>, ProviderError> {
    let globs = Globs::new(&selection.include, &selection.exclude)?;
    let named = addressed(files, of, scope)?;
    let wanted: Vec<Named> = named
        .iter()
        .copied()
        .filter(|file| globs.wants(file.path.as_str()))
        .collect();
    if wanted.is_empty() {
        return Err(nothing_left(&named, scope));
    }
    if selection.all_files || !selection.include.is_empty() {
        return Ok(wanted);
    }
    the_one(&wanted, of, scope).map(|file| vec![file])
}

/// Narrowed by file id, hash or filter, whichever the source has.
fn addressed<'a>(
    files: &[Named<'a>],
    of: &CivitaiRef,
    scope: &Scope,
) -> Result<Vec<Named<'a>>, ProviderError> {
    if files.is_empty() {
        let message = format!("{} has no files to import", scope.version);
        return Err(ProviderError::new(ErrorKind::NotFound, message)
            .hint("its creator may have removed them; try another version of the model"));
    }
    if let Some(id) = of.file {
        let found = only(files, |named| named.file.id == Some(id));
        let message = || format!("{} has no file {id}", scope.version);
        return found.ok_or_else(|| no_such(message(), files, scope));
    }
    let files = match &of.target {
        CivitaiTarget::Hash(hash) => of_hash(files, hash, scope)?,
        _ => files.to_vec(),
    };
    let fits = |named: &Named| filter_fits(named.file, &of.filter);
    let message = || format!("{} has no file of {}", scope.version, of.filter);
    only(&files, fits).ok_or_else(|| no_such(message(), &files, scope))
}

/// Those that are so; `None` when there are none.
fn only<'a>(files: &[Named<'a>], is_so: impl Fn(&Named) -> bool) -> Option<Vec<Named<'a>>> {
    let found: Vec<Named> = files.iter().copied().filter(|named| is_so(named)).collect();
    (!found.is_empty()).then_some(found)
}

/// The hub looks through all hashes of all files, and names the version alone.
fn of_hash<'a>(
    files: &[Named<'a>],
    hash: &ModelHash,
    scope: &Scope,
) -> Result<Vec<Named<'a>>, ProviderError> {
    let has = |named: &Named| {
        let mut hashes = named.file.hashes.iter();
        hashes.any(|(key, value)| hash.is(key, value))
    };
    only(files, has).ok_or_else(|| {
        let message = format!(
            "{} shows no file of the hash {hash}, for which the hub named it",
            scope.version
        );
        no_such(message, files, scope)
    })
}

/// Whether a file is all that the filter says. One that only does not
/// contradict it may be anything, and the hub itself answers 404 for it.
fn filter_fits(file: &File, filter: &FileFilter) -> bool {
    let mut pairs = filter.pairs();
    pairs.all(|(key, value)| says(file, key) == Some(value))
}

fn says<'a>(file: &'a File, key: &str) -> Option<&'a str> {
    let metadata = &file.metadata;
    match key {
        "type" => file.kind.as_deref(),
        "format" => metadata.format.as_deref(),
        "size" => metadata.size.as_deref(),
        "fp" => metadata.fp.as_deref(),
        "quantType" => metadata.quant_type.as_deref(),
        _ => None,
    }
}

/// The file that the page's download button would give: the one the hub calls
/// primary, or, where that is not among them, the one it would score highest.
fn the_one<'a>(
    files: &[Named<'a>],
    of: &CivitaiRef,
    scope: &Scope,
) -> Result<Named<'a>, ProviderError> {
    let hinted = hinted(files, of);
    if let Some(primary) = hinted.iter().find(|named| named.file.primary) {
        return Ok(*primary);
    }
    let candidates = without_copies(hinted);
    if let Some(best) = score::best(&candidates, &of.filter) {
        return Ok(best);
    }
    let main: Vec<Named> = candidates.iter().copied().filter(Named::is_main).collect();
    let tied = if main.is_empty() { candidates } else { main };
    Err(ambiguous(&tied, scope))
}

/// Those with the ending that an AIR gave, if there are any.
fn hinted<'a>(files: &[Named<'a>], of: &CivitaiRef) -> Vec<Named<'a>> {
    let Some(hint) = &of.format_hint else {
        return files.to_vec();
    };
    let hint = hint.as_str().to_lowercase();
    let fits = |named: &&Named| {
        let ending = named
            .path
            .name()
            .rsplit('.')
            .next()
            .unwrap_or_default()
            .to_lowercase();
        let format = named
            .file
            .metadata
            .format
            .as_deref()
            .unwrap_or_default()
            .to_lowercase();
        ending == hint || format == hint || ending.strip_suffix('s') == Some(&hint)
    };
    let found: Vec<Named> = files.iter().filter(fits).copied().collect();
    if found.is_empty() {
        files.to_vec()
    } else {
        found
    }
}

/// Of files with the same SHA-256, the first.
fn without_copies(files: Vec<Named<'_>>) -> Vec<Named<'_>> {
    let mut seen = HashSet::new();
    let sha256 = |named: &Named| {
        named
            .file
            .hashes
            .get("SHA256")
            .filter(|hash| hash.len() == 64)
            .map(|hash| hash.to_lowercase())
    };
    files
        .into_iter()
        .filter(|named| sha256(named).is_none_or(|hash| seen.insert(hash)))
        .collect()
}

fn ambiguous(files: &[Named], scope: &Scope) -> ProviderError {
    ProviderError::new(
        ErrorKind::InvalidSource,
        format!(
            "{} has {} files that could be meant: {}",
            scope.version,
            files.len(),
            listed(files, scope)
        ),
    )
    .hint("import one of these URLs, or all with --all-files")
}

fn no_such(message: String, files: &[Named], scope: &Scope) -> ProviderError {
    ProviderError::new(
        ErrorKind::NotFound,
        format!("{message}; it has: {}", listed(files, scope)),
    )
    .hint("import one of these URLs")
}

fn nothing_left(files: &[Named], scope: &Scope) -> ProviderError {
    ProviderError::new(
        ErrorKind::NotFound,
        format!(
            "the patterns leave no file of {}, which has: {}",
            scope.version,
            listed(files, scope)
        ),
    )
    .hint("patterns match these names, as in --include '*.safetensors'")
}

/// `name (Model, SafeTensor, full, fp16): URL`, each.
fn listed(files: &[Named], scope: &Scope) -> String {
    let one = |named: &Named| {
        let keys = ["type", "format", "size", "fp", "quantType"];
        let traits: Vec<String> = keys
            .iter()
            .filter_map(|key| says(named.file, key))
            .map(|text| super::errors::clipped(text, 40))
            .collect();
        let url = named
            .file
            .id
            .map(|id| format!(": {}?fileId={id}", scope.download))
            .unwrap_or_default();
        format!("{} ({}){url}", named.path, traits.join(", "))
    };
    let mut text = files
        .iter()
        .take(MOST_LISTED)
        .map(one)
        .collect::<Vec<_>>()
        .join("; ");
    if files.len() > MOST_LISTED {
        text.push_str(&format!("; and {} more", files.len() - MOST_LISTED));
    }
    text
}

#[cfg(test)]
mod tests;
