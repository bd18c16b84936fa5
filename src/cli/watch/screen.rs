//! What is under way, on a terminal: a bar for each that runs, a line for those
//! that wait, and one for the whole.

use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

use indicatif::{MultiProgress, ProgressBar};

use super::Progress;
use crate::cli::bars::{Widths, style};
use crate::cli::output::{printable, size};
use crate::upload::UploadStatus;

/// Uploads drawn at once.
const DRAWN: usize = 15;
/// Waiting ones that are named.
const NAMED: usize = 3;
/// How much of the rate is what came since the last look; the rest is older.
const FRESH: f64 = 0.3;

const NONE_WAITS: &str = "  next: nothing waits";

/// Everything that is drawn.
pub(super) struct Screen {
    bars: MultiProgress,
    whole: ProgressBar,
    queue: ProgressBar,
    running: BTreeMap<String, ProgressBar>,
    rate: Rate,
}

impl Screen {
    pub fn new(bars: &MultiProgress) -> Self {
        // An empty line would be counted as none when it is drawn over.
        let line = |text: &'static str| {
            let bar = ProgressBar::no_length().with_style(style("{wide_msg}"));
            bars.add(bar.with_message(text))
        };
        Self {
            bars: bars.clone(),
            queue: line(NONE_WAITS),
            whole: line("looking"),
            running: BTreeMap::new(),
            rate: Rate::default(),
        }
    }

    pub fn draw<'a>(&mut self, uploads: impl Iterator<Item = &'a Progress>) {
        let uploads: Vec<&Progress> = uploads.collect();
        let (running, waiting): (Vec<&Progress>, Vec<&Progress>) = uploads
            .iter()
            .filter(|upload| !upload.status.is_terminal())
            .partition(|upload| upload.running);
        self.rate.look(&uploads);
        self.whole
            .set_message(whole(&uploads, &running, &waiting, self.rate.bytes));
        self.queue.set_message(queue(&waiting));
        self.running.retain(|id, bar| {
            let stays = running.iter().any(|upload| upload.id == *id);
            if !stays {
                bar.finish_and_clear();
            }
            stays
        });
        for upload in running {
            self.draw_one(upload);
        }
    }

    fn draw_one(&mut self, upload: &Progress) {
        if !self.running.contains_key(&upload.id) {
            if self.running.len() >= DRAWN {
                return;
            }
            let template = Widths::now().choose(
                "  {msg:26!} {wide_bar} {bytes:>10} / {total_bytes:10} {bytes_per_sec:>12} {eta:>4}",
                "  {wide_msg} {bytes:>10} {eta:>4}",
            );
            let bar = ProgressBar::no_length()
                .with_style(style(template))
                .with_message(title(upload))
                .with_position(upload.bytes);
            bar.reset_eta();
            let bar = self.bars.insert_before(&self.queue, bar);
            self.running.insert(upload.id.clone(), bar);
        }
        if let Some(bar) = self.running.get(&upload.id) {
            if let Some(total) = upload.total_bytes {
                bar.set_length(total);
            }
            bar.set_position(upload.bytes);
            bar.set_message(title(upload));
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        for bar in self.running.values().chain([&self.whole, &self.queue]) {
            bar.finish_and_clear();
        }
    }
}

fn title(upload: &Progress) -> String {
    let name = printable(&upload.file_name);
    match upload.status {
        UploadStatus::Pending => name,
        // All bytes are here; what takes time is looking into them.
        _ => format!("{}: {name}", upload.status),
    }
}

/// `2 running, 14 waiting, 45.20 MiB/s; 3 imported, 1 failed`
fn whole(all: &[&Progress], running: &[&Progress], waiting: &[&Progress], rate: f64) -> String {
    let ended = |status: UploadStatus| all.iter().filter(|upload| upload.status == status).count();
    let failed = ended(UploadStatus::Failed);
    let good = ended(UploadStatus::Imported) + ended(UploadStatus::Complete);
    format!(
        "{} running, {} waiting, {}/s; {good} imported, {failed} failed",
        running.len(),
        waiting.len(),
        size(Some(rate as u64)),
    )
}

/// `  next: acme/tiny, acme/other and 12 more`
fn queue(waiting: &[&Progress]) -> String {
    // Ids grow with time: the first is the one that waits longest.
    let named: Vec<String> = waiting
        .iter()
        .take(NAMED)
        .map(|upload| printable(&upload.file_name))
        .collect();
    match waiting.len() {
        0 => NONE_WAITS.to_owned(),
        number if number > NAMED => {
            format!("  next: {} and {} more", named.join(", "), number - NAMED)
        }
        _ => format!("  next: {}", named.join(", ")),
    }
}

/// Bytes a second over all uploads, smoothed.
#[derive(Default)]
struct Rate {
    bytes: f64,
    last: Option<Instant>,
    seen: HashMap<String, u64>,
}

impl Rate {
    fn look(&mut self, uploads: &[&Progress]) {
        let mut more = 0;
        for upload in uploads {
            if let Some(before) = self.seen.insert(upload.id.clone(), upload.bytes) {
                more += upload.bytes.saturating_sub(before);
            }
        }
        let elapsed = self.last.replace(Instant::now()).map(|at| at.elapsed());
        if let Some(elapsed) = elapsed {
            let fresh = more as f64 / elapsed.as_secs_f64().max(0.001);
            self.bytes += (fresh - self.bytes) * FRESH;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upload(name: &str, running: bool, status: UploadStatus) -> Progress {
        Progress {
            id: name.to_owned(),
            file_name: name.to_owned(),
            status,
            running,
            files_stored: 0,
            files: 1,
            bytes: 0,
            total_bytes: None,
            error_message: None,
        }
    }

    #[test]
    fn the_first_line_counts_and_the_last_names_what_is_next() {
        let waiting: Vec<Progress> = ["a", "b", "c", "d", "e"]
            .map(|name| upload(name, false, UploadStatus::Pending))
            .into();
        let waiting: Vec<&Progress> = waiting.iter().collect();
        let running = upload("x", true, UploadStatus::Pending);
        let failed = upload("y", false, UploadStatus::Failed);
        let all: Vec<&Progress> = waiting.iter().copied().chain([&running, &failed]).collect();
        assert_eq!(
            whole(&all, &[&running], &waiting, 2.5 * 1024.0 * 1024.0),
            "1 running, 5 waiting, 2.50 MiB/s; 0 imported, 1 failed"
        );
        assert_eq!(queue(&waiting), "  next: a, b, c and 2 more");
        assert_eq!(queue(&waiting[..2]), "  next: a, b");
        assert_eq!(queue(&[]), NONE_WAITS);
    }

    /// What is on its way already when it is first seen did not come just now.
    #[test]
    fn the_rate_counts_what_came_while_it_was_watched() {
        let mut rate = Rate::default();
        let mut one = upload("x", true, UploadStatus::Pending);
        one.bytes = 1_000_000;
        rate.look(&[&one]);
        rate.look(&[&one]);
        assert!(rate.bytes < 1.0, "{}", rate.bytes);
        one.bytes = 9_000_000;
        rate.look(&[&one]);
        assert!(rate.bytes > 1.0);
    }
}
