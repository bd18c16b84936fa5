//! `keys create`, `keys list` and `keys revoke`

use clap::{Args, Subcommand};
use serde::Serialize;

use super::output::{Output, printable};
use super::{Exit, session};
use crate::config::Config;
use crate::error::{Code, Error};
use crate::records::ApiKey;
use crate::request::LOCAL_OWNER;

#[derive(Debug, Subcommand)]
pub(super) enum KeysCommand {
    /// Make a key; its secret is shown this once
    Create(KeyArgs),
    /// List the keys, without their secrets
    List,
    /// End a key at once
    Revoke {
        /// The key, such as key_1a2b
        key: String,
    },
}

#[derive(Debug, Args)]
pub(super) struct KeyArgs {
    /// For whom it acts [default: local, as the command line does]
    #[arg(long, value_name = "ID")]
    owner: Option<String>,
    /// Who is shown to have asked [default: the owner]
    #[arg(long, value_name = "ID")]
    author: Option<String>,
    /// A project it may act for too; may be repeated
    #[arg(long, value_name = "ID")]
    project: Vec<String>,
}

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

pub(super) async fn run(
    output: &Output,
    config: &Config,
    command: KeysCommand,
) -> Result<Exit, Error> {
    match command {
        KeysCommand::Create(args) => create(output, config, &args).await,
        KeysCommand::List => list(output, config).await,
        KeysCommand::Revoke { key } => revoke(output, config, &key).await,
    }
}

async fn create(output: &Output, config: &Config, args: &KeyArgs) -> Result<Exit, Error> {
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

async fn list(output: &Output, config: &Config) -> Result<Exit, Error> {
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

async fn revoke(output: &Output, config: &Config, id: &str) -> Result<Exit, Error> {
    session::open_records(config).await?.revoke_key(id).await?;
    output.note(&format!("{id} no longer works"));
    Ok(Exit::Done)
}

/// Ids stand in URLs, logs and tables.
pub(super) fn check_id(id: &str) -> Result<(), Error> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.:@".contains(c);
    if (1..=128).contains(&id.len()) && id.chars().all(plain) {
        return Ok(());
    }
    let message = format!("`{}` is no id", id.escape_debug());
    Err(Error::new(Code::InvalidRequest, message)
        .hint("ids are 1 to 128 letters, digits and -_.:@"))
}
