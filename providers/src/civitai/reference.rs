//! What a source names, in the hub's own terms.

use serde::{Deserialize, Serialize};

use super::filter::{FileFilter, ShortText};
use super::hash::ModelHash;
use super::id::CivitaiId;

/// A model, version, file or hash, as a source named it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CivitaiRef {
    /// The model or version.
    pub target: CivitaiTarget,
    /// One file's id: wins over the filter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<CivitaiId>,
    /// Which of the version's files.
    #[serde(default, skip_serializing_if = "FileFilter::is_empty")]
    pub filter: FileFilter,
    /// The ending an AIR gave: decides between files, and rules out none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format_hint: Option<ShortText>,
    /// The sister domain that the source named, asked when the hub itself answers 404.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<SisterHost>,
}

/// The model or version that is meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CivitaiTarget {
    /// A model's newest published version; with a file, the version that has it.
    Model(CivitaiId),
    /// A version, and the model that the source says it is of.
    Version {
        /// The model, if the source names it.
        model: Option<CivitaiId>,
        /// The version.
        version: CivitaiId,
    },
    /// The version that has a file of this hash.
    Hash(ModelHash),
}

/// The domains beside civitai.com that show the same models under the same ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SisterHost {
    /// civitai.red: all browsing levels. Since April 2026 the only one that
    /// shows mature models.
    Red,
    /// civitai.green.
    Green,
    /// civitai.blue.
    Blue,
}

impl SisterHost {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Red, Self::Green, Self::Blue];

    /// Its domain.
    pub const fn domain(self) -> &'static str {
        match self {
            Self::Red => "civitai.red",
            Self::Green => "civitai.green",
            Self::Blue => "civitai.blue",
        }
    }

    /// Whether the user's token may go there. The hub names civitai.red as its
    /// second site, with the same accounts and keys (docs/auth of its source,
    /// 2026-06); of the others nobody says so.
    pub const fn takes_token(self) -> bool {
        matches!(self, Self::Red)
    }
}

impl CivitaiRef {
    /// That model or version, and nothing further.
    pub fn new(target: CivitaiTarget) -> Self {
        Self {
            target,
            file: None,
            filter: FileFilter::default(),
            format_hint: None,
            host: None,
        }
    }
}
