//! `sync add|list|show|run|pause|resume|remove`

mod run;
mod text;

use std::path::PathBuf;

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use clap::{Args, Subcommand};
use modelferry_providers::Providers;
use modelferry_providers::net::AddressGuard;
use serde::Serialize;

use super::output::Output;
use super::session::Session;
use super::{Exit, session};
use crate::config::Config;
use crate::error::Error;
use crate::records::{Records, SyncRow};
use crate::request::LOCAL_OWNER;
use crate::sync::{Draft, Filter, Prune, Reader, ShownRun, ShownSync, Spec};
use crate::tokens::no_credential;
use crate::upload::Kind;

/// Syncs read at once.
const PAGE: u32 = 100;

#[derive(Debug, Subcommand)]
pub(super) enum SyncCommand {
    /// Follow a source on a schedule
    ///
    /// SOURCE is one of: a Hugging Face repository at a branch (org/name,
    /// org/name@branch); all models of an author (https://huggingface.co/org)
    /// or a collection (its page); a Civitai model's new versions
    /// (civitai:4384), a creator (https://civitai.com/user/NAME), a tag
    /// (https://civitai.com/tag/NAME), a search
    /// (https://civitai.com/models?query=WORDS&types=LORA); a list of sources
    /// as `batch` reads it, in a file (./list.txt) or behind a URL
    /// (https://example.com/list.csv); list:SOURCE says that it is a list.
    Add(Box<AddArgs>),
    /// List syncs, with their next and last runs
    List,
    /// Show one sync and its runs
    Show {
        /// Its name or id
        name: String,
        /// Runs to show, the newest first
        #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=500))]
        runs: u32,
    },
    /// Run syncs now, and wait
    Run(run::RunArgs),
    /// Put a sync's schedule out of force
    Pause {
        /// Its name or id
        name: String,
    },
    /// Put it into force again; the next run is counted from now
    Resume {
        /// Its name or id
        name: String,
    },
    /// Forget a sync; what it imported stays
    Remove {
        /// Its name or id
        name: String,
    },
}

#[derive(Debug, Args)]
pub(super) struct AddArgs {
    /// What to call it
    name: String,
    /// What to follow
    source: String,
    /// When: minute hour day-of-month month day-of-week, or @hourly, @daily, @weekly
    #[arg(long, value_name = "EXPR")]
    cron: String,
    /// The zone in which that is meant
    #[arg(long, value_name = "TZ", default_value = "UTC")]
    timezone: String,
    /// Only entries of the list whose name matches; may be repeated
    #[arg(long = "match", value_name = "GLOB")]
    names: Vec<String>,
    /// Only those made from or for this model; may be repeated
    #[arg(long, value_name = "NAME")]
    base_model: Vec<String>,
    /// Only those of this type, in the hub's word: LORA, text-generation; may be repeated
    #[arg(long = "type", value_name = "TYPE")]
    model_type: Vec<String>,
    /// Only those that come to no more than this, such as 10GiB
    #[arg(long, value_name = "SIZE", value_parser = crate::config::parse_bytes)]
    max_size: Option<u64>,
    /// Only so many, those changed last
    #[arg(long, value_name = "N")]
    newest: Option<u32>,
    /// Only those changed since: 2026-01-31, or a time in RFC 3339
    #[arg(long, value_name = "DATE", value_parser = since)]
    since: Option<DateTime<Utc>>,
    /// Of each source only files that match; may be repeated
    #[arg(long, value_name = "GLOB")]
    include: Vec<String>,
    /// Of each source no files that match; may be repeated
    #[arg(long, value_name = "GLOB")]
    exclude: Vec<String>,
    /// What they are: 3d, asset, audio, avatar, image, model, text or video
    #[arg(long)]
    kind: Option<Kind>,
    /// The branch or tag to follow
    #[arg(long, value_name = "REV")]
    revision: Option<String>,
    /// Every file of a Civitai version, not only its weights
    #[arg(long)]
    all_files: bool,
    /// Write NAME.civitai.info and a preview beside the files in the library
    #[arg(long)]
    sidecar: bool,
    /// Tell this address of each run
    #[arg(long, value_name = "URL")]
    webhook: Option<String>,
    /// The stored credential to use in place of the usual one
    #[arg(long, value_name = "NAME")]
    credential: Option<String>,
    /// Remove here what is gone upstream, within the limits
    #[arg(long)]
    prune: bool,
    /// The most sources that one run removes [default: 10]
    #[arg(long, value_name = "N", requires = "prune")]
    prune_limit: Option<u32>,
    /// The most of what is held that one run removes, in percent [default: 50]
    #[arg(long, value_name = "PERCENT", requires = "prune")]
    prune_percent: Option<u8>,
    /// Make it with its schedule out of force
    #[arg(long)]
    paused: bool,
}

/// A day begins at midnight UTC.
fn since(text: &str) -> Result<DateTime<Utc>, String> {
    if let Ok(day) = text.parse::<NaiveDate>() {
        return Ok(day.and_time(NaiveTime::MIN).and_utc());
    }
    DateTime::parse_from_rfc3339(text)
        .map(|at| at.to_utc())
        .map_err(|_| "write it like 2026-01-31 or 2026-01-31T12:00:00Z".to_owned())
}

impl AddArgs {
    fn draft(&self) -> Draft {
        let limits = Prune::default();
        let prune = self.prune.then(|| Prune {
            limit: self.prune_limit.unwrap_or(limits.limit),
            percent: self.prune_percent.unwrap_or(limits.percent),
        });
        Draft {
            name: self.name.clone(),
            cron: self.cron.clone(),
            time_zone: self.timezone.clone(),
            is_paused: self.paused,
            spec: Spec {
                source: self.source.clone(),
                author: LOCAL_OWNER.to_owned(),
                filters: Filter {
                    name: self.names.clone(),
                    base_model: self.base_model.clone(),
                    model_type: self.model_type.clone(),
                    max_size: self.max_size,
                    newest: self.newest,
                    since: self.since,
                    include: self.include.clone(),
                    exclude: self.exclude.clone(),
                },
                kind: self.kind,
                revision: self.revision.clone(),
                all_files: self.all_files,
                sidecar: self.sidecar,
                webhook_url: self.webhook.clone(),
                credential: self.credential.clone(),
                prune,
            },
        }
    }
}

/// What reads a source on this command line: a list's path is meant from the
/// working folder.
struct Desk {
    providers: Providers,
    guard: AddressGuard,
    folder: PathBuf,
}

impl Desk {
    fn new(config: &Config) -> Result<Self, Error> {
        let folder = std::path::absolute(".")
            .map_err(|error| Error::internal("finding the working folder", error))?;
        Ok(Self {
            providers: session::readers(config)?,
            guard: AddressGuard::new(config.allow_nets.clone(), config.named_endpoints.clone()),
            folder,
        })
    }

    fn reader(&self) -> Reader<'_> {
        Reader {
            providers: &self.providers,
            guard: Some(&self.guard),
            folder: Some(&self.folder),
        }
    }

    async fn shown(&self, records: &Records, sync: &SyncRow) -> Result<ShownSync, Error> {
        let last = records.sync_runs(&sync.id, None, 1).await?;
        ShownSync::new(sync, last.into_iter().next(), self.reader())
    }
}

#[derive(Serialize)]
struct ShownHistory<'a> {
    sync: &'a ShownSync,
    runs: &'a [ShownRun],
}

pub(super) async fn run(
    output: &Output,
    config: &Config,
    command: SyncCommand,
) -> Result<Exit, Error> {
    match command {
        SyncCommand::Add(args) => add(output, config, &args).await,
        SyncCommand::List => list(output, config).await,
        SyncCommand::Show { name, runs } => show(output, config, &name, runs).await,
        SyncCommand::Run(args) => run::run(output, config, &args).await,
        SyncCommand::Pause { name } => pause(output, config, &name, true).await,
        SyncCommand::Resume { name } => pause(output, config, &name, false).await,
        SyncCommand::Remove { name } => remove(output, config, &name).await,
    }
}

async fn add(output: &Output, config: &Config, args: &AddArgs) -> Result<Exit, Error> {
    let desk = Desk::new(config)?;
    // Read before the records are opened: what is refused leaves nothing behind.
    let checked = args.draft().check(desk.reader())?;
    let records = session::open_records(config).await?;
    if let Some(name) = &args.credential
        && records.credential(LOCAL_OWNER, name).await?.is_none()
    {
        return Err(no_credential(name));
    }
    let sync = checked.add(&records, LOCAL_OWNER).await?;
    let shown = desk.shown(&records, &sync).await?;
    records.close().await;
    if output.json {
        output.json_line(&shown);
        return Ok(Exit::Done);
    }
    output.line(&format!("added {}", text::title(&shown)));
    for line in text::plan(&shown) {
        output.line(&line);
    }
    output.note(&format!(
        "`modelferry serve` or `worker` runs it when it is due; `modelferry sync run \"{}\"` runs it now",
        shown.name
    ));
    Ok(Exit::Done)
}

async fn list(output: &Output, config: &Config) -> Result<Exit, Error> {
    let desk = Desk::new(config)?;
    let records = session::open_records(config).await?;
    let mut all = Vec::new();
    let mut after = None;
    loop {
        let page = records.syncs(LOCAL_OWNER, after.as_deref(), PAGE).await?;
        let Some(last) = page.last() else {
            break;
        };
        after = Some(last.name.clone());
        for sync in &page {
            all.push(desk.shown(&records, sync).await?);
        }
    }
    if output.json {
        all.iter().for_each(|shown| output.json_line(shown));
    } else if all.is_empty() {
        output.note("there are no syncs; `modelferry sync add --help` tells how to make one");
    } else {
        text::table(&all).iter().for_each(|line| output.line(line));
    }
    Ok(Exit::Done)
}

async fn show(output: &Output, config: &Config, name: &str, runs: u32) -> Result<Exit, Error> {
    let desk = Desk::new(config)?;
    let records = session::open_records(config).await?;
    let sync = records.sync(LOCAL_OWNER, name).await?;
    let shown = desk.shown(&records, &sync).await?;
    let runs = records.sync_runs(&sync.id, None, runs).await?;
    let runs: Vec<ShownRun> = runs.into_iter().map(ShownRun::from).collect();
    if output.json {
        output.json_line(&ShownHistory {
            sync: &shown,
            runs: &runs,
        });
        return Ok(Exit::Done);
    }
    output.line(&text::title(&shown));
    for line in text::plan(&shown).into_iter().chain(text::history(&runs)) {
        output.line(&line);
    }
    Ok(Exit::Done)
}

async fn pause(output: &Output, config: &Config, name: &str, pause: bool) -> Result<Exit, Error> {
    let desk = Desk::new(config)?;
    let records = session::open_records(config).await?;
    let sync = records
        .change_sync(LOCAL_OWNER, name, |sync| {
            let draft = Draft {
                is_paused: pause,
                ..Draft::of(sync)?
            };
            // What was allowed when it was made need not be so to be paused.
            let reader = Reader {
                guard: None,
                ..desk.reader()
            };
            draft.replace(sync, reader)
        })
        .await?;
    let shown = desk.shown(&records, &sync).await?;
    records.close().await;
    if output.json {
        output.json_line(&shown);
        return Ok(Exit::Done);
    }
    let word = if pause { "paused" } else { "resumed" };
    output.line(&format!("{word} {}", text::title(&shown)));
    if let Some(next) = text::next(&shown) {
        output.line(&next);
    }
    Ok(Exit::Done)
}

async fn remove(output: &Output, config: &Config, name: &str) -> Result<Exit, Error> {
    let records = session::open_records(config).await?;
    let sync = records.remove_sync(LOCAL_OWNER, name).await?;
    records.close().await;
    if output.json {
        output.json_line(&serde_json::json!({ "id": sync.id, "name": sync.name, "removed": true }));
    } else {
        output.line(&format!("removed {}; what it imported stays", sync.name));
    }
    Ok(Exit::Done)
}
