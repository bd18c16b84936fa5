//! Reading sources.

use serde_json::Value;

use super::{Factory, first, parse};
use crate::{
    Auth, ByteRange, Commit, ErrorKind, HfOrigin, HfRef, Locator, Origin, OtherOrigin,
    ProviderKind, Reference, RepoId, RepoPath, RepoType, SafeUrl,
};

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

/// A text is refused, or nothing bad of it is left in what was read.
pub async fn what_is_accepted_has_nothing_hostile_left_in_it<F: Factory>(world: &F) {
    for source in world.hostile() {
        let Some(Ok(reference)) = world.provider().parse(&source) else {
            continue;
        };
        let stored = serde_json::to_value(&reference).unwrap();
        each_text(&stored, &mut |text| {
            let climbs = text.split(['/', '\\']).any(|part| part == "..");
            let has_login = text
                .split_once("://")
                .and_then(|(_, rest)| rest.split(['/', '?']).next())
                .is_some_and(|authority| authority.contains('@'));
            let has_control = text.chars().any(char::is_control);
            assert!(
                !climbs && !has_login && !has_control,
                "{source:?} left {text:?}"
            );
        });
    }
    assert!(world.requests().is_empty(), "{:?}", world.requests());
}

fn each_text(value: &Value, see: &mut impl FnMut(&str)) {
    match value {
        Value::String(text) => see(text),
        Value::Array(items) => items.iter().for_each(|item| each_text(item, see)),
        Value::Object(fields) => fields.values().for_each(|field| each_text(field, see)),
        _ => {}
    }
}

/// A token that stood in a source goes along with the request and nowhere else.
pub async fn a_token_in_a_source_is_kept_apart_from_it<F: Factory>(world: &F) {
    let Some((source, secret)) = world.with_token() else {
        let reference = parse(world, &world.good());
        assert!(reference.token.is_none(), "a token out of nowhere");
        return;
    };
    let reference = parse(world, &source);
    let token = reference.token.as_ref().map(|token| token.0.expose());
    assert_eq!(token, Some(secret.as_str()));
    let shown = format!(
        "{reference:?} {}",
        serde_json::to_string(&reference).unwrap()
    );
    assert!(!shown.contains(&secret), "{shown}");
}

/// Another provider's reference or file is refused without asking anyone.
pub async fn what_belongs_to_others_is_refused<F: Factory>(world: &F) {
    let mut file = first(world).await;
    world.forget_requests();
    let repo = RepoId::parse("org/name").unwrap();
    let (locator, origin) = if world.provider().kind() == ProviderKind::Other {
        let locator = HfRef {
            repo_type: RepoType::Model,
            repo: repo.clone(),
            revision: None,
            path: None,
        };
        let origin = HfOrigin {
            repo_type: RepoType::Model,
            repo,
            commit: Commit::parse(&"0".repeat(40)).unwrap(),
            path: RepoPath::parse("f.bin").unwrap(),
        };
        (Locator::HuggingFace(locator), Origin::HuggingFace(origin))
    } else {
        let url = SafeUrl::parse("https://example.com/f.bin").unwrap();
        let origin = OtherOrigin {
            url: url.clone(),
            validator: None,
        };
        (Locator::Other { url }, Origin::Other(origin))
    };
    file.origin = origin;
    let (provider, auth, whole) = (world.provider(), Auth::anonymous(), ByteRange::whole());
    let reference = Reference::new(locator);
    for refused in [
        provider.resolve(&reference, &auth).await.map(drop),
        provider.may_read(&file, &auth).await,
        provider.open(&file, &whole, &auth).await.map(drop),
    ] {
        let kind = refused.map_err(|error| error.kind).unwrap_err();
        assert!(
            matches!(
                kind,
                ErrorKind::InvalidSource | ErrorKind::UnsupportedSource
            ),
            "{kind:?}"
        );
    }
    assert!(world.requests().is_empty(), "{:?}", world.requests());
}
