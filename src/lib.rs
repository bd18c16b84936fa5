//! Ferries models from Hugging Face, Civitai and plain URLs into storage you
//! own, verified on the way.
//!
//! The way of the data, and of this list of modules:
//!
//! ```text
//! source text ─ providers: parse ▸ Reference ─ resolve ▸ Plan of Artifacts
//!   ─ import: prove access, reuse ▸ transfer: ranges ▸ memory ▸ hash ▸ parts ▸ storage (staged)
//!   ─ verified: storage publishes the blob ▸ inspect ▸ entity: manifest, library
//!   ─ records: imported
//! ```

pub mod api;
pub mod cli;
pub mod config;
mod crash;
pub mod credentials;
pub mod entity;
pub mod error;
pub mod gc;
pub mod import;
pub mod inspect;
pub mod list;
pub mod parts;
pub mod pauses;
pub mod plan;
pub mod progress;
pub mod records;
pub mod request;
pub mod storage;
pub mod sync;
pub mod telemetry;
pub mod tokens;
pub mod transfer;
pub mod upload;
pub mod verify;
pub mod webhook;
pub mod worker;

/// The release, and the commit it was built of where that is known:
/// `0.1.0 (0123456789ab)`. A debug build names no commit.
pub const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), env!("MODELFERRY_COMMIT"));
