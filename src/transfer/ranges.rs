//! Where a file's bytes come from, part after part in order: many ranges side
//! by side from a server that hands them out, one stream from one that doesn't.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt, TryStreamExt};
use modelferry_providers::{
    Artifact, Auth, Body, ByteRange, ErrorKind, HeaderDigest, ProviderError, Validator,
};
use tokio::sync::OwnedSemaphorePermit;

use super::crew;
use super::limits::Connection;
use super::patience::Tempo;
use super::reader::Reader;
use super::{Checkpoint, Engine, Job, Meter};
use crate::error::{Code, Error, Stop};

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

/// Refuses a file whose parts are longer than the memory: each is held whole.
pub fn check_part(artifact: &Artifact, part: u64, memory: u64) -> Result<(), Error> {
    if part <= memory.max(MIN_PART) {
        return Ok(());
    }
    let (part, memory) = (part.div_ceil(MIB), memory / MIB);
    let path = &artifact.path;
    let message = format!(
        "{path} is so large that it comes in parts of {part} MiB, and no more than {memory} MiB may be held in memory"
    );
    Err(Error::new(Code::TooLarge, message).hint(format!(
        "set MODELFERRY_MEMORY to {part} MiB or more, then run the same command again"
    )))
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
    pub memory: Memory,
}

impl Fetched {
    /// Its length.
    pub fn len(&self) -> u64 {
        self.chunks.iter().map(|chunk| chunk.len() as u64).sum()
    }
}

/// The right to hold one part.
#[derive(Debug)]
pub struct Memory {
    /// Of the process's memory.
    pub _process: OwnedSemaphorePermit,
    /// Of what the file may have on its way; none for a file that comes in one stream.
    pub _file: Option<OwnedSemaphorePermit>,
}

/// What every range of one file shares.
pub struct Lane {
    /// What all transfers share.
    pub engine: Engine,
    /// The file.
    pub artifact: Artifact,
    /// How fast its ranges come.
    pub tempo: Tempo,
    /// Hears of every byte.
    pub meter: Arc<dyn Meter>,
    /// The whole length, where it is known.
    pub total: Option<u64>,
    /// Whether bytes of two answers may be joined: something will tell if they differ.
    pub may_join: bool,
    auth: Auth,
    validator: Option<Validator>,
}

/// An answer that is being read.
pub type Open = (Body, Connection);

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
        Self::begin(
            engine,
            Lane::new(engine, job, from),
            from.done,
            from.part_size,
        )
        .await
    }

    async fn begin(engine: &Engine, mut lane: Lane, done: u64, part: u64) -> Result<Self, Stop> {
        let first = lane.first_range(done, part);
        if first.start > 0 && Some(first.start) == lane.total {
            return Ok(lane.nothing_left(first.start));
        }
        let wanted = first
            .end
            .or(lane.total)
            .map_or(part, |end| end.saturating_sub(first.start));
        let memory = Memory {
            _process: engine.limits.hold(wanted.min(part)).await,
            _file: None,
        };
        let connection = engine.limits.connect(&lane.artifact.origin).await;
        let mut body = lane.open(&first).await?;
        lane.learn(&body);
        if !lane.may_join && !first.is_whole() {
            // Nothing would tell if a second answer were of another content.
            body = lane.open(&ByteRange::whole()).await?;
            lane.learn(&body);
        }
        let number = u32::try_from(body.offset / part).unwrap_or(u32::MAX);
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
        let open = (body, connection);
        source.parts = match (ranged, lane.total) {
            (true, Some(total)) => crew::side_by_side(lane, number, open, memory, total, part),
            _ => one_stream(lane, number, open, memory, part),
        };
        Ok(source)
    }

    /// Asks for all of a file at once.
    pub async fn open_whole(engine: &Engine, job: &Job<'_>) -> Result<Self, Stop> {
        let size = job.artifact.size.exact().unwrap_or(MIN_PART);
        Self::begin(engine, Lane::whole(engine, job), 0, size.max(1)).await
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

/// One answer from its first byte to its last, cut into parts.
fn one_stream(
    lane: Arc<Lane>,
    number: u32,
    open: Open,
    memory: Memory,
    part: u64,
) -> BoxStream<'static, Result<Fetched, Stop>> {
    let reader = Reader::new(lane, open.0.offset, None, Some(open));
    stream::try_unfold(
        (reader, number, Some(memory)),
        move |(mut reader, number, memory)| async move {
            let memory = match memory {
                Some(memory) => memory,
                None if reader.has_ended() => return Ok(None),
                None => Memory {
                    _process: reader.lane().engine.limits.hold(part).await,
                    _file: None,
                },
            };
            let offset = reader.at();
            let chunks = reader.read(part).await?;
            if chunks.is_empty() && offset > 0 {
                return Ok(None);
            }
            let fetched = Fetched {
                number,
                offset,
                chunks,
                memory,
            };
            Ok(Some((fetched, (reader, number + 1, None))))
        },
    )
    .boxed()
}

impl Lane {
    fn new(engine: &Engine, job: &Job<'_>, from: &Checkpoint) -> Self {
        Self {
            validator: from.validator.clone(),
            total: from.total.or(job.artifact.size.exact()),
            ..Self::whole(engine, job)
        }
    }

    fn whole(engine: &Engine, job: &Job<'_>) -> Self {
        Self {
            engine: engine.clone(),
            artifact: job.artifact.clone(),
            auth: job.auth.clone(),
            meter: job.meter.clone(),
            tempo: Tempo::default(),
            validator: None,
            total: job.artifact.size.exact(),
            may_join: true,
        }
    }

    /// What to ask for first: one part, or all of a file that is no longer than that.
    fn first_range(&self, done: u64, part: u64) -> ByteRange {
        let to = done + part;
        let whole = done == 0 && self.total.is_some_and(|total| total <= to);
        ByteRange {
            start: done,
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

    async fn open(&self, range: &ByteRange) -> Result<Body, ProviderError> {
        let provider = self.engine.providers.of(self.artifact.origin.provider());
        provider.open(&self.artifact, range, &self.auth).await
    }

    /// Opens the bytes from `at` on, of the content that the first answer was of.
    pub async fn open_from(&self, at: u64, end: Option<u64>) -> Result<Body, ProviderError> {
        let end = end.or(self.total);
        let range = ByteRange {
            start: at,
            end: self.total.map(|total| end.unwrap_or(total).min(total)),
            validator: self.validator.clone(),
        };
        let body = self.open(&range).await?;
        if body.offset != at {
            return Err(self.changed("it no longer hands out parts of it"));
        }
        if body.total.is_some() && self.total.is_some() && body.total != self.total {
            return Err(self.changed("its length is another than before"));
        }
        Ok(body)
    }

    /// The failure of a rest that can't be had.
    pub fn changed(&self, why: &str) -> ProviderError {
        ProviderError::new(
            ErrorKind::SourceChanged,
            format!(
                "the server broke off in the middle of {} and {why}",
                self.artifact.path
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
