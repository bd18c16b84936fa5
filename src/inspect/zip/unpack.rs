//! An entry's bytes, inflated where they are packed, with their checksum.

use std::io::{self, Read};

use flate2::read::DeflateDecoder;

use super::{
    super::{
        pickle::{Region, Stream},
        source::Source,
    },
    DEFLATED, Entry, STORED,
};

/// An entry's bytes in order.
pub(in super::super) struct Unpacked<'s, 'a> {
    bytes: Bytes<'s, 'a>,
    length: u64,
    read: u64,
    crc: crc32fast::Hasher,
    expected_crc: u32,
    damaged: bool,
}

enum Bytes<'s, 'a> {
    Stored(Region<'s, 'a>),
    Deflated(Box<DeflateDecoder<Reader<'s, 'a>>>),
}

/// Packed bytes for the decoder, which reports its own faults as I/O errors too.
struct Reader<'s, 'a> {
    region: Region<'s, 'a>,
    failed: bool,
}

impl Read for Reader<'_, '_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.region.read(into);
        self.failed |= read.is_err();
        read
    }
}

impl<'s, 'a> Unpacked<'s, 'a> {
    /// The entry whose data starts at `data_at`, or `None` for a method that is not known here.
    pub(in super::super) fn new(
        entry: &Entry,
        data_at: u64,
        source: &'s mut Source<'a>,
    ) -> Option<Self> {
        let region = Region::new(source, data_at, data_at.saturating_add(entry.packed));
        let bytes = match entry.method {
            STORED => Bytes::Stored(region),
            DEFLATED => Bytes::Deflated(Box::new(DeflateDecoder::new(Reader {
                region,
                failed: false,
            }))),
            _ => return None,
        };
        let crc = crc32fast::Hasher::new();
        Some(Self {
            bytes,
            length: entry.size,
            read: 0,
            crc,
            expected_crc: entry.crc,
            damaged: false,
        })
    }

    /// Reads what is left and says whether length and checksum are those of the directory.
    pub(in super::super) fn finish(mut self) -> io::Result<bool> {
        let rest = self.length.saturating_sub(self.read);
        self.skip(rest)?;
        let mut more = [0];
        let longer = self.raw(&mut more)? > 0;
        Ok(!self.damaged
            && !longer
            && self.read == self.length
            && self.crc.finalize() == self.expected_crc)
    }

    /// Bytes as unpacked, beyond the stated length too. A stream that does not inflate ends.
    fn raw(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match &mut self.bytes {
            Bytes::Stored(region) => region.read(into),
            Bytes::Deflated(inflate) => match inflate.read(into) {
                Err(_) if !inflate.get_ref().failed => {
                    self.damaged = true;
                    Ok(0)
                }
                result => result,
            },
        }
    }
}

impl Stream for Unpacked<'_, '_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.length - self.read)
            .unwrap_or(usize::MAX)
            .min(into.len());
        let into = into.get_mut(..most).unwrap_or_default();
        let n = self.raw(into)?;
        self.crc.update(into.get(..n).unwrap_or_default());
        self.read += n as u64;
        Ok(n)
    }

    fn skip(&mut self, length: u64) -> io::Result<u64> {
        let mut buffer = vec![0; 64 * 1024];
        let mut skipped = 0;
        while skipped < length {
            let most = usize::try_from(length - skipped)
                .unwrap_or(usize::MAX)
                .min(buffer.len());
            match self.read(buffer.get_mut(..most).unwrap_or_default())? {
                0 => break,
                n => skipped += n as u64,
            }
        }
        Ok(skipped)
    }

    fn length(&self) -> u64 {
        self.length
    }

    fn grant(&mut self, most: u64) -> u64 {
        match &mut self.bytes {
            Bytes::Stored(region) => region.grant(most),
            Bytes::Deflated(inflate) => inflate.get_mut().region.grant(most),
        }
    }
}
