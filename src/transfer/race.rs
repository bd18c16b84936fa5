//! A range asked for a second time, because the first answer lags behind.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use modelferry_providers::{Body, ErrorKind, ProviderError};
use tokio::sync::OwnedSemaphorePermit;

use super::limits::Connection;
use super::ranges::{Lane, Open};

/// The second answer, from where the first was when it began.
pub struct Race {
    lane: Arc<Lane>,
    opening: Option<BoxFuture<'static, Result<Body, ProviderError>>>,
    body: Option<Body>,
    connection: Connection,
    /// How many chunks of the part were there when it began.
    mark: usize,
    at: u64,
    chunks: Vec<Bytes>,
    _permit: OwnedSemaphorePermit,
}

/// What a rival that won hands over.
pub struct Won {
    /// So many of the first answer's chunks stay.
    pub mark: usize,
    /// What follows them.
    pub chunks: Vec<Bytes>,
    /// Up to here.
    pub at: u64,
    /// And the answer that goes on.
    pub open: Option<Open>,
}

impl Race {
    /// Asks for what is missing of a part: from `marks`, a position and the
    /// chunks before it, up to `end`.
    pub fn start(
        lane: Arc<Lane>,
        (at, mark): (u64, usize),
        end: u64,
        connection: Connection,
        permit: OwnedSemaphorePermit,
    ) -> Self {
        let opener = lane.clone();
        Self {
            opening: Some(Box::pin(
                async move { opener.open_from(at, Some(end)).await },
            )),
            lane,
            body: None,
            connection,
            mark,
            at,
            chunks: Vec::new(),
            _permit: permit,
        }
    }

    /// How far it is.
    pub fn at(&self) -> u64 {
        self.at
    }

    /// Brings a little more. May be dropped at any time without loss.
    ///
    /// # Errors
    /// When the second answer breaks too: the race is over.
    pub async fn step(&mut self) -> Result<(), ProviderError> {
        if let Some(opening) = &mut self.opening {
            let body = opening.await;
            self.opening = None;
            self.body = Some(body?);
        }
        let chunk = match &mut self.body {
            Some(body) => body.bytes.next().await.transpose()?,
            None => None,
        };
        let chunk = chunk.ok_or_else(|| {
            ProviderError::transient(ErrorKind::Truncated, "the second answer ended early")
        })?;
        self.at += chunk.len() as u64;
        self.lane.meter.received(chunk.len() as u64);
        self.lane.engine.limits.pace.book(chunk.len() as u64);
        self.chunks.push(chunk);
        Ok(())
    }

    /// It is ahead: what it has.
    pub fn win(self) -> Won {
        let connection = self.connection;
        Won {
            mark: self.mark,
            chunks: self.chunks,
            at: self.at,
            open: self.body.map(|body| (body, connection)),
        }
    }
}
