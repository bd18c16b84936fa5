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
use crate::credentials::{self, Slot};
use crate::error::{Code, Error};
use crate::request::LOCAL_OWNER;
use crate::webhook::Secrets;

/// More than any token has.
const MOST_BYTES: u64 = 64 * 1024;

#[derive(Debug, Subcommand)]
pub(super) enum CredentialsCommand {
    /// Store a secret, read from stdin or a prompt
    ///
    /// A host's secret that is written user:password is sent as Basic
    /// credentials, any other as a Bearer token. It goes only to that host; a
    /// port other than 443 is part of the name, such as 80 for plain http. With --host the
    /// name is a label, and imports use the secret that name it.
    Set(SetArgs),
    /// List what is stored, without the secrets
    List(OwnerArgs),
    /// Forget a secret
    Remove(NameArgs),
    /// Seal everything anew with the first key of MODELFERRY_SECRET_KEY
    ///
    /// To change the key: put the new one first and the old one after a comma,
    /// for every process; run this; then leave the old one out.
    Reseal,
}

#[derive(Debug, Args)]
pub(super) struct NameArgs {
    /// huggingface, civitai, a host such as example.com:8443, or a label
    #[arg(value_name = "NAME")]
    name: String,
    #[command(flatten)]
    owner: OwnerArgs,
}

#[derive(Debug, Args)]
pub(super) struct SetArgs {
    #[command(flatten)]
    named: NameArgs,
    /// Where it goes when the name is a label: huggingface, civitai or a host
    #[arg(long, value_name = "HOST")]
    host: Option<String>,
}

impl SetArgs {
    fn slot(&self) -> Result<Slot, Error> {
        let name = &self.named.name;
        Slot::read(name, self.host.as_deref()).map_err(|why| {
            let message = format!("`{}` is no credential's name: {why}", name.escape_debug());
            Error::new(Code::InvalidRequest, message)
                .hint("name huggingface, civitai or a host; or say --host, and name it as you like")
        })
    }
}

#[derive(Debug, Args)]
pub(super) struct OwnerArgs {
    /// Whose it is [default: local, as the command line does]
    #[arg(long, value_name = "ID")]
    owner: Option<String>,
}

impl OwnerArgs {
    pub fn id(&self) -> Result<&str, Error> {
        let owner = self.owner.as_deref().unwrap_or(LOCAL_OWNER);
        check_id(owner)?;
        Ok(owner)
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ShownCredential<'a> {
    name: &'a str,
    host: &'a str,
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
        CredentialsCommand::Reseal => reseal(output, config).await,
    }
}

async fn set(output: &Output, config: &Config, args: &SetArgs) -> Result<Exit, Error> {
    let (owner, slot) = (args.named.owner.id()?, args.slot()?);
    let prompt = format!("secret for {slot}: ");
    let read = tokio::task::spawn_blocking(move || read_secret(&prompt)).await;
    let text = read.map_err(|error| Error::internal("reading a secret", error))??;
    let secret = Token::new(text.expose_secret()).ok_or_else(|| {
        let message = "a secret is one line of visible ASCII characters, and there was none";
        Error::new(Code::InvalidRequest, message).hint(piped())
    })?;
    let records = session::open_records(config).await?;
    let sealed = config.vault().seal(owner, &slot, &secret).await?;
    records.put_credential(owner, &slot, &sealed).await?;
    records.close().await;
    output.note(&format!("stored the credential for {slot}"));
    Ok(Exit::Done)
}

async fn list(output: &Output, config: &Config, owner: &str) -> Result<Exit, Error> {
    let records = session::open_records(config).await?;
    for row in records.credentials(owner).await? {
        if output.json {
            output.json_line(&ShownCredential {
                name: row.slot.name(),
                host: row.slot.target().as_str(),
                owner_id: &row.owner,
                created_at: row.created_at.to_rfc3339(),
                updated_at: row.updated_at.to_rfc3339(),
            });
            continue;
        }
        let updated = row.updated_at.format("%Y-%m-%d %H:%M:%S");
        let (name, host) = (row.slot.name(), row.slot.target().as_str());
        let host = if row.slot.is_labelled() { host } else { "" };
        let line = format!("{name:30}  {updated}Z  {}  {host}", row.owner);
        let line = line.trim_end();
        output.line(&printable(line));
    }
    Ok(Exit::Done)
}

async fn remove(output: &Output, config: &Config, args: &NameArgs) -> Result<Exit, Error> {
    let owner = args.owner.id()?;
    // A hub's or host's name is found however it is written; a label as it is.
    let name = Slot::read(&args.name, None)
        .map_or_else(|_| args.name.clone(), |slot| slot.name().to_owned());
    let records = session::open_records(config).await?;
    records.remove_credential(owner, &name).await?;
    records.close().await;
    output.note(&format!("removed the credential for {name}"));
    Ok(Exit::Done)
}

async fn reseal(output: &Output, config: &Config) -> Result<Exit, Error> {
    let records = session::open_records(config).await?;
    let vault = config.vault();
    let mut resealed = credentials::reseal(&records, &vault).await?;
    let of_webhooks = Secrets::new(records.clone(), vault).reseal().await?;
    records.close().await;
    resealed.anew += of_webhooks.anew;
    resealed.failed.extend(of_webhooks.failed);
    for error in &resealed.failed {
        output.error(error);
    }
    let (anew, failed) = (resealed.anew, resealed.failed.len());
    output.note(&format!(
        "{anew} secrets are sealed anew, {failed} could not be"
    ));
    Ok(if failed == 0 {
        Exit::Done
    } else {
        Exit::Failed
    })
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
