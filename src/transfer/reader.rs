//! Reads a file on from one place, whatever happens to the connections.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;
use modelferry_providers::{ErrorKind, ProviderError};
use tokio::time::Instant;

use super::gather::Gathered;
use super::patience::Drip;
use super::race::Race;
use super::ranges::{Lane, Open};
use crate::error::Stop;

/// Reads on from `at`, asking for the rest when an answer breaks off.
pub struct Reader {
    lane: Arc<Lane>,
    at: u64,
    /// One past the last byte to ask for; `None`: the file's end.
    end: Option<u64>,
    open: Option<Open>,
    drip: Drip,
    /// What a chunk held beyond the part it ended.
    spare: Bytes,
    ended: bool,
    /// Times that a host pushed back while this was read.
    pushbacks: u32,
}

/// The part being read.
struct Part {
    end: u64,
    began: Instant,
    from: u64,
    bytes: Gathered,
    race: Option<Race>,
}

/// What came next.
enum Heard {
    Chunk(Option<Result<Bytes, ProviderError>>),
    Rival(Result<(), ProviderError>),
    Nothing,
}

impl Reader {
    /// Reads from `at` to `end`, or to the file's end.
    pub fn new(lane: Arc<Lane>, at: u64, end: Option<u64>, open: Option<Open>) -> Self {
        Self {
            lane,
            at,
            end,
            pushbacks: open.as_ref().map_or(0, |(body, _)| body.pushbacks),
            open,
            drip: Drip::default(),
            spare: Bytes::new(),
            ended: false,
        }
    }

    /// What it reads.
    pub fn lane(&self) -> &Lane {
        &self.lane
    }

    /// Where it is.
    pub fn at(&self) -> u64 {
        self.at
    }

    /// Whether the file's last byte was read.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// Whether a host pushed back since this was last asked.
    pub fn was_pushed_back(&mut self) -> bool {
        std::mem::take(&mut self.pushbacks) > 0
    }

    /// The next `wanted` bytes, fewer only at the end of the file.
    pub async fn read(&mut self, wanted: u64) -> Result<Vec<Bytes>, Stop> {
        let mut part = Part {
            end: self.at + wanted,
            began: Instant::now(),
            from: self.at,
            bytes: Gathered::expecting(wanted),
            race: None,
        };
        let mut failures = 0;
        while self.at < part.end && !self.ended {
            let before = self.at;
            let Err(error) = self.read_open(&mut part).await else {
                continue;
            };
            // A drip brings bytes too; they must not count as getting on.
            let got_on = self.at > before && error.kind != ErrorKind::Stalled;
            failures = if got_on { 1 } else { failures + 1 };
            self.open = None;
            self.may_go_on(&error, failures)?;
            let wait = self.lane.engine.retry.backoff(failures - 1);
            tracing::debug!(path = %self.lane.artifact.path, at = self.at, %error, ?wait, "asking for the rest");
            tokio::time::sleep(wait).await;
        }
        self.lane
            .tempo
            .finished(self.at - part.from, part.began.elapsed());
        Ok(part.bytes.into_chunks())
    }

    fn may_go_on(&self, error: &ProviderError, failures: u32) -> Result<(), Stop> {
        if !error.is_transient() || failures > self.lane.engine.retry.retries {
            return Err(error.clone().into());
        }
        if !self.lane.may_join && self.at > 0 {
            let why = "it names no version of the file, so the rest can't be asked for alone";
            return Err(self.lane.changed(why).into());
        }
        Ok(())
    }

    /// Reads from the open answer, opening one when there is none.
    async fn read_open(&mut self, part: &mut Part) -> Result<(), ProviderError> {
        let spare = std::mem::take(&mut self.spare);
        self.take(spare, part);
        while self.at < part.end && !self.ended {
            if self.open.is_none() {
                self.reopen().await?;
            }
            let since = Instant::now();
            match self.listen(part).await {
                Heard::Chunk(Some(Ok(chunk))) => {
                    self.flows(chunk.len() as u64, since)?;
                    self.pay(chunk.len()).await;
                    self.take(chunk, part);
                }
                Heard::Chunk(Some(Err(error))) => self.lose(part, error)?,
                Heard::Chunk(None) => self.ran_out()?,
                Heard::Rival(Ok(())) => self.be_overtaken(part),
                Heard::Rival(Err(_)) => part.race = None,
                Heard::Nothing => self.flows(0, since)?,
            }
            self.start_race(part);
        }
        Ok(())
    }

    /// Waits for a chunk, for the rival, or for a while.
    async fn listen(&mut self, part: &mut Part) -> Heard {
        let tick = self.lane.engine.patience.tick();
        let Some((body, _)) = &mut self.open else {
            return Heard::Nothing;
        };
        let race = part.race.as_mut();
        let is_racing = race.is_some();
        tokio::select! {
            biased;
            chunk = body.bytes.next() => Heard::Chunk(chunk),
            stepped = step(race), if is_racing => Heard::Rival(stepped),
            () = tokio::time::sleep(tick) => Heard::Nothing,
        }
    }

    /// Takes a chunk into the part, what is beyond it aside.
    fn take(&mut self, mut chunk: Bytes, part: &mut Part) {
        if chunk.is_empty() {
            return;
        }
        let room = usize::try_from(part.end - self.at).unwrap_or(usize::MAX);
        self.spare = chunk.split_off(room.min(chunk.len()));
        self.at += chunk.len() as u64;
        part.bytes.push(chunk);
    }

    async fn pay(&mut self, bytes: usize) {
        self.lane.meter.received(bytes as u64);
        self.lane.tempo.more(bytes as u64);
        self.lane.engine.limits.pace.spend(bytes as u64).await;
    }

    fn flows(&mut self, bytes: u64, since: Instant) -> Result<(), ProviderError> {
        let patience = &self.lane.engine.patience;
        if self.drip.flows(bytes, since, patience) {
            return Ok(());
        }
        Err(patience.stalled(self.lane.artifact.path.as_str()))
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

    async fn reopen(&mut self) -> Result<(), ProviderError> {
        let limits = &self.lane.engine.limits;
        let connection = limits.connect(&self.lane.artifact.origin).await;
        let body = self.lane.open_from(self.at, self.end).await?;
        self.pushbacks += body.pushbacks;
        self.drip = Drip::default();
        self.open = Some((body, connection));
        Ok(())
    }
}

/// Being raced, where a range is much slower than its siblings.
impl Reader {
    fn start_race(&mut self, part: &mut Part) {
        let engine = &self.lane.engine;
        let took = part.began.elapsed();
        let is_behind = self.end.is_some()
            && self.lane.may_join
            && self.at < part.end
            && part.race.is_none()
            && self
                .lane
                .tempo
                .is_behind(self.at - part.from, took, &engine.patience);
        if !is_behind {
            return;
        }
        let Some(permit) = engine.limits.rival() else {
            return;
        };
        let Some(connection) = engine.limits.try_connect(&self.lane.artifact.origin) else {
            return;
        };
        tracing::debug!(path = %self.lane.artifact.path, at = self.at, ?took, "a range lags behind; racing it");
        let marks = (self.at, part.bytes.mark());
        let lane = self.lane.clone();
        part.race = Some(Race::start(lane, marks, part.end, connection, permit));
    }

    /// The rival brought bytes: if it is ahead now, it takes over.
    fn be_overtaken(&mut self, part: &mut Part) {
        if part.race.as_ref().is_some_and(|race| race.at() > self.at)
            && let Some(race) = part.race.take()
        {
            self.hand_over(part, race);
        }
    }

    /// The answer broke: a rival that runs goes on in its place.
    fn lose(&mut self, part: &mut Part, error: ProviderError) -> Result<(), ProviderError> {
        match part.race.take() {
            Some(race) if race.at() > self.at => {
                self.hand_over(part, race);
                Ok(())
            }
            _ => Err(error),
        }
    }

    fn hand_over(&mut self, part: &mut Part, race: Race) {
        let won = race.win();
        part.bytes.back_to(won.mark);
        won.chunks
            .into_iter()
            .for_each(|chunk| part.bytes.push(chunk));
        self.at = won.at;
        self.drip = Drip::default();
        // A rival that brought the whole part has nothing more to give.
        self.open = won.open.filter(|_| self.at < part.end);
    }
}

async fn step(race: Option<&mut Race>) -> Result<(), ProviderError> {
    match race {
        Some(race) => race.step().await,
        None => std::future::pending().await,
    }
}
