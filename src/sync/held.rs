//! What a sync holds of its list, small enough for lists of any length: a few
//! dozen bytes a source.

use std::collections::HashMap;

use sha2::{Digest, Sha256};

use crate::error::Error;
use crate::records::{KnownItem, Records};

/// Sources read at once.
const PAGE: u32 = 1000;

/// Sixteen bytes of a SHA-256: as good as the text itself.
type Print = [u8; 16];

fn print(parts: &[&str]) -> Print {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    let mut print = Print::default();
    print.copy_from_slice(&hasher.finalize()[..16]);
    print
}

/// What is held of one source.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Mark {
    /// Of the revision and how it was taken.
    state: Option<Print>,
    /// Its size, where that was too large to be imported.
    pub too_large: Option<u64>,
    /// Whether an import of it is there.
    pub is_held: bool,
    /// Whether it was noted as gone upstream.
    pub is_missing: bool,
    /// Whether this list names it.
    is_seen: bool,
}

impl Mark {
    /// Whether this is what was last found.
    pub fn is_at(&self, revision: &str, key: &str) -> bool {
        self.state == Some(print(&[revision, key])) && (self.is_held || self.too_large.is_some())
    }
}

/// What is held of all of a sync's sources.
#[derive(Debug, Default)]
pub(super) struct Held {
    marks: HashMap<Print, Mark>,
    held: u64,
}

impl Held {
    /// Reads it from the records.
    pub async fn read(records: &Records, sync: &str) -> Result<Self, Error> {
        let mut held = Self::default();
        let mut after = None;
        loop {
            let page = records.sync_items(sync, after.as_deref(), PAGE).await?;
            let Some(last) = page.last() else {
                return Ok(held);
            };
            after = Some(last.item.source.clone());
            page.iter().for_each(|known| held.add(known));
        }
    }

    fn add(&mut self, known: &KnownItem) {
        let item = &known.item;
        let state = item
            .revision
            .as_deref()
            .zip(item.request_key.as_deref())
            .map(|(revision, key)| print(&[revision, key]));
        self.held += u64::from(known.is_held);
        self.marks.insert(
            print(&[&item.source]),
            Mark {
                state,
                too_large: item.size,
                is_held: known.is_held,
                is_missing: item.missing_since.is_some(),
                is_seen: false,
            },
        );
    }

    /// Notes that the list names this source, and tells what is held of it.
    pub fn see(&mut self, subject: &str) -> Mark {
        let mark = self.marks.entry(print(&[subject])).or_default();
        mark.is_seen = true;
        *mark
    }

    /// The list names it, but it is gone all the same.
    pub fn unsee(&mut self, subject: &str) {
        if let Some(mark) = self.marks.get_mut(&print(&[subject])) {
            mark.is_seen = false;
        }
    }

    /// Whether the list named this source.
    pub fn has_seen(&self, subject: &str) -> bool {
        let mark = self.marks.get(&print(&[subject]));
        mark.is_some_and(|mark| mark.is_seen)
    }

    /// How many sources were held when it was read.
    pub fn count(&self) -> u64 {
        self.held
    }
}
