//! Many ranges of one file side by side, handed out in the file's order.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use super::allowance::Allowance;
use super::limits::Sharer;
use super::ranges::{Fetched, Lane, Memory, Open};
use super::reader::Reader;
use crate::error::{Error, Stop};

/// How often the bytes that came are looked at, while they decide about more
/// connections.
const LOOK: Duration = Duration::from_millis(20);

/// A part that is on its way.
type Due = oneshot::Receiver<Result<Fetched, Stop>>;

/// Hands out the ranges of one file. Memory is taken in the file's order, so
/// the part that is due next always has its own.
struct Crew {
    lane: Arc<Lane>,
    part: u64,
    total: u64,
    /// The first byte that nobody was sent for.
    next: u64,
    number: u32,
    allowance: Allowance,
    /// What this file may have on its way, in parts.
    window: Arc<Semaphore>,
    order: mpsc::UnboundedSender<Due>,
    running: JoinSet<Came>,
    _sharer: Sharer,
}

/// What came of one request.
struct Came {
    bytes: u64,
    began: Instant,
    is_whole: bool,
    pushed_back: bool,
}

/// One part that somebody is sent for.
struct Order {
    memory: Memory,
    size: u64,
    done: oneshot::Sender<Result<Fetched, Stop>>,
}

/// Many ranges at once, taken in order. The first answer's body is the first part.
pub fn side_by_side(
    lane: Arc<Lane>,
    number: u32,
    first: Open,
    memory: Memory,
    total: u64,
    part: u64,
) -> BoxStream<'static, Result<Fetched, Stop>> {
    let (order, due) = mpsc::unbounded_channel();
    let limits = &lane.engine.limits;
    let window = usize::try_from(limits.ahead() / part).unwrap_or(1).max(1);
    let mut crew = Crew {
        part,
        total,
        next: first.0.offset,
        number,
        allowance: Allowance::new(limits.lanes()),
        window: Arc::new(Semaphore::new(window)),
        order,
        running: JoinSet::new(),
        _sharer: limits.sharer(),
        lane,
    };
    crew.send_for(memory, 1, Some(first));
    let crew = AbortOnDropHandle::new(tokio::spawn(crew.run()));
    stream::unfold((due, crew), |(mut due, crew)| async move {
        let part = due.recv().await?;
        // A sender that is gone without a word has died.
        let part = part
            .await
            .unwrap_or_else(|error| Err(Error::internal("fetching", error).into()));
        Some((part, (due, crew)))
    })
    .boxed()
}

impl Crew {
    async fn run(mut self) {
        let mut hold: Option<BoxFuture<'static, Memory>> = None;
        loop {
            let may_start = self.next < self.total && self.running.len() < self.allowance.lanes();
            if !may_start && self.running.is_empty() {
                return;
            }
            if may_start && hold.is_none() {
                hold = Some(self.hold());
            }
            tokio::select! {
                biased;
                () = self.order.closed() => return,
                Some(came) = self.running.join_next() => self.learn(came.ok()),
                memory = wait(&mut hold), if may_start => {
                    hold = None;
                    let parts = self.parts_at_once();
                    self.send_for(memory, parts, None);
                }
                () = tokio::time::sleep(LOOK), if self.allowance.looks_at_bytes() => {
                    self.allowance.have_come(self.lane.tempo.so_far());
                }
            }
        }
    }

    /// Waits for the memory of the next part.
    fn hold(&self) -> BoxFuture<'static, Memory> {
        let limits = self.lane.engine.limits.clone();
        let window = self.window.clone();
        let size = self.part.min(self.total - self.next);
        Box::pin(async move {
            Memory {
                _file: window.acquire_owned().await.ok(),
                _process: limits.hold(size).await,
            }
        })
    }

    /// How many parts to ask for with one request: as many as leave memory for
    /// all connections that there may be, so that the way to the server and
    /// back counts for little. Towards the end fewer, so that all stay busy.
    fn parts_at_once(&self) -> u64 {
        let (lanes, most) = (self.allowance.lanes(), self.allowance.most());
        let may_grow = self.allowance.looks_at_bytes();
        let sharing = if may_grow { most } else { lanes } as u64;
        let share = self.lane.engine.limits.share() / sharing / self.part;
        let left = (self.total - self.next).div_ceil(self.part) / sharing / 2;
        share.min(left).max(1)
    }

    /// Sends somebody for the next parts: the first has its memory, the others
    /// come along if theirs can be had at once.
    fn send_for(&mut self, memory: Memory, parts: u64, open: Option<Open>) {
        let start = self.next;
        let number = self.number;
        let mut orders = Vec::new();
        let mut memory = Some(memory);
        while (orders.len() as u64) < parts && self.next < self.total {
            let size = self.part.min(self.total - self.next);
            let Some(memory) = memory.take().or_else(|| self.try_hold(size)) else {
                break;
            };
            let (done, due) = oneshot::channel();
            // Nobody listens any more: the crew is about to be told.
            let _ = self.order.send(due);
            orders.push(Order { memory, size, done });
            self.next += size;
            self.number = self.number.saturating_add(1);
        }
        let lane = self.lane.clone();
        let range = start..self.next;
        self.running.spawn(fetch(lane, number, range, orders, open));
    }

    fn try_hold(&self, size: u64) -> Option<Memory> {
        Some(Memory {
            _file: Some(self.window.clone().try_acquire_owned().ok()?),
            _process: self.lane.engine.limits.try_hold(size)?,
        })
    }

    fn learn(&mut self, came: Option<Came>) {
        let Some(came) = came else {
            return;
        };
        let so_far = self.lane.tempo.so_far();
        if came.pushed_back {
            self.allowance.pushed_back(so_far);
        }
        if came.is_whole {
            self.allowance.came(came.bytes, came.began, so_far);
        }
    }
}

/// The memory that is waited for; for ever, when none is.
async fn wait(hold: &mut Option<BoxFuture<'static, Memory>>) -> Memory {
    match hold {
        Some(hold) => hold.await,
        None => std::future::pending().await,
    }
}

/// Parts one after the other from one request, asked for again from where it
/// broke off.
async fn fetch(
    lane: Arc<Lane>,
    number: u32,
    range: Range<u64>,
    orders: Vec<Order>,
    open: Option<Open>,
) -> Came {
    let began = Instant::now();
    let mut reader = Reader::new(lane, range.start, Some(range.end), open);
    for (order, number) in orders.into_iter().zip(number..) {
        let offset = reader.at();
        let fetched = reader.read(order.size).await.map(|chunks| Fetched {
            number,
            offset,
            chunks,
            memory: order.memory,
        });
        let failed = fetched.is_err();
        if order.done.send(fetched).is_err() || failed {
            break;
        }
    }
    Came {
        bytes: reader.at() - range.start,
        began,
        is_whole: reader.at() == range.end,
        pushed_back: reader.was_pushed_back(),
    }
}
