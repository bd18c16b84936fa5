//! Where a branch's name ends and a path begins.
//!
//! `blob/feature/x/f.bin` may mean branch `feature` or branch `feature/x`. The
//! first guess is cut at the first slash, as the hub's own client does; the
//! hub's refs are asked for only when that guess does not hold: no such
//! revision, or no such file in it. The common case costs no request.

use super::errors::Asked;
use super::hub::Hub;
use super::repo::{RepoPath, Revision};
use crate::error::ProviderError;

/// A revision, and a path in it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Split {
    pub revision: Revision,
    pub path: Option<RepoPath>,
}

impl Split {
    /// Whether it could be cut elsewhere.
    pub(super) fn is_ambiguous(&self) -> bool {
        self.path.is_some() || self.revision.as_str().contains('/')
    }

    /// The other way to cut that a branch or tag of the repository bears out:
    /// the longest name that fits.
    pub(super) async fn other(
        &self,
        hub: &Hub<'_>,
        asked: Asked<'_>,
    ) -> Result<Option<Self>, ProviderError> {
        if !self.is_ambiguous() {
            return Ok(None);
        }
        let refs = hub.refs(asked).await?;
        Ok(self.by_names(refs.names()))
    }

    fn by_names<'a>(&self, names: impl Iterator<Item = &'a str>) -> Option<Self> {
        let whole = match &self.path {
            Some(path) => format!("{}/{path}", self.revision),
            None => self.revision.to_string(),
        };
        let fits = |name: &&str| {
            let rest = whole.strip_prefix(name);
            *name != self.revision.as_str()
                && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let name = names.filter(fits).max_by_key(|name| name.len())?;
        let rest = whole[name.len()..].trim_start_matches('/');
        Some(Self {
            revision: Revision::parse(name).ok()?,
            path: match rest {
                "" => None,
                rest => Some(RepoPath::parse(rest).ok()?),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(revision: &str, path: &str) -> Split {
        Split {
            revision: Revision::parse(revision).unwrap(),
            path: RepoPath::parse(path).ok(),
        }
    }

    #[test]
    fn the_longest_ref_that_fits_is_the_revision() {
        let names = ["main", "feature/x", "feature/x/y", "refs/heads/main", "v1"];
        let cases = [
            (
                split("feature", "x/f.bin"),
                Some(split("feature/x", "f.bin")),
            ),
            (
                split("feature", "x/y/f.bin"),
                Some(split("feature/x/y", "f.bin")),
            ),
            (split("feature", "x"), Some(split("feature/x", ""))),
            (split("feature", "xy/f.bin"), None),
            (
                split("refs", "heads/main/f"),
                Some(split("refs/heads/main", "f")),
            ),
            (split("v1/sub/f", ""), Some(split("v1", "sub/f"))),
            (split("main", "f"), None),
        ];
        for (asked, expected) in cases {
            assert_eq!(asked.by_names(names.into_iter()), expected, "{asked:?}");
        }
    }
}
