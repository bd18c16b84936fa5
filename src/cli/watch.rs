//! `uploads watch`: what is under way, whichever process works on it.

use std::collections::BTreeMap;
use std::time::Duration;

use indicatif::ProgressBar;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::bars::style;
use super::output::{Output, printable};
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
/// Uploads drawn at once.
const DRAWN: usize = 20;

/// How far one upload is.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Progress {
    id: String,
    file_name: String,
    status: UploadStatus,
    files_stored: usize,
    files: usize,
    bytes: u64,
    total_bytes: Option<u64>,
    error_message: Option<String>,
}

/// What was seen last, and what is drawn of it.
#[derive(Default)]
struct View {
    seen: BTreeMap<String, Progress>,
    bars: BTreeMap<String, ProgressBar>,
}

pub(super) async fn run(output: &Output, config: &Config, id: Option<&str>) -> Result<Exit, Error> {
    let records = session::open_records(config).await?;
    let cancel = CancellationToken::new();
    session::stop_on_signals(&cancel)?;
    let mut view = View::default();
    let exit = loop {
        let under_way = match id {
            Some(id) => vec![records.get(LOCAL_OWNER, id).await?.upload],
            None => under_way(&records).await?,
        };
        view.update(output, &records, under_way).await?;
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
    for bar in view.bars.values() {
        bar.finish_and_clear();
    }
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

impl View {
    async fn update(
        &mut self,
        output: &Output,
        records: &Records,
        mut uploads: Vec<Upload>,
    ) -> Result<(), Error> {
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
                self.show(output, &upload, &now);
            }
            self.seen.insert(upload.id, now);
        }
        Ok(())
    }

    fn show(&mut self, output: &Output, upload: &Upload, now: &Progress) {
        if output.json {
            output.json_line(now);
        } else if now.status.is_terminal() || !output.shows_bars {
            output.line(&summary(upload));
            if let Some(message) = &now.error_message {
                output.line(&format!("  {}", printable(message)));
            }
        }
        if now.status.is_terminal() {
            if let Some(bar) = self.bars.remove(&now.id) {
                bar.finish_and_clear();
            }
        } else if output.shows_bars {
            self.draw(output, now);
        }
    }

    fn draw(&mut self, output: &Output, now: &Progress) {
        if !self.bars.contains_key(&now.id) {
            if self.bars.len() >= DRAWN {
                return;
            }
            let bar = ProgressBar::no_length().with_style(style(
                "{msg:40!} {wide_bar} {bytes:>11} / {total_bytes:11} {bytes_per_sec:>12} {eta:>4}",
            ));
            bar.set_position(now.bytes);
            bar.reset_eta();
            self.bars.insert(now.id.clone(), output.bars.add(bar));
        }
        if let Some(bar) = self.bars.get(&now.id) {
            if let Some(total) = now.total_bytes {
                bar.set_length(total);
            }
            bar.set_message(format!("{:10}  {}", now.status, printable(&now.file_name)));
            bar.set_position(now.bytes);
        }
    }
}

async fn progress(records: &Records, upload: &Upload) -> Result<Progress, Error> {
    let rows = records.artifacts(&upload.id).await?;
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
        files_stored,
        files: rows.len(),
        bytes,
        total_bytes: upload.file_size.and_then(|size| u64::try_from(size).ok()),
        error_message: upload.error_message.clone(),
    })
}
