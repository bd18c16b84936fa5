//! A zip inside an archive, judged as if it were a file of its own.

use std::io::{self, Cursor, Read, Seek, SeekFrom};

use super::{
    super::{
        finding::{Finding, InspectError, Refusal},
        pickle::{Stream as _, gate::Gate},
        source::Source,
        zip::{Entry, Unpacked},
    },
    read_zip,
};

/// Judges the bytes of `source` from `start`, `length` of them, as a zip of the given name.
pub(super) fn part(
    name: &str,
    source: &mut Source<'_>,
    start: u64,
    length: u64,
    gate: Gate<'_>,
) -> Result<Finding, InspectError> {
    let budget = source.budget();
    let mut part = Part {
        source,
        start,
        length,
        at: 0,
    };
    let mut inner = Source::new(&mut part, length);
    inner.set_budget(budget);
    let judged = read_zip(
        name,
        &mut inner,
        Gate {
            inside: true,
            ..gate
        },
    );
    let left = inner.budget();
    source.set_budget(left);
    judged
}

/// Judges unpacked bytes that came out of `source`.
pub(super) fn bytes(
    name: &str,
    source: &mut Source<'_>,
    bytes: &[u8],
    gate: Gate<'_>,
) -> Result<Finding, InspectError> {
    let mut content = Cursor::new(bytes);
    let mut inner = Source::new(&mut content, bytes.len() as u64);
    inner.set_budget(source.budget());
    let judged = read_zip(
        name,
        &mut inner,
        Gate {
            inside: true,
            ..gate
        },
    );
    source.set_budget(inner.budget());
    judged
}

/// All bytes of a small entry.
pub(super) fn unpacked(entry: &Entry, at: u64, source: &mut Source<'_>) -> io::Result<Vec<u8>> {
    let mut all = Vec::new();
    let Some(mut stream) = Unpacked::new(entry, at, source) else {
        return Ok(all);
    };
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match stream.read(&mut buffer)? {
            0 => return Ok(all),
            n => all.extend_from_slice(buffer.get(..n).unwrap_or_default()),
        }
    }
}

/// A refusal that says in which entry.
pub(super) fn named(what: &str, error: InspectError) -> InspectError {
    match error {
        InspectError::Refused(refusal) => {
            let message = format!("{what}: {}", refusal.message);
            Refusal { message, ..refusal }.into()
        }
        other => other,
    }
}

/// A stretch of a file as a file.
struct Part<'s, 'a> {
    source: &'s mut Source<'a>,
    start: u64,
    length: u64,
    at: u64,
}

impl Read for Part<'_, '_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let left = self.length.saturating_sub(self.at);
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(into.len());
        let into = into.get_mut(..most).unwrap_or_default();
        let n = self.source.read_at(self.start + self.at, into)?;
        self.at += n as u64;
        Ok(n)
    }
}

impl Seek for Part<'_, '_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => self.length.checked_add_signed(by),
        };
        self.at = at.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}
