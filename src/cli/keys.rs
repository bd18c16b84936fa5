//! `keys create`, `keys list` and `keys revoke`

use serde::Serialize;

use super::output::{Output, printable};
use super::{Exit, KeyArgs, session};
use crate::config::Config;
use crate::error::{Code, Error};
use crate::records::ApiKey;
use crate::request::LOCAL_OWNER;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ShownKey<'a> {
    key: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<&'a str>,
    owner_id: &'a str,
    author_id: &'a str,
    projects: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    created_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked_at: Option<String>,
}

pub(super) async fn create(
    output: &Output,
    config: &Config,
    args: &KeyArgs,
) -> Result<Exit, Error> {
    let owner = args.owner.as_deref().unwrap_or(LOCAL_OWNER);
    let author = args.author.as_deref().unwrap_or(owner);
    for id in [owner, author]
        .into_iter()
        .chain(args.project.iter().map(String::as_str))
    {
        check_id(id)?;
    }
    let records = session::open_records(config).await?;
    let made = records.create_key(owner, author, &args.project).await?;
    print(output, &made);
    Ok(Exit::Done)
}

/// The one time that a secret is shown.
pub(super) fn print(output: &Output, (key, secret): &(ApiKey, String)) {
    if output.json {
        output.json_line(&ShownKey {
            key: &key.id,
            secret: Some(secret),
            owner_id: &key.owner,
            author_id: &key.author,
            projects: &key.projects,
            created_at: None,
            revoked_at: None,
        });
        return;
    }
    output.line(&format!("key     {}", key.id));
    output.line(&format!("secret  {secret}"));
    output.note("the secret is not kept and can't be shown again");
}

pub(super) async fn list(output: &Output, config: &Config) -> Result<Exit, Error> {
    let records = session::open_records(config).await?;
    for key in records.keys().await? {
        if output.json {
            output.json_line(&ShownKey {
                key: &key.id,
                secret: None,
                owner_id: &key.owner,
                author_id: &key.author,
                projects: &key.projects,
                created_at: Some(key.created_at.to_rfc3339()),
                revoked_at: key.revoked_at.map(|at| at.to_rfc3339()),
            });
            continue;
        }
        let state = if key.revoked_at.is_some() {
            "revoked"
        } else {
            "works"
        };
        let created = key.created_at.format("%Y-%m-%d %H:%M:%S");
        let projects = key.projects.join(",");
        let line = format!(
            "{}  {state:7}  {created}Z  {}  {projects}",
            key.id, key.owner
        );
        output.line(&printable(&line));
    }
    Ok(Exit::Done)
}

pub(super) async fn revoke(output: &Output, config: &Config, id: &str) -> Result<Exit, Error> {
    session::open_records(config).await?.revoke_key(id).await?;
    output.note(&format!("{id} no longer works"));
    Ok(Exit::Done)
}

/// Ids stand in URLs, logs and tables.
fn check_id(id: &str) -> Result<(), Error> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.:@".contains(c);
    if (1..=128).contains(&id.len()) && id.chars().all(plain) {
        return Ok(());
    }
    let message = format!("`{}` is no id", id.escape_debug());
    Err(Error::new(Code::InvalidRequest, message)
        .hint("ids are 1 to 128 letters, digits and -_.:@"))
}
