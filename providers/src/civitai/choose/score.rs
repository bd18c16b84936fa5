//! The hub's own scoring, by which its download button picks a file.
//!
//! A file gains or loses a key's worth for each metadata key it has, as that
//! is the preferred value or not, and gains much for being weights (the hub's
//! `getPrimaryFile`; 26,980 of 26,980 recorded versions agree). The hub tells
//! a key that is null, which loses, from one that is missing, which does not;
//! its answers don't. So of two files one is ahead only if it is whichever of
//! the two an unsaid key is; a key that neither says is taken to be the same.

use super::super::filter::FileFilter;
use super::{Named, says};

/// Key, value preferred by default, and worth in halves of a point.
const KEYS: [(&str, &str, i32); 4] = [
    ("format", "SafeTensor", 200),
    ("size", "pruned", 20),
    ("fp", "fp16", 2),
    ("quantType", "Q4_K_M", 1),
];
/// What being weights is worth, in halves of a point.
const BEING_WEIGHTS: i32 = 2000;

/// The file that the hub would pick, with a filter's values preferred to its
/// own; `None` when that can't be told.
pub(super) fn best<'a>(files: &[Named<'a>], filter: &FileFilter) -> Option<Named<'a>> {
    let beats_the_rest = |nth: &usize| {
        let mut rest = (0..files.len()).filter(|other| other != nth);
        rest.all(|other| lead(&files[*nth], &files[other], filter) > 0)
    };
    let winner = (0..files.len()).find(beats_the_rest)?;
    Some(files[winner])
}

/// The least by which one file's score is above the other's.
fn lead(one: &Named, other: &Named, filter: &FileFilter) -> i32 {
    let weights = |named: &Named| if named.is_main() { BEING_WEIGHTS } else { 0 };
    let keys = KEYS.iter().map(|&(key, default, worth)| {
        let mut wanted = filter.pairs().filter(|(name, _)| *name == key);
        let wanted = wanted.next().map_or(default, |(_, value)| value);
        let gain = |said: &str| if said == wanted { worth } else { -worth };
        match (says(one.file, key), says(other.file, key)) {
            (Some(one), Some(other)) => gain(one) - gain(other),
            (Some(one), None) => gain(one),
            (None, Some(other)) => -worth - gain(other),
            (None, None) => 0,
        }
    });
    weights(one) - weights(other) + keys.sum::<i32>()
}
