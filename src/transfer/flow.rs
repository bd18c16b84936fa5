//! A transfer under way: what is stored, and how much of that is recorded.

use modelferry_providers::Artifact;

use super::Checkpoint;
use super::digest::{Computed, Hashers};
use crate::error::{Code, Error, Stop};
use crate::storage::{Part, Staged};

/// A transfer under way.
pub struct Flow {
    /// How far it is; the hashes are put in when it is saved.
    pub checkpoint: Checkpoint,
    /// The hashes after `checkpoint.done` bytes.
    pub hashers: Hashers,
    parts: Vec<Part>,
    saved: Saved,
}

/// How much of a transfer is in the records.
#[derive(Debug, Clone, Copy)]
pub struct Saved {
    parts: usize,
    bytes: u64,
}

/// What a checkpoint is made of, so that the transfer can go on meanwhile.
pub struct Snapshot {
    /// How far it was.
    pub checkpoint: Checkpoint,
    /// The parts stored since the last one.
    pub new_parts: Vec<Part>,
    /// What is in the records once this is.
    pub saved: Saved,
}

/// A file whose last byte is stored, not yet published.
pub struct Received {
    /// Where it is.
    pub staged: Staged,
    /// Its parts, in order.
    pub parts: Vec<Part>,
    /// What it hashes to.
    pub computed: Computed,
}

impl Flow {
    /// Goes on from a checkpoint.
    pub fn new(checkpoint: Checkpoint, parts: Vec<Part>, hashers: Hashers) -> Self {
        Self {
            saved: Saved {
                parts: parts.len(),
                bytes: checkpoint.done,
            },
            checkpoint,
            parts,
            hashers,
        }
    }

    /// The next part is stored.
    pub fn advance(&mut self, part: Part, hashers: Hashers) {
        self.checkpoint.done = part.offset + part.size;
        self.parts.push(part);
        self.hashers = hashers;
    }

    /// Bytes that are stored and in no checkpoint.
    pub fn unsaved(&self) -> u64 {
        self.checkpoint.done - self.saved.bytes
    }

    /// What to record now.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            checkpoint: Checkpoint {
                hashers: self.hashers.save(),
                ..self.checkpoint.clone()
            },
            new_parts: self
                .parts
                .get(self.saved.parts..)
                .unwrap_or_default()
                .to_vec(),
            saved: Saved {
                parts: self.parts.len(),
                bytes: self.checkpoint.done,
            },
        }
    }

    /// That is in the records now.
    pub fn saved(&mut self, saved: &Saved) {
        self.saved = *saved;
    }

    /// The length is checked here, the hashes by the caller.
    pub fn finish(self, artifact: &Artifact) -> Result<Received, Stop> {
        check_length(artifact, self.checkpoint.total, self.checkpoint.done)?;
        Ok(Received {
            staged: self.checkpoint.staged,
            parts: self.parts,
            computed: self.hashers.finish(self.checkpoint.done),
        })
    }
}

/// Holds the length that came against what the hub and the server said.
pub fn check_length(artifact: &Artifact, total: Option<u64>, got: u64) -> Result<(), Error> {
    for (who, expected) in [("the hub", artifact.size.exact()), ("the server", total)] {
        let Some(expected) = expected.filter(|expected| *expected != got) else {
            continue;
        };
        let code = if got < expected {
            Code::Truncated
        } else {
            Code::SizeMismatch
        };
        let message = format!(
            "{} is {got} bytes long, but {who} says {expected}",
            artifact.path
        );
        return Err(Error::new(code, message)
            .hint("try again later; the file may be in the middle of a change"));
    }
    Ok(())
}
