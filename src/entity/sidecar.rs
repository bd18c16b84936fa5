//! What people's tools look for beside a model in the library:
//! `NAME.civitai.info` and `NAME.preview.png|jpeg|webp`.
//!
//! They are no part of the entity: nothing but the library folder has them,
//! and an import that could not write one is as good as any other.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use modelferry_providers::{Picture, Plan, Providers, RelPath, Sidecar};

use super::{library_folder, make_plain_folders};
use crate::records::EntityFile;

/// The most pictures asked for before a model goes without.
const MOST_TRIED: usize = 3;
/// The endings under which tools find a preview.
const PREVIEWS: [&str; 5] = ["png", "jpeg", "jpg", "webp", "gif"];

/// What could not be written, and why, in plain words.
pub type Troubles = Vec<String>;

/// A file's name without its ending, and what to write beside it.
struct Beside {
    stem: String,
    info: Vec<u8>,
}

/// Writes the sidecars of an entity's files into its library folder. A preview
/// that is there already stays: a person may have chosen it.
pub async fn write(
    root: &Path,
    plan: &Plan,
    files: &[EntityFile],
    providers: &Providers,
) -> Troubles {
    let mut troubles = Vec::new();
    let beside = beside(plan, files, &mut troubles);
    if beside.is_empty() && troubles.is_empty() {
        troubles.push(format!(
            "{} has no card to write beside its files: only Civitai has",
            plan.reference
        ));
    }
    let folder = library_folder(root, plan);
    let stems = beside.iter().map(|beside| beside.stem.clone()).collect();
    let wanting = without_preview(folder.clone(), stems).await;
    let picture = match wanting.as_slice() {
        [] => None,
        _ => picture(plan, providers, &mut troubles).await,
    };
    let mut writes: Vec<(PathBuf, Bytes)> = beside
        .into_iter()
        .map(|beside| {
            let name = format!("{}.civitai.info", beside.stem);
            (folder.join(name), beside.info.into())
        })
        .collect();
    if let Some(picture) = picture {
        let ending = picture.format.extension();
        writes.extend(wanting.iter().map(|stem| {
            let name = format!("{stem}.preview.{ending}");
            (folder.join(name), picture.bytes.clone())
        }));
    }
    troubles.extend(put_all(root.to_owned(), writes).await);
    troubles
}

/// One for each name without its ending: `boat.ckpt` and `boat.safetensors`
/// share theirs. None goes where a file of the entity is.
fn beside(plan: &Plan, files: &[EntityFile], troubles: &mut Troubles) -> Vec<Beside> {
    let taken: HashSet<String> = plan
        .artifacts
        .iter()
        .map(|artifact| artifact.path.fold_key())
        .collect();
    let mut stems = HashSet::new();
    let mut found = Vec::new();
    for sidecar in plan.sidecars() {
        let Some(file) = files.iter().find(|file| file.path == sidecar.file.as_str()) else {
            continue;
        };
        let Some(stem) = free_stem(&sidecar, &taken) else {
            troubles.push(format!(
                "no sidecar fits beside {}: its name is too long or taken",
                file.path
            ));
            continue;
        };
        if stems.insert(stem.to_lowercase()) {
            let mut info = format!("{:#}", sidecar.info(&file.sha256)).into_bytes();
            info.push(b'\n');
            found.push(Beside { stem, info });
        }
    }
    found
}

fn free_stem(sidecar: &Sidecar<'_>, taken: &HashSet<String>) -> Option<String> {
    let path = sidecar.file.as_str();
    let name = sidecar.file.name();
    let ending = name.rfind('.').filter(|&at| at > 0);
    let stem = &path[..path.len() - ending.map_or(0, |at| name.len() - at)];
    let endings = PREVIEWS.iter().map(|ending| format!("preview.{ending}"));
    let mut names = endings.chain(["civitai.info".to_owned()]);
    let is_free = |ending: String| {
        RelPath::parse(&format!("{stem}.{ending}"))
            .is_ok_and(|path| !taken.contains(&path.fold_key()))
    };
    names.all(is_free).then(|| stem.to_owned())
}

/// Those of the names that have no preview in the folder yet.
async fn without_preview(folder: PathBuf, stems: Vec<String>) -> Vec<String> {
    let looked = tokio::task::spawn_blocking(move || {
        let has_one = |stem: &String| {
            let mut names = PREVIEWS
                .iter()
                .map(|ending| format!("{stem}.preview.{ending}"));
            names.any(|name| folder.join(name).exists())
        };
        stems.into_iter().filter(|stem| !has_one(stem)).collect()
    });
    looked.await.unwrap_or_default()
}

/// The first of the model's pictures that comes.
async fn picture(plan: &Plan, providers: &Providers, troubles: &mut Troubles) -> Option<Picture> {
    let mut last = None;
    for url in plan.previews().into_iter().take(MOST_TRIED) {
        match providers.picture(&url).await {
            Ok(picture) => return Some(picture),
            Err(error) => last = Some(error),
        }
    }
    // A model without pictures is no trouble.
    troubles.extend(last.map(|error| format!("no preview of {}: {error}", plan.name)));
    None
}

async fn put_all(root: PathBuf, writes: Vec<(PathBuf, Bytes)>) -> Troubles {
    let written = tokio::task::spawn_blocking(move || {
        let tries = writes.iter().map(|(path, bytes)| {
            put(&root, path, bytes)
                .err()
                .map(|error| format!("can't write {}: {error}", path.display()))
        });
        tries.flatten().collect()
    });
    written
        .await
        .unwrap_or_else(|error| vec![format!("writing sidecars: {error}")])
}

/// Whole or not at all: a reader never sees half a file.
fn put(root: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let Some(folder) = path.parent() else {
        return Ok(());
    };
    make_plain_folders(root, folder)?;
    let fresh = folder.join(format!(".sidecar-{}", uuid::Uuid::now_v7().simple()));
    let written = std::fs::write(&fresh, bytes).and_then(|()| std::fs::rename(&fresh, path));
    if written.is_err() {
        // What is left of it is of no use; the error that counts is the first.
        let _ = std::fs::remove_file(&fresh);
    }
    written
}

#[cfg(test)]
mod tests;
