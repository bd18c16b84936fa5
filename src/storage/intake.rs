//! Parts that a client brings: taken one by one, then put together.
//!
//! The client cuts the file as it likes, so a part's place in it is known only
//! once all are there. Until then each stands alone. Nothing is believed of
//! them: what they come to is read back and verified before it gets a name.

use std::ops::Range;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;

use super::{ByteStream, Part, StageName, Staged, StorageError};
use crate::error::Error;

/// Who takes the parts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Door {
    /// The store itself where it can: clients send to it by signed URLs.
    #[default]
    Store,
    /// This server, whatever the store can do.
    Server,
}

/// A part's bytes as they come. An error ends it, and the part is not taken.
pub type Incoming = BoxStream<'static, Result<Bytes, Error>>;

/// The way in for parts of a client's own making. Part of every storage.
#[async_trait]
pub trait Intake {
    /// Makes room for one file's parts. What was staged under the name is gone.
    async fn open_intake(&self, name: &StageName, door: Door) -> Result<Staged, StorageError>;

    /// A URL to which one part can be PUT by whoever has it, for so long. The
    /// answer's ETag is the part's tag. `None` where this server takes the
    /// parts: see [`Intake::take_part`].
    async fn presign_part(
        &self,
        staged: &Staged,
        number: u32,
        expires: Duration,
    ) -> Result<Option<String>, StorageError>;

    /// Takes one part, counted from 0, durably and at once: until the last byte
    /// the earlier part of this number is what counts, if there is one.
    ///
    /// # Errors
    /// The stream's own error, [`StorageError::Missing`] when no parts are
    /// taken any more, or why it can't be written. The part is not taken then.
    async fn take_part(&self, staged: &Staged, number: u32, bytes: Incoming) -> Result<(), Error>;

    /// The parts that are there, in order, each placed right after the one before.
    async fn brought(&self, staged: &Staged) -> Result<Vec<Part>, StorageError>;

    /// Puts these parts together, and takes no more. Done already is no error:
    /// a crash at any moment leaves what another call goes on with. What it
    /// returns can be read by [`Intake::read_staged`] and published.
    ///
    /// # Errors
    /// [`StorageError::Missing`] when a part is gone, or has another length.
    async fn assemble(&self, staged: &Staged, parts: &[Part]) -> Result<Staged, StorageError>;

    /// Streams bytes of what was put together; the range lies within it.
    async fn read_staged(
        &self,
        staged: &Staged,
        range: Range<u64>,
    ) -> Result<ByteStream, StorageError>;
}

/// Parts in order of their numbers, each placed right after the one before.
pub(super) fn in_order(mut parts: Vec<Part>) -> Vec<Part> {
    parts.sort_by_key(|part| part.number);
    let mut at = 0;
    for part in &mut parts {
        part.offset = at;
        at += part.size;
    }
    parts
}

/// That a part is not what it was when the file was said to be complete.
pub(super) fn changed(name: &StageName, number: u32) -> StorageError {
    StorageError::Missing(format!("part {} of {name}", number + 1))
}
