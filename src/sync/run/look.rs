//! One source of a run: compared with what is held, and imported where it is
//! new or changed.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use modelferry_providers::Plan;
use modelferry_providers::listing::Listed;

use super::counted::Counted;
use super::entries::Found;
use super::{Finding, Importing, Run, What};
use crate::crash;
use crate::error::{Code, Error, Stop};
use crate::progress::Observer;
use crate::records::{Named, SyncItem};
use crate::request::ImportRequest;
use crate::sync::held::Mark;
use crate::sync::source::shown;
use crate::worker::{Ended, Errand, Outcome, Terms};

/// The first wait after a hub said that it is asked too often, where it does
/// not say for how long; every further one is twice as long.
const FIRST_WAIT: Duration = Duration::from_secs(30);
/// How often one source is waited for.
const WAITS: u32 = 6;
/// The longest that a hub is waited for at its own word.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// A source under the eyes of a run.
struct Look<'f> {
    listed: &'f Listed,
    request: &'f ImportRequest,
    key: String,
    mark: Mark,
}

impl Run<'_> {
    /// What became of one source.
    pub(super) async fn look(&self, found: Found) -> Result<Finding, Stop> {
        if self.cancel.is_cancelled() || self.has_given_up.load(Ordering::Relaxed) {
            return Err(Stop::Interrupted);
        }
        let request = match &found.request {
            Ok(request) => request,
            Err(error) => return Ok(Finding::failed(named(&found.listed), error)),
        };
        let look = Look {
            listed: &found.listed,
            key: request.key(),
            request,
            mark: found.mark,
        };
        if let Some(finding) = self.known(&look).await? {
            return Ok(finding);
        }
        match &self.importing {
            None => self.foresee(&look).await,
            Some(importing) => self.import(importing, &look).await,
        }
    }

    /// What the list alone tells, where it tells enough.
    async fn known(&self, look: &Look<'_>) -> Result<Option<Finding>, Stop> {
        let Some(revision) = look.listed.revision.as_deref() else {
            return Ok(None);
        };
        if look.mark.is_at(revision, &look.key) {
            if let Some(size) = look.mark.too_large {
                let most = self.spec.filters.max_size;
                let is_still = most.is_some_and(|most| size > most);
                return Ok(is_still.then(|| look.finding(What::Unfit)));
            }
            self.back_again(look).await?;
            return Ok(Some(look.finding(What::Unchanged)));
        }
        if look.mark.is_held {
            return Ok(None);
        }
        let Some(upload) = self.is_imported(look, Some(revision)).await? else {
            return Ok(None);
        };
        if self.importing.is_some() && !self.ferry.records.share_upload(&upload).await? {
            return Ok(None);
        }
        self.note(look, Some(revision), Some(upload)).await?;
        Ok(Some(look.finding(What::Unchanged)))
    }

    /// The upload by which somebody imported this before the sync was made.
    async fn is_imported(
        &self,
        look: &Look<'_>,
        revision: Option<&str>,
    ) -> Result<Option<String>, Error> {
        let earlier = self.ferry.records.find_imported(look.request).await?;
        let is_at = |plan: &Plan| Some(plan.revision.as_str()) == revision;
        let earlier = earlier.filter(|earlier| earlier.plan.as_ref().is_some_and(is_at));
        Ok(earlier.map(|earlier| earlier.upload.id))
    }

    /// What was gone and is there again is no longer noted as gone.
    async fn back_again(&self, look: &Look<'_>) -> Result<(), Stop> {
        let (Some(importing), true) = (&self.importing, look.mark.is_missing) else {
            return Ok(());
        };
        let (records, subject) = (&self.ferry.records, &look.listed.subject);
        if let Some(known) = records.sync_item(&self.sync.id, subject).await? {
            let item = SyncItem {
                missing_since: None,
                ..known.item
            };
            self.noted(records.note_item(importing.claim, &item).await?);
        }
        Ok(())
    }

    async fn import(&self, importing: &Importing<'_>, look: &Look<'_>) -> Result<Finding, Stop> {
        let counted = Counted::new(self.watcher.observer(&look.listed.name));
        let mut wait = FIRST_WAIT;
        let mut attempt = 0;
        let ended = loop {
            let ended = self.errand(importing, look, counted.clone()).await;
            if rate_limit(&ended).is_none() || attempt == WAITS {
                break ended;
            }
            let asked = rate_limit(&ended).and_then(|error| error.retry_after);
            let pause = asked.unwrap_or(wait).min(LONGEST_WAIT);
            tracing::info!(source = %look.listed.subject, ?pause, "asked too often: waiting");
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.cancel.cancelled() => return Err(Stop::Interrupted),
            }
            (wait, attempt) = (wait * 2, attempt + 1);
        };
        match ended {
            Ok(ended) => self.ended(look, ended, counted.bytes()).await,
            Err(Stop::Failed(error)) => self.refused(look, error).await,
            Err(Stop::LeaseLost) if !self.cancel.is_cancelled() => {
                let error = Error::new(
                    Code::UpstreamError,
                    format!("another worker put {} back for later", look.listed.name),
                );
                let hint = "it goes on by itself; the next run sees what came of it";
                Ok(Finding::failed(named(look.listed), &error.hint(hint)))
            }
            Err(stop) => Err(stop),
        }
    }

    async fn errand(
        &self,
        importing: &Importing<'_>,
        look: &Look<'_>,
        observer: Arc<dyn Observer>,
    ) -> Result<Ended, Stop> {
        let most_bytes = self.spec.filters.max_size;
        let errand = Errand {
            request: look.request,
            shown: &look.listed.name,
            force: false,
            observer,
            cancel: &self.cancel,
            terms: Terms {
                most_bytes,
                leaves_no_refusal: true,
            },
        };
        importing.worker.import(&self.ferry, errand).await
    }

    async fn ended(&self, look: &Look<'_>, ended: Ended, came: u64) -> Result<Finding, Stop> {
        let made = ended.detail.as_ref().map(|detail| detail.upload.created_at);
        // What another worker carried out is known by its record alone.
        let bytes = match made {
            Some(made) if came == 0 && made >= self.begun => ended.bytes_moved(),
            _ => came,
        };
        let upload = ended.detail.as_ref().map(|detail| detail.upload.id.clone());
        if let Some(error) = ended.error.filter(|_| ended.outcome == Outcome::Failed) {
            let named = Named {
                upload_id: upload,
                ..named(look.listed)
            };
            let finding = Finding::failed(named, &error);
            return Ok(Finding { bytes, ..finding });
        }
        let plan = ended.detail.and_then(|detail| detail.plan);
        let revision = plan.map(|plan| plan.revision);
        let before = self
            .ferry
            .records
            .sync_item(&self.sync.id, &look.listed.subject)
            .await?;
        self.note(look, revision.as_deref(), upload.clone()).await?;
        let what = match ended.outcome {
            Outcome::Unchanged => What::Unchanged,
            _ if look.mark.is_held => What::Changed,
            _ => What::New,
        };
        let from = before.and_then(|known| known.item.revision);
        Ok(Finding {
            what,
            bytes,
            named: Named {
                revision,
                from: from.filter(|_| what == What::Changed),
                upload_id: upload,
                ..named(look.listed)
            },
        })
    }

    /// A source that could not be resolved, or comes to too much.
    async fn refused(&self, look: &Look<'_>, error: Error) -> Result<Finding, Stop> {
        match (error.code, self.spec.filters.max_size) {
            (Code::TooLarge, Some(most)) => {
                self.too_large(look, most).await?;
                Ok(look.finding(What::Unfit))
            }
            (Code::NotFound, _) if look.mark.is_held => {
                self.with_held(|held| held.unsee(&look.listed.subject));
                Ok(look.finding(What::Unfit))
            }
            _ => Ok(Finding::failed(named(look.listed), &error)),
        }
    }

    /// What is too large at this revision is not asked for again.
    async fn too_large(&self, look: &Look<'_>, most: u64) -> Result<(), Stop> {
        let (Some(importing), false) = (&self.importing, look.mark.is_held) else {
            return Ok(());
        };
        let item = SyncItem {
            source: look.listed.subject.clone(),
            revision: look.listed.revision.clone(),
            request_key: Some(look.key.clone()),
            size: Some(most.saturating_add(1)),
            ..SyncItem::default()
        };
        let noted = self.ferry.records.note_item(importing.claim, &item).await?;
        self.noted(noted);
        Ok(())
    }

    async fn note(
        &self,
        look: &Look<'_>,
        revision: Option<&str>,
        upload: Option<String>,
    ) -> Result<(), Stop> {
        let Some(importing) = &self.importing else {
            return Ok(());
        };
        let item = SyncItem {
            source: look.listed.subject.clone(),
            revision: revision.map(str::to_owned),
            request_key: Some(look.key.clone()),
            upload_id: upload,
            ..SyncItem::default()
        };
        let noted = self.ferry.records.note_item(importing.claim, &item).await?;
        crash::point("sync-noted");
        self.noted(noted);
        Ok(())
    }

    /// Whoever lost the lease stops.
    fn noted(&self, is_held: bool) {
        if !is_held {
            self.cancel.cancel();
        }
    }

    /// What an import would find, for whoever only wants to know.
    async fn foresee(&self, look: &Look<'_>) -> Result<Finding, Stop> {
        let filters = &self.spec.filters;
        let mut revision = look.listed.revision.clone();
        if revision.is_none() || !filters.is_small_enough(look.listed) {
            let ferry = self.ferry.for_request(look.request).await?;
            let plan = match ferry.resolve(look.request).await {
                Ok(plan) => plan,
                Err(error) => return self.refused(look, error).await,
            };
            let terms = Terms {
                most_bytes: filters.max_size,
                ..Terms::default()
            };
            if terms.admit(&plan).is_err() {
                return Ok(look.finding(What::Unfit));
            }
            revision = Some(plan.revision);
        }
        let records = &self.ferry.records;
        let before = records
            .sync_item(&self.sync.id, &look.listed.subject)
            .await?;
        let before = before.filter(|known| known.is_held).map(|known| known.item);
        let what = match &before {
            None if self.is_imported(look, revision.as_deref()).await?.is_some() => What::Unchanged,
            None => What::New,
            Some(item)
                if item.revision == revision && item.request_key.as_ref() == Some(&look.key) =>
            {
                What::Unchanged
            }
            Some(_) => What::Changed,
        };
        let from = before.and_then(|item| item.revision);
        let named = Named {
            revision,
            from: from.filter(|_| what == What::Changed),
            ..named(look.listed)
        };
        Ok(Finding::of(what, named))
    }
}

impl Look<'_> {
    fn finding(&self, what: What) -> Finding {
        Finding::of(what, named(self.listed))
    }
}

/// That the hub asks to be left alone.
fn rate_limit(ended: &Result<Ended, Stop>) -> Option<&Error> {
    let error = match ended {
        Ok(ended) => ended.error.as_ref(),
        Err(Stop::Failed(error)) => Some(error),
        Err(_) => None,
    };
    error.filter(|error| error.code == Code::RateLimited)
}

fn named(listed: &Listed) -> Named {
    Named {
        source: shown(&listed.source),
        name: listed.name.clone(),
        revision: listed.revision.clone(),
        ..Named::default()
    }
}
