//! `GET /v1/uploads/{id}/events`: server-sent events, from whichever process
//! the work is done in.
//!
//! Moves and warnings are rows in order; their place is the event's id, so a
//! stream goes on after `Last-Event-ID`. Progress and files are how things
//! stand, told when that changes.

mod lookout;

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use chrono::SecondsFormat;
use futures_util::{Stream, StreamExt, stream};
use serde_json::json;
use tokio::sync::watch;

use self::lookout::{Lookout, Sight, Standing};
use super::Api;
use super::auth::{self, Caller};
use super::metrics::OpenStream;
use super::problem::{Problem, ProblemBody};
use crate::records::Glance;
use crate::upload::ArtifactStatus;

pub(super) use self::lookout::Lookouts;

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
    let records = &api.ferry().records;
    records.get(&caller.owner, &id).await?;
    let last = headers
        .get("last-event-id")
        .and_then(|id| id.to_str().ok()?.parse().ok());
    let lookout = api.lookouts().at(records, &id);
    let watch = Watch {
        sight: lookout.sight(),
        _lookout: lookout,
        seq: last.unwrap_or(0),
        is_new: last.is_none(),
        told: None,
        files: HashMap::new(),
        ready: VecDeque::new(),
        ended: false,
        _open: api.meters().open_stream(),
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
    sight: watch::Receiver<Sight>,
    _lookout: Arc<Lookout>,
    seq: i64,
    is_new: bool,
    told: Option<Glance>,
    files: HashMap<u32, ArtifactStatus>,
    ready: VecDeque<Event>,
    ended: bool,
    _open: OpenStream,
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
            // What is not new is not looked at twice; the first look may be behind us.
            let sight = self.sight.borrow_and_update().clone();
            match sight {
                Sight::Here(standing) => self.tell_of(&standing),
                Sight::Gone => return None,
                Sight::Coming => {}
            }
            if self.ready.is_empty() && !self.ended {
                self.sight.changed().await.ok()?;
            }
        }
    }

    /// Tells what is new to this one.
    fn tell_of(&mut self, standing: &Standing) {
        let Some(now) = standing.glance else {
            return;
        };
        if std::mem::take(&mut self.is_new) {
            self.tell("status", &json!({ "status": "pending" }), Some(0));
        }
        self.tell_of_files(standing);
        let moved = self
            .told
            .is_none_or(|told| told.done_bytes != now.done_bytes);
        if moved && now.is_worked_on {
            let data = json!({ "bytesDone": now.done_bytes, "bytesTotal": now.total_bytes });
            self.tell("progress", &data, None);
        }
        let seen = self.seq;
        for row in standing.events.iter().filter(|row| row.seq > seen) {
            self.seq = row.seq;
            let mut data = row.data.clone();
            data["at"] = json!(row.at.to_rfc3339_opts(SecondsFormat::Millis, true));
            self.tell(&row.kind, &data, Some(row.seq));
        }
        self.told = Some(now);
        self.ended = now.status.is_terminal();
    }

    fn tell_of_files(&mut self, standing: &Standing) {
        for row in standing.files.iter() {
            let before = self.files.insert(row.position, row.status);
            if row.status != ArtifactStatus::Pending && before != Some(row.status) {
                let data = json!({
                    "path": row.path, "status": row.status, "size": row.size, "sha256": row.sha256,
                    "reused": row.reused, "bytesTransferred": row.bytes_transferred,
                });
                self.tell("artifact", &data, None);
            }
        }
    }

    fn tell(&mut self, kind: &str, data: &serde_json::Value, id: Option<i64>) {
        let mut event = Event::default().event(kind).data(data.to_string());
        if let Some(id) = id {
            event = event.id(id.to_string());
        }
        self.ready.push_back(event);
    }
}
