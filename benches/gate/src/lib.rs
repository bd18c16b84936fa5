//! `src/inspect` and the corpus of `fixtures`, compiled without the rest of modelferry: for fuzzing,
//! timing and comparing the gate where databases and TLS would only be in the way.

#[path = "../../../src"]
mod root {
    pub mod inspect;
}

#[path = "../../../fixtures/src/content"]
pub mod content {
    pub mod build;
    pub mod corpus;
    #[allow(dead_code, reason = "the rest of the fixtures uses it")]
    pub(crate) mod crc;
}

pub use content::{build, corpus};
pub use root::inspect;

use inspect::{AllowList, Finding, InspectError, PicklePolicy};

/// Looks at bytes under the default policy.
pub fn look(path: &str, bytes: &[u8]) -> Result<Finding, InspectError> {
    let mut content = std::io::Cursor::new(bytes);
    let size = bytes.len() as u64;
    inspect::inspect(path, size, &mut content, PicklePolicy::Scan, &AllowList::default())
}
