//! A batch on a terminal: a bar a running source, and three lines for the whole.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar};

use super::report::Tally;
use crate::cli::bars::{FILE, NARROW, UNSIZED, Widths, style};
use crate::cli::output::printable;
use crate::progress::{Event, Observer};

/// Sources shown at once; the rest only count in the total.
const SHOWN: usize = 12;

/// How often what is drawn is made good.
const TICK: Duration = Duration::from_millis(250);

/// Everything that is drawn.
#[derive(Debug)]
pub(super) struct Screen {
    bars: MultiProgress,
    sources: ProgressBar,
    bytes: ProgressBar,
    counts: ProgressBar,
    shown: Arc<AtomicUsize>,
    ended: Mutex<String>,
}

impl Screen {
    pub fn new(bars: &MultiProgress, sources: usize) -> Self {
        let widths = Widths::now();
        let total = ProgressBar::new(sources as u64);
        let sources = bars.add(total.with_style(style(widths.choose(
            "sources {wide_bar} {pos:>7} / {len:7} {pace:>7} {eta:>4} left",
            "{wide_bar} {pos} / {len} {eta:>4} left",
        ))));
        let line = |template| bars.add(ProgressBar::no_length().with_style(style(template)));
        let screen = Self {
            bars: bars.clone(),
            sources,
            bytes: line("{bytes} moved, {bytes_per_sec}"),
            counts: line("{wide_msg}"),
            shown: Arc::default(),
            ended: Mutex::new(told(&Tally::default())),
        };
        screen.count();
        // What changed last may come too soon after what was drawn before it.
        for bar in [&screen.sources, &screen.counts] {
            bar.enable_steady_tick(TICK);
        }
        screen
    }

    /// Watches one more source.
    pub fn watch(&self, source: &str) -> Arc<dyn Observer> {
        let place = (self.shown.fetch_add(1, Ordering::Relaxed) < SHOWN).then(|| {
            let template = Widths::now().choose(UNSIZED, NARROW);
            let bar = ProgressBar::no_length().with_style(style(template));
            let bar = self.bars.insert_before(&self.sources, bar);
            bar.set_message(printable(source));
            bar
        });
        self.count();
        Arc::new(SourceBar {
            place,
            bytes: self.bytes.clone(),
            shown: self.shown.clone(),
        })
    }

    /// One more source ended.
    pub fn advance(&self, tally: &Tally) {
        self.sources.set_position(tally.done() as u64);
        *self.ended.lock().unwrap_or_else(PoisonError::into_inner) = told(tally);
        self.count();
    }

    fn count(&self) {
        let running = self.shown.load(Ordering::Relaxed);
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        self.counts
            .set_message(format!("{ended}; {running} running"));
    }

    pub fn clear(&self) {
        self.sources.finish_and_clear();
        self.bytes.finish_and_clear();
        self.counts.finish_and_clear();
    }
}

fn told(tally: &Tally) -> String {
    format!(
        "{} imported, {} unchanged, {} failed",
        tally.imported, tally.unchanged, tally.failed
    )
}

/// One source on its way.
#[derive(Debug)]
struct SourceBar {
    place: Option<ProgressBar>,
    bytes: ProgressBar,
    shown: Arc<AtomicUsize>,
}

impl Observer for SourceBar {
    fn event(&self, event: &Event<'_>) {
        if let Event::Received { bytes, .. } = event {
            self.bytes.inc(*bytes);
        }
        let Some(bar) = &self.place else {
            return;
        };
        match event {
            Event::Planned(plan) => {
                let sizes = plan
                    .artifacts
                    .iter()
                    .filter_map(|artifact| artifact.size.approximate());
                bar.set_style(style(Widths::now().choose(FILE, NARROW)));
                bar.set_length(sizes.fold(0, u64::saturating_add));
            }
            Event::Begins { done, .. } => bar.inc(*done),
            Event::Received { bytes, .. } => bar.inc(*bytes),
            Event::Stored { stored, .. } if stored.reused => bar.inc(stored.size),
            _ => {}
        }
    }
}

impl Drop for SourceBar {
    fn drop(&mut self) {
        if let Some(bar) = &self.place {
            bar.finish_and_clear();
        }
        self.shown.fetch_sub(1, Ordering::Relaxed);
    }
}
