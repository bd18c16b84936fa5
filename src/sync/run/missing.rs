//! What is held and no longer there upstream: said, kept, and removed only
//! where that was asked for, within its limits.

use chrono::Utc;

use super::{Finding, Run, Tally, What};
use crate::crash;
use crate::entity::unlink_library;
use crate::error::{Code, Error, Stop};
use crate::records::{KnownItem, Named, Pruned, SyncClaim, SyncItem};
use crate::storage::StorageKey;

/// Sources read at once.
const PAGE: u32 = 1000;

impl Run<'_> {
    /// Tells of everything that the list no longer names, once it was read to
    /// its end.
    pub(super) async fn missing(&self, tally: &mut Tally) -> Result<(), Stop> {
        let mut after = None;
        while let Some(page) = self.next_page(&mut after).await? {
            for known in page {
                if self.is_gone(&known) {
                    self.note_missing(tally, known).await?;
                }
            }
        }
        self.prune(tally).await
    }

    /// What is known of the sources after this one; `None` after the last.
    async fn next_page(&self, after: &mut Option<String>) -> Result<Option<Vec<KnownItem>>, Stop> {
        let records = &self.ferry.records;
        let page = records
            .sync_items(&self.sync.id, after.as_deref(), PAGE)
            .await?;
        let Some(last) = page.last() else {
            return Ok(None);
        };
        *after = Some(last.item.source.clone());
        Ok(Some(page))
    }

    fn is_gone(&self, known: &KnownItem) -> bool {
        known.is_held && !self.with_held(|held| held.has_seen(&known.item.source))
    }

    async fn note_missing(&self, tally: &mut Tally, known: KnownItem) -> Result<(), Stop> {
        self.count(tally, &Finding::of(What::Missing, named(&known.item)));
        let (Some(importing), None) = (&self.importing, known.item.missing_since) else {
            return Ok(());
        };
        let item = SyncItem {
            missing_since: Some(Utc::now()),
            ..known.item
        };
        let records = &self.ferry.records;
        if !records.note_item(importing.claim, &item).await? {
            return Err(Stop::LeaseLost);
        }
        Ok(())
    }

    async fn prune(&self, tally: &mut Tally) -> Result<(), Stop> {
        let Some(prune) = self.spec.prune.filter(|_| tally.counts.missing > 0) else {
            return Ok(());
        };
        let (missing, held) = (tally.counts.missing, self.with_held(|held| held.count()));
        if !prune.allows(missing, held) {
            return Err(Stop::Failed(too_much(
                missing,
                held,
                prune.limit,
                prune.percent,
            )));
        }
        let Some(importing) = &self.importing else {
            return Ok(());
        };
        let mut after = None;
        while let Some(page) = self.next_page(&mut after).await? {
            for known in page.iter().filter(|known| self.is_gone(known)) {
                self.prune_one(tally, importing.claim, known).await?;
            }
        }
        Ok(())
    }

    async fn prune_one(
        &self,
        tally: &mut Tally,
        claim: &SyncClaim,
        known: &KnownItem,
    ) -> Result<(), Stop> {
        if self.cancel.is_cancelled() {
            return Err(Stop::Interrupted);
        }
        let records = &self.ferry.records;
        match records.condemn_imports(claim, &known.item.source).await? {
            None => Err(Stop::LeaseLost),
            // Somebody else asked for the same: it is theirs now.
            Some(0) => Ok(()),
            Some(_) => {
                crash::point("sync-condemned");
                self.finish_pruning().await?;
                self.count(tally, &Finding::of(What::Pruned, named(&known.item)));
                Ok(())
            }
        }
    }

    /// Removes what is condemned, by this run or one that did not get to it.
    /// The manifest and the links go first: as long as the records know an
    /// upload, the next run can go on with it.
    pub(super) async fn finish_pruning(&self) -> Result<(), Stop> {
        let Some(importing) = &self.importing else {
            return Ok(());
        };
        for pruned in self.ferry.records.condemned_imports(&self.sync.id).await? {
            self.remove(&pruned).await?;
            crash::point("sync-unlinked");
            let records = &self.ferry.records;
            if !records
                .forget_import(importing.claim, &pruned.upload)
                .await?
            {
                return Err(Stop::LeaseLost);
            }
            tracing::info!(sync = %self.sync.id, upload = %pruned.upload, "pruned");
        }
        Ok(())
    }

    async fn remove(&self, pruned: &Pruned) -> Result<(), Stop> {
        let storage = &self.ferry.storage;
        if let (Some(plan), Some(root)) = (&pruned.plan, storage.local_root()) {
            let records = &self.ferry.records;
            let beside = records.plans_beside(&pruned.upload, plan).await?;
            unlink_library(root, plan, &beside).await?;
        }
        if let Some(entity) = &pruned.entity {
            let entity = entity.clone();
            storage.remove(&StorageKey::Manifest { entity }).await?;
        }
        Ok(())
    }
}

fn too_much(missing: u64, held: u64, limit: u32, percent: u8) -> Error {
    Error::new(
        Code::InvalidRequest,
        format!(
            "{missing} of {held} sources are gone upstream, more than pruning may remove at once \
             ({limit}, or {percent} %): nothing was removed"
        ),
    )
    .hint("if they are meant to go, raise --prune-limit and --prune-percent for a run; if not, see whether the hub shows its list")
}

fn named(item: &SyncItem) -> Named {
    Named {
        source: item.source.clone(),
        name: item.source.clone(),
        revision: item.revision.clone(),
        upload_id: item.upload_id.clone(),
        ..Named::default()
    }
}
