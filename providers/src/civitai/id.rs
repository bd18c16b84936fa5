//! Ids as the hub keeps them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The id of a model, version or file: `1..=2147483647`, since the hub keeps
/// them as PostgreSQL `int4` and answers larger ones with an error of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct CivitaiId(u32);

/// A number or text that is no id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an id is a whole number from 1 to 2147483647")]
pub struct BadId;

impl CivitaiId {
    /// Checks a number.
    ///
    /// # Errors
    /// [`BadId`] outside `1..=2147483647`.
    pub const fn new(number: u64) -> Result<Self, BadId> {
        if number == 0 || number > i32::MAX as u64 {
            return Err(BadId);
        }
        Ok(Self(number as u32))
    }

    /// The number.
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl FromStr for CivitaiId {
    type Err = BadId;

    /// Reads decimal digits and nothing else: no sign, no blank.
    fn from_str(text: &str) -> Result<Self, BadId> {
        if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(BadId);
        }
        Self::new(text.parse().map_err(|_| BadId)?)
    }
}

impl TryFrom<u64> for CivitaiId {
    type Error = BadId;

    fn try_from(number: u64) -> Result<Self, BadId> {
        Self::new(number)
    }
}

impl From<CivitaiId> for u64 {
    fn from(id: CivitaiId) -> u64 {
        u64::from(id.0)
    }
}

impl fmt::Display for CivitaiId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_hub_could_hold_is_an_id() {
        for good in ["1", "128713", "2147483647", "0042"] {
            assert!(good.parse::<CivitaiId>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "0",
            "-1",
            "+1",
            " 1",
            "1.0",
            "abc",
            "2147483648",
            "99999999999999999999",
            "１",
        ] {
            assert_eq!(bad.parse::<CivitaiId>(), Err(BadId), "{bad}");
        }
    }
}
