//! The end record and the central directory.

use super::{
    super::{
        finding::{InspectError, malformed},
        source::Source,
    },
    Directory, Entry, SATURATED,
    fields::{self, Fields},
};

/// Largest directory that is read, in bytes.
const MAX_DIRECTORY: u64 = 64 * 1024 * 1024;
/// Most entries that are kept.
const MAX_ENTRIES: u64 = 250_000;
const END_RECORD: usize = 22;
const LONGEST_COMMENT: usize = 65_535;

/// Reads the end record and the central directory.
pub(in super::super) fn read(source: &mut Source<'_>) -> Result<Directory, InspectError> {
    let end = find_end(source)?;
    if end.directory_size > MAX_DIRECTORY || end.entries > MAX_ENTRIES {
        return Ok(Directory {
            entries: Vec::new(),
            start: end.directory_at,
            unread: Some(end.entries),
        });
    }
    let bytes = source.bytes_at(
        end.directory_at,
        usize::try_from(end.directory_size).unwrap_or(usize::MAX),
    )?;
    let mut fields = Fields::new(&bytes);
    let mut entries = Vec::new();
    while !fields.is_empty() && entries.len() as u64 <= MAX_ENTRIES {
        entries.push(
            read_entry(&mut fields, end.directory_at)
                .ok_or_else(|| malformed("its zip directory is damaged"))?,
        );
    }
    if entries.len() as u64 != end.entries {
        return Err(malformed(format!(
            "its zip directory has {} entries and should have {}",
            entries.len(),
            end.entries
        )));
    }
    Ok(Directory {
        entries,
        start: end.directory_at,
        unread: None,
    })
}

struct End {
    entries: u64,
    directory_at: u64,
    directory_size: u64,
}

fn find_end(source: &mut Source<'_>) -> Result<End, InspectError> {
    let cut = || malformed("the zip archive is cut: its directory is missing");
    let size = source.size();
    let tail_at = size.saturating_sub((END_RECORD + LONGEST_COMMENT + 20) as u64);
    let tail = source.bytes_at(tail_at, END_RECORD + LONGEST_COMMENT + 20)?;
    let at = tail
        .windows(4)
        .rposition(|window| window == b"PK\x05\x06")
        .ok_or_else(cut)?;
    let record = tail.get(at..).unwrap_or_default();
    let mut fields = Fields::new(record);
    let mut read = || {
        fields.skip(4)?;
        let disks = (fields.u16()?, fields.u16()?);
        let counts = (fields.u16()?, fields.u16()?);
        let end = End {
            entries: u64::from(counts.1),
            directory_size: u64::from(fields.u32()?),
            directory_at: u64::from(fields.u32()?),
        };
        let comment = usize::from(fields.u16()?);
        (comment == record.len() - END_RECORD && counts.0 == counts.1 && disks.0 == disks.1)
            .then_some(end)
    };
    let mut end = read()
        .ok_or_else(|| malformed("the end of its zip directory is damaged, or bytes follow it"))?;
    let mut record_at = tail_at + at as u64;
    if let Some(large) = find_large_end(source, &end, record_at)? {
        (end, record_at) = large;
    }
    if end.directory_at.checked_add(end.directory_size) != Some(record_at) {
        return Err(malformed(
            "its zip directory does not lie where its end record says",
        ));
    }
    Ok(end)
}

/// The zip64 end record, if there is a locator for one before the end record.
fn find_large_end(
    source: &mut Source<'_>,
    small: &End,
    record_at: u64,
) -> Result<Option<(End, u64)>, InspectError> {
    let Some(locator_at) = record_at.checked_sub(20) else {
        return Ok(None);
    };
    let locator = source.bytes_at(locator_at, 20)?;
    let mut fields = Fields::new(&locator);
    if fields.take(4) != Some(b"PK\x06\x07") {
        return Ok(None);
    }
    let damaged = || malformed("the zip64 end of its directory is damaged");
    let at = fields
        .skip(4)
        .and_then(|()| fields.u64())
        .ok_or_else(damaged)?;
    if at.checked_add(56) != Some(locator_at) {
        return Err(damaged());
    }
    let record = source.bytes_at(at, 56)?;
    let mut fields = Fields::new(&record);
    let mut read = || {
        (fields.take(4)? == b"PK\x06\x06").then_some(())?;
        fields.skip(28)?;
        Some(End {
            entries: fields.u64()?,
            directory_size: fields.u64()?,
            directory_at: fields.u64()?,
        })
    };
    let large = read().ok_or_else(damaged)?;
    let agrees = |small: u64, large: u64, saturated: u64| small == large || small == saturated;
    let same = agrees(small.entries, large.entries, 0xffff)
        && agrees(small.directory_size, large.directory_size, SATURATED)
        && agrees(small.directory_at, large.directory_at, SATURATED);
    if same {
        Ok(Some((large, at)))
    } else {
        Err(damaged())
    }
}

fn read_entry(fields: &mut Fields<'_>, data_end: u64) -> Option<Entry> {
    (fields.take(4)? == b"PK\x01\x02").then_some(())?;
    fields.skip(4)?;
    let (flags, method) = (fields.u16()?, fields.u16()?);
    fields.skip(4)?;
    let crc = fields.u32()?;
    let (packed, size) = (u64::from(fields.u32()?), u64::from(fields.u32()?));
    let (name, extra, comment) = (fields.u16()?, fields.u16()?, fields.u16()?);
    fields.skip(4)?;
    let mode = fields.u32()?;
    let header_at = u64::from(fields.u32()?);
    let raw_name = fields.take(usize::from(name))?.to_vec();
    let extra = fields.take(usize::from(extra))?;
    fields.skip(usize::from(comment))?;

    let mut large = Fields::new(fields::extra(extra, 0x0001).unwrap_or_default());
    let mut widen = |small: u64| {
        if small == SATURATED {
            large.u64()
        } else {
            Some(small)
        }
    };
    let (size, packed, header_at) = (widen(size)?, widen(packed)?, widen(header_at)?);
    header_at
        .checked_add(30)?
        .checked_add(packed)
        .filter(|end| *end <= data_end)?;
    let name = String::from_utf8_lossy(&raw_name).into_owned();
    let renamed = fields::extra(extra, 0x7075).is_some();
    Some(Entry {
        name,
        raw_name,
        flags,
        method,
        crc,
        packed,
        size,
        header_at,
        mode,
        renamed,
    })
}
