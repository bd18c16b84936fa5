//! Who may read, and where tokens go.

use super::{Factory, NO_BODY, failure, first, open, parse, plan, read, resolve};
use crate::auth::HostCredential;
use crate::{Auth, ByteRange, ErrorKind, ProviderError};

fn refuses_access(error: &ProviderError) -> bool {
    matches!(
        error.kind,
        ErrorKind::AuthRequired
            | ErrorKind::AccessDenied
            | ErrorKind::Gated
            | ErrorKind::EarlyAccess
            // Some hubs hide what they don't show.
            | ErrorKind::NotFound
    )
}

fn moved<F: Factory>(world: &F) -> u64 {
    world.requests().iter().map(|seen| seen.bytes_sent).sum()
}

/// A gated source is an error at `resolve`, not at the first byte.
pub async fn access_is_proven_before_the_plan_is_returned<F: Factory>(world: &F) {
    let error = failure(resolve(world, &world.gated(), &Auth::anonymous()).await);
    assert!(refuses_access(&error), "{error:?}");
    assert!(!error.is_transient());
    assert!(moved(world) < NO_BODY);
}

/// A token that is good for nothing is worth no more than none.
pub async fn a_wrong_token_opens_nothing<F: Factory>(world: &F) {
    let wrong = world.wrong_auth();
    let error = failure(resolve(world, &world.gated(), &wrong).await);
    assert!(refuses_access(&error), "{error:?}");
    let file = &plan(world, &world.gated()).await.artifacts[0];
    let error = failure(world.provider().may_read(file, &wrong).await);
    assert!(refuses_access(&error), "{error:?}");
    let error = failure(
        world
            .provider()
            .open(file, &ByteRange::whole(), &wrong)
            .await,
    );
    assert!(refuses_access(&error), "{error:?}");
}

/// The right to read is proven by requests that carry no body. A proof of a
/// moment ago, by the same token, may stand for a new one.
pub async fn proof_moves_no_body<F: Factory>(world: &F) {
    for source in [world.good(), world.gated()] {
        let files = plan(world, &source).await.artifacts;
        world.forget_requests();
        for file in &files {
            world
                .provider()
                .may_read(file, &world.auth())
                .await
                .unwrap();
        }
        let moved = moved(world);
        assert!(moved < NO_BODY, "{moved} bytes for {source}");
    }
}

/// A plan of a source that did not change is known to be current, by a few
/// requests that carry no body.
pub async fn a_plan_is_current_while_nothing_changed<F: Factory>(world: &F) {
    for source in [world.good(), world.several(), world.gated()] {
        let (plan, of) = (plan(world, &source).await, parse(world, &source));
        world.forget_requests();
        let auth = world.auth();
        let told = world.provider().is_current(&plan, &of, &auth).await;
        assert!(told.unwrap(), "{source}");
        assert!(world.requests().len() <= 3, "{:?}", world.requests());
        assert!(moved(world) < NO_BODY);
    }
}

/// A plan that somebody has, perhaps by guessing, proves nothing: without
/// access it is not called current.
pub async fn a_plan_is_current_only_for_who_may_read<F: Factory>(world: &F) {
    let (plan, of) = (
        plan(world, &world.gated()).await,
        parse(world, &world.gated()),
    );
    for auth in [Auth::anonymous(), world.wrong_auth()] {
        let told = world.provider().is_current(&plan, &of, &auth).await;
        assert!(!told.unwrap(), "{auth:?}");
    }
}

/// Knowing an artifact opens nothing.
pub async fn proof_fails_without_access<F: Factory>(world: &F) {
    let file = &plan(world, &world.gated()).await.artifacts[0];
    let anonymous = Auth::anonymous();
    let error = failure(world.provider().may_read(file, &anonymous).await);
    assert!(refuses_access(&error), "{error:?}");
    let whole = ByteRange::whole();
    let error = failure(world.provider().open(file, &whole, &anonymous).await);
    assert!(refuses_access(&error), "{error:?}");
}

/// The right to read one file of a grant is the right to read all of them, and
/// no other's.
pub async fn one_grant_answers_for_all_its_files<F: Factory>(world: &F) {
    let gated = plan(world, &world.gated()).await.artifacts;
    let open = plan(world, &world.several()).await.artifacts;
    let grant = gated[0].origin.grant();
    let (auth, anonymous) = (world.auth(), Auth::anonymous());
    for file in gated.iter().filter(|file| file.origin.grant() == grant) {
        world.provider().may_read(file, &auth).await.unwrap();
        let error = failure(world.provider().may_read(file, &anonymous).await);
        assert!(refuses_access(&error), "{error:?}");
    }
    for file in &open {
        assert_ne!(file.origin.grant(), grant, "{} is open to all", file.path);
        world.provider().may_read(file, &anonymous).await.unwrap();
    }
    let secrets = secrets(&auth);
    assert!(!secrets.iter().any(|secret| grant.contains(secret.as_str())));
}

/// A token is sent to its own host and to no other, neither in a header nor
/// in an address.
pub async fn tokens_stay_at_their_origin<F: Factory>(world: &F) {
    for source in [world.good(), world.gated()] {
        let file = plan(world, &source).await.artifacts.remove(0);
        world
            .provider()
            .may_read(&file, &world.auth())
            .await
            .unwrap();
        read(open(world, &file, &ByteRange::whole()).await.unwrap()).await;
    }
    let requests = world.requests();
    let secrets = secrets(&world.auth());
    let at_home = requests.iter().filter(|seen| seen.at_home);
    assert!(
        at_home.clone().any(|seen| seen.authorization.is_some()),
        "never sent at all"
    );
    for seen in &requests {
        let leaks = |text: &str| secrets.iter().any(|secret| text.contains(secret.as_str()));
        assert!(!leaks(&seen.target), "in an address: {}", seen.target);
        assert!(
            seen.at_home || seen.authorization.is_none(),
            "abroad: {seen:?}"
        );
    }
}

/// The secrets of the tokens: what was given, and passwords by themselves.
fn secrets(auth: &Auth) -> Vec<String> {
    let hubs = [&auth.huggingface, &auth.civitai].into_iter().flatten();
    let hosts = auth.hosts.values().map(|credential| match credential {
        HostCredential::Bearer(token) | HostCredential::Basic(token) => token,
    });
    hubs.chain(hosts)
        .map(|token| {
            let text = token.expose();
            text.split_once(':')
                .map_or(text, |(_, password)| password)
                .to_owned()
        })
        .collect()
}

/// Neither what is printed nor what is stored shows a token or a signature
/// that a hub made.
pub async fn no_secret_is_ever_shown<F: Factory>(world: &F) {
    let mut shown = vec![
        format!("{:?} {:?}", world.provider(), world.auth()),
        format!("{:?}", parse(world, &world.good())),
    ];
    for source in [world.good(), world.gated()] {
        let plan = plan(world, &source).await;
        shown.push(format!(
            "{plan:?} {}",
            serde_json::to_string(&plan).unwrap()
        ));
        let whole = ByteRange::whole();
        let body = open(world, &plan.artifacts[0], &whole).await.unwrap();
        shown.push(format!("{body:?}"));
    }
    let wrong = world.wrong_auth();
    for error in [
        failure(resolve(world, &world.missing(), &world.auth()).await),
        failure(resolve(world, &world.gated(), &wrong).await),
        failure(resolve(world, &world.gated(), &Auth::anonymous()).await),
    ] {
        shown.push(format!("{error} {error:?}"));
    }
    let file = first(world).await;
    let part = open(world, &file, &ByteRange::whole()).await.unwrap();
    world.change_content();
    let later = ByteRange {
        start: 1,
        end: None,
        validator: part.validator,
    };
    if let Err(error) = open(world, &file, &later).await {
        shown.push(format!("{error} {error:?}"));
    }
    let words = ["Signature=", "X-Amz-", "Policy=", "Bearer ", "Basic "];
    let secrets: Vec<String> = [world.auth(), wrong].iter().flat_map(secrets).collect();
    for text in &shown {
        for secret in secrets.iter().map(String::as_str).chain(words) {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
    }
}
