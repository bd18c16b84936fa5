//! What a run found, source by source, as it is kept and shown.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::error::{Code, Error};

/// The most sources that each list of a difference names.
pub const MOST_NAMED: usize = 100;

/// What a run found, source by source. Each list names at most
/// [`MOST_NAMED`]; the run's counts say how many there were.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Difference {
    /// Imported, or to be imported, for the first time.
    pub new: Vec<Named>,
    /// At another revision than the one held.
    pub changed: Vec<Named>,
    /// Held, and no longer there upstream.
    pub missing: Vec<Named>,
    /// Not imported.
    pub failed: Vec<Named>,
    /// Of the missing ones, removed here.
    pub pruned: Vec<Named>,
    /// Whether a list had to be cut.
    pub cut: bool,
}

/// One source of a difference.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Named {
    /// The source.
    pub source: String,
    /// What a person calls it.
    pub name: String,
    /// The revision found, as far as it is known.
    pub revision: Option<String>,
    /// The revision held before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The upload that imported it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upload_id: Option<String>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<SavedError>,
}

impl Difference {
    /// Adds to one of its lists, unless that is full.
    pub fn name(&mut self, list: fn(&mut Self) -> &mut Vec<Named>, named: Named) {
        let list = list(self);
        if list.len() < MOST_NAMED {
            list.push(named);
        } else {
            self.cut = true;
        }
    }
}

/// An error as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SavedError {
    /// For programs.
    #[schema(value_type = String)]
    pub code: Code,
    /// For people: what happened, to what, where.
    pub message: String,
    /// The next step.
    pub hint: Option<String>,
}

impl From<&Error> for SavedError {
    fn from(error: &Error) -> Self {
        Self {
            code: error.code,
            message: error.message.clone(),
            hint: error.hint.clone(),
        }
    }
}

impl From<SavedError> for Error {
    fn from(saved: SavedError) -> Self {
        let error = Self::new(saved.code, saved.message);
        match saved.hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }
}
