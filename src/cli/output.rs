//! Results on stdout, all else on stderr.

use std::io::{IsTerminal, Write};

use indicatif::{HumanBytes, HumanCount, MultiProgress};
use modelferry_providers::{HubScan, ScanVerdict};
use serde::Serialize;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt};

use super::Exit;
use crate::config::Config;
use crate::entity::Provenance;
use crate::error::Error;
use crate::inspect::Facts;
use crate::telemetry::Traces;

/// Where a command's words go, and in which form.
pub(super) struct Output {
    pub json: bool,
    /// Where bars are drawn; hidden when they are not wanted.
    pub bars: MultiProgress,
    pub shows_bars: bool,
    /// How wide a line may be where results go to a terminal.
    pub columns: Option<usize>,
    /// Whether whatever reads stderr expects JSON.
    json_logs: bool,
}

/// An error as programs see it.
#[derive(Debug, Serialize)]
pub(super) struct ShownError<'a> {
    pub code: &'a str,
    pub message: &'a str,
    hint: Option<&'a str>,
}

impl<'a> From<&'a Error> for ShownError<'a> {
    fn from(error: &'a Error) -> Self {
        Self {
            code: error.code.as_str(),
            message: &error.message,
            hint: error.hint.as_deref(),
        }
    }
}

impl Output {
    pub fn new(json: bool, quiet: bool, no_progress: bool, json_logs: bool) -> Self {
        let shows_bars = std::io::stderr().is_terminal() && !quiet && !no_progress;
        let bars = MultiProgress::new();
        if !shows_bars {
            bars.set_draw_target(indicatif::ProgressDrawTarget::hidden());
        }
        Self {
            json,
            bars,
            shows_bars,
            columns: std::io::stdout()
                .is_terminal()
                .then(|| usize::from(console::Term::stdout().size().1)),
            json_logs,
        }
    }

    /// Logs go to stderr, between the bars; spans to a collector, where one is named.
    pub fn start_logs(&self, verbose: u8, config: &Config, traces: Option<&Traces>) {
        let level = match verbose {
            0 => "warn",
            1 => "modelferry=info,modelferry_providers=info,warn",
            _ => "modelferry=debug,modelferry_providers=debug,info",
        };
        let filter = match config.log_filter.as_deref().filter(|_| verbose == 0) {
            Some(directives) => EnvFilter::builder().parse_lossy(directives),
            None => EnvFilter::new(level),
        };
        let bars = self.bars.clone();
        let lines = fmt::layer()
            .with_target(false)
            .with_ansi(std::io::stderr().is_terminal())
            .with_writer(move || BetweenBars(bars.clone()));
        let lines = if self.json_logs {
            lines.json().boxed()
        } else {
            lines.boxed()
        };
        // Fails only when a test of this process has set one already.
        let _ = tracing_subscriber::registry()
            .with(lines.with_filter(filter))
            .with(traces.map(Traces::layer))
            .try_init();
    }

    /// A line of results. A reader that went away is no error of ours.
    pub fn line(&self, text: &str) {
        self.bars.suspend(|| {
            let _ = writeln!(std::io::stdout().lock(), "{text}");
        });
    }

    /// A result for programs.
    pub fn json_line<T: Serialize>(&self, value: &T) {
        match serde_json::to_string(value) {
            Ok(text) => self.line(&text),
            Err(error) => self.error(&Error::internal("printing a result", error)),
        }
    }

    /// An error, for people.
    pub fn error(&self, error: &Error) {
        self.note(&format!("error: {} [{}]", error.message, error.code));
        if let Some(hint) = &error.hint {
            self.note(&format!("  hint: {hint}"));
        }
    }

    /// An error of usage or configuration.
    pub fn refuse(&self, error: &Error) -> Exit {
        if self.json {
            self.json_line(&serde_json::json!({ "error": ShownError::from(error) }));
        }
        self.error(error);
        Exit::Usage
    }

    /// A line on stderr.
    pub fn note(&self, text: &str) {
        let line = if self.json_logs {
            let now = chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
            serde_json::json!({ "timestamp": now, "level": "INFO", "fields": { "message": text } })
                .to_string()
        } else {
            printable(text)
        };
        self.bars.suspend(|| {
            let _ = writeln!(std::io::stderr().lock(), "{line}");
        });
    }
}

/// Hubs name files and write messages: what drives a terminal is escaped.
pub(super) fn printable(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_control() && c != '\n' {
                c.escape_unicode().to_string()
            } else {
                c.to_string()
            }
        })
        .collect()
}

/// A line cut to so many columns.
pub(super) fn clip(line: &str, columns: usize) -> String {
    console::truncate_str(line, columns, "…").into_owned()
}

/// A source text without whatever in it may be a secret.
pub(super) fn safe_source(source: &str) -> String {
    let quoted = modelferry_providers::source::quoted(source.trim());
    quoted.trim_matches('`').to_owned()
}

/// A length for people.
pub(super) fn size(bytes: Option<u64>) -> String {
    bytes.map_or_else(|| "?".to_owned(), |bytes| HumanBytes(bytes).to_string())
}

/// What a hub's own scanners found, unless that is nothing.
pub(super) fn scan_line(scan: &HubScan) -> Option<String> {
    let word = match scan.verdict {
        ScanVerdict::Safe => return None,
        ScanVerdict::Suspicious => "suspicious",
        ScanVerdict::Danger => "dangerous",
        ScanVerdict::Pending => "not scanned yet",
        ScanVerdict::Unknown => "not scanned",
    };
    Some(format!("{} says: {word} ({})", scan.source, scan.detail))
}

/// What a file's headers say it is, on one line.
pub(super) fn facts_line(facts: &Facts) -> String {
    let parameters = facts
        .parameters
        .map(|number| format!("{} parameters", HumanCount(number)));
    let dtypes: Vec<&str> = facts.dtypes.keys().map(String::as_str).collect();
    let parts = [
        facts.model_type.map(|kind| kind.as_str().to_owned()),
        facts.architecture.clone(),
        facts.base_model.as_ref().map(|base| format!("for {base}")),
        parameters,
        (!dtypes.is_empty()).then(|| dtypes.join(" ")),
        facts.quantization.clone(),
        facts.rank.map(|rank| format!("rank {rank}")),
        facts.license.clone(),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// Where a file came from and who vouches for it, on one line.
pub(super) fn provenance_line(provenance: &Provenance) -> String {
    let mut parts = vec![format!("from {}", provenance.source)];
    parts.extend(provenance.stated.iter().map(|stated| {
        let (by, algorithm) = (stated.by.as_str(), &stated.algorithm);
        format!("{algorithm} by the {by}: {}", stated.value)
    }));
    if let Some(at) = &provenance.stored_at {
        let how = if provenance.reused {
            "held since"
        } else {
            "stored"
        };
        parts.push(format!("{how} {at}"));
    }
    parts.join(", ")
}

/// `1 file`, `2 files`.
pub(super) fn count(number: usize, noun: &str) -> String {
    if number == 1 {
        format!("1 {noun}")
    } else {
        format!("{number} {noun}s")
    }
}

struct BetweenBars(MultiProgress);

impl Write for BetweenBars {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.suspend(|| std::io::stderr().lock().write(bytes))
    }

    fn flush(&mut self) -> std::io::Result<()> {
        std::io::stderr().flush()
    }
}
