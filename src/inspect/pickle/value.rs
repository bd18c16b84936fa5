//! What the machine knows of a value: enough to judge calls, and no more.
//!
//! Values never nest deeper than [`MAX_DEPTH`], so dropping one can't overflow the stack.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use super::references::Reference;

/// Longest text or bytes whose content is kept.
pub(super) const MAX_TEXT: usize = 256;
/// Longest tuple whose elements are kept; PyTorch allows 64 dimensions.
pub(super) const MAX_TUPLE: usize = 64;
/// How deep tuples are kept in tuples.
const MAX_DEPTH: u8 = 6;

/// An abstract value on the machine's stack or in its memo.
#[derive(Clone, Debug)]
pub(super) enum Value {
    None,
    Bool,
    Int(i64),
    /// A float, or an integer of more than 64 bits.
    Number,
    Text(Rc<str>),
    /// Text whose content is not known.
    SomeText,
    Bytes(Rc<[u8]>),
    /// Bytes whose content is not known.
    SomeBytes,
    Tuple(Rc<Tuple>),
    /// A tuple whose elements are not known.
    SomeTuple,
    List(Option<Texts>),
    Dict(Rc<Cell<Keys>>),
    Set,
    FrozenSet,
    Reference(Rc<Reference>),
    Instance(Made),
    Storage(Rc<Storage>),
}

/// The texts of a list, kept only where a caller wants the list that a pickle holds.
pub(super) type Texts = Rc<RefCell<Vec<Rc<str>>>>;

#[derive(Debug)]
pub(super) struct Tuple {
    pub(super) items: Box<[Value]>,
    depth: u8,
}

/// What is known of a dict's keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Keys {
    pub(super) any: bool,
    /// Some key starts with two underscores, or is not a text that is known.
    pub(super) special: bool,
}

/// What a permitted call made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Made {
    OrderedDict,
    Counter,
    Set,
    Tensor,
    Parameter,
    Dtype,
    Array,
    /// A finished value: a size, device, layout, scalar, byte array or complex number.
    Plain,
    /// An object of a class that the operator vouches for.
    Vouched,
    /// What a call that is not permitted would have made.
    Unknown,
}

/// A tensor storage that a persistent id names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Storage {
    pub(in super::super) key: Rc<str>,
    pub(in super::super) elements: u64,
    pub(in super::super) element_bytes: u64,
    /// The type of its elements: `F32`.
    pub(super) dtype: &'static str,
}

impl Storage {
    /// Its length in bytes, if that is a number that can exist.
    pub(in super::super) fn bytes(&self) -> Option<u64> {
        self.elements.checked_mul(self.element_bytes)
    }
}

impl Value {
    pub(super) fn text(bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) if bytes.len() <= MAX_TEXT => Self::Text(text.into()),
            _ => Self::SomeText,
        }
    }

    pub(super) fn tuple(items: &[Self]) -> Self {
        if items.len() > MAX_TUPLE {
            return Self::SomeTuple;
        }
        let items: Box<[Self]> = items.iter().map(Self::kept_inside).collect();
        let depth = items.iter().map(Self::depth).max().unwrap_or(0) + 1;
        Self::Tuple(Rc::new(Tuple { items, depth }))
    }

    fn kept_inside(&self) -> Self {
        if self.depth() >= MAX_DEPTH {
            Self::SomeTuple
        } else {
            self.clone()
        }
    }

    fn depth(&self) -> u8 {
        match self {
            Self::Tuple(tuple) => tuple.depth,
            _ => 0,
        }
    }

    pub(super) fn empty_dict() -> Self {
        Self::Dict(Rc::default())
    }

    /// Roughly what keeping the value takes beyond the value itself, in bytes.
    pub(super) fn weight(&self) -> usize {
        match self {
            Self::Text(text) => 32 + text.len(),
            Self::Bytes(bytes) => 32 + bytes.len(),
            Self::Tuple(tuple) => 48 + tuple.items.len() * size_of::<Self>(),
            Self::Dict(_) | Self::List(Some(_)) => 48,
            Self::Storage(_) => 64,
            _ => 0,
        }
    }

    /// The value without what makes it heavy.
    pub(super) fn lightened(self) -> Self {
        match self {
            Self::Text(_) => Self::SomeText,
            Self::Bytes(_) => Self::SomeBytes,
            Self::Tuple(_) => Self::SomeTuple,
            other => other,
        }
    }

    pub(super) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn is_text(&self) -> bool {
        matches!(self, Self::Text(_) | Self::SomeText)
    }

    pub(super) fn is_bytes(&self) -> bool {
        matches!(self, Self::Bytes(_) | Self::SomeBytes)
    }

    pub(super) fn is_number(&self) -> bool {
        matches!(self, Self::Bool | Self::Int(_) | Self::Number)
    }

    pub(super) fn is_flag(&self) -> bool {
        matches!(self, Self::Bool | Self::Int(0 | 1))
    }

    /// A count or place: a whole number that is not negative.
    pub(super) fn as_count(&self) -> Option<u64> {
        match self {
            Self::Int(n) => u64::try_from(*n).ok(),
            _ => None,
        }
    }

    pub(super) fn as_tuple(&self) -> Option<&[Self]> {
        match self {
            Self::Tuple(tuple) => Some(&tuple.items),
            _ => None,
        }
    }
}
