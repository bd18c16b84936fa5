//! `owners show` and `owners limit`

use bytesize::ByteSize;
use clap::{Args, Subcommand};

use super::keys::check_id;
use super::output::Output;
use super::{Exit, session};
use crate::config::Config;
use crate::error::{Code, Error};
use crate::records::{OwnerLimits, Records};

#[derive(Debug, Subcommand)]
pub(super) enum OwnersCommand {
    /// Show what an owner has, and may have
    Show {
        /// The owner
        id: String,
    },
    /// Give an owner limits of its own
    Limit(LimitArgs),
}

#[derive(Debug, Args)]
pub(super) struct LimitArgs {
    /// The owner
    id: String,
    /// Uploads it may have in the queue; `default` for the setting `max_queued`
    #[arg(long, value_name = "N", value_parser = queued)]
    max_queued: Option<Limit<u32>>,
    /// Bytes it may have, such as 500 GiB; `default` for the setting `max_owner_bytes`
    #[arg(long, value_name = "SIZE", value_parser = bytes)]
    max_bytes: Option<Limit<u64>>,
}

/// A limit of its own, or none.
#[derive(Debug, Clone, Copy)]
enum Limit<T> {
    Default,
    Own(T),
}

impl<T> Limit<T> {
    fn own(self) -> Option<T> {
        match self {
            Self::Default => None,
            Self::Own(limit) => Some(limit),
        }
    }
}

fn queued(text: &str) -> Result<Limit<u32>, String> {
    match (text, text.parse()) {
        ("default", _) => Ok(Limit::Default),
        (_, Ok(number @ 1..)) => Ok(Limit::Own(number)),
        _ => Err("it should be a whole number from 1 on, or default".to_owned()),
    }
}

fn bytes(text: &str) -> Result<Limit<u64>, String> {
    match (text, text.parse::<ByteSize>()) {
        ("default", _) => Ok(Limit::Default),
        (_, Ok(size)) => Ok(Limit::Own(size.as_u64())),
        _ => Err("write it like 500 GiB, or default".to_owned()),
    }
}

pub(super) async fn run(
    output: &Output,
    config: &Config,
    command: OwnersCommand,
) -> Result<Exit, Error> {
    let (OwnersCommand::Show { id } | OwnersCommand::Limit(LimitArgs { id, .. })) = &command;
    check_id(id)?;
    let records = session::open_records(config).await?;
    if let OwnersCommand::Limit(args) = &command {
        limit(&records, args).await?;
    }
    show(output, config, &records, id).await?;
    records.close().await;
    Ok(Exit::Done)
}

async fn limit(records: &Records, args: &LimitArgs) -> Result<(), Error> {
    if args.max_queued.is_none() && args.max_bytes.is_none() {
        let error = Error::new(Code::InvalidRequest, "no limit is named");
        return Err(error.hint("say --max-queued N, --max-bytes SIZE or both"));
    }
    let before = records.owner_limits(&args.id).await?;
    let limits = OwnerLimits {
        max_queued: args.max_queued.map_or(before.max_queued, Limit::own),
        max_bytes: args.max_bytes.map_or(before.max_bytes, Limit::own),
    };
    records.set_owner_limits(&args.id, limits).await
}

async fn show(output: &Output, config: &Config, records: &Records, id: &str) -> Result<(), Error> {
    let limits = records.owner_limits(id).await?;
    let has = records.owner_bytes(id).await?;
    let max_queued = limits.max_queued.unwrap_or(config.max_queued);
    let max_bytes = limits.max_bytes.or(config.rules.max_owner_bytes);
    if output.json {
        output.json_line(&serde_json::json!({
            "ownerId": id,
            "storedBytes": has.stored,
            "expectedBytes": has.expected,
            "maxBytes": max_bytes,
            "maxQueued": max_queued,
        }));
        return Ok(());
    }
    let size = |bytes| ByteSize::b(bytes).display().iec().to_string();
    output.line(&format!("owner       {id}"));
    output.line(&format!("stored      {}", size(has.stored)));
    output.line(&format!("asked for   {}", size(has.expected)));
    let most = max_bytes.map_or_else(|| "no limit".to_owned(), size);
    let of = |own: bool| if own { "its own" } else { "as all" };
    output.line(&format!(
        "may have    {most} ({})",
        of(limits.max_bytes.is_some())
    ));
    output.line(&format!(
        "may queue   {max_queued} uploads ({})",
        of(limits.max_queued.is_some())
    ));
    Ok(())
}
