//! `gc`

use serde::Serialize;

use super::output::{Output, count, size};
use super::session::Session;
use super::{Exit, GcArgs};
use crate::config::Config;
use crate::error::{Error, Stop};
use crate::gc::{Collector, Garbage};
use crate::storage::StorageKey;

/// One thing, for programs.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ShownGarbage {
    #[serde(rename = "type")]
    kind: &'static str,
    name: String,
    size: Option<u64>,
    removed: bool,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    #[serde(rename = "type")]
    kind: &'static str,
    dry_run: bool,
    blobs: usize,
    bytes: u64,
    staged: usize,
    unfinished: usize,
    manifests: usize,
}

impl ShownGarbage {
    fn new(garbage: &Garbage, removed: bool) -> Self {
        let (kind, name, size) = match garbage {
            Garbage::Blob { sha256, size } => {
                ("blob", StorageKey::Blob(*sha256).object_name(), Some(*size))
            }
            Garbage::Staged { upload } => ("staged", upload.clone(), None),
            Garbage::Unfinished { name } => ("unfinished", name.clone(), None),
            Garbage::Manifest { entity } => ("manifest", entity.clone(), None),
        };
        Self {
            kind,
            name,
            size,
            removed,
        }
    }
}

impl Summary {
    fn add(&mut self, garbage: &Garbage) {
        match garbage {
            Garbage::Blob { size, .. } => {
                self.blobs += 1;
                self.bytes += size;
            }
            Garbage::Staged { .. } => self.staged += 1,
            Garbage::Unfinished { .. } => self.unfinished += 1,
            Garbage::Manifest { .. } => self.manifests += 1,
        }
    }

    fn text(&self) -> String {
        let verb = if self.dry_run {
            "would remove"
        } else {
            "removed"
        };
        format!(
            "{verb} {} ({}), staged bytes of {}, {}, {}",
            count(self.blobs, "blob"),
            size(Some(self.bytes)),
            count(self.staged, "upload"),
            count(self.unfinished, "unfinished transfer"),
            count(self.manifests, "manifest"),
        )
    }
}

pub(super) async fn run(output: &Output, config: &Config, args: &GcArgs) -> Result<Exit, Error> {
    let session = Session::open(config).await?;
    let mut summary = Summary {
        kind: "summary",
        dry_run: args.dry_run,
        ..Summary::default()
    };
    let collector = Collector {
        records: &session.ferry.records,
        storage: &*session.ferry.storage,
        worker: session.worker.id(),
        abandoned_after: config.abandoned_after,
        dry_run: args.dry_run,
        cancel: &session.cancel,
    };
    let mut report = |garbage: &Garbage| {
        summary.add(garbage);
        let shown = ShownGarbage::new(garbage, !args.dry_run);
        if output.json {
            output.json_line(&shown);
        } else {
            let bytes = shown
                .size
                .map_or_else(String::new, |bytes| size(Some(bytes)));
            output.line(&format!("{:10}  {bytes:>11}  {}", shown.kind, shown.name));
        }
    };
    let outcome = collector.run(&mut report).await;
    if output.json {
        output.json_line(&summary);
    } else {
        output.line(&summary.text());
    }
    let exit = match outcome {
        Ok(()) => Exit::Done,
        Err(Stop::Interrupted | Stop::LeaseLost) => Exit::Interrupted,
        Err(Stop::Failed(error)) => {
            output.error(&error);
            Exit::Failed
        }
    };
    session.close().await;
    Ok(exit)
}
