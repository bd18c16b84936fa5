//! `/v1/credentials`: an owner's secrets for hubs and hosts. What is stored is
//! never shown.

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use modelferry_providers::Token;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Api;
use super::auth::Caller;
use super::problem::{Problem, ProblemBody};
use super::request::from_body;
use crate::credentials::Slot;
use crate::error::{Code, Error};
use crate::records::CredentialRow;
use crate::upload::rfc3339;

/// The longest secret, in bytes; tokens have some hundred.
const LONGEST: usize = 8 * 1024;
/// Credentials that one owner may store.
const MOST: usize = 1000;

/// A secret to store.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct PutCredential {
    /// The token; `user:password` for a host that wants Basic credentials.
    value: String,
    /// `huggingface`, `civitai` or a host: where it goes when the name is a
    /// label. Such a one is used by imports whose `config.credential` names it.
    host: Option<String>,
}

/// What is stored, without the secret.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct CredentialBody {
    /// What it is found by.
    name: String,
    /// `huggingface`, `civitai` or a host: where it goes.
    host: String,
    /// When there first was one of this name.
    #[schema(format = DateTime)]
    created_at: String,
    /// When its secret was last set.
    #[schema(format = DateTime)]
    updated_at: String,
}

impl From<CredentialRow> for CredentialBody {
    fn from(row: CredentialRow) -> Self {
        Self {
            name: row.slot.name().to_owned(),
            host: row.slot.target().to_string(),
            created_at: rfc3339(&row.created_at),
            updated_at: rfc3339(&row.updated_at),
        }
    }
}

/// One credential.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OneCredentialBody {
    credential: CredentialBody,
}

/// An owner's credentials.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CredentialsBody {
    /// By name.
    credentials: Vec<CredentialBody>,
}

/// Stores a secret, in the place of an earlier one of this name.
#[utoipa::path(
    put, path = "/v1/credentials/{name}", params(("name" = String, Path)), request_body = PutCredential,
    responses((status = 200, body = OneCredentialBody), (status = "4XX", body = ProblemBody))
)]
pub(super) async fn put(
    State(api): State<Api>,
    caller: Caller,
    Path(name): Path<String>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<OneCredentialBody>, Problem> {
    let body = body?;
    let body: PutCredential = from_body(&body)?;
    let slot = Slot::read(&name, body.host.as_deref()).map_err(|why| {
        Problem::bad(
            format!(
                "{} is no credential's name: {why}",
                modelferry_providers::source::quoted(&name)
            ),
            "name huggingface, civitai or a host; or send a host, and name it as you like",
        )
    })?;
    let secret = Some(&body.value).filter(|text| text.len() <= LONGEST);
    let secret = secret.and_then(|text| Token::new(text)).ok_or_else(|| {
        Problem::bad(
            format!("value is no secret: one line of visible ASCII characters, at most {LONGEST}"),
            "send the token as the hub shows it",
        )
    })?;
    let ferry = api.ferry();
    let known = ferry.records.credentials(&caller.owner).await?;
    if known.len() >= MOST && !known.iter().any(|row| row.slot.name() == slot.name()) {
        return Err(Problem::bad(
            format!("this owner has {MOST} credentials already"),
            "delete those that are no longer used",
        ));
    }
    let sealed = ferry.vault.seal(&caller.owner, &slot, &secret).await?;
    ferry
        .records
        .put_credential(&caller.owner, &slot, &sealed)
        .await?;
    let stored = ferry.records.credential(&caller.owner, slot.name()).await?;
    let stored = stored.ok_or_else(|| {
        let error = Error::new(
            Code::NotFound,
            "the credential was deleted at once by another request",
        );
        Problem::with_status(409, error.hint("store it again"))
    })?;
    Ok(Json(OneCredentialBody {
        credential: stored.into(),
    }))
}

/// What is stored for this owner, without the secrets.
#[utoipa::path(
    get, path = "/v1/credentials",
    responses((status = 200, body = CredentialsBody), (status = "4XX", body = ProblemBody))
)]
pub(super) async fn list(
    State(api): State<Api>,
    caller: Caller,
) -> Result<Json<CredentialsBody>, Problem> {
    let rows = api.ferry().records.credentials(&caller.owner).await?;
    Ok(Json(CredentialsBody {
        credentials: rows.into_iter().map(CredentialBody::from).collect(),
    }))
}

/// Forgets a secret. Imports that name it fail from then on.
#[utoipa::path(
    delete, path = "/v1/credentials/{name}", params(("name" = String, Path)),
    responses((status = 204), (status = "4XX", body = ProblemBody))
)]
pub(super) async fn remove(
    State(api): State<Api>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    // A hub's or host's name is found however it is written; a label as it is.
    let name = Slot::read(&name, None).map_or(name.clone(), |slot| slot.name().to_owned());
    let records = &api.ferry().records;
    records.remove_credential(&caller.owner, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}
