//! What an import leaves behind: the manifest that names every file, and links
//! that a person finds them by.

pub mod export;
mod provenance;
pub mod sbom;
pub mod sidecar;

use std::collections::HashSet;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use chrono::{SecondsFormat, Utc};
use modelferry_providers::{GitSha1, Plan, ProviderKind, Sha256};
use serde::{Deserialize, Serialize};

pub use self::provenance::{Provenance, StatedBy, StatedHash};
use crate::error::{Code, Error};
use crate::inspect::Facts;
use crate::records::{ArtifactRow, Entity, StoredAt};
use crate::request::ImportRequest;
use crate::storage::StorageKey;
use crate::upload::{Kind, Verification};

/// `entities/{id}/manifest.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// 1.
    pub schema_version: u32,
    /// The entity's id.
    pub id: String,
    /// What it was found to be.
    pub kind: Kind,
    /// What a person calls it.
    pub name: String,
    /// Where it came from.
    pub source: ManifestSource,
    /// Its files.
    pub files: Vec<ManifestFile>,
    /// When, in RFC 3339.
    pub imported_at: String,
    /// The version of modelferry that wrote this, and its commit.
    pub tool_version: String,
    /// What the files' headers say it is, taken together.
    #[serde(default, skip_serializing_if = "Facts::is_empty")]
    pub facts: Facts,
    /// The model's card in the hub's own terms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub card: Option<serde_json::Value>,
}

/// Where an entity came from.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ManifestSource {
    /// Who resolved it.
    pub provider: ProviderKind,
    /// The source in its shortest true form.
    pub reference: String,
    /// The pinned revision.
    pub revision: String,
    /// A page about it.
    pub url: String,
}

/// One file of an entity.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ManifestFile {
    /// Its path below the entity's root.
    pub path: String,
    /// Its length in bytes.
    pub size: u64,
    /// Its content, as computed here.
    pub sha256: Sha256,
    /// The hub's git blob id, where it gave one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub git_sha1: Option<GitSha1>,
    /// What it was held against before it was published.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verification: Option<Verification>,
    /// What its headers say it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub facts: Option<Facts>,
    /// Where it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provenance: Option<Provenance>,
}

impl Manifest {
    /// For an entity of this plan, from its recorded files.
    pub fn new(
        entity: &Entity,
        request: &ImportRequest,
        plan: &Plan,
        rows: &[ArtifactRow],
        stored_at: &StoredAt,
    ) -> Self {
        let files = entity
            .files
            .iter()
            .zip(rows)
            .map(|(file, row)| ManifestFile {
                path: file.path.clone(),
                size: file.size,
                sha256: file.sha256,
                git_sha1: row.git_sha1,
                verification: row.verification,
                facts: row.facts.clone(),
                provenance: Provenance::of(
                    request,
                    plan,
                    row,
                    stored_at.get(&row.position).copied(),
                ),
            });
        Self {
            schema_version: 1,
            id: entity.id.clone(),
            kind: entity.kind,
            name: entity.name.clone(),
            source: ManifestSource {
                provider: plan.provider,
                reference: plan.reference.clone(),
                revision: plan.revision.clone(),
                url: plan.page.clone(),
            },
            files: files.collect(),
            imported_at: Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true),
            tool_version: crate::VERSION.to_owned(),
            facts: whole_facts(rows),
            card: plan.card.clone(),
        }
    }

    /// As it is stored.
    ///
    /// # Errors
    /// Never in practice: plain data with string keys serialises.
    pub fn to_bytes(&self) -> Result<Bytes, Error> {
        let mut text = serde_json::to_vec_pretty(self)
            .map_err(|error| Error::internal("writing a manifest", error))?;
        text.push(b'\n');
        Ok(text.into())
    }
}

/// What the headers of all files say together.
pub fn whole_facts(rows: &[ArtifactRow]) -> Facts {
    Facts::combine(
        rows.iter()
            .filter_map(|row| Some((row.path.as_str(), row.facts.as_ref()?))),
    )
}

/// The ids that an upload's entity can have: a model's, and any other kind's.
pub fn ids_for(upload: &str) -> [String; 2] {
    let id = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, upload.as_bytes());
    ["model", "asset"].map(|prefix| format!("{prefix}_{}", id.simple()))
}

/// The folder in which a person finds this plan's files.
pub fn library_folder(root: &Path, plan: &Plan) -> PathBuf {
    let place = &plan.place;
    root.join("library")
        .join(plan.provider.as_str())
        .join(place.owner.as_str())
        .join(place.name.as_str())
        .join(place.revision.as_str())
}

/// Puts a hard link to each blob where a person looks for it. A file system
/// without hard links gets symbolic ones.
///
/// # Errors
/// [`Code::StorageError`] when a link can't be made.
pub async fn link_library(root: &Path, plan: &Plan, entity: &Entity) -> Result<(), Error> {
    let folder = library_folder(root, plan);
    let links: Vec<(PathBuf, PathBuf)> = entity
        .files
        .iter()
        .map(|file| {
            (
                root.join(StorageKey::Blob(file.sha256).object_name()),
                folder.join(&file.path),
            )
        })
        .collect();
    let root = root.to_owned();
    let made = tokio::task::spawn_blocking(move || {
        for (blob, shown) in &links {
            link(&root, blob, shown).map_err(|error| {
                Error::new(
                    Code::StorageError,
                    format!("can't link {}: {error}", shown.display()),
                )
            })?;
        }
        Ok(())
    });
    made.await
        .map_err(|error| Error::internal("linking the library", error))?
}

/// Takes a plan's files out of the library, but those that other plans put at
/// the same place. What is linked stays in the storage.
///
/// # Errors
/// [`Code::StorageError`] when a link can't be removed.
pub async fn unlink_library(root: &Path, plan: &Plan, others: &[Plan]) -> Result<(), Error> {
    let folder = library_folder(root, plan);
    let same_place = |other: &&Plan| other.place == plan.place;
    let kept: HashSet<PathBuf> = others
        .iter()
        .filter(same_place)
        .flat_map(|other| &other.artifacts)
        .map(|file| folder.join(file.path.as_str()))
        .collect();
    let links: Vec<PathBuf> = plan
        .artifacts
        .iter()
        .map(|file| folder.join(file.path.as_str()))
        .filter(|link| !kept.contains(link))
        .collect();
    let (root, is_alone) = (root.join("library"), kept.is_empty());
    let removed = tokio::task::spawn_blocking(move || {
        let gone = if is_alone {
            // Sidecars stand beside the links.
            remove_plain_folder(&root, &folder)
        } else {
            links.iter().try_for_each(|link| remove_link(link))
        };
        gone.map_err(|error| {
            Error::new(
                Code::StorageError,
                format!("can't clear {}: {error}", folder.display()),
            )
        })
    });
    removed
        .await
        .map_err(|error| Error::internal("clearing the library", error))?
}

fn remove_link(link: &Path) -> io::Result<()> {
    match std::fs::remove_file(link) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Removes a folder below `root`, and those above it that are empty then,
/// unless the way there leads through a link that somebody planted.
fn remove_plain_folder(root: &Path, folder: &Path) -> io::Result<()> {
    let above: Vec<&Path> = folder
        .ancestors()
        .take_while(|above| *above != root)
        .collect();
    for above in &above {
        match std::fs::symlink_metadata(above) {
            Ok(found) if found.is_dir() => {}
            Ok(_) => return Err(ErrorKind::NotADirectory.into()),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        }
    }
    std::fs::remove_dir_all(folder)?;
    for above in above.into_iter().skip(1) {
        if std::fs::remove_dir(above).is_err() {
            break;
        }
    }
    Ok(())
}

/// Links over whatever an earlier import left there, never through a link
/// that somebody planted in the library's folders.
fn link(root: &Path, blob: &Path, shown: &Path) -> io::Result<()> {
    let Some(parent) = shown.parent() else {
        return Ok(());
    };
    make_plain_folders(root, parent)?;
    let fresh = parent.join(format!(".link-{}", uuid::Uuid::now_v7().simple()));
    match std::fs::hard_link(blob, &fresh) {
        Ok(()) => {}
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::Unsupported | ErrorKind::TooManyLinks | ErrorKind::PermissionDenied
            ) =>
        {
            std::os::unix::fs::symlink(blob, &fresh)?;
        }
        Err(error) => return Err(error),
    }
    let renamed = std::fs::rename(&fresh, shown);
    // A rename onto another link to the same file leaves both names (POSIX).
    match std::fs::remove_file(&fresh) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    renamed
}

/// Makes the folders from `root` down to `folder`, each a folder of its own
/// and none a link to elsewhere.
fn make_plain_folders(root: &Path, folder: &Path) -> io::Result<()> {
    let mut at = root.to_owned();
    let below = folder
        .strip_prefix(root)
        .map_err(|_| io::Error::from(ErrorKind::InvalidInput))?;
    for name in below.components() {
        at.push(name);
        match std::fs::create_dir(&at) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                if !std::fs::symlink_metadata(&at)?.is_dir() {
                    return Err(io::Error::new(
                        ErrorKind::NotADirectory,
                        format!("{} is no folder", at.display()),
                    ));
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
