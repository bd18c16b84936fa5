//! The zip container: its directory, its local headers, and whether the two agree.
//!
//! Layout from PKWARE's APPNOTE. Readers differ in which copy of a fact they believe, so a file
//! whose copies differ is two files in one.

use super::{
    finding::{InspectError, malformed, shown},
    source::Source,
};

mod directory;
mod fields;
mod unpack;

#[cfg(test)]
mod tests;

pub(super) use directory::read as directory;
use fields::Fields;
pub(super) use unpack::Unpacked;
const SATURATED: u64 = 0xffff_ffff;

pub(super) const STORED: u16 = 0;
pub(super) const DEFLATED: u16 = 8;

/// Sizes and checksum follow the data.
const FLAG_DESCRIPTOR: u16 = 0x8;
/// Encrypted, patch data, strong encryption, masked headers.
const FLAGS_HIDING: u16 = 0x1 | 0x20 | 0x40 | 0x2000;

/// One entry, as the central directory tells it.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) name: String,
    raw_name: Vec<u8>,
    flags: u16,
    pub(super) method: u16,
    crc: u32,
    packed: u64,
    /// Unpacked size in bytes.
    pub(super) size: u64,
    header_at: u64,
    mode: u32,
    renamed: bool,
}

/// The central directory.
#[derive(Debug)]
pub(super) struct Directory {
    pub(super) entries: Vec<Entry>,
    /// Where it starts, which is where the data ends.
    start: u64,
    /// How many entries it says it has, where they are too many to be read.
    pub(super) unread: Option<u64>,
}

/// Where an entry's data lies, after its local header was compared.
pub(super) struct Located {
    pub(super) data_at: u64,
    /// The first bytes as packed.
    pub(super) head: Vec<u8>,
    /// Where the entry ends, its descriptor included.
    pub(super) end: u64,
    /// How the local header or the descriptor disagrees with the directory.
    pub(super) fault: Option<String>,
}

impl Entry {
    pub(super) fn is_folder(&self) -> bool {
        self.name.ends_with('/')
    }

    /// Where its own header lies.
    pub(super) fn header_at(&self) -> u64 {
        self.header_at
    }

    /// Packed size in bytes.
    pub(super) fn packed(&self) -> u64 {
        self.packed
    }

    /// Encrypted, or marked so that some readers think it is.
    pub(super) fn is_hidden(&self) -> bool {
        self.flags & FLAGS_HIDING != 0
    }

    pub(super) fn is_symlink(&self) -> bool {
        self.mode >> 16 & 0o170_000 == 0o120_000
    }

    /// Whether unpacking it by its name would leave the folder it is unpacked into.
    pub(super) fn escapes(&self) -> bool {
        let name = &self.name;
        name.starts_with(['/', '\\'])
            || name.contains('\0')
            || name.split(['/', '\\']).any(|part| part == "..")
            || name.as_bytes().get(1) == Some(&b':')
    }

    /// Whether an extra field gives it another name that some readers prefer.
    pub(super) fn is_renamed(&self) -> bool {
        self.renamed
    }
}

impl Directory {
    /// Faults that concern the archive as a whole: names that are the same without regard to
    /// case, entries that overlap, bytes before the first.
    pub(super) fn fault(&self) -> Option<String> {
        let mut names = std::collections::HashSet::new();
        if let Some(twin) = self
            .entries
            .iter()
            .find(|entry| !names.insert(entry.name.to_lowercase().replace('\\', "/")))
        {
            return Some(format!(
                "its entry `{}` appears twice",
                shown(&twin.name, 120)
            ));
        }
        let before = self.entries.iter().map(|entry| entry.header_at).min();
        if before.is_some_and(|start| start != 0) {
            return Some("bytes come before its first entry".to_owned());
        }
        self.overlap()
    }

    /// Says that entries share bytes, as those of bombs do.
    pub(super) fn overlap(&self) -> Option<String> {
        let mut places: Vec<(u64, u64)> = self
            .entries
            .iter()
            .map(|entry| (entry.header_at, entry.least_end()))
            .collect();
        places.sort_unstable();
        places
            .iter()
            .zip(places.iter().skip(1))
            .find(|((_, end), (start, _))| end > start)
            .map(|(_, (start, _))| format!("its entries overlap at byte {start}"))
    }

    /// The entries as they lie in the file.
    pub(super) fn in_order(&self) -> impl Iterator<Item = &Entry> {
        let mut entries: Vec<&Entry> = self.entries.iter().collect();
        entries.sort_by_key(|entry| entry.header_at);
        entries.into_iter()
    }

    /// Reads an entry's local header and compares it.
    pub(super) fn locate(
        &self,
        entry: &Entry,
        source: &mut Source<'_>,
    ) -> Result<Located, InspectError> {
        const LOOK: u64 = 256;
        let name_length = entry.raw_name.len() as u64;
        let most = (30 + name_length + LOOK).min(source.size().saturating_sub(entry.header_at));
        let mut bytes = vec![0; usize::try_from(most).unwrap_or(0)];
        source.peek_exact_at(entry.header_at, &mut bytes)?;
        let header = Local::read(&bytes).ok_or_else(|| {
            malformed(format!(
                "the zip entry `{}` has no header where the directory says",
                shown(&entry.name, 120)
            ))
        })?;
        let data_at =
            entry.header_at + 30 + u64::from(header.name_length) + u64::from(header.extra_length);
        let data_end = data_at.saturating_add(entry.packed);
        if data_end > self.start {
            return Err(malformed(format!(
                "the zip entry `{}` is cut",
                shown(&entry.name, 120)
            )));
        }
        let from = usize::try_from(data_at - entry.header_at).unwrap_or(usize::MAX);
        let mut head = bytes.get(from..).unwrap_or_default().to_vec();
        if head.len() < 64 {
            head = source.bytes_at(data_at, 64)?;
        }
        head.truncate(usize::try_from(entry.packed).unwrap_or(usize::MAX));
        let differs = !header.agrees(entry, source)?;
        let described = entry.flags & FLAG_DESCRIPTOR != 0;
        let descriptor = if described {
            entry.descriptor(data_end, source)?
        } else {
            Some(0)
        };
        let fault = match descriptor {
            _ if differs => Some("tells other facts in its own header than in the directory"),
            None => Some("tells other facts after its data than in the directory"),
            Some(_) => None,
        };
        let fault =
            fault.map(|fault| format!("the zip entry `{}` {fault}", shown(&entry.name, 120)));
        Ok(Located {
            data_at,
            head,
            end: data_end.saturating_add(descriptor.unwrap_or(0)),
            fault,
        })
    }
}

impl Entry {
    fn least_end(&self) -> u64 {
        self.header_at + 30 + self.raw_name.len() as u64 + self.packed
    }

    /// The length of the descriptor after the data, if one is there and agrees.
    fn descriptor(&self, at: u64, source: &mut Source<'_>) -> Result<Option<u64>, InspectError> {
        let all = source.bytes_at(at, 24)?;
        let facts = Some((self.crc, self.packed, self.size));
        // The signature before it is optional.
        for (skip, bytes) in [
            (4, all.strip_prefix(b"PK\x07\x08")),
            (0, Some(all.as_slice())),
        ] {
            let Some(bytes) = bytes else { continue };
            let small = || {
                let mut fields = Fields::new(bytes);
                Some((
                    fields.u32()?,
                    u64::from(fields.u32()?),
                    u64::from(fields.u32()?),
                ))
            };
            let large = || {
                let mut fields = Fields::new(bytes);
                Some((fields.u32()?, fields.u64()?, fields.u64()?))
            };
            if small() == facts {
                return Ok(Some(skip + 12));
            }
            if large() == facts {
                return Ok(Some(skip + 20));
            }
        }
        Ok(None)
    }
}

/// A local header.
struct Local {
    flags: u16,
    method: u16,
    crc: u32,
    packed: u32,
    size: u32,
    name_length: u16,
    extra_length: u16,
}

impl Local {
    fn read(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields::new(bytes);
        (fields.take(4)? == b"PK\x03\x04").then_some(())?;
        fields.skip(2)?;
        let (flags, method) = (fields.u16()?, fields.u16()?);
        fields.skip(4)?;
        Some(Self {
            flags,
            method,
            crc: fields.u32()?,
            packed: fields.u32()?,
            size: fields.u32()?,
            name_length: fields.u16()?,
            extra_length: fields.u16()?,
        })
    }

    fn agrees(&self, entry: &Entry, source: &mut Source<'_>) -> Result<bool, InspectError> {
        let described = self.flags & FLAG_DESCRIPTOR != 0;
        let after_header = entry.header_at + 30;
        let rest = source.bytes_at(
            after_header,
            usize::from(self.name_length) + usize::from(self.extra_length),
        )?;
        let (name, extra) = rest
            .split_at_checked(usize::from(self.name_length))
            .unwrap_or_default();
        let mut large = Fields::new(fields::extra(extra, 0x0001).unwrap_or_default());
        let mut widen = |small: u32| {
            if u64::from(small) == SATURATED {
                large.u64().unwrap_or(SATURATED)
            } else {
                u64::from(small)
            }
        };
        let (size, packed) = (widen(self.size), widen(self.packed));
        let same = |here: u64, there: u64| here == there || (described && here == 0);
        Ok(name == entry.raw_name
            && self.flags == entry.flags
            && self.method == entry.method
            && same(u64::from(self.crc), u64::from(entry.crc))
            && same(size, entry.size)
            && same(packed, entry.packed))
    }
}
