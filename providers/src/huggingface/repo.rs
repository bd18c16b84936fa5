//! A repository, its revisions and its paths, as types that can't hold a bad value.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::path::{PathError, RelPath};
use crate::source::SourceError;

/// Longest owner or name of a repository, as the hub's own client checks it.
const MAX_ID_PART: usize = 96;
/// Longest revision: what a file system under git can hold in one ref.
const MAX_REVISION: usize = 255;

/// What sort of repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RepoType {
    /// A model.
    Model,
    /// A dataset.
    Dataset,
    /// A space.
    Space,
}

impl RepoType {
    /// The word for many of them, as in `/api/models` and `hf://models/`.
    pub const fn plural(self) -> &'static str {
        match self {
            Self::Model => "models",
            Self::Dataset => "datasets",
            Self::Space => "spaces",
        }
    }

    /// The type that a plural names.
    pub(super) fn from_plural(word: &str) -> Option<Self> {
        [Self::Model, Self::Dataset, Self::Space]
            .into_iter()
            .find(|of| of.plural() == word)
    }

    /// What stands before the id in a page's URL: models have nothing there.
    pub(super) const fn page_prefix(self) -> Option<&'static str> {
        match self {
            Self::Model => None,
            Self::Dataset | Self::Space => Some(self.plural()),
        }
    }
}

impl fmt::Display for RepoType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Model => "model",
            Self::Dataset => "dataset",
            Self::Space => "space",
        })
    }
}

/// Why a text is no repository id, revision, path or commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HfNameError {
    /// Not `org/name`.
    #[error(
        "a repository is `org/name`: letters, digits, `-`, `_` and `.`, without `--`, `..` or `.git`"
    )]
    RepoId,
    /// Nothing git would accept as the name of a branch, tag or commit.
    #[error("a revision is a branch, a tag, a commit or `refs/pr/N`")]
    Revision,
    /// Not a path that could be created everywhere.
    #[error(transparent)]
    Path(#[from] PathError),
    /// Not 40 hexadecimal digits.
    #[error("a commit is 40 hexadecimal digits")]
    Commit,
}

macro_rules! checked_text {
    ($name:ident) => {
        impl $name {
            /// The text itself.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = HfNameError;

            fn try_from(text: String) -> Result<Self, HfNameError> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(checked: $name) -> String {
                checked.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

/// `org/name`, or a root name such as `gpt2`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RepoId(String);
checked_text!(RepoId);

impl RepoId {
    /// Checks an id by the rules of the hub's own client.
    ///
    /// # Errors
    /// [`HfNameError::RepoId`].
    pub fn parse(text: &str) -> Result<Self, HfNameError> {
        let parts: Vec<&str> = text.split('/').collect();
        let banned = text.contains("--") || text.contains("..") || text.ends_with(".git");
        if banned || parts.len() > 2 || !parts.iter().all(|part| is_id_part(part)) {
            return Err(HfNameError::RepoId);
        }
        Ok(Self(text.to_owned()))
    }

    /// The user or organisation, unless it is a root name.
    pub fn owner(&self) -> Option<&str> {
        self.0.split_once('/').map(|(owner, _)| owner)
    }

    /// The last part.
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }
}

fn is_id_part(part: &str) -> bool {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    (1..=MAX_ID_PART).contains(&part.len())
        && part.chars().all(|c| is_word(c) || matches!(c, '-' | '.'))
        && part.starts_with(is_word)
        && part.ends_with(is_word)
}

/// A branch, tag, commit or `refs/pr/N`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Revision(String);
checked_text!(Revision);

impl Revision {
    /// Checks a revision by git's rules for ref names (git-check-ref-format).
    ///
    /// # Errors
    /// [`HfNameError::Revision`].
    pub fn parse(text: &str) -> Result<Self, HfNameError> {
        let forbidden = |c: char| {
            c.is_control()
                || c.is_whitespace()
                || matches!(c, '~' | '^' | ':' | '?' | '*' | '[' | '\\')
        };
        let good = text.len() <= MAX_REVISION
            && !text.contains(forbidden)
            && !text.contains("..")
            && !text.contains("@{")
            && !text.ends_with('.')
            && text
                .split('/')
                .all(|part| !part.is_empty() && !part.starts_with('.'));
        good.then(|| Self(text.to_owned()))
            .ok_or(HfNameError::Revision)
    }

    /// The branch that every repository starts with.
    pub fn main() -> Self {
        Self("main".to_owned())
    }

    /// Whether it is of the refs with slashes that are read whole wherever
    /// a revision and a path stand side by side.
    pub(super) fn is_special(&self) -> bool {
        let parts: Vec<&str> = self.0.split('/').collect();
        special_ref_len(&parts) == Some(parts.len())
    }
}

/// How many of these segments are a `refs/pr/N` or `refs/convert/NAME`.
pub(super) fn special_ref_len(parts: &[&str]) -> Option<usize> {
    let is_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '-');
    match parts {
        ["refs", "pr", number, ..] if number.chars().all(|c| c.is_ascii_digit()) => Some(3),
        ["refs", "convert", name, ..] if name.chars().all(is_name) => Some(3),
        _ => None,
    }
}

/// A path in a repository exactly as the hub spells it, and safe to create.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RepoPath(String);
checked_text!(RepoPath);

impl RepoPath {
    /// Checks a path. Its Unicode form is kept, since git names are bytes.
    ///
    /// # Errors
    /// [`HfNameError::Path`].
    pub fn parse(text: &str) -> Result<Self, HfNameError> {
        RelPath::parse(text)?;
        Ok(Self(text.to_owned()))
    }

    /// The names from first to last.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }

    /// Whether `path` is this very path, or below it.
    pub(super) fn covers(&self, path: &str) -> bool {
        path.strip_prefix(&self.0)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

/// A git commit: what a plan is pinned to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Commit([u8; 20]);

impl Commit {
    /// Reads 40 hexadecimal digits of either case.
    ///
    /// # Errors
    /// [`HfNameError::Commit`].
    pub fn parse(text: &str) -> Result<Self, HfNameError> {
        let mut bytes = [0; 20];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| HfNameError::Commit)?;
        Ok(Self(bytes))
    }
}

impl TryFrom<String> for Commit {
    type Error = HfNameError;

    fn try_from(text: String) -> Result<Self, HfNameError> {
        Self::parse(&text)
    }
}

impl From<Commit> for String {
    fn from(commit: Commit) -> String {
        commit.to_string()
    }
}

impl fmt::Display for Commit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Commit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A repository, a folder or a file of it, as a source named it.
///
/// `Display` writes its shortest form that parses back to the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HfRef {
    /// What sort of repository.
    pub repo_type: RepoType,
    /// Its id.
    pub repo: RepoId,
    /// What the source named; `None` means `main`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<Revision>,
    /// A folder or file within; `None` for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<RepoPath>,
}

impl HfRef {
    /// Checks the parts of a reference that came from outside. An empty
    /// `path` means the whole repository.
    ///
    /// # Errors
    /// [`SourceError`] says which part is bad, with an example of a good one.
    pub(crate) fn new(
        repo_type: RepoType,
        repo: &str,
        revision: Option<&str>,
        path: &str,
    ) -> Result<Self, SourceError> {
        let repo = super::parse::repo_id(repo_type, repo)?;
        let example = match repo_type.page_prefix() {
            Some(prefix) => format!("hf://{prefix}/{repo}@main/folder/file.bin"),
            None => format!("hf://{repo}@main/folder/file.bin"),
        };
        let bad = |what: &str, text: &str, why: HfNameError| {
            let shown = super::errors::shown(text);
            SourceError::malformed(format!("{shown} is no {what}: {why}"), example.clone())
        };
        let revision = revision
            .map(|text| Revision::parse(text).map_err(|why| bad("revision", text, why)))
            .transpose()?;
        let path = (!path.is_empty())
            .then(|| RepoPath::parse(path).map_err(|why| bad("path", path, why)))
            .transpose()?;
        Ok(Self {
            repo_type,
            repo,
            revision,
            path,
        })
    }
}

/// How to ask for a file of a repository again.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct HfOrigin {
    /// What sort of repository.
    pub repo_type: RepoType,
    /// Its id.
    pub repo: RepoId,
    /// The commit.
    pub commit: Commit,
    /// The path as the hub spells it.
    pub path: RepoPath,
}

impl HfOrigin {
    pub(crate) fn grant(&self) -> String {
        format!("huggingface/{}/{}", self.repo_type.plural(), self.repo)
    }
}
