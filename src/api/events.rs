//! `GET /v1/uploads/{id}/events`: server-sent events, from whichever process
//! the work is done in.
//!
//! Moves and warnings are rows in order; their place is the event's id, so a
//! stream goes on after `Last-Event-ID`. Progress and files are how things
//! stand, told when that changes.

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use chrono::SecondsFormat;
use futures_util::{Stream, StreamExt, stream};
use serde_json::json;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::Api;
use super::auth::{self, Caller};
use super::problem::{Problem, ProblemBody};
use crate::error::Error;
use crate::records::{Glance, Records, Signal};
use crate::upload::ArtifactStatus;

/// Between looks while bytes move: twice a second.
pub(super) const MOVING: Duration = Duration::from_millis(500);
/// Between looks while nothing does, where signals tell of what others do.
pub(super) const RESTING: Duration = Duration::from_secs(10);
/// The same where they do not.
pub(super) const UNHEARD: Duration = Duration::from_secs(1);
/// Proxies cut what is silent for long.
pub(super) const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Follows an upload until it ends.
#[utoipa::path(
    get, path = "/v1/uploads/{id}/events", params(("id" = String, Path), ("Last-Event-ID" = Option<i64>, Header)),
    responses((status = 200, content_type = "text/event-stream", body = String), (status = "4XX", body = ProblemBody))
)]
pub(super) async fn stream(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let records = api.ferry().records.clone();
    // Before the first look: what happens in between is not missed.
    let signals = records.signals();
    records.get(&caller.owner, &id).await?;
    let last = headers
        .get("last-event-id")
        .and_then(|id| id.to_str().ok()?.parse().ok());
    let watch = Watch {
        records,
        id,
        signals,
        seq: last.unwrap_or(0),
        is_new: last.is_none(),
        told: None,
        files: HashMap::new(),
        ready: VecDeque::new(),
        ended: false,
    };
    let closing = api.settings().closing.clone();
    let events = stream::unfold(watch, move |mut watch| {
        let closing = closing.clone();
        async move {
            let next = closing.run_until_cancelled(watch.next()).await??;
            Some((Ok(next), watch))
        }
    });
    let events = events.take_until(Box::pin(auth::revoked(api, caller)));
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

/// One follower of one upload.
struct Watch {
    records: Records,
    id: String,
    signals: Receiver<Signal>,
    seq: i64,
    is_new: bool,
    told: Option<Glance>,
    files: HashMap<u32, ArtifactStatus>,
    ready: VecDeque<Event>,
    ended: bool,
}

impl Watch {
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            if self.ended {
                return None;
            }
            if let Err(error) = self.look().await {
                tracing::warn!(upload = %self.id, %error, "an event stream ends early");
                return None;
            }
            if self.ready.is_empty() && !self.ended {
                self.wait().await;
            }
        }
    }

    /// Gathers what is new. The standing is read first: when it says that all
    /// is over, every row is there.
    async fn look(&mut self) -> Result<(), Error> {
        let now = self.records.glance(&self.id).await?;
        if std::mem::take(&mut self.is_new) {
            self.tell("status", &json!({ "status": "pending" }), Some(0));
        }
        self.look_at_files(&now).await?;
        let moved = self
            .told
            .is_none_or(|told| told.done_bytes != now.done_bytes);
        if moved && now.is_worked_on {
            let data = json!({ "bytesDone": now.done_bytes, "bytesTotal": now.total_bytes });
            self.tell("progress", &data, None);
        }
        for row in self.records.events_after(&self.id, self.seq).await? {
            self.seq = row.seq;
            let mut data = row.data;
            data["at"] = json!(row.at.to_rfc3339_opts(SecondsFormat::Millis, true));
            self.tell(&row.kind, &data, Some(row.seq));
        }
        self.told = Some(now);
        self.ended = now.status.is_terminal();
        Ok(())
    }

    async fn look_at_files(&mut self, now: &Glance) -> Result<(), Error> {
        // Files change only while somebody works, or for one that comes late.
        if self.told.is_some() && !now.is_worked_on && !now.status.is_terminal() {
            return Ok(());
        }
        for row in self.records.artifacts(&self.id).await? {
            let before = self.files.insert(row.position, row.status);
            if row.status != ArtifactStatus::Pending && before != Some(row.status) {
                let data = json!({
                    "path": row.path, "status": row.status, "size": row.size, "sha256": row.sha256,
                    "reused": row.reused, "bytesTransferred": row.bytes_transferred,
                });
                self.tell("artifact", &data, None);
            }
        }
        Ok(())
    }

    fn tell(&mut self, kind: &str, data: &serde_json::Value, id: Option<i64>) {
        let mut event = Event::default().event(kind).data(data.to_string());
        if let Some(id) = id {
            event = event.id(id.to_string());
        }
        self.ready.push_back(event);
    }

    /// Returns when it is time to look again.
    async fn wait(&mut self) {
        let wait = if self.told.is_some_and(|told| told.is_worked_on) {
            MOVING
        } else if self.records.hears_others() {
            RESTING
        } else {
            UNHEARD
        };
        let (id, signals) = (&self.id, &mut self.signals);
        let heard = async {
            loop {
                match signals.recv().await {
                    Ok(Signal::Changed(changed)) if changed == *id => return,
                    Err(RecvError::Lagged(_)) => return,
                    Err(RecvError::Closed) => std::future::pending().await,
                    Ok(_) => {}
                }
            }
        };
        // Time is up: that is the other way to return.
        let _ = tokio::time::timeout(wait, heard).await;
    }
}
