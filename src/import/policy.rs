//! What the operator lets in: the rules beside the gate's own, and what each
//! says when it refuses.

mod formats;
mod source;

#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use modelferry_providers::{Artifact, Plan, ScanVerdict};
use serde::{Deserialize, Serialize};

pub use self::formats::{FormatRule, UnknownFormat};
pub use self::source::NsfwLevel;
use super::choose;
use crate::error::{Code, Error};
use crate::inspect::{self, AllowList, Finding, Kind, Nature, PicklePolicy};
use crate::request::ImportRequest;

/// What to do with a file that its hub's own scan calls dangerous.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum FlaggedPolicy {
    /// Refuse it.
    #[default]
    Refuse,
    /// Say so, and let the gate decide.
    Warn,
}

impl FromStr for FlaggedPolicy {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        match word {
            "refuse" => Ok(Self::Refuse),
            "warn" => Ok(Self::Warn),
            _ => Err("it should be refuse or warn".to_owned()),
        }
    }
}

/// What one import may do that the configuration does not let others do. Only
/// who runs the process can set these.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Overrides {
    /// The pickle policy in place of the configured one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pickle: Option<PicklePolicy>,
    /// Take files that their hub's own scan calls dangerous.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub allow_flagged: bool,
}

/// Everything the operator decides about what may come in. Empty lists and
/// `None` let everything through.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// What may be done with pickles.
    pub pickle: PicklePolicy,
    /// Pickle references the operator vouches for.
    pub pickle_allow: Arc<AllowList>,
    /// What to do with files that their hub calls dangerous.
    pub flagged: FlaggedPolicy,
    /// The kinds that may be imported.
    pub kinds: Vec<Kind>,
    /// The formats a file that is not text may have.
    pub formats: Vec<FormatRule>,
    /// The most bytes one file may have.
    pub max_file_size: Option<u64>,
    /// The most bytes that one owner may have, and ask for.
    pub max_owner_bytes: Option<u64>,
    /// The licences a source may have, lower case, as hubs spell them.
    pub licenses: Vec<String>,
    /// The highest level of adult content.
    pub max_nsfw: Option<NsfwLevel>,
}

impl Rules {
    /// These rules, with what one request may do beyond them.
    pub fn for_request(&self, request: &ImportRequest) -> Self {
        let mut rules = self.clone();
        rules.pickle = request.overrides.pickle.unwrap_or(self.pickle);
        if request.overrides.allow_flagged {
            rules.flagged = FlaggedPolicy::Warn;
        }
        rules
    }

    /// What decides which files of a plan end up in the entity: two imports
    /// with the same are the same.
    pub fn fingerprint(&self) -> String {
        format!(
            "{} {:?} {}",
            self.pickle,
            self.flagged,
            self.pickle_allow.lines().join(",")
        )
    }

    /// Holds a plan as a whole against the operator's rules.
    ///
    /// # Errors
    /// The rule that refuses it.
    pub fn admit(&self, plan: &Plan, request: &ImportRequest) -> Result<(), Error> {
        if let Some(kind) = request.expected_kind(plan) {
            self.admit_kind(&plan.reference, kind)?;
        }
        source::admit_license(plan, &self.licenses)?;
        source::admit_nsfw(plan, self.max_nsfw)
    }

    /// Holds each file of a plan that can't be done without against what is
    /// known of it.
    ///
    /// # Errors
    /// [`Code::TooLarge`], [`Code::UnsafePickle`] or [`Code::NotAllowed`].
    pub fn admit_files(&self, plan: &Plan, request: &ImportRequest) -> Result<(), Error> {
        plan.artifacts
            .iter()
            .filter(|artifact| !choose::is_dispensable(plan, request, artifact))
            .try_for_each(|artifact| self.admit_unseen(artifact))
    }

    /// Holds one file against what is known of it without looking into it.
    ///
    /// # Errors
    /// As [`Rules::admit_files`].
    pub fn admit_unseen(&self, artifact: &Artifact) -> Result<(), Error> {
        if let Some(size) = artifact.size.approximate() {
            self.admit_size(artifact.path.as_str(), size)?;
        }
        self.admit_scanned(artifact)
    }

    /// A hub's good word on a file is no reason to take it, and its bad word is
    /// one to refuse it.
    fn admit_scanned(&self, artifact: &Artifact) -> Result<(), Error> {
        let Some(scan) = &artifact.scan else {
            return Ok(());
        };
        if self.flagged == FlaggedPolicy::Warn || scan.verdict != ScanVerdict::Danger {
            return Ok(());
        }
        let path = artifact.path.as_str();
        let code = if inspect::promises_pickle(path) {
            Code::UnsafePickle
        } else {
            Code::NotAllowed
        };
        let message = format!(
            "`{path}`: the scanners of {} call it dangerous: {}",
            scan.source, scan.detail
        );
        Err(Error::new(code, message).hint(
            "look for another source, or leave it out with --exclude; if you know it to be harmless, --allow-flagged (MODELFERRY_FLAGGED=warn) leaves the decision to our own checks",
        ))
    }

    /// # Errors
    /// [`Code::TooLarge`] for a file above the largest size.
    pub fn admit_size(&self, path: &str, size: u64) -> Result<(), Error> {
        match self.max_file_size {
            Some(most) if size > most => {
                let message = format!(
                    "{path} has {size} bytes, and the rule `max_file_size` takes at most {most}"
                );
                Err(Error::new(Code::TooLarge, message)
                    .hint("leave it out with --exclude, or ask whoever runs this to raise MODELFERRY_MAX_FILE_SIZE"))
            }
            _ => Ok(()),
        }
    }

    /// # Errors
    /// [`Code::NotAllowed`] for a kind that may not be imported.
    pub fn admit_kind(&self, what: &str, kind: Kind) -> Result<(), Error> {
        if self.kinds.is_empty() || self.kinds.contains(&kind) {
            return Ok(());
        }
        Err(not_allowed(
            format!("{what} is of kind `{kind}`"),
            "kinds",
            &self.kinds,
            "MODELFERRY_KINDS",
        ))
    }

    /// # Errors
    /// [`Code::NotAllowed`] for a file of a format that may not be imported.
    pub fn admit_format(&self, path: &str, finding: &Finding) -> Result<(), Error> {
        let is_free = self.formats.is_empty() || finding.nature == Nature::Text;
        if is_free || self.formats.iter().any(|rule| rule.admits(finding)) {
            return Ok(());
        }
        Err(not_allowed(
            format!("`{path}` is {}", finding.format.label()),
            "formats",
            &self.formats,
            "MODELFERRY_FORMATS",
        ))
    }
}

/// The refusal of a rule with a list, and where to change it.
fn not_allowed<T: fmt::Display>(what: String, rule: &str, taken: &[T], variable: &str) -> Error {
    let taken: Vec<String> = taken.iter().map(ToString::to_string).collect();
    let message = format!(
        "{what}, and the rule `{rule}` takes only {}",
        taken.join(", ")
    );
    Error::new(Code::NotAllowed, message).hint(format!(
        "choose another source or other files, or ask whoever runs this to change {variable}"
    ))
}
