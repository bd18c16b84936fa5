//! A file at its source, read here and there as if it were local.

use std::future::Future;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use modelferry_providers::{Artifact, Auth, Body, ByteRange, ProviderError, Validator};
use tokio::runtime::Handle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::transfer::{Drip, Engine, Patience};

const KIB: u64 = 1024;
/// The first range: most headers that fail do so within it.
const FIRST: u64 = 64 * KIB;
/// A range at a place that was jumped to.
const JUMP: u64 = 16 * KIB;
/// Reading on, ranges grow up to this.
const LONGEST: u64 = 1024 * KIB;
/// How much of the beginning is kept, to be judged when the look breaks off.
const PREFIX: usize = 256 * 1024;
/// How many of the engine's windows all ranges of one look may take together.
const WINDOWS: u32 = 2;

/// How long one look may take.
pub(super) fn longest(engine: &Engine) -> Duration {
    engine.patience.window * WINDOWS
}

/// What one look may cost.
#[derive(Debug, Clone, Copy)]
pub(super) struct Budget {
    bytes: u64,
    requests: u32,
}

impl Budget {
    /// Enough for the headers of nearly all real files, and little beside the
    /// whole: a GGUF tokenizer has up to 10 MB, a large safetensors header 5.
    pub(super) fn for_length(length: Option<u64>) -> Self {
        let share = length.unwrap_or(0) / 4;
        Self {
            bytes: share.clamp(512 * KIB, 16 * 1024 * KIB),
            requests: 24,
        }
    }
}

/// [`Read`] and [`Seek`] over ranges of one file. Blocks: use it off the async
/// runtime.
pub(super) struct Remote {
    engine: Engine,
    artifact: Artifact,
    auth: Auth,
    cancel: CancellationToken,
    runtime: Handle,
    deadline: Instant,
    left: Budget,
    fetched: u64,
    total: Option<u64>,
    validator: Option<Validator>,
    prefix: Vec<u8>,
    /// Where the next read starts.
    at: u64,
    window: Bytes,
    window_start: u64,
    /// How long the next range is, while reading on.
    stride: u64,
    /// Whether every range asked for was had.
    is_sound: bool,
}

impl Remote {
    /// Fetches the first bytes. `None` when they can't be had.
    pub(super) async fn open(
        engine: &Engine,
        artifact: &Artifact,
        auth: &Auth,
        budget: Budget,
        cancel: &CancellationToken,
    ) -> Option<Self> {
        let mut remote = Self {
            engine: engine.clone(),
            artifact: artifact.clone(),
            auth: auth.clone(),
            cancel: cancel.clone(),
            runtime: Handle::current(),
            deadline: Instant::now() + longest(engine),
            left: budget,
            fetched: 0,
            total: artifact.size.exact(),
            validator: None,
            prefix: Vec::new(),
            at: 0,
            window: Bytes::new(),
            window_start: 0,
            stride: FIRST,
            is_sound: true,
        };
        let end = remote.total.map_or(FIRST, |total| total.min(FIRST));
        let (body, bytes) = remote.range(0, end).await.ok()?;
        let stated = remote.total;
        remote.total = body.total.or(stated);
        remote.validator = body.validator;
        // Another length than the hub stated is the transfer's to report, and a
        // server that sends all of it when asked for a part has no headers to jump to.
        let is_other = stated.is_some() && remote.total != stated;
        let is_ranged = body.end.is_some_and(|at| at <= end) || remote.total == Some(end);
        if is_other || !is_ranged {
            remote.total = None;
        }
        remote.hold(0, bytes);
        Some(remote)
    }

    /// The file's length, where ranges of it can be had.
    pub(super) fn total(&self) -> Option<u64> {
        self.total
    }

    /// Bytes that came over the wire.
    pub(super) fn fetched(&self) -> u64 {
        self.fetched
    }

    /// Whether the reader saw the file as it is, as far as it looked.
    pub(super) fn is_sound(&self) -> bool {
        self.is_sound
    }

    /// The bytes from the beginning on, up to a bound.
    pub(super) fn prefix(&self) -> &[u8] {
        &self.prefix
    }

    /// Asks for `start..end` and takes no more than that.
    async fn range(&mut self, start: u64, end: u64) -> Result<(Meta, Bytes), Why> {
        let wanted = ByteRange {
            start,
            end: Some(end),
            validator: self.validator.clone(),
        };
        let _connection = self.engine.limits.connect(&self.artifact.origin).await;
        let provider = self.engine.providers.of(self.artifact.origin.provider());
        let body = provider.open(&self.artifact, &wanted, &self.auth).await?;
        if body.offset != start {
            return Err(Why::NoRanges);
        }
        let meta = Meta {
            end: body.end,
            total: body.total,
            validator: body.validator.clone(),
        };
        let patience = &self.engine.patience;
        let bytes = collect(body, end - start, patience, &mut self.fetched).await?;
        self.engine.limits.pace.spend(bytes.len() as u64).await;
        Ok((meta, bytes))
    }

    /// Fetches the range that holds `self.at`, within the budget. Blocks.
    fn fetch(&mut self, total: u64) -> Result<(), Why> {
        let (start, runtime) = (self.at, self.runtime.clone());
        let reads_on = start == self.window_start + self.window.len() as u64;
        self.stride = if reads_on {
            (self.stride * 2).min(LONGEST)
        } else {
            JUMP
        };
        let end = (start + self.stride).min(total);
        if self.left.requests == 0 || self.left.bytes < end - start {
            return Err(Why::Spent);
        }
        self.left.requests -= 1;
        self.left.bytes -= end - start;
        let (deadline, cancel) = (self.deadline, self.cancel.clone());
        let (_, bytes) = runtime.block_on(within(deadline, &cancel, self.range(start, end)))?;
        if bytes.is_empty() {
            return Err(Why::NoRanges);
        }
        self.hold(start, bytes);
        Ok(())
    }

    fn hold(&mut self, start: u64, bytes: Bytes) {
        if start == self.prefix.len() as u64 {
            let room = PREFIX.saturating_sub(self.prefix.len()).min(bytes.len());
            self.prefix.extend_from_slice(&bytes[..room]);
        }
        self.window_start = start;
        self.window = bytes;
    }

    fn in_window(&self) -> &[u8] {
        self.at
            .checked_sub(self.window_start)
            .and_then(|skip| self.window.get(usize::try_from(skip).ok()?..))
            .unwrap_or_default()
    }
}

impl Read for Remote {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let total = self.total.unwrap_or(0);
        if self.at >= total || into.is_empty() {
            return Ok(0);
        }
        if self.in_window().is_empty()
            && let Err(why) = self.fetch(total)
        {
            self.is_sound = false;
            return Err(io::Error::other(why));
        }
        let held = self.in_window();
        let n = held.len().min(into.len());
        into[..n].copy_from_slice(&held[..n]);
        self.at += n as u64;
        Ok(n)
    }
}

impl Seek for Remote {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let from = |base: u64, by: i64| {
            base.checked_add_signed(by)
                .ok_or_else(|| io::Error::from(ErrorKind::InvalidInput))
        };
        self.at = match to {
            SeekFrom::Start(at) => at,
            SeekFrom::End(by) => from(self.total.unwrap_or(0), by)?,
            SeekFrom::Current(by) => from(self.at, by)?,
        };
        Ok(self.at)
    }
}

/// What an answer says beside its bytes.
struct Meta {
    end: Option<u64>,
    total: Option<u64>,
    validator: Option<Validator>,
}

/// Why a range was not had.
#[derive(Debug, thiserror::Error)]
enum Why {
    #[error("the look has cost enough")]
    Spent,
    #[error("the server hands out no ranges")]
    NoRanges,
    #[error("the look took too long, or was called off")]
    OutOfTime,
    #[error(transparent)]
    Provider(#[from] ProviderError),
}

/// The first `most` bytes of a body. The rest is not asked for.
async fn collect(
    body: Body,
    most: u64,
    patience: &Patience,
    fetched: &mut u64,
) -> Result<Bytes, ProviderError> {
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let mut stream = body.bytes;
    let mut all = BytesMut::new();
    let mut drip = Drip::default();
    while all.len() < most
        && let Some(mut chunk) = drip.next(&mut stream, patience).await?
    {
        *fetched += chunk.len() as u64;
        chunk.truncate(most - all.len());
        all.extend_from_slice(&chunk);
    }
    Ok(all.freeze())
}

async fn within<T>(
    deadline: Instant,
    cancel: &CancellationToken,
    work: impl Future<Output = Result<T, Why>>,
) -> Result<T, Why> {
    tokio::select! {
        biased;
        () = cancel.cancelled() => Err(Why::OutOfTime),
        () = tokio::time::sleep_until(deadline) => Err(Why::OutOfTime),
        done = work => done,
    }
}
