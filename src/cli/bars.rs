//! One bar a running file, and one for all of them with rate and time left.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use indicatif::{MultiProgress, ProgressBar, ProgressState, ProgressStyle};

use super::output::printable;
use crate::progress::{Event, Observer};

/// Files shown at once; the rest only count in the total.
const SHOWN: usize = 12;

/// A file or a source on its way.
pub(super) const FILE: &str = "  {msg:28!} {wide_bar} {bytes:>11} / {total_bytes:11}";

/// A file or a source where a line has little room.
pub(super) const NARROW: &str = "  {wide_msg} {bytes:>11}";

/// The same before its length is known, or where nobody knows it.
pub(super) const UNSIZED: &str = "  {msg:28!} {bytes:>11}";

/// Draws one upload's progress.
#[derive(Debug)]
pub(super) struct Bars {
    screen: MultiProgress,
    total: ProgressBar,
    files: Mutex<Files>,
}

#[derive(Debug, Default)]
struct Files {
    paths: Vec<String>,
    running: HashMap<u32, ProgressBar>,
    stored: usize,
}

impl Bars {
    pub fn new(screen: &MultiProgress, source: &str) -> Self {
        let template = Widths::now().choose(
            "{msg:30!} {wide_bar} {bytes:>11} / {total_bytes:11} {bytes_per_sec:>12} {eta:>4}",
            "{wide_msg} {percent:>3}% {bytes_per_sec:>12} {eta:>4}",
        );
        let total = screen.add(ProgressBar::new(0).with_style(style(template)));
        total.set_message(printable(source));
        Self {
            screen: screen.clone(),
            total,
            files: Mutex::default(),
        }
    }

    fn begin(&self, index: u32, total: Option<u64>, done: u64) {
        let mut files = self.files();
        self.total.inc(done);
        self.total.reset_eta();
        if files.running.len() >= SHOWN {
            return;
        }
        let name = files.paths.get(index as usize).cloned().unwrap_or_default();
        let (bar, wide) = match total {
            Some(total) => (ProgressBar::new(total), FILE),
            None => (ProgressBar::no_length(), UNSIZED),
        };
        let bar = self.screen.insert_before(
            &self.total,
            bar.with_style(style(Widths::now().choose(wide, NARROW))),
        );
        bar.set_message(printable(&name));
        bar.set_position(done);
        if let Some(old) = files.running.insert(index, bar) {
            // A file that starts over takes back what it had counted.
            self.total.dec(old.position().min(self.total.position()));
            old.finish_and_clear();
        }
    }

    fn received(&self, index: u32, bytes: u64) {
        self.total.inc(bytes);
        if let Some(bar) = self.files().running.get(&index) {
            bar.inc(bytes);
        }
    }

    fn stored(&self, index: u32, reused: Option<u64>) {
        let mut files = self.files();
        files.stored += 1;
        if let Some(bytes) = reused {
            self.total.inc(bytes);
            self.total.reset_eta();
        }
        if let Some(bar) = files.running.remove(&index) {
            bar.finish_and_clear();
        }
    }

    fn files(&self) -> std::sync::MutexGuard<'_, Files> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Bars {
    fn event(&self, event: &Event<'_>) {
        match event {
            Event::Planned(plan) => {
                self.files().paths = plan
                    .artifacts
                    .iter()
                    .map(|artifact| artifact.path.to_string())
                    .collect();
                let sizes = plan
                    .artifacts
                    .iter()
                    .filter_map(|artifact| artifact.size.approximate());
                self.total.set_length(sizes.fold(0, u64::saturating_add));
            }
            Event::Begins { index, total, done } => self.begin(*index, *total, *done),
            Event::Received { index, bytes } => self.received(*index, *bytes),
            Event::Stored { index, stored } => {
                self.stored(*index, stored.reused.then_some(stored.size))
            }
            Event::Status(_) | Event::Warning { .. } | Event::Failed { .. } => {}
        }
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        for (_, bar) in self.files().running.drain() {
            bar.finish_and_clear();
        }
        self.total.finish_and_clear();
    }
}

/// How much room a line has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Widths {
    columns: u16,
}

impl Widths {
    /// The least columns that hold a bar between names and figures.
    const WIDE: u16 = 76;

    /// Of the terminal that bars are drawn on.
    pub fn now() -> Self {
        let (_, columns) = console::Term::stderr().size();
        Self { columns }
    }

    /// The first template where there is room for it, else the second.
    pub const fn choose<'a>(self, wide: &'a str, narrow: &'a str) -> &'a str {
        if self.columns >= Self::WIDE {
            wide
        } else {
            narrow
        }
    }
}

pub(super) fn style(template: &str) -> ProgressStyle {
    // The templates are literals of this file; a bad one shows the plain bar.
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .with_key("pace", |state: &ProgressState, to: &mut dyn fmt::Write| {
            // Drawing goes on without it where it can't be written.
            let _ = write!(to, "{:.0}/s", state.per_sec());
        })
        .progress_chars("━╸─")
}
