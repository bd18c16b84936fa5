//! Bounded, mostly forward reading of a file whose size is known.

use std::io::{self, Read, Seek, SeekFrom};

use super::finding::{InspectError, malformed};

/// Where the bytes come from: a local file, or a range reader over an object store.
///
/// Reads go mostly forward and are buffered here, so an implementation over a network may fetch
/// a range a call.
pub trait Content: Read + Seek {}

impl<T: Read + Seek + ?Sized> Content for T {}

/// How much one read fetches.
const WINDOW: u64 = 64 * 1024;
/// Pickle opcodes that are walked in one file: so many, and one more for so many bytes. Checkpoints
/// have some thousand; a second or so is spent on a file that has more than this.
const OPCODES_FREE: u64 = 20_000_000;
const BYTES_AN_OPCODE: u64 = 32;
/// Entries of archives that are walked whole: so many bytes, and twice the file's.
const UNPACKED_FREE: u64 = 512 * 1024 * 1024;

/// A file of known size, read through one buffer.
pub(super) struct Source<'a> {
    content: &'a mut dyn Content,
    size: u64,
    at: Option<u64>,
    window: Vec<u8>,
    window_start: u64,
    budget: Budget,
}

/// The work that may still be spent on a file and on the files inside it.
#[derive(Clone, Copy)]
pub(super) struct Budget {
    opcodes: u64,
    unpacked: u64,
}

impl<'a> Source<'a> {
    pub(super) fn new(content: &'a mut dyn Content, size: u64) -> Self {
        Self {
            content,
            size,
            at: None,
            window: Vec::new(),
            window_start: 0,
            budget: Budget {
                opcodes: OPCODES_FREE + size / BYTES_AN_OPCODE,
                unpacked: UNPACKED_FREE.saturating_add(size.saturating_mul(2)),
            },
        }
    }

    /// What may still be spent, to be handed to a file inside this one and taken back after.
    pub(super) fn budget(&self) -> Budget {
        self.budget
    }

    /// Goes on with what another file left.
    pub(super) fn set_budget(&mut self, budget: Budget) {
        self.budget = budget;
    }

    /// Grants up to `most` of the pickle opcodes that may still be walked in this file.
    pub(super) fn grant(&mut self, most: u64) -> u64 {
        let granted = most.min(self.budget.opcodes);
        self.budget.opcodes -= granted;
        granted
    }

    /// Whether an archive's entry may be read that is so many bytes when unpacked.
    pub(super) fn may_unpack(&mut self, bytes: u64) -> bool {
        let left = self.budget.unpacked.checked_sub(bytes);
        self.budget.unpacked = left.unwrap_or(0);
        left.is_some()
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Up to `most` bytes from `offset`, fewer only at the end of the file.
    pub(super) fn bytes_at(&mut self, offset: u64, most: usize) -> io::Result<Vec<u8>> {
        let length = (self.size.saturating_sub(offset)).min(most as u64);
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(most)];
        self.read_exact_at(offset, &mut bytes)?;
        Ok(bytes)
    }

    /// Fills `into` from `offset`. The caller has checked that the file is long enough.
    pub(super) fn read_exact_at(&mut self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        let mut done = 0;
        while done < into.len() {
            let rest = into.get_mut(done..).unwrap_or_default();
            match self.read_at(offset + done as u64, rest)? {
                0 => return Err(self.ended_early(offset + done as u64)),
                n => done += n,
            }
        }
        Ok(())
    }

    /// Fills `into` from `offset` without reading ahead: for a short look at a far place.
    pub(super) fn peek_exact_at(&mut self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        if self.in_window(offset).len() >= into.len() {
            return self.read_exact_at(offset, into);
        }
        self.go_to(offset)?;
        let read = self.content.read_exact(into);
        self.at = None;
        read.map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => self.ended_early(offset),
            _ => error,
        })
    }

    /// Reads some bytes at `offset`; zero only at the stated end of the file.
    pub(super) fn read_at(&mut self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        if offset >= self.size || into.is_empty() {
            return Ok(0);
        }
        if self.in_window(offset).is_empty() {
            self.fill(offset)?;
        }
        let held = self.in_window(offset);
        let n = held.len().min(into.len());
        if let (Some(to), Some(from)) = (into.get_mut(..n), held.get(..n)) {
            to.copy_from_slice(from);
        }
        if n == 0 {
            Err(self.ended_early(offset))
        } else {
            Ok(n)
        }
    }

    fn in_window(&self, offset: u64) -> &[u8] {
        offset
            .checked_sub(self.window_start)
            .and_then(|skip| usize::try_from(skip).ok())
            .and_then(|skip| self.window.get(skip..))
            .unwrap_or_default()
    }

    fn fill(&mut self, offset: u64) -> io::Result<()> {
        self.go_to(offset)?;
        let most = WINDOW.min(self.size - offset);
        self.window.clear();
        self.window_start = offset;
        let read = (&mut *self.content)
            .take(most)
            .read_to_end(&mut self.window);
        self.at = read.is_ok().then_some(offset + self.window.len() as u64);
        read.map(drop)
    }

    fn go_to(&mut self, offset: u64) -> io::Result<()> {
        if self.at != Some(offset) {
            self.at = None;
            self.content.seek(SeekFrom::Start(offset))?;
        }
        Ok(())
    }

    fn ended_early(&self, at: u64) -> io::Error {
        let message = format!(
            "the content ended at byte {at} of the {} it should have",
            self.size
        );
        io::Error::new(io::ErrorKind::UnexpectedEof, message)
    }
}

/// A part of a [`Source`] that knows its end. Reading past it is a cut file, not a failed read.
pub(super) struct Cursor<'s, 'a> {
    source: &'s mut Source<'a>,
    position: u64,
    end: u64,
    format: &'static str,
}

impl<'s, 'a> Cursor<'s, 'a> {
    /// Reads `source` from `start` to its end; `format` names the file in messages.
    pub(super) fn new(source: &'s mut Source<'a>, start: u64, format: &'static str) -> Self {
        let end = source.size();
        Self {
            source,
            position: start.min(end),
            end,
            format,
        }
    }

    pub(super) fn position(&self) -> u64 {
        self.position
    }

    pub(super) fn left(&self) -> u64 {
        self.end - self.position
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], InspectError> {
        self.need(N as u64)?;
        let mut bytes = [0; N];
        self.source.read_exact_at(self.position, &mut bytes)?;
        self.position += N as u64;
        Ok(bytes)
    }

    /// `length` bytes; the caller bounds `length`.
    pub(super) fn bytes(&mut self, length: u64) -> Result<Vec<u8>, InspectError> {
        self.need(length)?;
        let bytes = self
            .source
            .bytes_at(self.position, usize::try_from(length).unwrap_or(usize::MAX))?;
        self.position += length;
        Ok(bytes)
    }

    pub(super) fn skip(&mut self, length: u64) -> Result<(), InspectError> {
        self.need(length)?;
        self.position += length;
        Ok(())
    }

    /// Fails when fewer than `length` bytes are left.
    pub(super) fn need(&self, length: u64) -> Result<(), InspectError> {
        if length <= self.left() {
            return Ok(());
        }
        Err(malformed(format!(
            "the {} file is cut: at byte {} it needs {length} more bytes and has {}",
            self.format,
            self.position,
            self.left()
        )))
    }
}

impl Read for Cursor<'_, '_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left())
            .unwrap_or(usize::MAX)
            .min(into.len());
        let n = self
            .source
            .read_at(self.position, into.get_mut(..most).unwrap_or_default())?;
        self.position += n as u64;
        Ok(n)
    }
}
