//! `sync run`

use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use clap::Args;
use indicatif::ProgressBar;
use serde::Serialize;

use super::{LOCAL_OWNER, Output, PAGE, Session, ShownRun, text};
use crate::cli::Exit;
use crate::cli::bars::style;
use crate::cli::output::{ShownError, printable};
use crate::config::Config;
use crate::error::{Error, Stop};
use crate::progress::{Event, Observer, Unwatched};
use crate::records::{RunCounts, RunStatus, SyncRow};
use crate::sync::{Finding, Runner, Watcher, What, foresee, run as run_sync};

/// The words of `sync run`.
#[derive(Debug, Args)]
pub(in crate::cli) struct RunArgs {
    /// Names or ids
    #[arg(
        value_name = "NAME",
        required_unless_present = "all",
        conflicts_with = "all"
    )]
    names: Vec<String>,
    /// Every sync that is not paused
    #[arg(long)]
    all: bool,
    /// Only print what an import would come to
    #[arg(long)]
    dry_run: bool,
    /// Sources imported at once
    #[arg(short, long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=64))]
    jobs: u16,
}

/// A run, for programs.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ShownSyncRun<'a> {
    sync: &'a str,
    dry_run: bool,
    run: Option<&'a ShownRun>,
    error: Option<ShownError<'a>>,
}

pub(super) async fn run(output: &Output, config: &Config, args: &RunArgs) -> Result<Exit, Error> {
    let session = Session::open(config).await?;
    let syncs = chosen(&session, args).await?;
    if syncs.is_empty() {
        output.note("there is no sync to run");
    }
    let mut exit = Exit::Done;
    for sync in &syncs {
        let one = if args.dry_run {
            dry_run(output, &session, sync, args).await
        } else {
            real_run(output, config, &session, sync, args).await
        };
        match one {
            Ok(Exit::Done) => {}
            Ok(Exit::Interrupted) => {
                output.note("interrupted; run the same command again to go on from here");
                exit = Exit::Interrupted;
                break;
            }
            Ok(other) => exit = other,
            Err(error) => {
                refuse(output, sync, args.dry_run, &error);
                exit = Exit::Failed;
            }
        }
    }
    session.close().await;
    Ok(exit)
}

/// All are found before any is run: a name that is wrong does nothing.
async fn chosen(session: &Session, args: &RunArgs) -> Result<Vec<SyncRow>, Error> {
    let records = &session.ferry.records;
    let mut syncs = Vec::new();
    for name in &args.names {
        syncs.push(records.sync(LOCAL_OWNER, name).await?);
    }
    if !args.all {
        return Ok(syncs);
    }
    let mut after = None;
    loop {
        let page = records.syncs(LOCAL_OWNER, after.as_deref(), PAGE).await?;
        let Some(last) = page.last() else {
            return Ok(syncs);
        };
        after = Some(last.name.clone());
        syncs.extend(page.into_iter().filter(|sync| !sync.is_paused));
    }
}

async fn dry_run(
    output: &Output,
    session: &Session,
    sync: &SyncRow,
    args: &RunArgs,
) -> Result<Exit, Error> {
    let begun = Utc::now();
    let jobs = usize::from(args.jobs);
    let foreseen = match foresee(&session.ferry, sync, jobs, &session.cancel).await {
        Ok(foreseen) => foreseen,
        Err(Stop::Failed(error)) => return Err(error),
        Err(Stop::Interrupted | Stop::LeaseLost) => return Ok(Exit::Interrupted),
    };
    let run = ShownRun::foreseen(sync, begun, foreseen);
    if output.json {
        print_json(output, sync, true, &run);
    } else {
        for line in text::difference(&run) {
            output.line(&line);
        }
        output.line(&format!(
            "{}  dry run: {}; nothing was imported",
            printable(&sync.name),
            text::counts(&run.counts)
        ));
    }
    Ok(Exit::Done)
}

async fn real_run(
    output: &Output,
    config: &Config,
    session: &Session,
    sync: &SyncRow,
    args: &RunArgs,
) -> Result<Exit, Error> {
    let records = &session.ferry.records;
    let claim = records.claim_sync(sync, session.worker.id(), config.lease);
    let Some(claim) = claim.await? else {
        let running = records.running(sync).await?;
        let busy = || Error::internal("taking the sync", "another process was faster");
        return Err(running.unwrap_or_else(busy));
    };
    let screen = Screen::new(output, &sync.name);
    let runner = Runner {
        ferry: &session.ferry,
        worker: &session.worker,
        lease: config.lease,
        jobs: usize::from(args.jobs),
        cancel: &session.cancel,
        watcher: &screen,
    };
    let ended = Box::pin(run_sync(&runner, &claim)).await;
    screen.clear();
    let Some(run) = ended?.map(ShownRun::from) else {
        return Ok(Exit::Interrupted);
    };
    report(output, sync, &run);
    Ok(match run.status {
        RunStatus::Interrupted => Exit::Interrupted,
        RunStatus::Done if run.counts.failed == 0 => Exit::Done,
        _ => Exit::Failed,
    })
}

fn report(output: &Output, sync: &SyncRow, run: &ShownRun) {
    if output.json {
        print_json(output, sync, false, run);
    } else {
        output.line(&format!("{}  {}", printable(&sync.name), text::ended(run)));
    }
    if let Some(error) = run.error.clone() {
        output.error(&error.into());
    }
}

fn print_json(output: &Output, sync: &SyncRow, dry_run: bool, run: &ShownRun) {
    output.json_line(&ShownSyncRun {
        sync: &sync.name,
        dry_run,
        run: Some(run),
        error: None,
    });
}

fn refuse(output: &Output, sync: &SyncRow, dry_run: bool, error: &Error) {
    if output.json {
        output.json_line(&ShownSyncRun {
            sync: &sync.name,
            dry_run,
            run: None,
            error: Some(ShownError::from(error)),
        });
    }
    output.error(error);
}

/// One line that tells how far a run is, and a line for each thing that is
/// not as it was.
struct Screen<'a> {
    output: &'a Output,
    line: ProgressBar,
}

impl<'a> Screen<'a> {
    fn new(output: &'a Output, name: &str) -> Self {
        let line = ProgressBar::no_length().with_style(style(
            "{spinner} {prefix}  {msg}  {bytes} moved, {bytes_per_sec}",
        ));
        let line = output.bars.add(line);
        line.set_prefix(printable(name));
        if output.shows_bars {
            line.enable_steady_tick(Duration::from_millis(200));
        }
        Self { output, line }
    }

    fn clear(&self) {
        self.line.finish_and_clear();
    }
}

impl Watcher for Screen<'_> {
    fn observer(&self, _: &str) -> Arc<dyn Observer> {
        if !self.output.shows_bars {
            return Arc::new(Unwatched);
        }
        Arc::new(Bytes(self.line.clone()))
    }

    fn found(&self, finding: &Finding, counts: &RunCounts) {
        self.line.set_message(text::counts(counts));
        if self.output.json || matches!(finding.what, What::Unchanged | What::Unfit) {
            return;
        }
        let line = text::finding(finding.what, &finding.named, finding.bytes);
        self.output.line(&line);
    }
}

/// Counts what comes over the wire.
#[derive(Debug)]
struct Bytes(ProgressBar);

impl Observer for Bytes {
    fn event(&self, event: &Event<'_>) {
        if let Event::Received { bytes, .. } = event {
            self.0.inc(*bytes);
        }
    }
}
