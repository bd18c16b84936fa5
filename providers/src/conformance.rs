//! Each promise of [`Provider`] as a test over a factory.
//!
//! A provider proves itself by a [`Factory`] and one line:
//!
//! ```ignore
//! mod mine {
//!     modelferry_providers::conformance!(super::MyFactory);
//! }
//! ```
//!
//! which makes each check below a `#[tokio::test]` of its own name (the
//! calling crate needs tokio with `macros` and `rt`). Checks speak to real
//! sockets: the factory starts a server and tells what that server saw.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "each check is the body of a test"
)]

mod access;
mod content;
mod pins;
mod sources;

use async_trait::async_trait;
use futures_util::TryStreamExt;

pub use self::access::*;
pub use self::content::*;
pub use self::pins::*;
pub use self::sources::*;
use crate::{Artifact, Auth, Body, ByteRange, Plan, Provider, ProviderError, Reference, RelPath};

/// A provider with a world around it that the checks can change.
#[async_trait]
pub trait Factory: Send + Sync + Sized {
    /// A fresh world, with nothing asked of it yet.
    async fn start() -> Self;

    /// The provider, made to speak to this world.
    fn provider(&self) -> &dyn Provider;

    /// Tokens that open everything here.
    fn auth(&self) -> Auth;

    /// Tokens of the right form that open nothing.
    fn wrong_auth(&self) -> Auth;

    /// A source that anyone may import, whose first file is over 64 KiB.
    fn good(&self) -> String;

    /// A source that [`Factory::auth`] opens and nobody else.
    fn gated(&self) -> String;

    /// A source that is well-formed and not there.
    fn missing(&self) -> String;

    /// Sources of this provider that can't be read.
    fn malformed(&self) -> Vec<String>;

    /// Sources of other providers.
    fn foreign(&self) -> Vec<String>;

    /// Sources that must not be accepted, or only without what is bad in them:
    /// user info, `..`, control characters.
    fn hostile(&self) -> Vec<String>;

    /// A source with a token in it, and that token, where sources of this
    /// provider may carry one.
    fn with_token(&self) -> Option<(String, String)>;

    /// A source that anyone may import, of as many files as this provider's
    /// sources may have.
    fn several(&self) -> String;

    /// What the good or the gated source's file truly holds.
    fn content(&self, source: &str, path: &RelPath) -> Vec<u8>;

    /// Makes every signed link handed out so far useless.
    fn expire_links(&self);

    /// From now on, serves other content of the same length for the good
    /// source's files, wherever their bytes are.
    fn change_content(&self);

    /// From now on, answers ranges with whole files.
    fn ignore_ranges(&self);

    /// From now on, ends every body of a file after so many bytes.
    fn cut_bodies(&self, after: u64);

    /// What was asked of all servers since the start or since
    /// [`Factory::forget_requests`].
    fn requests(&self) -> Vec<Seen>;

    /// Empties the log of requests.
    fn forget_requests(&self);
}

/// One request as the factory's servers saw it.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Whether the server is one that this provider's tokens belong to.
    pub at_home: bool,
    /// Path and query, as sent.
    pub target: String,
    /// The `Authorization` header.
    pub authorization: Option<String>,
    /// Body bytes sent.
    pub bytes_sent: u64,
}

/// Most body bytes that may move where no file's body should: API answers,
/// and a look at a file's first bytes.
const NO_BODY: u64 = 32 * 1024;

fn parse<F: Factory>(world: &F, source: &str) -> Reference {
    match world.provider().parse(source) {
        Some(Ok(reference)) => reference,
        other => panic!("{source} should be read, not {other:?}"),
    }
}

async fn resolve<F: Factory>(world: &F, source: &str, auth: &Auth) -> Result<Plan, ProviderError> {
    let reference = parse(world, source);
    world.provider().resolve(&reference, auth).await
}

async fn plan<F: Factory>(world: &F, source: &str) -> Plan {
    resolve(world, source, &world.auth()).await.unwrap()
}

/// The good source's first file.
async fn first<F: Factory>(world: &F) -> Artifact {
    let file = plan(world, &world.good())
        .await
        .artifacts
        .into_iter()
        .next()
        .unwrap();
    assert!(
        file.size.approximate().is_none_or(|size| size > 64 * 1024),
        "{file:?}"
    );
    file
}

async fn open<F: Factory>(
    world: &F,
    file: &Artifact,
    range: &ByteRange,
) -> Result<Body, ProviderError> {
    world.provider().open(file, range, &world.auth()).await
}

async fn read(body: Body) -> Vec<u8> {
    let chunks: Vec<_> = body.bytes.try_collect().await.unwrap();
    chunks.concat()
}

/// The failure of a step that must fail; it has to tell a person what to do.
fn failure<T>(outcome: Result<T, ProviderError>) -> ProviderError {
    let Err(error) = outcome else {
        panic!("this should have failed");
    };
    assert!(!error.message.is_empty(), "{error:?}");
    assert!(error.hint.is_some(), "no hint: {error:?}");
    error
}

/// Names each check as a `#[tokio::test]` over a [`Factory`].
#[macro_export]
macro_rules! conformance {
    ($factory:ty) => {
        $crate::conformance!($factory:
            reading_a_source_asks_nobody,
            malformed_sources_are_refused_with_an_example,
            foreign_sources_are_not_claimed,
            what_is_accepted_has_nothing_hostile_left_in_it,
            a_token_in_a_source_is_kept_apart_from_it,
            what_belongs_to_others_is_refused,
            resolving_twice_pins_the_same,
            a_plan_survives_being_stored,
            paths_are_distinct_and_safe,
            a_selection_chooses_among_the_files,
            what_is_missing_is_not_found,
            access_is_proven_before_the_plan_is_returned,
            a_wrong_token_opens_nothing,
            proof_moves_no_body,
            a_plan_is_current_while_nothing_changed,
            a_plan_is_current_only_for_who_may_read,
            proof_fails_without_access,
            one_grant_answers_for_all_its_files,
            tokens_stay_at_their_origin,
            no_secret_is_ever_shown,
            sizes_and_hashes_are_true_to_the_bytes,
            a_range_is_of_the_bytes_asked_for,
            a_server_that_ignores_ranges_answers_from_zero,
            a_body_that_breaks_off_ends_in_an_error,
            a_read_goes_on_where_another_ended,
            files_open_after_their_links_expired,
            a_read_in_several_parts_survives_expiring_links,
            changed_content_is_noticed_and_never_joined,
            an_artifact_opens_from_its_stored_form,
        );
    };
    ($factory:ty: $($check:ident),+ $(,)?) => {
        $(
            #[tokio::test]
            async fn $check() {
                let world = <$factory as $crate::conformance::Factory>::start().await;
                $crate::conformance::$check(&world).await;
            }
        )+
    };
}
