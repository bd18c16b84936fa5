//! From the entries of a listing to the artifacts wanted.

use std::collections::{HashMap, HashSet};

use super::errors::shown;
use super::repo::{Commit, HfOrigin, RepoId, RepoPath, RepoType};
use super::scan;
use super::wire::Entry;
use crate::artifact::{Artifact, MAX_SIZE, Origin, Size, Warning};
use crate::digest::{Digests, Sha256};
use crate::error::{ErrorKind, ProviderError};
use crate::glob::Globs;
use crate::path::RelPath;

/// Names shown when nothing was selected, and in warnings.
const NAMES_SHOWN: usize = 5;

/// Which repository at which commit.
#[derive(Debug, Clone)]
pub(super) struct Pinned {
    pub repo_type: RepoType,
    pub repo: RepoId,
    pub commit: Commit,
}

/// Picks artifacts out of entries, one at a time.
pub(super) struct Picker {
    pinned: Pinned,
    globs: Globs,
    within: Option<RepoPath>,
    artifacts: Vec<Artifact>,
    /// Bytes of all of them.
    total: u64,
    /// Where each path stands in `artifacts`, by what a case-folding file system calls it.
    by_fold: HashMap<String, usize>,
    offered: Names,
    twins: Names,
    unhashed: Names,
}

/// What came of a listing.
pub(super) struct Picked {
    pub artifacts: Vec<Artifact>,
    pub warnings: Vec<Warning>,
    /// What there was to choose from.
    pub offered: Names,
}

/// How many names there were, and the first few of them.
#[derive(Debug, Default)]
pub(super) struct Names {
    pub count: usize,
    first: Vec<String>,
}

impl Names {
    pub(super) fn add(&mut self, name: impl Into<String>) {
        self.count += 1;
        if self.first.len() < NAMES_SHOWN {
            self.first.push(name.into());
        }
    }

    /// The first few, and how many more there are.
    pub(super) fn listed(&self) -> String {
        let more = self.count - self.first.len();
        let names = self.first.join(", ");
        if more == 0 {
            names
        } else {
            format!("{names} and {more} more")
        }
    }
}

impl Picker {
    /// For files of `pinned` that are `within` this path and that `globs` want.
    pub(super) fn new(pinned: Pinned, globs: Globs, within: Option<RepoPath>) -> Self {
        Self {
            pinned,
            globs,
            within,
            artifacts: Vec::new(),
            total: 0,
            by_fold: HashMap::new(),
            offered: Names::default(),
            twins: Names::default(),
            unhashed: Names::default(),
        }
    }

    /// Considers one entry.
    ///
    /// # Errors
    /// A wanted file whose name can't be created, or stands twice; a hash that is none.
    pub(super) fn take(&mut self, entry: &Entry) -> Result<(), ProviderError> {
        let outside = |within: &RepoPath| !within.covers(&entry.path);
        if entry.kind != "file" || self.within.as_ref().is_some_and(outside) {
            return Ok(());
        }
        self.offered.add(shown(&entry.path));
        if !self.globs.wants(&entry.path) {
            return Ok(());
        }
        let path =
            RepoPath::parse(&entry.path).map_err(|why| self.odd(&entry.path, &why.to_string()))?;
        let target =
            RelPath::parse(path.as_str()).map_err(|why| self.odd(&entry.path, &why.to_string()))?;
        self.note_twin(&target)?;
        let digests = self.digests(entry)?;
        if digests == Digests::default() {
            self.unhashed.add(shown(&entry.path));
        }
        let size = self.size(entry)?;
        self.artifacts.push(Artifact {
            path: target,
            size,
            digests,
            origin: Origin::HuggingFace(HfOrigin {
                repo_type: self.pinned.repo_type,
                repo: self.pinned.repo.clone(),
                commit: self.pinned.commit,
                path,
            }),
            scan: entry.security.as_ref().and_then(scan::of),
        });
        Ok(())
    }

    /// The content's length: of an LFS file, its own and not its pointer's.
    fn size(&mut self, entry: &Entry) -> Result<Size, ProviderError> {
        let lfs = entry.lfs.as_ref().and_then(|lfs| lfs.size);
        let Some(size) = lfs.or(entry.size) else {
            return Ok(Size::Unknown);
        };
        self.total = self.total.saturating_add(size);
        if self.total > MAX_SIZE {
            let what = format!("a size ({size} bytes) that no repository has");
            return Err(self.broken(&entry.path, &what));
        }
        Ok(Size::Exact(size))
    }

    /// The hash that the content must have. An LFS file's own object id is
    /// its pointer's, and a Xet hash is no hash of the bytes.
    fn digests(&self, entry: &Entry) -> Result<Digests, ProviderError> {
        let bad = || self.broken(&entry.path, "a hash that is none");
        let mut digests = Digests::default();
        if let Some(lfs) = &entry.lfs {
            if let Some(text) = lfs.oid.as_deref().or(lfs.sha256.as_deref()) {
                digests.sha256 = Some(text.parse::<Sha256>().map_err(|_| bad())?);
            }
        } else if let (None, Some(oid)) = (&entry.xet_hash, &entry.oid) {
            digests.git_sha1 = Some(oid.parse().map_err(|_| bad())?);
        }
        Ok(digests)
    }

    fn note_twin(&mut self, path: &RelPath) -> Result<(), ProviderError> {
        let Some(earlier) = self.by_fold.insert(path.fold_key(), self.artifacts.len()) else {
            return Ok(());
        };
        let Some(earlier) = self.artifacts.get(earlier) else {
            return Ok(());
        };
        if earlier.path == *path {
            return Err(self.odd(path.as_str(), "two files have this very name"));
        }
        self.twins.add(format!(
            "{} and {}",
            shown(earlier.path.as_str()),
            shown(path.as_str())
        ));
        Ok(())
    }

    fn odd(&self, path: &str, why: &str) -> ProviderError {
        ProviderError::new(
            ErrorKind::Upstream,
            format!(
                "{} has a file {} that can't be stored: {why}",
                self.pinned.repo,
                shown(path)
            ),
        )
        .hint("leave it out with --exclude (`?` stands for any one character)")
    }

    fn broken(&self, path: &str, what: &str) -> ProviderError {
        ProviderError::new(
            ErrorKind::Upstream,
            format!(
                "the hub states {what} for {} of {}",
                shown(path),
                self.pinned.repo
            ),
        )
        .hint("see whether the endpoint (HF_ENDPOINT) is the hub or a true mirror of it, or leave the file out with --exclude")
    }

    /// What was picked.
    ///
    /// # Errors
    /// A file that is also a folder, which no git tree can hold.
    pub(super) fn finish(self) -> Result<Picked, ProviderError> {
        self.check_folders()?;
        let mut warnings = Vec::new();
        let mut warn = |code: &str, names: &Names, text: &str| {
            if names.count > 0 {
                warnings.push(Warning::new(code, format!("{text}: {}", names.listed())));
            }
        };
        warn(
            "case_twins",
            &self.twins,
            "names that differ only in case fall together on some file systems",
        );
        warn(
            "no_hash",
            &self.unhashed,
            "the hub states no hash for these files; only their length can be checked",
        );
        Ok(Picked {
            artifacts: self.artifacts,
            warnings,
            offered: self.offered,
        })
    }

    fn check_folders(&self) -> Result<(), ProviderError> {
        let files: HashSet<&str> = self.artifacts.iter().map(|a| a.path.as_str()).collect();
        for path in self.artifacts.iter().map(|a| a.path.as_str()) {
            for (at, _) in path.match_indices('/') {
                if files.contains(&path[..at]) {
                    return Err(self.odd(&path[..at], "it is a folder too"));
                }
            }
        }
        Ok(())
    }
}
