//! A batch on a terminal: a bar a running source, and two lines for the whole.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use indicatif::{MultiProgress, ProgressBar};

use super::report::Tally;
use crate::cli::bars::style;
use crate::cli::output::printable;
use crate::progress::{Event, Observer};

/// Sources shown at once; the rest only count in the total.
const SHOWN: usize = 12;

/// Everything that is drawn.
#[derive(Debug)]
pub(super) struct Screen {
    bars: MultiProgress,
    sources: ProgressBar,
    bytes: ProgressBar,
    shown: Arc<AtomicUsize>,
}

impl Screen {
    pub fn new(bars: &MultiProgress, sources: usize) -> Self {
        let total = ProgressBar::new(sources as u64);
        let sources = bars.add(total.with_style(style(
            "{msg:30!} {wide_bar} {pos:>11} / {len:11} {per_sec:>12} {eta:>4}",
        )));
        sources.set_message("sources");
        let moved = ProgressBar::no_length();
        let bytes = bars.add(moved.with_style(style("{bytes} moved, {bytes_per_sec}{msg}")));
        Self {
            bars: bars.clone(),
            sources,
            bytes,
            shown: Arc::default(),
        }
    }

    /// Watches one more source.
    pub fn watch(&self, source: &str) -> Arc<dyn Observer> {
        let place = (self.shown.fetch_add(1, Ordering::Relaxed) < SHOWN).then(|| {
            let bar = ProgressBar::no_length().with_style(style(
                "  {msg:28!} {wide_bar} {bytes:>11} / {total_bytes:11}",
            ));
            let bar = self.bars.insert_before(&self.sources, bar);
            bar.set_message(printable(source));
            bar
        });
        Arc::new(SourceBar {
            place,
            bytes: self.bytes.clone(),
            shown: self.shown.clone(),
        })
    }

    /// One more source ended.
    pub fn advance(&self, tally: &Tally) {
        self.sources.set_position(tally.done() as u64);
        let (unchanged, failed) = (tally.unchanged, tally.failed);
        self.bytes
            .set_message(format!("; {unchanged} unchanged, {failed} failed"));
    }

    pub fn clear(&self) {
        self.sources.finish_and_clear();
        self.bytes.finish_and_clear();
    }
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
