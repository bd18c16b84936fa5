//! An entity in the form another tool expects, below a folder of its user's.
//!
//! [`Layout::arrange`] says what goes where, from the manifest alone;
//! [`place`](place::place) puts one file there, by reflink, hard link or copy, and holds it
//! against its hash.

mod comfyui;
mod place;

use std::path::{Path, PathBuf};
use std::str::FromStr;

use modelferry_providers::{Locator, ProviderKind, RelPath};

pub use self::place::{From, How, Target, link, place, write};
use super::Manifest;
use crate::error::{Code, Error};

/// The form of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// The files under their own paths.
    Files,
    /// What `huggingface_hub` and `hf-hub` keep below `HF_HUB_CACHE`.
    HuggingFaceCache,
    /// ComfyUI's folder, its `models` within.
    ComfyUi,
}

impl Layout {
    /// Every layout and its name.
    pub const ALL: &[(Self, &str)] = &[
        (Self::Files, "files"),
        (Self::HuggingFaceCache, "huggingface-cache"),
        (Self::ComfyUi, "comfyui"),
    ];
}

impl FromStr for Layout {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.iter().find(|(_, name)| *name == text);
        found.map(|(layout, _)| *layout).ok_or_else(|| {
            let names: Vec<&str> = Self::ALL.iter().map(|(_, name)| *name).collect();
            format!("the layouts are {}", names.join(", "))
        })
    }
}

/// What goes where, all below the export's folder.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Arrangement {
    /// The places of the manifest's files, each with its number there.
    pub files: Vec<(usize, PathBuf)>,
    /// Symbolic links: where, and what to.
    pub links: Vec<(PathBuf, PathBuf)>,
    /// Small texts: where, and what they say.
    pub texts: Vec<(PathBuf, String)>,
    /// Files that the layout has no place for, and why.
    pub left_out: Vec<(String, &'static str)>,
}

impl Layout {
    /// Arranges an entity's files. `locator` is what its reference means.
    ///
    /// # Errors
    /// [`Code::InvalidRequest`] when this layout can't hold this entity.
    pub fn arrange(self, manifest: &Manifest, locator: &Locator) -> Result<Arrangement, Error> {
        // A manifest is a file that anybody may have changed.
        for file in &manifest.files {
            RelPath::parse(&file.path)?;
        }
        let arrangement = match self {
            Self::Files => own_paths(manifest),
            Self::HuggingFaceCache => huggingface_cache(manifest, locator)?,
            Self::ComfyUi => comfyui::arrange(manifest)?,
        };
        if arrangement.files.is_empty() {
            return Err(Error::new(
                Code::InvalidRequest,
                format!("{} has no file for this layout", manifest.name),
            )
            .hint("--layout files takes every file"));
        }
        Ok(arrangement)
    }
}

fn own_paths(manifest: &Manifest) -> Arrangement {
    let paths = manifest.files.iter().map(|file| PathBuf::from(&file.path));
    Arrangement {
        files: paths.enumerate().collect(),
        ..Arrangement::default()
    }
}

/// `{type}s--{owner}--{name}/`: `blobs/{etag}`, `snapshots/{commit}/{path}`
/// linking there, and `refs/{revision}` naming the commit.
/// <https://huggingface.co/docs/huggingface_hub/guides/manage-cache>
fn huggingface_cache(manifest: &Manifest, locator: &Locator) -> Result<Arrangement, Error> {
    let Locator::HuggingFace(reference) = locator else {
        return Err(Error::new(
            Code::InvalidRequest,
            format!(
                "{} came from {}: the Hugging Face cache holds only what came from there",
                manifest.name, manifest.source.provider
            ),
        )
        .hint("use --layout files or comfyui"));
    };
    let repo = reference.repo.as_str().replace('/', "--");
    let root = PathBuf::from(format!("{}--{repo}", reference.repo_type.plural()));
    let commit = &manifest.source.revision;
    let mut arrangement = Arrangement::default();
    for (number, file) in manifest.files.iter().enumerate() {
        // The hub's ETag: a git blob id, or the SHA-256 of what is kept by LFS.
        let etag = match file.git_sha1 {
            Some(git_sha1) => git_sha1.to_string(),
            None => file.sha256.to_string(),
        };
        let shown = Path::new("snapshots").join(commit).join(&file.path);
        let up = "../".repeat(shown.components().count() - 1);
        let blob = root.join("blobs").join(&etag);
        arrangement.files.push((number, blob));
        let link = (root.join(shown), PathBuf::from(format!("{up}blobs/{etag}")));
        arrangement.links.push(link);
    }
    let asked = match &reference.revision {
        Some(revision) => revision.as_str(),
        None => "main",
    };
    if asked != commit {
        let name = root.join("refs").join(asked);
        arrangement.texts.push((name, commit.clone()));
    }
    Ok(arrangement)
}

/// The last name of a path.
fn base_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Whether an entity's file names tell it from others, as Civitai's do.
fn has_own_names(manifest: &Manifest) -> bool {
    manifest.source.provider == ProviderKind::Civitai
}

#[cfg(test)]
mod tests;
