//! `top` and `uploads watch`: what is under way, whichever process works on it.

mod screen;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use tokio_util::sync::CancellationToken;

use self::screen::Screen;
use super::output::{Output, clip, printable, size};
use super::uploads::summary;
use super::{Exit, session};
use crate::config::Config;
use crate::error::Error;
use crate::records::{Filter, Records};
use crate::request::LOCAL_OWNER;
use crate::upload::UploadStatus::{self, Failed, Pending, Validated, Validating};
use crate::upload::{ArtifactStatus, Upload};

/// How often the records are looked at.
const POLL: Duration = Duration::from_millis(500);
/// Uploads looked at; the rest wait their turn.
const MOST: u32 = 100;

/// How far one upload is.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Progress {
    id: String,
    file_name: String,
    status: UploadStatus,
    /// Whether somebody works on it right now; else it waits.
    running: bool,
    files_stored: usize,
    files: usize,
    bytes: u64,
    total_bytes: Option<u64>,
    error_message: Option<String>,
}

/// What was seen last, and where it is drawn.
struct View<'a> {
    output: &'a Output,
    seen: BTreeMap<String, Progress>,
    screen: Option<Screen>,
}

pub(super) async fn run(output: &Output, config: &Config, id: Option<&str>) -> Result<Exit, Error> {
    let records = session::open_records(config).await?;
    let cancel = CancellationToken::new();
    session::stop_on_signals(&cancel)?;
    let screen = output.shows_bars.then(|| Screen::new(&output.bars));
    let mut view = View {
        output,
        seen: BTreeMap::new(),
        screen,
    };
    let exit = loop {
        let under_way = match id {
            Some(id) => vec![records.get(LOCAL_OWNER, id).await?.upload],
            None => under_way(&records).await?,
        };
        view.update(&records, under_way).await?;
        if let Some(last) = id.and_then(|id| view.seen.get(id))
            && last.status.is_terminal()
        {
            break if last.status == Failed {
                Exit::Failed
            } else {
                Exit::Done
            };
        }
        tokio::select! {
            () = tokio::time::sleep(POLL) => {}
            () = cancel.cancelled() => break Exit::Done,
        }
    };
    drop(view);
    records.close().await;
    Ok(exit)
}

async fn under_way(records: &Records) -> Result<Vec<Upload>, Error> {
    let filter = Filter {
        statuses: vec![Pending, Validating, Validated],
        limit: MOST,
        ..Filter::default()
    };
    records.list(LOCAL_OWNER, &filter).await
}

impl View<'_> {
    async fn update(&mut self, records: &Records, mut uploads: Vec<Upload>) -> Result<(), Error> {
        // What was under way and is no longer has ended since.
        let open = self
            .seen
            .iter()
            .filter(|(_, last)| !last.status.is_terminal());
        for (id, _) in open {
            if !uploads.iter().any(|upload| upload.id == *id) {
                uploads.push(records.get(LOCAL_OWNER, id).await?.upload);
            }
        }
        for upload in uploads {
            let now = progress(records, &upload).await?;
            if self.seen.get(&upload.id) != Some(&now) {
                self.tell(&upload, &now);
            }
            self.seen.insert(upload.id, now);
        }
        if let Some(screen) = &mut self.screen {
            screen.draw(self.seen.values());
        }
        Ok(())
    }

    /// A line where there is none on the screen that changes.
    fn tell(&self, upload: &Upload, now: &Progress) {
        if self.output.json {
            self.output.json_line(now);
        } else if now.status.is_terminal() || self.screen.is_none() {
            self.line(summary(upload), short(now));
            if let Some(message) = &now.error_message {
                let message = format!("  {}", printable(message));
                self.line(message.clone(), message);
            }
        }
    }

    /// All of it, or what fits a line of the terminal.
    fn line(&self, whole: String, short: String) {
        let line = match self.output.columns {
            Some(columns) => clip(&short, columns),
            None => whole,
        };
        self.output.line(&line);
    }
}

fn short(upload: &Progress) -> String {
    let name = printable(&upload.file_name);
    format!(
        "{:10}  {:>11}  {name}",
        upload.status.as_str(),
        size(upload.total_bytes)
    )
}

async fn progress(records: &Records, upload: &Upload) -> Result<Progress, Error> {
    let glance = records.glance(&upload.id).await?;
    // What waits does not change: its files need not be counted again and again.
    let is_still = !glance.is_worked_on && !upload.status.is_terminal();
    let rows = if is_still {
        Vec::new()
    } else {
        records.artifacts(&upload.id).await?
    };
    let stored = rows
        .iter()
        .filter(|row| row.status == ArtifactStatus::Stored);
    let mut bytes: u64 = stored.clone().filter_map(|row| row.size).sum();
    let files_stored = stored.count();
    for row in rows
        .iter()
        .filter(|row| row.status == ArtifactStatus::Pending)
    {
        if let Some((checkpoint, _)) = records.checkpoint(&upload.id, row.position).await? {
            bytes += checkpoint["done"].as_u64().unwrap_or_default();
        }
    }
    Ok(Progress {
        id: upload.id.clone(),
        file_name: upload.file_name.clone(),
        status: upload.status,
        running: glance.is_worked_on,
        files_stored,
        files: rows.len(),
        bytes: bytes.max(glance.done_bytes),
        total_bytes: upload.file_size.and_then(|size| u64::try_from(size).ok()),
        error_message: upload.error_message.clone(),
    })
}
