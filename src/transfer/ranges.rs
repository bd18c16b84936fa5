//! Where a file's bytes come from, part after part in order: many ranges side
//! by side from a server that hands them out, one stream from one that doesn't.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt, TryStreamExt};
use modelferry_providers::{
    Artifact, Auth, Body, ByteRange, ErrorKind, HeaderDigest, ProviderError, Validator,
};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinHandle;

use super::limits::Connection;
use super::{Checkpoint, Engine, Job, Meter};
use crate::error::{Error, Stop};

const MIB: u64 = 1024 * 1024;

/// A part is at least this long, so that S3 takes it and a request pays off.
const MIN_PART: u64 = crate::storage::ONE_PART;
/// S3 takes 10,000 parts; a tenth is left for a length that was an estimate.
const MAX_PARTS: u64 = 9_000;

/// How long the parts of a file of this length are.
pub fn part_size(total: Option<u64>) -> u64 {
    let even = total.unwrap_or(0).div_ceil(MAX_PARTS).div_ceil(MIB) * MIB;
    even.max(MIN_PART)
}

/// One part, whole, in memory.
pub struct Fetched {
    /// Counted from 0.
    pub number: u32,
    /// Its first byte's position.
    pub offset: u64,
    /// Its bytes.
    pub chunks: Vec<Bytes>,
    /// The memory it holds.
    pub permit: OwnedSemaphorePermit,
}

impl Fetched {
    /// Its length.
    pub fn len(&self) -> u64 {
        self.chunks.iter().map(|chunk| chunk.len() as u64).sum()
    }
}

/// What every range of one file shares.
struct Lane {
    engine: Engine,
    artifact: Artifact,
    auth: Auth,
    meter: Arc<dyn Meter>,
    validator: Option<Validator>,
    total: Option<u64>,
    /// Whether bytes of two answers may be joined: something will tell if they differ.
    may_join: bool,
}

/// A file's bytes, in order.
pub struct Source {
    start: u64,
    total: Option<u64>,
    validator: Option<Validator>,
    digest: Option<HeaderDigest>,
    parts: BoxStream<'static, Result<Fetched, Stop>>,
}

impl Source {
    /// Asks for the first bytes that are missing. What comes back tells
    /// whether ranges work here, and how long the file is.
    pub async fn open(engine: &Engine, job: &Job<'_>, from: &Checkpoint) -> Result<Self, Stop> {
        let mut lane = Lane {
            engine: engine.clone(),
            artifact: job.artifact.clone(),
            auth: job.auth.clone(),
            meter: job.meter.clone(),
            validator: from.validator.clone(),
            total: from.total.or(job.artifact.size.exact()),
            may_join: true,
        };
        let first = lane.first_range(from);
        if first.start > 0 && Some(first.start) == lane.total {
            return Ok(lane.nothing_left(first.start));
        }
        let wanted = first
            .end
            .or(lane.total)
            .map_or(from.part_size, |end| end - first.start);
        let permit = lane.hold(wanted).await;
        let connection = engine.limits.connect(&job.artifact.origin).await;
        let mut body = lane.open(&first).await?;
        lane.learn(&body);
        if !lane.may_join && !first.is_whole() {
            // Nothing would tell if a second answer were of another content.
            body = lane.open(&ByteRange::whole()).await?;
            lane.learn(&body);
        }
        let number = u32::try_from(body.offset / from.part_size).unwrap_or(u32::MAX);
        let ranged =
            lane.may_join && first.end.is_some() && body.end == first.end && body.end != lane.total;
        let mut source = Self {
            start: body.offset,
            total: lane.total,
            validator: lane.validator.clone(),
            digest: body.digest.clone(),
            parts: stream::empty().boxed(),
        };
        let lane = Arc::new(lane);
        source.parts = match (ranged, lane.total) {
            (true, Some(total)) => side_by_side(
                lane,
                number,
                body,
                connection,
                permit,
                total,
                from.part_size,
            ),
            _ => one_stream(lane, number, body, connection, permit, from.part_size),
        };
        Ok(source)
    }

    /// The next part; `None` after the last.
    pub async fn next(&mut self) -> Result<Option<Fetched>, Stop> {
        self.parts.try_next().await
    }

    /// The first byte's position, as the server answered.
    pub fn start(&self) -> u64 {
        self.start
    }

    /// The whole length, where the server said so.
    pub fn total(&self) -> Option<u64> {
        self.total
    }

    /// Names this content in later requests.
    pub fn validator(&self) -> Option<&Validator> {
        self.validator.as_ref()
    }

    /// A digest header of the whole file.
    pub fn header_digest(&self) -> Option<&HeaderDigest> {
        self.digest.as_ref()
    }
}

/// Many ranges at once, taken in order. The first answer's body is the first part.
fn side_by_side(
    lane: Arc<Lane>,
    number: u32,
    first: Body,
    connection: Connection,
    permit: OwnedSemaphorePermit,
    total: u64,
    part: u64,
) -> BoxStream<'static, Result<Fetched, Stop>> {
    let lanes = lane.engine.limits.lanes();
    let start = first.offset;
    let mut opened = Some((first, connection, permit));
    let count = (total - start).div_ceil(part);
    stream::iter(0..count)
        .map(move |index| {
            let at = start + index * part;
            let range = at..(at + part).min(total);
            let number = number + u32::try_from(index).unwrap_or(u32::MAX);
            let lane = lane.clone();
            let opened = opened.take();
            // Memory is taken in the file's order, so the part that is due next always has its own.
            async move {
                let (open, permit) = match opened {
                    Some((body, connection, permit)) => (Some((body, connection)), permit),
                    None => (None, lane.hold(range.end - range.start).await),
                };
                Ok::<_, Stop>(Task(tokio::spawn(async move {
                    lane.fetch(number, range, open, permit).await
                })))
            }
        })
        .buffered(1)
        .map_ok(|mut task| async move { task.join().await })
        .try_buffered(lanes)
        .boxed()
}

/// One answer from its first byte to its last, cut into parts.
fn one_stream(
    lane: Arc<Lane>,
    number: u32,
    body: Body,
    connection: Connection,
    permit: OwnedSemaphorePermit,
    part: u64,
) -> BoxStream<'static, Result<Fetched, Stop>> {
    let reader = Reader {
        at: body.offset,
        lane,
        open: Some((body, connection)),
        spare: Bytes::new(),
        ended: false,
    };
    stream::try_unfold(
        (reader, number, Some(permit)),
        move |(mut reader, number, permit)| async move {
            let permit = match permit {
                Some(permit) => permit,
                None if reader.ended => return Ok(None),
                None => reader.lane.hold(part).await,
            };
            let offset = reader.at;
            let chunks = reader.read(part).await?;
            if chunks.is_empty() && offset > 0 {
                return Ok(None);
            }
            let fetched = Fetched {
                number,
                offset,
                chunks,
                permit,
            };
            Ok(Some((fetched, (reader, number + 1, None))))
        },
    )
    .boxed()
}

/// A spawned fetch that ends with its owner.
struct Task(JoinHandle<Result<Fetched, Stop>>);

impl Task {
    async fn join(&mut self) -> Result<Fetched, Stop> {
        (&mut self.0)
            .await
            .map_err(|error| Stop::from(Error::internal("fetching", error)))?
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Lane {
    /// What to ask for first: one part, or all of a file that is no longer than that.
    fn first_range(&self, from: &Checkpoint) -> ByteRange {
        let to = from.done + from.part_size;
        let whole = from.done == 0 && self.total.is_some_and(|total| total <= to);
        ByteRange {
            start: from.done,
            end: (!whole).then(|| self.total.map_or(to, |total| to.min(total))),
            validator: self.validator.clone(),
        }
    }

    fn nothing_left(&self, at: u64) -> Source {
        Source {
            start: at,
            total: self.total,
            validator: self.validator.clone(),
            digest: None,
            parts: stream::empty().boxed(),
        }
    }

    /// Takes what the first answer told. From now on every answer must be of
    /// that content.
    fn learn(&mut self, body: &Body) {
        self.total = body.total.or(self.total);
        self.validator = body.validator.clone();
        let digests = &self.artifact.digests;
        self.may_join = self.validator.is_some()
            || digests.sha256.is_some()
            || digests.git_sha1.is_some()
            || digests.header.is_some()
            || body.digest.is_some();
    }

    async fn hold(&self, bytes: u64) -> OwnedSemaphorePermit {
        self.engine.limits.hold(bytes).await
    }

    async fn open(&self, range: &ByteRange) -> Result<Body, ProviderError> {
        let provider = self.engine.providers.of(self.artifact.origin.provider());
        provider.open(&self.artifact, range, &self.auth).await
    }

    /// One range, whole, asked for again from where it broke off.
    async fn fetch(
        self: Arc<Self>,
        number: u32,
        range: Range<u64>,
        open: Option<(Body, Connection)>,
        permit: OwnedSemaphorePermit,
    ) -> Result<Fetched, Stop> {
        let offset = range.start;
        let mut reader = Reader {
            at: offset,
            lane: self,
            open,
            spare: Bytes::new(),
            ended: false,
        };
        let chunks = reader.read(range.end - range.start).await?;
        Ok(Fetched {
            number,
            offset,
            chunks,
            permit,
        })
    }
}

/// Reads on from `at`, whatever happens to the connections.
struct Reader {
    lane: Arc<Lane>,
    at: u64,
    open: Option<(Body, Connection)>,
    /// What a chunk held beyond the part it ended.
    spare: Bytes,
    ended: bool,
}

impl Reader {
    /// The next `wanted` bytes, fewer only at the end of the file.
    async fn read(&mut self, wanted: u64) -> Result<Vec<Bytes>, Stop> {
        let end = self.at + wanted;
        let mut chunks = Vec::new();
        let mut failures = 0;
        while self.at < end && !self.ended {
            let before = self.at;
            let Err(error) = self.read_open(end, &mut chunks).await else {
                continue;
            };
            failures = if self.at > before { 1 } else { failures + 1 };
            self.open = None;
            if !error.is_transient() || failures > self.lane.engine.retry.retries {
                return Err(error.into());
            }
            if !self.lane.may_join && self.at > 0 {
                return Err(self
                    .changed(
                        "it names no version of the file, so the rest can't be asked for alone",
                    )
                    .into());
            }
            let wait = self.lane.engine.retry.backoff(failures - 1);
            tracing::debug!(path = %self.lane.artifact.path, at = self.at, %error, ?wait, "asking for the rest");
            tokio::time::sleep(wait).await;
        }
        Ok(chunks)
    }

    /// Reads from the open answer, opening one when there is none.
    async fn read_open(&mut self, end: u64, chunks: &mut Vec<Bytes>) -> Result<(), ProviderError> {
        if self.spare.is_empty() && self.open.is_none() {
            self.reopen(end).await?;
        }
        while self.at < end {
            let chunk = self.next_chunk().await?;
            let Some(mut chunk) = chunk else {
                return self.ran_out();
            };
            let take = usize::try_from(end - self.at)
                .unwrap_or(usize::MAX)
                .min(chunk.len());
            self.spare = chunk.split_off(take);
            self.at += chunk.len() as u64;
            chunks.push(chunk);
        }
        Ok(())
    }

    async fn next_chunk(&mut self) -> Result<Option<Bytes>, ProviderError> {
        if !self.spare.is_empty() {
            return Ok(Some(std::mem::take(&mut self.spare)));
        }
        let Some((body, _)) = &mut self.open else {
            return Ok(None);
        };
        let chunk = body.bytes.next().await.transpose()?;
        if let Some(chunk) = &chunk {
            self.lane.meter.received(chunk.len() as u64);
            self.lane.engine.limits.pace.spend(chunk.len() as u64).await;
        }
        Ok(chunk)
    }

    /// The answer ended: at the file's end, or too early.
    fn ran_out(&mut self) -> Result<(), ProviderError> {
        self.open = None;
        match self.lane.total {
            Some(total) if self.at < total => Err(ProviderError::transient(
                ErrorKind::Truncated,
                format!(
                    "{} broke off after {} of {total} bytes",
                    self.lane.artifact.path, self.at
                ),
            )),
            _ => {
                self.ended = true;
                Ok(())
            }
        }
    }

    async fn reopen(&mut self, end: u64) -> Result<(), ProviderError> {
        let range = ByteRange {
            start: self.at,
            end: self.lane.total.map(|total| end.min(total)),
            validator: self.lane.validator.clone(),
        };
        let connection = self
            .lane
            .engine
            .limits
            .connect(&self.lane.artifact.origin)
            .await;
        let body = self.lane.open(&range).await?;
        if body.offset != self.at {
            return Err(self.changed("it no longer hands out parts of it"));
        }
        if body.total.is_some() && self.lane.total.is_some() && body.total != self.lane.total {
            return Err(self.changed("its length is another than before"));
        }
        self.open = Some((body, connection));
        Ok(())
    }

    fn changed(&self, why: &str) -> ProviderError {
        ProviderError::new(
            ErrorKind::SourceChanged,
            format!(
                "the server broke off in the middle of {} and {why}",
                self.lane.artifact.path
            ),
        )
        .hint("try again; what was transferred of it can't be used")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_never_too_small_nor_too_many_for_s3() {
        let cases = [
            (None, 8 * MIB),
            (Some(0), 8 * MIB),
            (Some(70_000 * MIB), 8 * MIB),
            (Some(72_001 * MIB), 9 * MIB),
            (Some(5 * 1024 * 1024 * MIB), 583 * MIB),
        ];
        for (total, expected) in cases {
            assert_eq!(part_size(total), expected, "{total:?}");
            assert!(total.unwrap_or(0).div_ceil(part_size(total)) <= MAX_PARTS);
        }
    }
}
