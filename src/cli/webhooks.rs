//! `webhooks secret`, `webhooks list` and `webhooks retry`

use clap::Subcommand;
use serde::Serialize;

use super::credentials::OwnerArgs;
use super::output::{Output, printable};
use super::{Exit, session};
use crate::config::Config;
use crate::error::{Code, Error};
use crate::records::{DeliveryFilter, DeliveryStatus};
use crate::upload::rfc3339;
use crate::webhook::Secrets;

#[derive(Debug, Subcommand)]
pub(super) enum WebhooksCommand {
    /// Print the secret that an owner's webhooks are signed with
    Secret {
        /// Make a new one; the one before signs beside it for 24 hours
        #[arg(long)]
        rotate: bool,
        #[command(flatten)]
        owner: OwnerArgs,
    },
    /// List deliveries, newest first; those that ended are kept for 7 days
    List {
        /// Only those that stand here: waiting, delivered or dead
        #[arg(long)]
        status: Option<DeliveryStatus>,
        /// At most so many
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
        #[command(flatten)]
        owner: OwnerArgs,
    },
    /// Send a delivery that ended once more
    Retry {
        /// The delivery's id, such as msg_1a2b
        id: String,
        #[command(flatten)]
        owner: OwnerArgs,
    },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ShownDelivery<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    url: String,
    status: DeliveryStatus,
    attempts: u32,
    next_attempt_at: Option<String>,
    created_at: String,
    ended_at: Option<String>,
    last_error: Option<&'a str>,
    upload_id: Option<&'a str>,
}

pub(super) async fn run(
    output: &Output,
    config: &Config,
    command: WebhooksCommand,
) -> Result<Exit, Error> {
    match command {
        WebhooksCommand::Secret { rotate, owner } => {
            secret(output, config, owner.id()?, rotate).await
        }
        WebhooksCommand::List {
            status,
            limit,
            owner,
        } => list(output, config, owner.id()?, status, limit).await,
        WebhooksCommand::Retry { id, owner } => retry(output, config, owner.id()?, &id).await,
    }
}

async fn secret(
    output: &Output,
    config: &Config,
    owner: &str,
    rotate: bool,
) -> Result<Exit, Error> {
    let records = session::open_records(config).await?;
    let secrets = Secrets::new(records.clone(), config.vault());
    let shown = if rotate {
        secrets.rotate(owner).await?
    } else {
        secrets.of(owner).await?
    };
    records.close().await;
    if output.json {
        output.json_line(&serde_json::json!({
            "ownerId": owner,
            "secret": shown.secret.expose(),
            "createdAt": rfc3339(&shown.created_at),
            "previousUntil": shown.previous_until.as_ref().map(rfc3339),
        }));
    } else {
        output.line(shown.secret.expose());
    }
    Ok(Exit::Done)
}

async fn list(
    output: &Output,
    config: &Config,
    owner: &str,
    status: Option<DeliveryStatus>,
    limit: u32,
) -> Result<Exit, Error> {
    let records = session::open_records(config).await?;
    let filter = DeliveryFilter {
        status,
        after: None,
        limit,
    };
    for row in records.deliveries(owner, &filter).await? {
        let waits = row.status == DeliveryStatus::Waiting;
        if output.json {
            output.json_line(&ShownDelivery {
                id: &row.id,
                kind: &row.kind,
                url: row.url.to_string(),
                status: row.status,
                attempts: row.attempts,
                next_attempt_at: waits.then(|| rfc3339(&row.run_at)),
                created_at: rfc3339(&row.created_at),
                ended_at: row.ended_at.as_ref().map(rfc3339),
                last_error: row.last_error.as_deref(),
                upload_id: row.upload_id.as_deref(),
            });
            continue;
        }
        let created = row.created_at.format("%Y-%m-%d %H:%M:%S");
        let why = row.last_error.as_deref().unwrap_or_default();
        let line = format!(
            "{}  {:9}  {created}Z  {:2}  {:16}  {}  {why}",
            row.id,
            row.status.as_str(),
            row.attempts,
            row.kind,
            row.url
        );
        output.line(&printable(line.trim_end()));
    }
    Ok(Exit::Done)
}

async fn retry(output: &Output, config: &Config, owner: &str, id: &str) -> Result<Exit, Error> {
    let records = session::open_records(config).await?;
    let redelivered = records.redeliver(owner, id).await?;
    records.close().await;
    if redelivered.is_none() {
        let message = format!("{id} waits to be sent already");
        return Err(Error::new(Code::InvalidRequest, message)
            .hint("`modelferry webhooks list` says why the last try failed"));
    }
    output.note(&format!("{id} is sent again by the next worker"));
    Ok(Exit::Done)
}
