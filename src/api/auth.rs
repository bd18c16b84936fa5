//! Who asks: `Basic base64(key:secret)` or `Bearer key:secret`.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::time::Instant;

use super::Api;
use super::problem::Problem;
use crate::error::{Code, Error};
use crate::records::Records;

/// How often revoked keys are looked for, while somebody's stream goes on.
const PACE: Duration = Duration::from_secs(2);

/// A request's key, acting for one owner.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    /// Whose things are read and made: the key's owner, or a project of it.
    pub owner: String,
    /// Who is shown to have asked.
    pub author: String,
    /// The key's id.
    pub key: String,
}

impl FromRequestParts<Api> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        let header = parts.headers.get(AUTHORIZATION);
        let (id, secret) = header
            .and_then(|value| credentials(value.to_str().ok()?))
            .ok_or_else(|| unauthorised("the request carries no API key"))?;
        let key = api.ferry().records.check_key(&id, &secret).await?;
        let key = key
            .ok_or_else(|| unauthorised("the API key or its secret is wrong, or it was revoked"))?;
        let owner = match project(parts) {
            None => key.owner,
            Some(project) if project == key.owner || key.projects.contains(&project) => project,
            Some(_) => return Err(not_yours()),
        };
        Ok(Self {
            owner,
            author: key.author,
            key: key.id,
        })
    }
}

/// Keys that no longer work, looked up once for all who wait for that.
#[derive(Debug, Default)]
pub(super) struct Revoked(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    looked: Option<Instant>,
    ids: HashSet<String>,
}

impl Revoked {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this caller is the one to look now.
    fn is_to_be_asked(&self) -> bool {
        let mut known = self.known();
        let now = Instant::now();
        let fresh = known.looked.is_some_and(|looked| now - looked < PACE);
        if !fresh {
            known.looked = Some(now);
        }
        !fresh
    }

    async fn has(&self, records: &Records, key: &str) -> bool {
        if self.is_to_be_asked() {
            // In a box for as long as it takes: thousands of streams wait, and one of them asks.
            match Box::pin(records.revoked_keys()).await {
                Ok(ids) => self.known().ids = ids.into_iter().collect(),
                Err(error) => tracing::warn!(%error, "revoked keys could not be looked for"),
            }
        }
        self.known().ids.contains(key)
    }
}

/// Returns soon after the caller's key was revoked: what goes on for long is to
/// end then.
pub(super) async fn revoked(api: Api, caller: Caller) {
    let records = api.ferry().records.clone();
    while !api.revoked().has(&records, &caller.key).await {
        tokio::time::sleep(PACE).await;
    }
}

fn credentials(header: &str) -> Option<(String, String)> {
    let (scheme, rest) = header.split_once(' ')?;
    let text = if scheme.eq_ignore_ascii_case("basic") {
        String::from_utf8(STANDARD.decode(rest.trim()).ok()?).ok()?
    } else if scheme.eq_ignore_ascii_case("bearer") {
        rest.trim().to_owned()
    } else {
        return None;
    };
    let (id, secret) = text.split_once(':')?;
    Some((id.to_owned(), secret.to_owned()))
}

fn project(parts: &Parts) -> Option<String> {
    let query = parts.uri.query()?;
    url::form_urlencoded::parse(query.as_bytes())
        .find(|(name, _)| name == "projectId")
        .map(|(_, value)| value.into_owned())
}

fn unauthorised(message: &str) -> Problem {
    Error::new(Code::AuthRequired, message)
        .hint(
            "send `Authorization: Basic base64(key:secret)`; `modelferry keys create` makes a key",
        )
        .into()
}

fn not_yours() -> Problem {
    Error::new(
        Code::AccessDenied,
        "this API key may not act for that projectId",
    )
    .hint("make a key with `modelferry keys create --project ID`")
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_read_in_both_forms() {
        let pair = Some(("key_1".to_owned(), "s:cret".to_owned()));
        let cases = [
            ("Basic a2V5XzE6czpjcmV0", pair.clone()),
            ("basic a2V5XzE6czpjcmV0 ", pair.clone()),
            ("Bearer key_1:s:cret", pair),
            ("Bearer key_1", None),
            ("Basic key_1:s", None),
            ("Digest a", None),
            ("", None),
        ];
        for (header, expected) in cases {
            assert_eq!(credentials(header), expected, "{header}");
        }
    }
}
