//! Rules about the source as a whole, from what its hub's card says.

use std::fmt;
use std::str::FromStr;

use modelferry_providers::Plan;
use serde_json::Value;

use super::not_allowed;
use crate::error::{Code, Error};

/// The word for a source whose hub states no licence.
const UNKNOWN: &str = "unknown";

/// How adult the content is, in Civitai's steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NsfwLevel {
    /// For everyone.
    Pg,
    /// Some skin or violence.
    Pg13,
    /// For adults.
    R,
    /// Nudity.
    X,
    /// Sex.
    Xxx,
}

impl NsfwLevel {
    /// With the bit that Civitai gives each.
    const BITS: [(u64, Self); 5] = [
        (16, Self::Xxx),
        (8, Self::X),
        (4, Self::R),
        (2, Self::Pg13),
        (1, Self::Pg),
    ];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Pg => "pg",
            Self::Pg13 => "pg13",
            Self::R => "r",
            Self::X => "x",
            Self::Xxx => "xxx",
        }
    }

    /// The highest level of a card, where its hub rates it. Hugging Face only
    /// marks what is not for all audiences.
    fn of(card: &Value) -> Option<Self> {
        let bits = card.get("nsfwLevel").and_then(Value::as_u64).unwrap_or(0);
        let rated = Self::BITS
            .iter()
            .find(|(bit, _)| bits & bit != 0 || (*bit == 16 && bits >= 32))
            .map(|(_, level)| *level);
        let is_flagged = card.get("nsfw").and_then(Value::as_bool) == Some(true)
            || texts(card.get("tags")).any(|tag| tag == "not-for-all-audiences");
        rated.max(is_flagged.then_some(Self::R))
    }
}

impl fmt::Display for NsfwLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for NsfwLevel {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        Self::BITS
            .iter()
            .map(|(_, level)| *level)
            .find(|level| level.as_str() == word.to_ascii_lowercase().replace('-', ""))
            .ok_or_else(|| "it should be pg, pg13, r, x or xxx".to_owned())
    }
}

/// # Errors
/// [`Code::NotAllowed`] for a level above the highest, or none where the hub rates its models.
pub(super) fn admit_nsfw(plan: &Plan, most: Option<NsfwLevel>) -> Result<(), Error> {
    let (Some(most), Some(card)) = (most, &plan.card) else {
        return Ok(());
    };
    let rates = card.get("nsfwLevel").is_some();
    let what = match NsfwLevel::of(card) {
        Some(level) if level > most => format!("of level {level}"),
        None if rates => "not rated by its hub".to_owned(),
        _ => return Ok(()),
    };
    let message = format!(
        "{} is {what}, and the rule `max_nsfw` takes at most {most}",
        plan.reference
    );
    Err(Error::new(Code::NotAllowed, message)
        .hint("choose another source, or ask whoever runs this to change MODELFERRY_MAX_NSFW"))
}

/// # Errors
/// [`Code::NotAllowed`] when one of the source's licences is not among those taken.
pub(super) fn admit_license(plan: &Plan, taken: &[String]) -> Result<(), Error> {
    if taken.is_empty() {
        return Ok(());
    }
    let stated: Vec<String> = texts(plan.card.as_ref().and_then(|card| card.get("license")))
        .map(str::to_ascii_lowercase)
        .collect();
    let is_taken = match stated.as_slice() {
        [] => taken.iter().any(|taken| taken == UNKNOWN),
        stated => stated.iter().all(|license| taken.contains(license)),
    };
    if is_taken {
        return Ok(());
    }
    let what = match stated.as_slice() {
        [] => format!("{} states no licence (`{UNKNOWN}`)", plan.reference),
        stated => format!("{} is under {}", plan.reference, stated.join(", ")),
    };
    Err(not_allowed(what, "licenses", taken, "MODELFERRY_LICENSES"))
}

/// One text or a list of them.
fn texts(value: Option<&Value>) -> impl Iterator<Item = &str> {
    let (one, list) = match value {
        Some(Value::String(text)) => (Some(text.as_str()), None),
        Some(Value::Array(items)) => (None, Some(items)),
        _ => (None, None),
    };
    one.into_iter()
        .chain(list.into_iter().flatten().filter_map(Value::as_str))
}
