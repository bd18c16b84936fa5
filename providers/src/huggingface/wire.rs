//! The hub's JSON, as far as it is read. Keys that hubs and mirrors leave out
//! or set to null are optional; what is read is checked where it is used.

use serde::Deserialize;
use serde_json::Value;

/// `GET /api/{type}/{id}/revision/{rev}`.
#[derive(Debug, Deserialize)]
pub(super) struct Info {
    /// The repository's id today, which differs from the one asked after a rename.
    pub id: Option<String>,
    /// The commit that the revision is at.
    pub sha: Option<String>,
    /// Hidden from all but the granted.
    pub private: Option<bool>,
    /// `false`, `"auto"` or `"manual"`.
    pub gated: Option<Value>,
    /// Taken down by the hub.
    pub disabled: Option<bool>,
    /// The metadata at the head of its README.
    #[serde(rename = "cardData")]
    pub card_data: Option<Value>,
    /// What the hub made of that metadata.
    pub tags: Option<Value>,
    /// What it is used for.
    pub pipeline_tag: Option<Value>,
    /// What it is used with.
    pub library_name: Option<Value>,
}

impl Info {
    /// Whether some who can list the files may not read them.
    pub(super) fn is_guarded(&self) -> bool {
        let is_open = matches!(self.gated, None | Some(Value::Null | Value::Bool(false)));
        !is_open || self.private == Some(true)
    }
}

/// One entry of a tree page or a paths-info answer.
#[derive(Debug, Deserialize)]
pub(super) struct Entry {
    /// `file` or `directory`.
    #[serde(rename = "type")]
    pub kind: String,
    /// From the repository's root.
    pub path: String,
    /// The git object id: of the pointer for LFS files.
    pub oid: Option<String>,
    /// The content's length, also for LFS files.
    pub size: Option<u64>,
    /// Set for files kept in LFS or Xet.
    pub lfs: Option<Lfs>,
    /// Set for files kept in Xet. No hash that we could check.
    #[serde(rename = "xetHash")]
    pub xet_hash: Option<String>,
    /// The scanners' words; only sent unasked by some mirrors.
    #[serde(rename = "securityFileStatus")]
    pub security: Option<Value>,
}

/// The LFS part of an entry.
#[derive(Debug, Deserialize)]
pub(super) struct Lfs {
    /// The content's SHA-256, as the tree spells it.
    pub oid: Option<String>,
    /// The same, as some other answers spell it.
    pub sha256: Option<String>,
    /// The content's length.
    pub size: Option<u64>,
}

/// `GET /api/{type}/{id}/refs`.
#[derive(Debug, Deserialize)]
pub(super) struct Refs {
    branches: Option<Vec<Ref>>,
    tags: Option<Vec<Ref>>,
    converts: Option<Vec<Ref>>,
}

#[derive(Debug, Deserialize)]
struct Ref {
    name: String,
    #[serde(rename = "ref")]
    full: Option<String>,
}

impl Refs {
    /// Every name that a revision may be called by, short and full.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        [&self.branches, &self.tags, &self.converts]
            .into_iter()
            .flatten()
            .flatten()
            .flat_map(|one| [Some(one.name.as_str()), one.full.as_deref()])
            .flatten()
    }
}
