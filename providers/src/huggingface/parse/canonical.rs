//! Writes a reference in the shortest form that parses back to the same.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::super::repo::{HfRef, RepoType, Revision};
use super::bare;

/// What is encoded in one segment of an address: all but RFC 3986's unreserved.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

impl fmt::Display for HfRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(bare) = self.bare() {
            return f.write_str(&bare);
        }
        if self.repo.owner().is_none() {
            return write!(f, "https://huggingface.co/{}", self.page_path());
        }
        write!(f, "hf://")?;
        if let Some(prefix) = self.repo_type.page_prefix() {
            write!(f, "{prefix}/")?;
        }
        write!(f, "{}", self.repo)?;
        if let Some(revision) = &self.revision {
            write!(f, "@{}", in_uri(revision))?;
        }
        match &self.path {
            Some(path) => write!(f, "/{path}"),
            None => Ok(()),
        }
    }
}

impl HfRef {
    /// `org/name[@REV]`, where that says it all and is claimed as such.
    fn bare(&self) -> Option<String> {
        if self.repo_type != RepoType::Model || self.path.is_some() {
            return None;
        }
        let text = match &self.revision {
            Some(revision) => format!("{}@{}", self.repo, revision.as_str().replace('%', "%25")),
            None => self.repo.to_string(),
        };
        matches!(bare::parse(&text), Some(Ok(_))).then_some(text)
    }

    /// The path of its page. A lone root name's is its tree, since the name
    /// alone would be taken for a user's page.
    pub(super) fn page_path(&self) -> String {
        let mut page = String::new();
        if let Some(prefix) = self.repo_type.page_prefix() {
            page = format!("{prefix}/");
        }
        page.push_str(self.repo.as_str());
        let main = Revision::main();
        let needed = self.path.is_some() || self.repo.owner().is_none();
        if let Some(revision) = self.revision.as_ref().or(needed.then_some(&main)) {
            page.push_str(&format!(
                "/tree/{}",
                utf8_percent_encode(revision.as_str(), SEGMENT)
            ));
        }
        for name in self.path.iter().flat_map(|path| path.segments()) {
            page.push_str(&format!("/{}", utf8_percent_encode(name, SEGMENT)));
        }
        page
    }
}

/// A revision as a URI carries it: its slashes encoded, unless it is a ref
/// that is read whole anyway.
fn in_uri(revision: &Revision) -> String {
    let text = revision.as_str().replace('%', "%25");
    if revision.is_special() {
        text
    } else {
        text.replace('/', "%2F")
    }
}
