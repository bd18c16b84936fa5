//! The transfer: what the storage holds is taken, what another upload is
//! fetching is waited for, the rest is fetched.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::{FuturesOrdered, FuturesUnordered};
use modelferry_providers::{Artifact, Auth, Plan, Sha256};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::field::Empty;
use tracing::{Instrument, info_span};

use super::ledger::RecordsLedger;
use super::{Import, brought, held};
use crate::crash;
use crate::error::{Code, Error, Stop};
use crate::progress::{ArtifactMeter, Event};
use crate::records::Stored;
use crate::storage::ONE_PART;
use crate::transfer::{Job, Landed};
use crate::upload::Verification;

/// Large files of one upload that are on their way at once. Connections and
/// memory are bounded elsewhere.
const LARGE: usize = 8;
/// Small ones: most of their time they wait for the disk or the network.
const SMALL: usize = 48;
/// Files that are looked for in the storage at once.
const LOOKS: usize = 16;
/// Finished files that one transaction records.
const BATCH: usize = 256;
/// How often what another upload fetches is looked for.
const POLL: Duration = Duration::from_millis(250);

/// A content to fetch, and the files of the plan that have it.
struct Want {
    /// Names the content; `None` when nobody said what it will be.
    content: Option<String>,
    /// The first is fetched, the others share its blob.
    files: Vec<u32>,
}

/// Where finished files go to be recorded.
type Done = mpsc::UnboundedSender<(u32, Stored)>;

impl Import<'_> {
    /// Takes what the storage already holds. Returns what it does not.
    pub(super) async fn reuse(
        &self,
        plan: &Plan,
        refused: &HashSet<u32>,
    ) -> Result<Vec<u32>, Stop> {
        let rows = self.ferry.records.artifacts(self.claim.upload_id()).await?;
        let done = self.ferry.still_held(&rows).await?;
        let mut open = (0u32..)
            .zip(&plan.artifacts)
            .filter(|(index, _)| !done.contains(index) && !refused.contains(index));
        let (mut missing, mut found) = (Vec::new(), Vec::new());
        let mut looks = FuturesOrdered::new();
        loop {
            while looks.len() < LOOKS
                && let Some((index, artifact)) = open.next()
            {
                looks.push_back(self.find_held(index, artifact));
            }
            match looks.next().await.transpose()? {
                Some((index, Some(stored))) => found.push((index, stored)),
                Some((index, None)) => missing.push(index),
                None => break,
            }
        }
        self.keep(&found).await?;
        Ok(missing)
    }

    async fn find_held(
        &self,
        index: u32,
        artifact: &Artifact,
    ) -> Result<(u32, Option<Stored>), Stop> {
        let Some((sha256, size)) = self.ferry.held_blob(artifact).await? else {
            return Ok((index, None));
        };
        if self.claim.detail.plan.is_some() {
            // A worker that died right after publishing left the place it was staged at.
            self.ferry.storage.discard(&self.stage_name(index)).await?;
        }
        Ok((index, Some(taken(artifact, sha256, size))))
    }

    /// Moves what is missing, several files side by side. What another upload
    /// is fetching is waited for, and taken over when that one dies.
    pub(super) async fn transfer(&self, plan: &Plan, missing: Vec<u32>) -> Result<(), Stop> {
        if plan.artifacts.iter().any(brought::is_brought) {
            return self.adopt(plan, &missing).await;
        }
        self.check_space(plan, &missing).await?;
        let mut wanted = by_content(plan, missing);
        loop {
            let mine = self.reserve(&mut wanted).await?;
            if !mine.is_empty() {
                self.fetch_all(plan, mine).await?;
            }
            if wanted.is_empty() {
                return Ok(());
            }
            tokio::select! {
                () = self.cancel.cancelled() => return Err(Stop::Interrupted),
                () = tokio::time::sleep(POLL) => {}
            }
            wanted = self.take_published(plan, wanted).await?;
        }
    }

    /// What this upload may fetch now; the rest stays in `wanted`.
    async fn reserve(&self, wanted: &mut Vec<Want>) -> Result<Vec<Want>, Stop> {
        let contents: Vec<&str> = wanted
            .iter()
            .filter_map(|want| want.content.as_deref())
            .collect();
        let records = &self.ferry.records;
        let Some(gained) = records.reserve(self.claim, &contents).await? else {
            return Err(Stop::LeaseLost);
        };
        let is_mine = |want: &Want| {
            want.content
                .as_ref()
                .is_none_or(|content| gained.contains(content))
        };
        let (mine, others) = std::mem::take(wanted).into_iter().partition(is_mine);
        *wanted = others;
        Ok(mine)
    }

    /// Takes what others have published by now. Returns what they have not.
    async fn take_published(&self, plan: &Plan, wanted: Vec<Want>) -> Result<Vec<Want>, Stop> {
        let (mut left, mut found) = (Vec::new(), Vec::new());
        for want in wanted {
            let first = want.files.first().and_then(|index| artifact(plan, *index));
            let blob = match first {
                Some(artifact) => self.ferry.held_blob(artifact).await?,
                None => None,
            };
            let Some((sha256, size)) = blob else {
                left.push(want);
                continue;
            };
            for index in want.files {
                if let Some(artifact) = artifact(plan, index) {
                    found.push((index, taken(artifact, sha256, size)));
                }
            }
        }
        self.keep(&found).await?;
        Ok(left)
    }

    /// Fetches all of these, and records them as they come. The first failure
    /// stops the others, which keep what they have.
    async fn fetch_all(&self, plan: &Plan, mine: Vec<Want>) -> Result<(), Stop> {
        let auth = self.auth();
        let stop = self.cancel.child_token();
        let (done, mut finished) = mpsc::unbounded_channel();
        let (small, large): (Vec<Want>, Vec<Want>) =
            mine.into_iter().partition(|want| want.is_small(plan));
        let small = self.fetch_some(plan, small, SMALL, &auth, &stop, done.clone());
        let large = self.fetch_some(plan, large, LARGE, &auth, &stop, done);
        let fetched = async {
            let (small, large) = tokio::join!(small, large);
            match (small, large) {
                (Err(Stop::Interrupted), Err(cause)) => Err(cause),
                (small, large) => small.and(large),
            }
        };
        let recorded = async {
            let mut batch = Vec::new();
            while finished.recv_many(&mut batch, BATCH).await > 0 {
                self.keep(&batch).await?;
                batch.clear();
            }
            Ok(())
        };
        let mut recorded = std::pin::pin!(recorded);
        let mut fetched = std::pin::pin!(fetched);
        tokio::select! {
            outcome = &mut fetched => {
                recorded.await?;
                outcome
            }
            // It ends first only when the records can't be written.
            failed = &mut recorded => match failed {
                Ok(()) => fetched.await,
                Err(stop) => Err(stop),
            },
        }
    }

    /// Fetches these, so many at once. The first failure is the one that counts.
    async fn fetch_some(
        &self,
        plan: &Plan,
        wants: Vec<Want>,
        at_once: usize,
        auth: &Auth,
        stop: &CancellationToken,
        done: Done,
    ) -> Result<(), Stop> {
        let mut waiting = wants.into_iter();
        let mut running = FuturesUnordered::new();
        let mut first = Ok(());
        loop {
            while running.len() < at_once
                && let Some(want) = waiting.next()
            {
                running.push(self.fetch(plan, want, auth, stop, &done));
            }
            let Some(outcome) = running.next().await else {
                return first;
            };
            if outcome.is_err() {
                stop.cancel();
            }
            first = first.and(outcome);
        }
    }

    /// Fetches one content for every file that has it.
    async fn fetch(
        &self,
        plan: &Plan,
        want: Want,
        auth: &Auth,
        stop: &CancellationToken,
        done: &Done,
    ) -> Result<(), Stop> {
        let mut files = want.files.into_iter();
        let Some((index, first)) = files
            .next()
            .and_then(|index| Some((index, artifact(plan, index)?)))
        else {
            return Ok(());
        };
        let stored = self.fetch_one(index, first, auth, stop).await?;
        for index in files {
            if let Some(artifact) = artifact(plan, index) {
                // The receiver outlives every fetch.
                let _ = done.send((index, taken(artifact, stored.sha256, stored.size)));
            }
        }
        let _ = done.send((index, stored));
        Ok(())
    }

    async fn fetch_one(
        &self,
        index: u32,
        artifact: &Artifact,
        auth: &Auth,
        stop: &CancellationToken,
    ) -> Result<Stored, Stop> {
        if stop.is_cancelled() {
            return Err(Stop::Interrupted);
        }
        let ledger = RecordsLedger {
            records: &self.ferry.records,
            claim: self.claim,
            index,
        };
        let meter = Arc::new(ArtifactMeter::new(self.observer.clone(), index, artifact));
        let admits = |size| self.rules.admit_size(artifact.path.as_str(), size);
        let job = Job {
            artifact,
            auth,
            stage: self.stage_name(index),
            resume: ledger.load(artifact).await?,
            ledger: &ledger,
            meter: meter.clone(),
            admits: &admits,
            cancel: stop,
        };
        let span = info_span!(
            "transfer",
            path = artifact.path.as_str(),
            size = Empty,
            bytes = Empty
        );
        let run = self.ferry.engine.run(job).instrument(span.clone()).await;
        span.record("bytes", meter.received());
        match run {
            Ok(landed) => {
                span.record("size", landed.size);
                Ok(fetched(&landed, meter.received()))
            }
            Err(Stop::Failed(error)) => {
                let records = &self.ferry.records;
                held(
                    records
                        .blame(self.claim, index, error.code, meter.received())
                        .await?,
                )?;
                Err(Stop::Failed(error))
            }
            Err(early) => Err(early),
        }
    }

    /// Writes down that these files are stored.
    pub(super) async fn keep(&self, files: &[(u32, Stored)]) -> Result<(), Stop> {
        if files.is_empty() {
            return Ok(());
        }
        held(self.ferry.records.store_all(self.claim, files).await?)?;
        crash::point("stored");
        for (index, stored) in files {
            self.observer.event(&Event::Stored {
                index: *index,
                stored,
            });
        }
        Ok(())
    }

    /// Refuses what can't fit before the first byte of it moves.
    async fn check_space(&self, plan: &Plan, missing: &[u32]) -> Result<(), Stop> {
        let Some(free) = self.ferry.storage.free_space().await? else {
            return Ok(());
        };
        let needed: u64 = missing
            .iter()
            .filter_map(|index| plan.artifacts.get(*index as usize)?.size.approximate())
            .fold(0, u64::saturating_add);
        // What an earlier try staged is here already.
        let needed = needed.saturating_sub(self.staged_bytes().await);
        if needed <= free {
            return Ok(());
        }
        let message = format!(
            "{} needs {needed} bytes and the storage has {free} bytes free",
            plan.reference
        );
        Err(Error::new(Code::StorageFull, message).hint("free some space or set MODELFERRY_STORAGE to a larger place, then run the same command again").into())
    }
}

impl Want {
    fn is_small(&self, plan: &Plan) -> bool {
        let first = self.files.first().and_then(|index| artifact(plan, *index));
        first.is_some_and(|artifact| artifact.size.exact().is_some_and(|size| size <= ONE_PART))
    }
}

fn artifact(plan: &Plan, index: u32) -> Option<&Artifact> {
    plan.artifacts.get(index as usize)
}

/// The files that are to have the same content, together.
fn by_content(plan: &Plan, missing: Vec<u32>) -> Vec<Want> {
    let mut wanted: Vec<Want> = Vec::with_capacity(missing.len());
    let mut known: BTreeMap<String, usize> = BTreeMap::new();
    for index in missing {
        let content = artifact(plan, index).and_then(content);
        match content.as_ref().and_then(|content| known.get(content)) {
            Some(at) => wanted[*at].files.push(index),
            None => {
                if let Some(content) = &content {
                    known.insert(content.clone(), wanted.len());
                }
                wanted.push(Want {
                    content,
                    files: vec![index],
                });
            }
        }
    }
    wanted
}

/// The same for two files that are to have the same bytes.
fn content(artifact: &Artifact) -> Option<String> {
    let digests = &artifact.digests;
    match (digests.sha256, digests.git_sha1, artifact.size.exact()) {
        (Some(sha256), ..) => Some(format!("sha256:{sha256}")),
        (None, Some(git_sha1), Some(size)) => Some(format!("git-sha1:{git_sha1}:{size}")),
        _ => None,
    }
}

/// A file whose blob was there already.
fn taken(artifact: &Artifact, sha256: Sha256, size: u64) -> Stored {
    Stored {
        sha256,
        size,
        verification: if artifact.digests.sha256.is_some() {
            Verification::Sha256
        } else {
            Verification::GitSha1
        },
        bytes_transferred: 0,
        reused: true,
        repaired: false,
    }
}

fn fetched(landed: &Landed, bytes_transferred: u64) -> Stored {
    Stored {
        sha256: landed.sha256,
        size: landed.size,
        verification: landed.verification,
        bytes_transferred,
        reused: false,
        repaired: landed.repaired,
    }
}
