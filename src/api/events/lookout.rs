//! One look at an upload serves all who follow it: a thousand streams ask the
//! database no more than one does.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use super::{MOVING, RESTING, UNHEARD};
use crate::error::{Code, Error};
use crate::records::{ArtifactRow, EventRow, Following, Glance, Records};

/// Looks a second at uploads that rest: beyond that each waits longer.
const LOOKS: usize = 500;
/// How long to leave a database alone that does not answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// How an upload stands, for all who follow it.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Standing {
    /// `None` before the first look.
    pub glance: Option<Glance>,
    /// Every row so far.
    pub events: Arc<Vec<EventRow>>,
    /// As they stood at the last look at them.
    pub files: Arc<Vec<ArtifactRow>>,
}

/// What a lookout has seen last.
#[derive(Debug, Clone)]
pub(super) enum Sight {
    /// Nothing yet.
    Coming,
    Here(Arc<Standing>),
    /// There is nothing to be seen any more.
    Gone,
}

/// Those who look, one an upload that is followed.
#[derive(Debug, Default)]
pub(in crate::api) struct Lookouts(Mutex<HashMap<String, Weak<Lookout>>>);

/// Looks at one upload for as long as somebody holds it.
#[derive(Debug)]
pub(super) struct Lookout {
    upload: String,
    of: Arc<Lookouts>,
    sight: watch::Receiver<Sight>,
    looking: AbortOnDropHandle<()>,
}

impl Lookouts {
    /// The one that looks at this upload.
    pub(super) fn at(self: &Arc<Self>, records: &Records, upload: &str) -> Arc<Lookout> {
        let mut lookouts = self.lock();
        // One that saw the end does not see that the upload is tried again.
        if let Some(lookout) = lookouts.get(upload).and_then(Weak::upgrade)
            && !lookout.looking.is_finished()
        {
            return lookout;
        }
        let (sender, sight) = watch::channel(Sight::Coming);
        let looking = Looking {
            records: records.clone(),
            // Before the first look: what happens in between is not missed.
            following: records.following(upload),
            upload: upload.to_owned(),
            sender,
            of: Arc::downgrade(self),
        };
        let lookout = Arc::new(Lookout {
            upload: upload.to_owned(),
            of: self.clone(),
            sight,
            looking: AbortOnDropHandle::new(tokio::spawn(looking.run())),
        });
        lookouts.insert(upload.to_owned(), Arc::downgrade(&lookout));
        lookout
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Weak<Lookout>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lookout {
    pub(super) fn sight(&self) -> watch::Receiver<Sight> {
        self.sight.clone()
    }
}

impl Drop for Lookout {
    fn drop(&mut self) {
        let mut lookouts = self.of.lock();
        // Another may look there since.
        if lookouts
            .get(&self.upload)
            .is_some_and(|it| it.strong_count() == 0)
        {
            lookouts.remove(&self.upload);
        }
    }
}

struct Looking {
    records: Records,
    following: Following,
    upload: String,
    sender: watch::Sender<Sight>,
    of: Weak<Lookouts>,
}

impl Looking {
    async fn run(mut self) {
        let mut last = Arc::new(Standing::default());
        loop {
            // In a box for as long as it takes: thousands wait, and few look.
            match self.look(&last).boxed().await {
                Ok(now) => {
                    let (glance, is_new) = (now.glance, now != *last);
                    if is_new {
                        last = Arc::new(now);
                        self.sender.send_replace(Sight::Here(last.clone()));
                    }
                    if glance.is_some_and(|glance| glance.status.is_terminal()) {
                        return;
                    }
                    self.wait(glance.is_some_and(|glance| glance.is_worked_on))
                        .await;
                }
                Err(error) if error.code == Code::NotFound => {
                    self.sender.send_replace(Sight::Gone);
                    return;
                }
                Err(error) => {
                    tracing::warn!(upload = %self.upload, %error, "followers of an upload wait");
                    tokio::time::sleep(PATIENCE).await;
                }
            }
        }
    }

    /// Gathers what is new. The glance is first: when it says that all is
    /// over, every row is there.
    async fn look(&self, last: &Standing) -> Result<Standing, Error> {
        let glance = self.records.glance(&self.upload).await?;
        let mut events = last.events.clone();
        let seq = events.last().map_or(0, |row| row.seq);
        let new = self.records.events_after(&self.upload, seq).await?;
        if !new.is_empty() {
            Arc::make_mut(&mut events).extend(new);
        }
        // Files change only while somebody works, or for one that comes late.
        let is_quiet = !glance.is_worked_on && !glance.status.is_terminal();
        let files = if is_quiet && last.glance.is_some() {
            last.files.clone()
        } else {
            Arc::new(self.records.artifacts(&self.upload).await?)
        };
        Ok(Standing {
            glance: Some(glance),
            events,
            files,
        })
    }

    /// Returns when it is time to look again.
    async fn wait(&mut self, is_worked_on: bool) {
        let wait = if is_worked_on {
            MOVING
        } else {
            let least = if self.records.hears_others() {
                RESTING
            } else {
                UNHEARD
            };
            let others = self.of.upgrade().map_or(0, |of| of.lock().len());
            scattered(least.max(Duration::from_millis((others * 1000 / LOOKS) as u64)))
        };
        // Time is up: that is the other way to return.
        let _ = tokio::time::timeout(wait, self.following.next()).await;
        if is_worked_on {
            // Many changes in a row are one look.
            tokio::time::sleep(MOVING / 10).await;
        }
    }
}

/// Thousands that began at once do not look at once for ever.
fn scattered(wait: Duration) -> Duration {
    let share = f64::from(Uuid::new_v4().as_bytes()[0]) / 256.0;
    wait.mul_f64(0.75 + share / 2.0)
}
