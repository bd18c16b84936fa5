//! One part on its way in: its length, its check value, and a sender that
//! breaks off or falls silent.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_LENGTH;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::{StreamExt, stream};
use md5::{Digest, Md5};

use super::super::Api;
use super::super::problem::Problem;
use super::shape;
use crate::error::{Code, Error};
use crate::parts::Shape;
use crate::records::Intake;
use crate::storage::Incoming;

/// How long a sender may be silent.
const SILENCE: Duration = Duration::from_secs(60);
/// How much of a refused part is read all the same, and for how long.
const HEARD: usize = 16 * 1024 * 1024;
const PATIENCE: Duration = Duration::from_secs(10);

/// What a part has to be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms {
    shape: Shape,
    number: u32,
    most: u64,
    md5: Option<[u8; 16]>,
}

/// Reads what a part has to be from the upload and the request's headers.
pub(super) async fn terms(
    api: &Api,
    intake: &Intake,
    number: u32,
    headers: &HeaderMap,
) -> Result<Terms, Problem> {
    let shape = shape(intake)?;
    let stated = headers
        .get(CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse().ok());
    let mut terms = Terms {
        shape,
        number,
        most: shape.most(number),
        md5: stated_md5(headers)?,
    };
    // A length that every part may have needs no look at the others.
    if stated.is_none_or(|length| length > shape.part_size()) {
        let there = api.ferry().storage.brought(&intake.staged).await;
        let others = there.map_err(Error::from)?;
        let others = others.iter().filter(|part| part.number + 1 != number);
        let taken: u64 = others.map(|part| part.size).sum();
        terms.most = terms.most.min(intake.size.saturating_sub(taken));
    }
    if let Some(length) = stated {
        terms.check(length)?;
    }
    Ok(terms)
}

/// `Content-MD5` (RFC 1864): an S3 client's way to have a part checked.
fn stated_md5(headers: &HeaderMap) -> Result<Option<[u8; 16]>, Problem> {
    let Some(value) = headers.get("content-md5") else {
        return Ok(None);
    };
    let read = STANDARD
        .decode(value)
        .ok()
        .and_then(|bytes| bytes.try_into().ok());
    read.map(Some).ok_or_else(|| {
        Problem::bad(
            "Content-MD5 is no MD5 in base64",
            "send 24 characters of base64, or leave the header out",
        )
    })
}

impl Terms {
    fn check(&self, length: u64) -> Result<(), Error> {
        if length > self.most {
            let message = format!(
                "part {} has over {} bytes, which is what is left of the file",
                self.number, self.most
            );
            return Err(Error::new(Code::TooLarge, message).hint(self.shape.advice()));
        }
        let least = self.shape.least(self.number);
        if length < least {
            let message = format!(
                "part {} has {length} bytes, and needs {least}: only the last part may be shorter",
                self.number
            );
            return Err(Error::new(Code::SizeMismatch, message).hint(self.shape.advice()));
        }
        Ok(())
    }
}

/// What is known of a part once its last byte came.
#[derive(Debug, Clone, Default)]
pub(super) struct Outcome(Arc<OnceLock<String>>);

impl Outcome {
    /// The part's entity tag, quotes included.
    pub fn tag(&self) -> Option<String> {
        self.0.get().map(|md5| format!("\"{md5}\""))
    }
}

/// A request's body, to be read or to be heard out.
pub(super) struct Sender(Option<BodyDataStream>);

impl Sender {
    pub fn new(body: Body) -> Self {
        Self(Some(body.into_data_stream()))
    }

    /// The body as the storage takes it.
    pub fn send(&mut self, terms: Terms) -> Result<(Incoming, Outcome), Error> {
        let body = self
            .0
            .take()
            .ok_or_else(|| Error::internal("reading a part", "it was read before"))?;
        let outcome = Outcome::default();
        let reading = Reading {
            body,
            terms,
            got: 0,
            md5: Md5::new(),
            outcome: outcome.clone(),
        };
        let bytes = stream::try_unfold(reading, |mut reading| async move {
            Ok(reading.next().await?.map(|chunk| (chunk, reading)))
        });
        Ok((bytes.boxed(), outcome))
    }

    /// Reads on for a while where the part was refused unread: a client that is
    /// cut off while it sends sees no answer, and does not learn why.
    pub async fn hear_out(self) {
        let Some(mut body) = self.0 else {
            return;
        };
        let reading = async {
            let mut read = 0;
            while let Some(Ok(chunk)) = body.next().await
                && read < HEARD
            {
                read += chunk.len();
            }
        };
        // Time is up: that is the other way to end.
        let _ = tokio::time::timeout(PATIENCE, reading).await;
    }
}

struct Reading {
    body: BodyDataStream,
    terms: Terms,
    got: u64,
    md5: Md5,
    outcome: Outcome,
}

impl Reading {
    async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        let number = self.terms.number;
        match tokio::time::timeout(SILENCE, self.body.next()).await {
            Ok(Some(Ok(chunk))) => {
                self.got += chunk.len() as u64;
                if self.got > self.terms.most {
                    self.terms.check(self.got)?;
                }
                self.md5.update(&chunk);
                Ok(Some(chunk))
            }
            Ok(None) => self.end().map(|()| None),
            Ok(Some(Err(_))) => Err(Error::new(
                Code::Truncated,
                format!("part {number} broke off after {} bytes", self.got),
            )
            .hint("send the part again; nothing of it was kept")),
            Err(_) => Err(Error::new(
                Code::Stalled,
                format!("part {number} stopped after {} bytes", self.got),
            )
            .hint("send the part again; nothing of it was kept")),
        }
    }

    fn end(&mut self) -> Result<(), Error> {
        self.terms.check(self.got)?;
        let md5: [u8; 16] = std::mem::take(&mut self.md5).finalize().into();
        if let Some(stated) = self.terms.md5.filter(|stated| *stated != md5) {
            let message = format!(
                "part {} has the MD5 {}, and Content-MD5 says {}",
                self.terms.number,
                hex::encode(md5),
                hex::encode(stated)
            );
            return Err(Error::new(Code::HashMismatch, message)
                .hint("send the part again; nothing of it was kept"));
        }
        // The first end is the only one.
        let _ = self.outcome.0.set(hex::encode(md5));
        Ok(())
    }
}

/// What a sender did wrong is no fault of this side.
pub(super) fn problem(error: Error) -> Problem {
    match error.code {
        Code::Truncated => Problem::with_status(400, error),
        Code::Stalled => Problem::with_status(408, error),
        _ => error.into(),
    }
}
