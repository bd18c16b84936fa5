//! The bytes of a pickle, in order, through one small buffer.

use std::io;

use super::super::source::Source;

const BUFFER: usize = 64 * 1024;
/// Opcodes that are asked for at once.
const GRANT: u64 = 4096;

/// Where a pickle's bytes come from: a stretch of a file, or an entry being inflated.
pub(in super::super) trait Stream {
    /// Reads some bytes; zero only at the end.
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize>;
    /// Passes over up to `length` bytes and says how many there were.
    fn skip(&mut self, length: u64) -> io::Result<u64>;
    /// The length of the whole stream.
    fn length(&self) -> u64;
    /// Grants up to `most` opcodes of those that the file as a whole may take.
    fn grant(&mut self, most: u64) -> u64;
}

/// A stretch of a file.
pub(in super::super) struct Region<'s, 'a> {
    source: &'s mut Source<'a>,
    start: u64,
    at: u64,
    end: u64,
}

impl<'s, 'a> Region<'s, 'a> {
    /// The bytes of `source` from `start` up to `end`, or to the end of the file.
    pub(in super::super) fn new(source: &'s mut Source<'a>, start: u64, end: u64) -> Self {
        let end = end.min(source.size());
        Self {
            source,
            start,
            at: start.min(end),
            end,
        }
    }
}

impl Stream for Region<'_, '_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.end - self.at)
            .unwrap_or(usize::MAX)
            .min(into.len());
        let n = self
            .source
            .read_at(self.at, into.get_mut(..most).unwrap_or_default())?;
        self.at += n as u64;
        Ok(n)
    }

    fn skip(&mut self, length: u64) -> io::Result<u64> {
        let skipped = length.min(self.end - self.at);
        self.at += skipped;
        Ok(skipped)
    }

    fn length(&self) -> u64 {
        self.end.saturating_sub(self.start)
    }

    fn grant(&mut self, most: u64) -> u64 {
        self.source.grant(most)
    }
}

/// Reads opcodes and operands. `None` or `false` means that the stream ended first.
pub(in super::super) struct Feed<'a> {
    stream: &'a mut dyn Stream,
    buffer: Vec<u8>,
    at: usize,
    position: u64,
    granted: u64,
}

/// A line up to its newline, cut to what was asked to be kept.
pub(in super::super) struct Line {
    pub(super) bytes: Vec<u8>,
    pub(super) whole: bool,
}

impl<'a> Feed<'a> {
    pub(in super::super) fn new(stream: &'a mut dyn Stream) -> Self {
        Self {
            stream,
            buffer: Vec::new(),
            at: 0,
            position: 0,
            granted: 0,
        }
    }

    /// Takes one of the opcodes that the file may have; `false` where there are none left.
    pub(super) fn spend(&mut self) -> bool {
        if self.granted == 0 {
            self.granted = self.stream.grant(GRANT);
        }
        let some = self.granted > 0;
        self.granted -= u64::from(some);
        some
    }

    /// Bytes read so far.
    pub(in super::super) fn position(&self) -> u64 {
        self.position
    }

    pub(in super::super) fn left(&self) -> u64 {
        self.stream.length().saturating_sub(self.position)
    }

    /// The next byte, without taking it.
    pub(in super::super) fn peek(&mut self) -> io::Result<Option<u8>> {
        if self.at >= self.buffer.len() {
            self.buffer.resize(BUFFER, 0);
            let n = self.stream.read(&mut self.buffer)?;
            self.buffer.truncate(n);
            self.at = 0;
        }
        Ok(self.buffer.get(self.at).copied())
    }

    pub(in super::super) fn byte(&mut self) -> io::Result<Option<u8>> {
        let byte = self.peek()?;
        self.advance(usize::from(byte.is_some()));
        Ok(byte)
    }

    pub(in super::super) fn array<const N: usize>(&mut self) -> io::Result<Option<[u8; N]>> {
        let mut bytes = [0; N];
        for to in &mut bytes {
            match self.byte()? {
                Some(byte) => *to = byte,
                None => return Ok(None),
            }
        }
        Ok(Some(bytes))
    }

    /// `length` bytes, of which at most the first `keep` are returned.
    pub(in super::super) fn bytes(
        &mut self,
        length: u64,
        keep: usize,
    ) -> io::Result<Option<Vec<u8>>> {
        let kept = usize::try_from(length).unwrap_or(usize::MAX).min(keep);
        if length > self.left() {
            self.skip(length)?;
            return Ok(None);
        }
        let mut bytes = Vec::with_capacity(kept);
        while bytes.len() < kept {
            if self.peek()?.is_none() {
                return Ok(None);
            }
            let held = self.held();
            let part = held.get(..kept - bytes.len()).unwrap_or(held);
            bytes.extend_from_slice(part);
            let taken = part.len();
            self.advance(taken);
        }
        let rest = length - kept as u64;
        Ok(self.skip(rest)?.then_some(bytes))
    }

    /// What the buffer holds that was not taken yet.
    fn held(&self) -> &[u8] {
        self.buffer.get(self.at..).unwrap_or_default()
    }

    fn advance(&mut self, by: usize) {
        self.at += by;
        self.position += by as u64;
    }

    pub(in super::super) fn skip(&mut self, length: u64) -> io::Result<bool> {
        let held = (self.buffer.len() - self.at) as u64;
        let from_buffer = held.min(length);
        self.at += usize::try_from(from_buffer).unwrap_or(self.buffer.len());
        let skipped = from_buffer + self.stream.skip(length - from_buffer)?;
        self.position += skipped;
        Ok(skipped == length)
    }

    /// The bytes before the next newline, which is taken too.
    pub(in super::super) fn line(&mut self, keep: usize) -> io::Result<Option<Line>> {
        let mut line = Line {
            bytes: Vec::new(),
            whole: true,
        };
        while self.peek()?.is_some() {
            let held = self.held();
            let end = held.iter().position(|byte| *byte == b'\n');
            let part = held.get(..end.unwrap_or(held.len())).unwrap_or(held);
            let room = keep - line.bytes.len();
            line.whole &= part.len() <= room;
            line.bytes
                .extend_from_slice(part.get(..room).unwrap_or(part));
            let taken = part.len() + usize::from(end.is_some());
            self.advance(taken);
            if end.is_some() {
                return Ok(Some(line));
            }
        }
        Ok(None)
    }
}
