//! How bytes get into a file: in pieces, and by one writer at a time.

use std::fs::File;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::io;
use std::os::unix::fs::FileExt;

use bytes::Bytes;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::super::StageName;

/// A longer write has the page cache look for long runs of memory. On Linux
/// 6.18, in a virtual machine, 1 GiB took 0.2 s in pieces of 256 KiB and 0.7 s
/// in pieces of 1 MiB.
const PIECE: usize = 256 * 1024;
/// Files are spread over so many turns.
const TURNS: usize = 64;

/// Writes these from `offset` on.
pub(super) fn write_all_at(file: &File, chunks: &[Bytes], offset: u64) -> io::Result<()> {
    let mut at = offset;
    for piece in chunks.iter().flat_map(|chunk| chunk.chunks(PIECE)) {
        file.write_all_at(piece, at)?;
        at += piece.len() as u64;
    }
    Ok(())
}

/// Whose turn it is to write to a file. The kernel lets one at a time, and
/// those that wait for it there keep a processor busy.
#[derive(Debug)]
pub(super) struct Turns(Vec<Semaphore>);

impl Default for Turns {
    fn default() -> Self {
        Self((0..TURNS).map(|_| Semaphore::new(1)).collect())
    }
}

impl Turns {
    /// Waits for this file's turn.
    pub(super) async fn of(&self, name: &StageName) -> Option<SemaphorePermit<'_>> {
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(name);
        let nth = usize::try_from(hash % TURNS as u64).unwrap_or_default();
        self.0.get(nth)?.acquire().await.ok()
    }
}
