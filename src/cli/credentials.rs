//! `credentials set`, `credentials list` and `credentials remove`

use std::io::{IsTerminal, Read};

use clap::{Args, Subcommand};
use console::Term;
use modelferry_providers::Token;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;

use super::keys::check_id;
use super::output::{Output, printable};
use super::{Exit, session};
use crate::config::Config;
use crate::credentials::CredentialName;
use crate::error::{Code, Error};
use crate::request::LOCAL_OWNER;

/// More than any token has.
const MOST_BYTES: u64 = 64 * 1024;

#[derive(Debug, Subcommand)]
pub(super) enum CredentialsCommand {
    /// Store a secret, read from stdin or a prompt
    ///
    /// A host's secret that is written user:password is sent as Basic
    /// credentials, any other as a Bearer token. It goes only to that host; a
    /// port other than 443 is part of the name, such as 80 for plain http.
    Set(NameArgs),
    /// List what is stored, without the secrets
    List(OwnerArgs),
    /// Forget a secret
    Remove(NameArgs),
}

#[derive(Debug, Args)]
pub(super) struct NameArgs {
    /// huggingface, civitai, or a host such as example.com:8443
    #[arg(value_name = "NAME")]
    name: CredentialName,
    #[command(flatten)]
    owner: OwnerArgs,
}

#[derive(Debug, Args)]
pub(super) struct OwnerArgs {
    /// Whose it is [default: local, as the command line does]
    #[arg(long, value_name = "ID")]
    owner: Option<String>,
}

impl OwnerArgs {
    fn id(&self) -> Result<&str, Error> {
        let owner = self.owner.as_deref().unwrap_or(LOCAL_OWNER);
        check_id(owner)?;
        Ok(owner)
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ShownCredential<'a> {
    name: &'a str,
    owner_id: &'a str,
    created_at: String,
    updated_at: String,
}

pub(super) async fn run(
    output: &Output,
    config: &Config,
    command: CredentialsCommand,
) -> Result<Exit, Error> {
    match command {
        CredentialsCommand::Set(args) => set(output, config, &args).await,
        CredentialsCommand::List(args) => list(output, config, args.id()?).await,
        CredentialsCommand::Remove(args) => remove(output, config, &args).await,
    }
}

async fn set(output: &Output, config: &Config, args: &NameArgs) -> Result<Exit, Error> {
    let (owner, name) = (args.owner.id()?, &args.name);
    let prompt = format!("secret for {name}: ");
    let read = tokio::task::spawn_blocking(move || read_secret(&prompt)).await;
    let text = read.map_err(|error| Error::internal("reading a secret", error))??;
    let secret = Token::new(text.expose_secret()).ok_or_else(|| {
        let message = "a secret is one line of visible ASCII characters, and there was none";
        Error::new(Code::InvalidRequest, message).hint(piped())
    })?;
    let records = session::open_records(config).await?;
    let sealed = config.vault().seal(owner, name, &secret).await?;
    records.put_credential(owner, name, &sealed).await?;
    records.close().await;
    output.note(&format!("stored the credential for {name}"));
    Ok(Exit::Done)
}

async fn list(output: &Output, config: &Config, owner: &str) -> Result<Exit, Error> {
    let records = session::open_records(config).await?;
    for row in records.credentials(owner).await? {
        if output.json {
            output.json_line(&ShownCredential {
                name: row.name.as_str(),
                owner_id: &row.owner,
                created_at: row.created_at.to_rfc3339(),
                updated_at: row.updated_at.to_rfc3339(),
            });
            continue;
        }
        let updated = row.updated_at.format("%Y-%m-%d %H:%M:%S");
        let line = format!("{:30}  {updated}Z  {}", row.name.as_str(), row.owner);
        output.line(&printable(&line));
    }
    Ok(Exit::Done)
}

async fn remove(output: &Output, config: &Config, args: &NameArgs) -> Result<Exit, Error> {
    let (owner, name) = (args.owner.id()?, &args.name);
    let records = session::open_records(config).await?;
    records.remove_credential(owner, name).await?;
    records.close().await;
    output.note(&format!("removed the credential for {name}"));
    Ok(Exit::Done)
}

/// From a terminal it is read without being shown.
fn read_secret(prompt: &str) -> Result<SecretString, Error> {
    let unreadable = |error: std::io::Error| {
        let message = format!("the secret can't be read: {error}");
        Error::new(Code::InvalidRequest, message).hint(piped())
    };
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        let mut text = String::new();
        let mut stdin = stdin.lock().take(MOST_BYTES);
        stdin.read_to_string(&mut text).map_err(unreadable)?;
        return Ok(text.into());
    }
    let term = Term::stderr();
    if !term.is_term() {
        let message = "there is no terminal to ask for the secret on";
        return Err(Error::new(Code::InvalidRequest, message).hint(piped()));
    }
    term.write_str(prompt).map_err(unreadable)?;
    term.read_secure_line()
        .map(SecretString::from)
        .map_err(unreadable)
}

fn piped() -> &'static str {
    "pipe it in: `modelferry credentials set NAME < FILE`"
}
