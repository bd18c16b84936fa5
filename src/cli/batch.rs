//! `batch`

mod report;
mod screen;

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use futures_util::{StreamExt, stream};
use tokio_util::sync::CancellationToken;

use self::report::{Report, Tally};
use self::screen::Screen;
use super::import::one;
use super::output::{Output, safe_source};
use super::session::Session;
use super::{Choice, Exit};
use crate::config::Config;
use crate::error::{Error, Stop};
use crate::list::{self, Entry, Line};
use crate::progress::{Observer, Unwatched};
use crate::worker::{Ended, Outcome};

/// The words of `batch`.
#[derive(Debug, Args)]
pub(super) struct BatchArgs {
    /// A list of sources, or `-` for stdin: one a line (`#` comments), .csv with a header row
    /// (source,kind,revision,include,exclude,sha256; globs parted by `;`), or .jsonl (same names)
    #[arg(value_name = "FILE")]
    list: PathBuf,
    /// What the list is, when its name does not tell
    #[arg(long, value_enum)]
    format: Option<ListFormat>,
    /// Sources at once
    #[arg(short, long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: u16,
    /// Write one JSON line a source here
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Stop at the first source that fails
    #[arg(long)]
    fail_fast: bool,
    /// Import anew what is already imported
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    choice: Choice,
}

/// How a list is written.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum ListFormat {
    /// One source a line
    Lines,
    /// A header row, then one source a row
    Csv,
    /// One JSON object a line
    Jsonl,
}

impl From<ListFormat> for list::Format {
    fn from(format: ListFormat) -> Self {
        match format {
            ListFormat::Lines => Self::Lines,
            ListFormat::Csv => Self::Csv,
            ListFormat::Jsonl => Self::Jsonl,
        }
    }
}

/// Everything the sources of one batch share.
struct Batch<'a> {
    session: &'a Session,
    args: &'a BatchArgs,
    screen: Option<Arc<Screen>>,
    /// Set when no further source is to be begun.
    stopping: CancellationToken,
}

pub(super) async fn run(output: &Output, config: &Config, args: &BatchArgs) -> Result<Exit, Error> {
    let (path, format) = (args.list.clone(), args.format.map(Into::into));
    let wanted = args.choice.wanted();
    let lines = tokio::task::spawn_blocking(move || list::read(&path, format, &wanted))
        .await
        .map_err(|error| Error::internal("reading the list", error))??;
    let mut report = Report::start(output, args.report.as_deref())?;
    let session = Session::open(config).await?;
    let (lines, folded) = fold(&session, lines);
    let screen = output
        .shows_bars
        .then(|| Arc::new(Screen::new(&output.bars, lines.len())));
    let batch = Batch {
        session: &session,
        args,
        screen: screen.clone(),
        stopping: CancellationToken::new(),
    };
    let tally = batch.work_through(lines, &mut report).await?;
    drop(batch);
    if let Some(screen) = screen {
        screen.clear();
    }
    session.close().await;
    report.summary(&tally, folded);
    Ok(tally.exit())
}

/// Leaves out what asks for the same thing as a line before it. Returns how
/// many those were.
fn fold(session: &Session, lines: Vec<Line>) -> (Vec<Line>, usize) {
    let before = lines.len();
    let mut seen = HashSet::new();
    let kept: Vec<Line> = lines
        .into_iter()
        .filter(|line| {
            let Ok(entry) = &line.entry else {
                return true;
            };
            match entry.wanted.of(&session.ferry.providers, &entry.source) {
                Ok(request) => seen.insert(request.key()),
                Err(_) => true,
            }
        })
        .collect();
    let folded = before - kept.len();
    (kept, folded)
}

impl Batch<'_> {
    async fn work_through(
        &self,
        lines: Vec<Line>,
        report: &mut Report<'_>,
    ) -> Result<Tally, Error> {
        let mut tally = Tally::default();
        let mut ends = stream::iter(lines)
            .map(|line| self.one(line))
            .buffer_unordered(usize::from(self.args.jobs));
        while let Some((number, source, ended)) = ends.next().await {
            match ended {
                Ok(ended) => {
                    tally.add(&ended);
                    report.add(number, &source, &ended)?;
                    if ended.outcome == Outcome::Failed && self.args.fail_fast {
                        self.stopping.cancel();
                        self.session.cancel.cancel();
                    }
                }
                Err(()) => tally.left += 1,
            }
            if let Some(screen) = &self.screen {
                screen.advance(&tally);
            }
        }
        tally.stopped_by_failure = self.stopping.is_cancelled();
        Ok(tally)
    }

    /// One line's end; `Err` when it was left for the next run.
    async fn one(&self, line: Line) -> (usize, String, Result<Ended, ()>) {
        let shown = safe_source(&line.text);
        let ended = match line.entry {
            _ if self.session.cancel.is_cancelled() => Err(()),
            Err(error) => Ok(Ended::refused(error)),
            Ok(entry) => self.import(&entry).await,
        };
        (line.number, shown, ended)
    }

    async fn import(&self, entry: &Entry) -> Result<Ended, ()> {
        let (source, force) = (&entry.source, self.args.force);
        let observer = self.observer(source);
        match one(self.session, observer, source, &entry.wanted, force).await {
            Ok(ended) => Ok(ended),
            Err(Stop::Failed(error)) => Ok(Ended::refused(error)),
            Err(Stop::Interrupted | Stop::LeaseLost) => Err(()),
        }
    }

    fn observer(&self, source: &str) -> Arc<dyn Observer> {
        match &self.screen {
            Some(screen) => screen.watch(&safe_source(source)),
            None => Arc::new(Unwatched),
        }
    }
}
