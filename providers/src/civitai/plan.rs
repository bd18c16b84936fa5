//! A version and the files chosen of it, as a plan.

use url::form_urlencoded;

use super::CivitaiOrigin;
use super::api::Api;
use super::card;
use super::choose::{self, Named, Scope};
use super::errors::clipped;
use super::id::CivitaiId;
use super::lookup::Found;
use super::name;
use super::reference::{CivitaiRef, CivitaiTarget};
use super::scan;
use super::wire::File;
use crate::artifact::{Artifact, Origin, Place, Plan, ScanVerdict, Size, Warning};
use crate::digest::{Digests, Sha256};
use crate::error::{ErrorKind, ProviderError};
use crate::path::RelPath;
use crate::source::Selection;
use crate::{ProviderKind, SafeUrl};

/// Model types that hold no model.
const ASSETS: [&str; 3] = ["Poses", "Wildcards", "Workflows"];
/// The most names that a warning lists.
const MOST_LISTED: usize = 5;

/// Chooses the files and writes the plan. No network traffic.
pub(super) fn plan(
    api: &Api<'_>,
    found: &Found,
    of: &CivitaiRef,
    selection: &Selection,
) -> Result<Plan, ProviderError> {
    let paths = name::paths(&found.version.files, found.version_id);
    let files: Vec<Named> = found
        .version
        .files
        .iter()
        .zip(&paths)
        .map(|(file, path)| Named { file, path })
        .collect();
    let download = download_url(&api.base, found.version_id);
    let version = format!("version {} at {}", found.version_id, api.host());
    let scope = Scope {
        version: &version,
        download: &download,
    };
    let chosen = choose::choose(&files, of, selection, &scope)?;
    let mut warnings = warnings(found, &files, &chosen, selection);
    let mut artifacts: Vec<Artifact> = chosen
        .iter()
        .map(|named| artifact(api, found, named, &mut warnings))
        .collect();
    if let Some(sha256) = selection.sha256 {
        take_users_hash(&mut artifacts, sha256, &mut warnings)?;
    }
    Ok(Plan {
        provider: ProviderKind::Civitai,
        reference: reference(api, found, of, selection, &chosen),
        revision: found.version_id.to_string(),
        name: title(found),
        page: api.page(found.model_id, Some(found.version_id)),
        place: place(found),
        is_asset: is_asset(found, &chosen),
        artifacts,
        left_out: Vec::new(),
        warnings,
        card: Some(card::card(found, &paths, &download)),
    })
}

/// Whether the files chosen today are those of an earlier plan, as far as it
/// took them.
pub(super) fn comes_to(
    api: &Api<'_>,
    found: &Found,
    of: &CivitaiRef,
    selection: &Selection,
    earlier: &Plan,
) -> bool {
    let Ok(mut today) = plan(api, found, of, selection) else {
        return false;
    };
    let is_left_out = |file: &Artifact| earlier.left_out.iter().any(|out| out.path == file.path);
    today.artifacts.retain(|file| !is_left_out(file));
    let is_same = |(a, b): (&Artifact, &Artifact)| {
        (&a.path, a.size, &a.digests, file_id(a)) == (&b.path, b.size, &b.digests, file_id(b))
    };
    today.revision == earlier.revision
        && today.artifacts.len() == earlier.artifacts.len()
        && today.artifacts.iter().zip(&earlier.artifacts).all(is_same)
}

fn file_id(file: &Artifact) -> Option<CivitaiId> {
    match &file.origin {
        Origin::Civitai(origin) => origin.file,
        _ => None,
    }
}

fn model_name(found: &Found) -> Option<&str> {
    let model = found.model.as_ref();
    let name = model.and_then(|model| model.name.as_deref());
    name.or(found.version.model.name.as_deref())
}

fn place(found: &Found) -> Place {
    let model = found.model.as_ref();
    let creator = model.and_then(|model| model.creator.username.as_deref());
    name::place(creator, model_name(found), found.model_id, found.version_id)
}

/// `https://civitai.com/api/download/models/128713`.
fn download_url(base: &SafeUrl, version: CivitaiId) -> String {
    let names = ["api", "download", "models"]
        .map(str::to_owned)
        .into_iter()
        .chain([version.to_string()]);
    base.with_segments(names).to_string()
}

/// `civitai:4384@128713`, and `+93208` where the source asks for that file.
fn reference(
    api: &Api<'_>,
    found: &Found,
    of: &CivitaiRef,
    selection: &Selection,
    chosen: &[Named],
) -> String {
    let version = match found.model_id {
        Some(model) => format!("civitai:{model}@{}", found.version_id),
        None => download_url(&api.base, found.version_id),
    };
    let takes_many = selection.all_files || !selection.include.is_empty();
    let is_narrowed = of.file.is_some()
        || of.format_hint.is_some()
        || !of.filter.is_empty()
        || matches!(of.target, CivitaiTarget::Hash(_));
    match chosen {
        [one] if is_narrowed && !takes_many => match (one.file.id, found.model_id) {
            (Some(file), Some(_)) => format!("{version}+{file}"),
            (Some(file), None) => format!("{version}?fileId={file}"),
            (None, _) => version,
        },
        _ if of.filter.is_empty() => version,
        _ => {
            let mut query = form_urlencoded::Serializer::new(String::new());
            query.extend_pairs(of.filter.pairs());
            format!("{version}?{}", query.finish())
        }
    }
}

fn title(found: &Found) -> String {
    let model = model_name(found).map_or_else(
        || format!("version {}", found.version_id),
        |name| clipped(name, 200),
    );
    match found.version.name.as_deref().map(|name| clipped(name, 100)) {
        Some(version) if !version.is_empty() => format!("{model} {version}"),
        _ => model,
    }
}

fn is_asset(found: &Found, chosen: &[Named]) -> bool {
    let kind = found.model.as_ref().and_then(|model| model.kind.as_deref());
    let kind = kind.or(found.version.model.kind.as_deref());
    kind.is_some_and(|kind| ASSETS.contains(&kind)) || !chosen.iter().any(Named::is_weights)
}

fn artifact(api: &Api<'_>, found: &Found, named: &Named, warnings: &mut Vec<Warning>) -> Artifact {
    Artifact {
        path: named.path.clone(),
        size: size(named.file),
        digests: Digests {
            sha256: sha256(named, warnings),
            ..Digests::default()
        },
        origin: Origin::Civitai(CivitaiOrigin {
            version: found.version_id,
            file: named.file.id,
            download_query: download_query(named.file, found.version_id),
            host: api.sister,
            is_guarded: false,
        }),
        scan: scan::of(named.file),
    }
}

/// The hub states KiB as a float, sometimes rounded: never proof.
pub(super) fn size(file: &File) -> Size {
    /// Above it, a float no longer holds every whole number.
    const EXACT: f64 = (1u64 << 53) as f64;
    let bytes = file.size_kb.map(|kb| (kb * 1024.0).round());
    match bytes.filter(|bytes| (1.0..=EXACT).contains(bytes)) {
        Some(bytes) => Size::About(bytes as u64),
        None => Size::Unknown,
    }
}

fn sha256(named: &Named, warnings: &mut Vec<Warning>) -> Option<Sha256> {
    let stated = named
        .file
        .hashes
        .iter()
        .find(|(key, _)| key.eq_ignore_ascii_case("SHA256"));
    let Some((_, stated)) = stated else {
        let message = format!(
            "the hub states no SHA-256 of {}: only its length can be checked",
            named.path
        );
        warnings.push(Warning::new("no_hash", message));
        return None;
    };
    let sha256 = stated.trim().parse().ok();
    if sha256.is_none() {
        let message = format!(
            "what the hub states as SHA-256 of {} is none, and is ignored",
            named.path
        );
        warnings.push(Warning::new("bad_hash", message));
    }
    sha256
}

/// The filters of the file's own download URL, if that is one of this version.
/// Host, path and any further keys of it are dropped: they may be anything.
fn download_query(file: &File, version: CivitaiId) -> Option<String> {
    let url = url::Url::parse(file.download_url.as_deref()?).ok()?;
    if !url.path().ends_with(&format!("/download/models/{version}")) {
        return None;
    }
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (key, value) in url.query_pairs() {
        if matches!(&*key, "type" | "format" | "size" | "fp" | "quantType") {
            query.append_pair(&key, &value);
        }
    }
    let query = query.finish();
    (query.len() <= 1024).then_some(query)
}

/// The user's word on the hash goes before the hub's, whose rows are wrong at times.
fn take_users_hash(
    artifacts: &mut [Artifact],
    sha256: Sha256,
    warnings: &mut Vec<Warning>,
) -> Result<(), ProviderError> {
    let [artifact] = artifacts else {
        return Err(ProviderError::new(
            ErrorKind::InvalidSource,
            format!("one SHA-256 was given for {} files", artifacts.len()),
        )
        .hint("give it with a source of one file, such as a URL with fileId="));
    };
    warnings.retain(|warning| !matches!(warning.code.as_str(), "no_hash" | "bad_hash"));
    if artifact
        .digests
        .sha256
        .is_some_and(|stated| stated != sha256)
    {
        let message = format!(
            "the hub states another SHA-256 of {} than the one given, which decides",
            artifact.path
        );
        warnings.push(Warning::new("hash_overridden", message));
    }
    artifact.digests.sha256 = Some(sha256);
    Ok(())
}

fn warnings(
    found: &Found,
    files: &[Named],
    chosen: &[Named],
    selection: &Selection,
) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let mode = found.model.as_ref().and_then(|model| model.mode.as_deref());
    if mode.or(found.version.model.mode.as_deref()) == Some("TakenDown") {
        warnings.push(Warning::new(
            "taken_down",
            "the hub has taken this model's page down",
        ));
    }
    if let Some(sister) = found.sister {
        let message = format!(
            "the hub itself does not show this version; {} does",
            sister.domain()
        );
        warnings.push(Warning::new("sister_domain", message));
    }
    for named in chosen {
        warnings.extend(id_warning(named));
        warnings.extend(scan_warning(named));
        if !selection.all_files {
            warnings.extend(kind_warning(named));
        }
    }
    warnings.extend(left_out(files, chosen));
    warnings
}

fn id_warning(named: &Named) -> Option<Warning> {
    let message = || {
        format!(
            "the hub shows no file id of {}, so it is asked for as the version's main file",
            named.path
        )
    };
    let is_without = named.file.id.is_none();
    is_without.then(|| Warning::new("no_file_id", message()))
}

fn scan_warning(named: &Named) -> Option<Warning> {
    let (code, message) = match scan::of(named.file)?.verdict {
        ScanVerdict::Danger => (
            "hub_flagged_unsafe",
            format!("the hub's own scan found {} dangerous", named.path),
        ),
        ScanVerdict::Pending => (
            "hub_scan_pending",
            format!("the hub's own scan has not looked at {} yet", named.path),
        ),
        _ => return None,
    };
    Some(Warning::new(code, message))
}

fn kind_warning(named: &Named) -> Option<Warning> {
    if named.is_weights() {
        return None;
    }
    let kind = named.file.kind.as_deref();
    let kind = kind.map_or("unknown".to_owned(), |kind| clipped(kind, 40));
    let message = format!(
        "{} is no weights file: the hub has it as {kind}",
        named.path
    );
    Some(Warning::new("not_weights", message))
}

fn left_out(files: &[Named], chosen: &[Named]) -> Option<Warning> {
    let is_chosen = |path: &RelPath| chosen.iter().any(|named| named.path == path);
    let others: Vec<&str> = files
        .iter()
        .map(|named| named.path)
        .filter(|path| !is_chosen(path))
        .map(RelPath::as_str)
        .collect();
    let (shown, more) = others.split_at(others.len().min(MOST_LISTED));
    let names = shown.join(", ");
    let more = if more.is_empty() {
        String::new()
    } else {
        format!(" and {} more", more.len())
    };
    let message =
        format!("the version has other files, which --all-files or --include takes: {names}{more}");
    (!others.is_empty()).then(|| Warning::new("other_files", message))
}

#[cfg(test)]
mod tests;
