//! Reading sources.

use super::{Factory, parse};
use crate::Reference;

/// `parse` is pure, and what it reads can be stored.
pub async fn reading_a_source_asks_nobody<F: Factory>(world: &F) {
    for source in [world.good(), world.gated(), world.missing()] {
        let reference = parse(world, &source);
        assert_eq!(
            parse(world, &format!("  {source}\n")),
            reference,
            "outer blanks"
        );
        assert_eq!(reference.provider(), world.provider().kind());
        let stored = serde_json::to_string(&reference).unwrap();
        assert_eq!(
            serde_json::from_str::<Reference>(&stored).unwrap(),
            reference
        );
    }
    assert!(world.requests().is_empty(), "{:?}", world.requests());
}

/// A malformed source of one's own is an error that shows the right form.
pub async fn malformed_sources_are_refused_with_an_example<F: Factory>(world: &F) {
    for source in world.malformed() {
        let Some(Err(error)) = world.provider().parse(&source) else {
            panic!("{source:?} is malformed, and ours");
        };
        assert!(
            !error.example.is_empty() && !error.message.is_empty(),
            "{source:?}"
        );
        let shown = error.to_string();
        assert!(!shown.chars().any(char::is_control), "{shown:?}");
    }
    assert!(world.requests().is_empty(), "{:?}", world.requests());
}

/// Another provider's source is left to it.
pub async fn foreign_sources_are_not_claimed<F: Factory>(world: &F) {
    for source in world.foreign() {
        let read = world.provider().parse(&source);
        assert!(read.is_none(), "{source:?} was claimed: {read:?}");
    }
}
