//! modelferry.

pub mod inspect;
