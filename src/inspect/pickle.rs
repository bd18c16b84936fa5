//! Whether loading a pickle would run only what is known to be harmless.
//!
//! A pickle is a program for a small stack machine. It is walked here opcode by opcode without
//! running it ([`machine`]), every reference is looked up in a list that denies by default
//! ([`references`]), and every call must be one that PyTorch's or NumPy's own savers write
//! ([`calls`]).

use std::{fmt, io, str::FromStr};

pub(super) use feed::{Feed, Region, Stream};
pub(super) use report::{End, Report};

pub use allow::{AllowList, AllowListError};

mod allow;
mod calls;
mod feed;
pub(super) mod gate;
mod machine;
mod names;
pub(super) mod opcodes;
mod references;
mod report;
mod value;

#[cfg(test)]
mod tests;

/// What to do with pickles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PicklePolicy {
    /// Publish those whose every reference and call is known to be harmless.
    #[default]
    Scan,
    /// Publish none.
    Refuse,
    /// Publish any, with a warning that names what it refers to.
    Allow,
}

impl fmt::Display for PicklePolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scan => "scan",
            Self::Refuse => "refuse",
            Self::Allow => "allow",
        })
    }
}

impl FromStr for PicklePolicy {
    type Err = &'static str;

    fn from_str(word: &str) -> Result<Self, &'static str> {
        [Self::Scan, Self::Refuse, Self::Allow]
            .into_iter()
            .find(|policy| policy.to_string() == word)
            .ok_or("it should be scan, refuse or allow")
    }
}

/// Most pickles that may stand one after another in a file.
const MAX_PICKLES: usize = 100_000;

/// Whether the first bytes are those of a pickle of protocol 0 to 5 that says its protocol.
pub(super) fn states_protocol(head: &[u8]) -> bool {
    matches!(head, [opcodes::PROTO, version, ..] if *version <= opcodes::HIGHEST_PROTOCOL)
}

/// Whether a byte could start a pickle.
pub(super) fn may_start(byte: Option<&u8>) -> bool {
    byte.is_some_and(|byte| opcodes::name(*byte).is_some())
}

/// Walks one pickle.
pub(super) fn walk(feed: &mut Feed<'_>, extra: &AllowList) -> io::Result<Report> {
    machine::walk(feed, extra, false)
}

/// Walks one pickle that should hold a list of texts, and keeps them.
pub(super) fn walk_list(feed: &mut Feed<'_>, extra: &AllowList) -> io::Result<Report> {
    machine::walk(feed, extra, true)
}

/// Walks pickles one after another to the end of the bytes, and sums them up in one report.
///
/// A loader may be called again on the same file, so what follows a STOP counts. Bytes after it
/// that are no pickle make the end [`End::Broken`].
pub(super) fn walk_all(feed: &mut Feed<'_>, extra: &AllowList) -> io::Result<Report> {
    let mut all = walk(feed, extra)?;
    for _ in 0..MAX_PICKLES {
        if all.end != End::Stopped {
            return Ok(all);
        }
        match feed.peek()? {
            None => return Ok(all),
            Some(byte) if opcodes::name(byte).is_some() => all.absorb(walk(feed, extra)?),
            Some(_) => {
                all.end = End::Broken(format!(
                    "bytes that are no pickle follow at byte {}",
                    feed.position()
                ));
            }
        }
    }
    all.end = End::TooMuch("too many pickles follow one another");
    Ok(all)
}
