//! What a walk over one pickle saw.

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use super::value::{Storage, Value};
use crate::inspect::facts::Census;

/// Most violations and names that are kept to be shown.
pub(super) const MAX_KEPT: usize = 32;

/// What a walk over one pickle saw.
#[derive(Debug, Default)]
pub(in super::super) struct Report {
    /// How the walk ended.
    pub(in super::super) end: End,
    /// What the policy forbids, in order.
    pub(in super::super) violations: Vec<Violation>,
    /// A tensor that does not fit its storage.
    pub(in super::super) geometry: Option<String>,
    /// Every pair that was named, up to a bound.
    pub(in super::super) named: BTreeSet<String>,
    /// Every storage that a persistent id names, by key.
    pub(in super::super) storages: BTreeMap<Rc<str>, Storage>,
    /// How many calls rebuilt a tensor.
    pub(in super::super) tensors: u64,
    /// What those tensors tell.
    pub(in super::super) census: Census,
    /// Whether something unlisted was called, and not only named.
    pub(in super::super) called_unlisted: bool,
    /// Opcodes walked.
    pub(in super::super) opcodes: u64,
    pub(super) root: Option<Value>,
}

/// How a walk ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in super::super) enum End {
    /// At its STOP.
    Stopped,
    /// The bytes ended inside an opcode or before STOP.
    #[default]
    Cut,
    /// A loader would fail here: why.
    Broken(String),
    /// The walk would take more time or memory than a pickle is worth: why.
    TooMuch(&'static str),
}

/// Something the policy forbids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Violation {
    /// What and where, as a sentence without a subject: "names `os.system` (GLOBAL at byte 2) …".
    pub(in super::super) text: String,
    /// Set where an unlisted reference is the fault.
    pub(in super::super) reference: Option<Unlisted>,
}

/// An unlisted reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Unlisted {
    /// The line that would allow it, unless nothing may.
    pub(in super::super) allow_line: Option<String>,
    /// Whether both names could be Python's.
    pub(in super::super) plausible: bool,
}

impl Report {
    /// The number that the pickle holds, if it holds one.
    pub(in super::super) fn number(&self) -> Option<i64> {
        match self.root {
            Some(Value::Int(n)) => Some(n),
            _ => None,
        }
    }

    /// Whether the pickle holds a dict.
    pub(in super::super) fn is_dict(&self) -> bool {
        matches!(self.root, Some(Value::Dict(_)))
    }

    /// The list of texts that the pickle holds, where the walk was asked to keep it.
    pub(in super::super) fn texts(&self) -> Option<Vec<Rc<str>>> {
        match &self.root {
            Some(Value::List(Some(texts))) => Some(texts.borrow().clone()),
            _ => None,
        }
    }

    /// Whether something that may well exist was named, or anything called.
    pub(in super::super) fn refers_to_something(&self) -> bool {
        let is_plausible = |violation: &Violation| {
            violation
                .reference
                .as_ref()
                .is_some_and(|reference| reference.plausible)
        };
        self.called_unlisted || !self.named.is_empty() || self.violations.iter().any(is_plausible)
    }

    /// Whether running the pickle would have done something the policy forbids: it was called, or
    /// the whole pickle loads. One that goes on for too long to be followed counts, because what
    /// it does in the end is not known.
    pub(in super::super) fn is_hostile_program(&self) -> bool {
        match self.end {
            End::TooMuch(_) => true,
            End::Stopped => self.called_unlisted || !self.violations.is_empty(),
            End::Cut | End::Broken(_) => self.called_unlisted,
        }
    }
}

impl Report {
    /// Adds what a pickle that follows in the same file did.
    pub(super) fn absorb(&mut self, next: Self) {
        let room = MAX_KEPT.saturating_sub(self.violations.len());
        self.violations
            .extend(next.violations.into_iter().take(room));
        self.geometry = self.geometry.take().or(next.geometry);
        let room = MAX_KEPT.saturating_sub(self.named.len());
        self.named.extend(next.named.into_iter().take(room));
        self.storages.extend(next.storages);
        self.tensors += next.tensors;
        self.census.add(next.census);
        self.called_unlisted |= next.called_unlisted;
        self.opcodes += next.opcodes;
        self.end = next.end;
        self.root = next.root;
    }
}
