//! A stored object, to read here and there with few requests.

use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::ops::Range;

use bytes::Bytes;
use object_store::path::Path as ObjectPath;
use object_store::{GetOptions, GetRange};
use tokio::runtime::Handle;

use super::super::StorageError;
use super::super::place::Bucket;
use super::connect::Client;
use super::failure::Failure;

/// How much the first request fetches: most headers are shorter.
const FIRST: u64 = 256 * 1024;
/// How much one request fetches at most, when reading goes on and on.
const MOST: u64 = 8 * 1024 * 1024;

/// Reads ranges ahead of its reader: twice as much each time it goes straight
/// on. Blocks: for threads off the async runtime.
pub(super) struct CloudContent {
    client: Client,
    bucket: Bucket,
    path: ObjectPath,
    runtime: Handle,
    size: u64,
    at: u64,
    /// The object's first bytes, to which readers of headers come back.
    head: Bytes,
    window: Bytes,
    window_start: u64,
    ahead: u64,
}

impl CloudContent {
    /// Fetches the first bytes; `None` when there is no such object.
    pub(super) async fn open(
        client: Client,
        bucket: Bucket,
        path: ObjectPath,
    ) -> Result<Option<Self>, StorageError> {
        let (size, head) = match fetch(&client, &path, 0..FIRST).await {
            Ok(fetched) => fetched,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(error) => match object_store::ObjectStoreExt::head(client.objects(), &path).await {
                // No range lies within an empty object.
                Ok(meta) if meta.size == 0 => (0, Bytes::new()),
                _ => return Err(Failure::of(&error).explain(&bucket, &format!("read {path}"))),
            },
        };
        Ok(Some(Self {
            client,
            bucket,
            path,
            runtime: Handle::current(),
            size,
            at: 0,
            head,
            window: Bytes::new(),
            window_start: 0,
            ahead: FIRST,
        }))
    }

    fn buffered(&self) -> &[u8] {
        let from = |start: u64, bytes: &'_ Bytes| -> Option<Range<usize>> {
            let skip = usize::try_from(self.at.checked_sub(start)?).ok()?;
            (skip < bytes.len()).then_some(skip..bytes.len())
        };
        let in_head = from(0, &self.head).and_then(|range| self.head.get(range));
        let in_window =
            || from(self.window_start, &self.window).and_then(|range| self.window.get(range));
        in_head.or_else(in_window).unwrap_or_default()
    }

    fn fill(&mut self) -> io::Result<()> {
        let goes_on = self.at == self.window_start + self.window.len() as u64
            || (self.window.is_empty() && self.at == self.head.len() as u64);
        self.ahead = if goes_on {
            (self.ahead * 2).min(MOST)
        } else {
            FIRST
        };
        let wanted = self.at..(self.at + self.ahead).min(self.size);
        let fetched = self
            .runtime
            .block_on(fetch(&self.client, &self.path, wanted.clone()));
        let (size, bytes) = fetched.map_err(|error| {
            let doing = format!("read {}", self.path);
            io::Error::other(Failure::of(&error).explain(&self.bucket, &doing))
        })?;
        if size != self.size || bytes.is_empty() {
            let message = format!("{} changed while it was read", self.path);
            return Err(io::Error::new(ErrorKind::UnexpectedEof, message));
        }
        self.window_start = wanted.start;
        self.window = bytes;
        Ok(())
    }
}

/// The object's whole length, and these of its bytes.
async fn fetch(
    client: &Client,
    path: &ObjectPath,
    range: Range<u64>,
) -> object_store::Result<(u64, Bytes)> {
    let options = GetOptions {
        range: Some(GetRange::Bounded(range)),
        ..GetOptions::default()
    };
    let answer = client.objects().get_opts(path, options).await?;
    let size = answer.meta.size;
    Ok((size, answer.bytes().await?))
}

impl Read for CloudContent {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.at >= self.size || into.is_empty() {
            return Ok(0);
        }
        if self.buffered().is_empty() {
            self.fill()?;
        }
        let read = (&mut self.buffered()).read(into)?;
        self.at += read as u64;
        Ok(read)
    }
}

impl Seek for CloudContent {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.size.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = target.ok_or_else(|| io::Error::from(ErrorKind::InvalidInput))?;
        Ok(self.at)
    }
}
