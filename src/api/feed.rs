//! `GET /v1/events`: all uploads of one owner, as they change.
//!
//! One task a process looks at the records, however many streams there are,
//! and none while nobody watches. An event says how an upload stands, so that
//! hearing one twice does no harm; its id is the time of the change, from which
//! a stream goes on after `Last-Event-ID`.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::{Stream, StreamExt, stream};
use serde_json::{Value, json};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::broadcast::{Receiver, Sender};

use super::Api;
use super::auth::{self, Caller};
use super::events::{KEEP_ALIVE, MOVING, RESTING, UNHEARD};
use super::problem::{Problem, ProblemBody};
use crate::error::Error;
use crate::records::{Change, Moving, Records, Signal, Since, wait_for};

/// The least between two looks: many changes at once are one look.
const PACE: Duration = Duration::from_millis(200);
/// A transaction may be seen so much later than the time it wrote down.
const OVERLAP: i64 = 5000;
/// Changes that are read at once, and told to a stream that comes back.
const MOST: u32 = 500;
/// Uploads under way whose progress is told.
const MOST_MOVING: u32 = 500;
/// Events that a slow stream may lag behind.
const BACKLOG: usize = 1024;

/// What is told to the streams of one owner.
#[derive(Debug)]
struct Told {
    owner: String,
    kind: &'static str,
    data: String,
    id: Option<i64>,
}

/// The one look of this process at what changes.
#[derive(Debug)]
pub(super) struct Feed {
    sender: Sender<Arc<Told>>,
    running: Mutex<bool>,
}

impl Default for Feed {
    fn default() -> Self {
        Self {
            sender: Sender::new(BACKLOG),
            running: Mutex::new(false),
        }
    }
}

impl Feed {
    /// Hears what is told from now on.
    fn subscribe(self: &Arc<Self>, records: &Records) -> Receiver<Arc<Told>> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let receiver = self.sender.subscribe();
        if !std::mem::replace(&mut *running, true) {
            let watch = Watch::new(records.clone(), self.clone());
            tokio::spawn(watch.run());
        }
        receiver
    }

    /// Whether nobody listens any more; whoever comes next starts anew.
    fn may_rest(&self) -> bool {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if self.sender.receiver_count() > 0 {
            return false;
        }
        *running = false;
        true
    }
}

struct Watch {
    records: Records,
    feed: Arc<Feed>,
    signals: Receiver<Signal>,
    cursor: i64,
    /// What was told of each upload that changed within the overlap.
    told: HashMap<String, (i64, String)>,
    moving: HashMap<String, Moving>,
}

impl Watch {
    fn new(records: Records, feed: Arc<Feed>) -> Self {
        Self {
            signals: records.signals(),
            cursor: records.clock(),
            records,
            feed,
            told: HashMap::new(),
            moving: HashMap::new(),
        }
    }

    async fn run(mut self) {
        while !self.feed.may_rest() {
            if let Err(error) = self.look().await {
                tracing::warn!(%error, "the uploads could not be looked at");
            }
            tokio::time::sleep(PACE).await;
            self.wait().await;
        }
    }

    async fn look(&mut self) -> Result<(), Error> {
        let moving = self.records.moving(MOST_MOVING).await?;
        self.look_at_changes().await?;
        let mut now = HashMap::with_capacity(moving.len());
        for one in moving {
            let before = self.moving.get(&one.upload);
            if before != Some(&one) {
                let data = json!({
                    "uploadId": one.upload, "bytesDone": one.done_bytes, "bytesTotal": one.total_bytes,
                });
                self.tell(&one.owner, "progress", data.to_string(), None);
            }
            now.insert(one.upload.clone(), one);
        }
        self.moving = now;
        Ok(())
    }

    async fn look_at_changes(&mut self) -> Result<(), Error> {
        let mut since = Since {
            at: self.cursor - OVERLAP,
            id: String::new(),
        };
        loop {
            let changes = self.records.changes(&since, MOST).await?;
            let full = changes.len() == MOST as usize;
            for change in changes {
                since = Since {
                    at: change.at,
                    id: change.upload.id.clone(),
                };
                self.cursor = self.cursor.max(change.at);
                let data = shown(&change);
                let known = self.told.get(&change.upload.id);
                if known.is_none_or(|(_, before)| *before != data) {
                    self.tell(
                        &change.upload.owner_id,
                        "upload",
                        data.clone(),
                        Some(change.at),
                    );
                    self.told.insert(change.upload.id, (change.at, data));
                }
            }
            if !full {
                break;
            }
        }
        let oldest = self.cursor - OVERLAP;
        self.told.retain(|_, (at, _)| *at >= oldest);
        Ok(())
    }

    fn tell(&self, owner: &str, kind: &'static str, data: String, id: Option<i64>) {
        // Fails only when the last listener has just gone.
        let _ = self.feed.sender.send(Arc::new(Told {
            owner: owner.to_owned(),
            kind,
            data,
            id,
        }));
    }

    /// Returns when it is time to look again.
    async fn wait(&mut self) {
        let wait = if !self.moving.is_empty() {
            MOVING
        } else if self.records.hears_others() {
            RESTING
        } else {
            UNHEARD
        };
        let wait = wait.saturating_sub(PACE);
        wait_for(&mut self.signals, wait, |signal| {
            *signal != Signal::Deliveries
        })
        .await;
    }
}

fn shown(change: &Change) -> String {
    let error = change
        .error
        .as_ref()
        .map(|error| json!({ "code": error.code, "message": error.message, "hint": error.hint }));
    json!({ "upload": change.upload, "error": error }).to_string()
}

/// Follows all uploads of the key's owner.
///
/// `ready` comes first: what is listed after it is not missed. `upload` says
/// how one stands since it was made or moved, `progress` how far one under way
/// is, and `reset` that too much happened to tell: list them again.
#[utoipa::path(
    get, path = "/v1/events", params(("Last-Event-ID" = Option<i64>, Header)),
    responses((status = 200, content_type = "text/event-stream", body = String), (status = "4XX", body = ProblemBody))
)]
pub(super) async fn stream(
    State(api): State<Api>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let records = api.ferry().records.clone();
    // Before the first look: what happens in between is not missed.
    let heard = api.feed().subscribe(&records);
    let last = headers
        .get("last-event-id")
        .and_then(|id| id.to_str().ok()?.parse::<i64>().ok());
    let before = catch_up(&records, &caller.owner, last).await?;
    let first = stream::iter(before.into_iter().map(Ok));
    let listener = Listener {
        heard,
        records,
        owner: caller.owner.clone(),
    };
    let closing = api.settings().closing.clone();
    let rest = stream::unfold(listener, move |mut listener| {
        let closing = closing.clone();
        async move {
            let event = closing.run_until_cancelled(listener.next()).await??;
            Some((Ok(event), listener))
        }
    });
    let events = first.chain(rest);
    let events = events.take_until(Box::pin(auth::revoked(api, caller)));
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

/// What a stream is told before anything new happens.
async fn catch_up(records: &Records, owner: &str, last: Option<i64>) -> Result<Vec<Event>, Error> {
    let now = records.clock();
    let ready = |id: i64| event("ready", "{}".to_owned(), Some(id));
    let mut events = Vec::new();
    match last {
        None => events.push(ready(now)),
        Some(last) => {
            events.push(ready(last));
            let changes = records
                .changes_of(owner, last.saturating_sub(OVERLAP), MOST)
                .await?;
            if changes.len() == MOST as usize {
                events.push(event("reset", "{}".to_owned(), Some(now)));
            } else {
                let told = changes
                    .iter()
                    .map(|c| event("upload", shown(c), Some(c.at)));
                events.extend(told);
            }
        }
    }
    for one in records.moving(MOST_MOVING).await? {
        if one.owner == owner {
            let data: Value = json!({
                "uploadId": one.upload, "bytesDone": one.done_bytes, "bytesTotal": one.total_bytes,
            });
            events.push(event("progress", data.to_string(), None));
        }
    }
    Ok(events)
}

struct Listener {
    heard: Receiver<Arc<Told>>,
    records: Records,
    owner: String,
}

impl Listener {
    async fn next(&mut self) -> Option<Event> {
        loop {
            match self.heard.recv().await {
                Ok(told) if told.owner == self.owner => {
                    return Some(event(told.kind, told.data.clone(), told.id));
                }
                Ok(_) => {}
                Err(RecvError::Lagged(_)) => {
                    let now = self.records.clock();
                    return Some(event("reset", "{}".to_owned(), Some(now)));
                }
                Err(RecvError::Closed) => return None,
            }
        }
    }
}

fn event(kind: &str, data: String, id: Option<i64>) -> Event {
    let event = Event::default().event(kind).data(data);
    match id {
        Some(id) => event.id(id.to_string()),
        None => event,
    }
}
