//! The safetensors header: an 8-byte little-endian length, that many bytes of JSON, then data.
//!
//! Judged as the format's reference reader judges (`safetensors` crate, `tensor.rs`): a header of
//! at most 100,000,000 bytes; tensors lie end to end without holes or overlaps; each span is what
//! dtype and shape say; the last one ends at the end of the file. Stricter in three things: the
//! header starts with `{` and no name comes twice, as the format's description demands, and no
//! text in it is longer than 8 MiB, so that it is read in little memory.

use std::{
    collections::{BTreeMap, HashSet},
    fmt,
    hash::BuildHasher,
    io::{self, Read},
};

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, Visitor},
};

use super::{
    facts::{Census, from_metadata},
    finding::{Finding, Format, InspectError, MAX_METADATA, WarningKind, malformed, shown},
    source::{Cursor, Source},
};

mod tensor;
#[cfg(test)]
mod tests;

use tensor::Tensor;

const MAX_HEADER: u64 = 100_000_000;
/// Longest text in a header, in bytes. Training tools keep some megabytes of tags in one.
const MAX_TEXT: usize = 8 * 1024 * 1024;
/// Most characters of a metadata value that are kept.
const MAX_VALUE: usize = 1024;

/// Whether the first bytes read as a safetensors header: a plausible length, then `{`.
pub(super) fn claims(head: &[u8], size: u64) -> bool {
    let Some((length, rest)) = head.split_first_chunk::<8>() else {
        return false;
    };
    let length = u64::from_le_bytes(*length);
    (2..=MAX_HEADER).contains(&length) && length <= size - 8 && rest.first() == Some(&b'{')
}

/// Reads and checks the header. The file has a safetensors name, or [`claims`] said yes.
pub(super) fn read(source: &mut Source<'_>) -> Result<Finding, InspectError> {
    let size = source.size();
    let mut cursor = Cursor::new(source, 0, "safetensors");
    let length = u64::from_le_bytes(cursor.array()?);
    if length > MAX_HEADER {
        return Err(malformed(format!(
            "it is not a safetensors file: its first 8 bytes claim a header of {length} bytes, and at most {MAX_HEADER} are allowed"
        )));
    }
    if length > size - 8 {
        return Err(malformed(format!(
            "the safetensors file is cut: its header should be {length} bytes and only {} follow",
            size - 8
        )));
    }
    let mut header = parse_header(cursor.take(length))?;
    header.check_layout(8 + length, size)?;
    Ok(header.into_finding())
}

fn parse_header(json: impl Read) -> Result<Header, InspectError> {
    let mut json = io::BufReader::with_capacity(64 * 1024, json);
    let starts_well = io::BufRead::fill_buf(&mut json)?.first() == Some(&b'{');
    if !starts_well {
        return Err(malformed(
            "the safetensors header does not start with `{` at byte 8",
        ));
    }
    let mut read = 0;
    let counted = ShortTexts {
        json,
        read: &mut read,
        in_text: false,
        escaped: false,
        length: 0,
    };
    let mut deserializer = serde_json::Deserializer::from_reader(io::BufReader::new(counted));
    let parsed = Header::deserialize(&mut deserializer)
        .and_then(|header| deserializer.end().map(|()| header));
    drop(deserializer);
    parsed.map_err(|error| match error.io_error_kind() {
        Some(io::ErrorKind::FileTooLarge) => malformed(format!(
            "the safetensors header holds a text of more than {MAX_TEXT} bytes that ends after byte {}",
            8 + read
        )),
        Some(kind) => io::Error::new(kind, error).into(),
        None => malformed(format!(
            "the safetensors header is not valid: {}",
            shown(&error.to_string(), 200)
        )),
    })
}

/// Passes JSON on while no text in it grows too long: a parser keeps a text whole.
struct ShortTexts<'r, R> {
    json: R,
    read: &'r mut u64,
    in_text: bool,
    escaped: bool,
    length: usize,
}

impl<R: Read> Read for ShortTexts<'_, R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let n = self.json.read(into)?;
        *self.read += n as u64;
        for byte in into.get(..n).unwrap_or_default() {
            match (self.in_text, self.escaped, byte) {
                (true, true, _) => self.escaped = false,
                (true, false, b'\\') => self.escaped = true,
                (_, _, b'"') => (self.in_text, self.length) = (!self.in_text, 0),
                _ => {}
            }
            self.length += 1;
            if self.in_text && self.length > MAX_TEXT {
                return Err(io::ErrorKind::FileTooLarge.into());
            }
        }
        Ok(n)
    }
}

/// What is kept of a header: spans without names, so that a hostile one stays small.
#[derive(Default)]
struct Header {
    spans: Vec<(u64, u64)>,
    metadata: Metadata,
    census: Census,
}

impl Header {
    /// Checks that the tensors fill the file from `start` to `size`.
    fn check_layout(&mut self, start: u64, size: u64) -> Result<(), InspectError> {
        let data = size - start;
        self.spans.sort_unstable();
        let mut reached = 0;
        for (begin, end) in &self.spans {
            if *begin != reached {
                let fault = if *begin < reached {
                    "overlap"
                } else {
                    "leave a hole"
                };
                return Err(malformed(format!(
                    "the safetensors tensors {fault}: one starts at data byte {begin} where {reached} was due (byte {} of the file)",
                    start.saturating_add(*begin)
                )));
            }
            reached = *end;
        }
        if reached == data {
            return Ok(());
        }
        let fault = if reached > data {
            "is cut"
        } else {
            "has bytes that no tensor names"
        };
        Err(malformed(format!(
            "the safetensors file {fault}: its header names {reached} bytes of data and {data} follow byte {start}"
        )))
    }

    fn into_finding(self) -> Finding {
        let mut finding = Finding::new(Format::Safetensors);
        if self.spans.is_empty() {
            finding.warn(WarningKind::Odd, "the safetensors file holds no tensors");
        }
        finding.facts = self.census.facts();
        from_metadata(&mut finding.facts, |key| {
            self.metadata.told.get(key).map(String::as_str)
        });
        for (key, value) in &self.metadata.first {
            finding.note(key, value);
        }
        finding
    }
}

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(HeaderVisitor)
    }
}

struct HeaderVisitor;

impl<'de> Visitor<'de> for HeaderVisitor {
    type Value = Header;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of tensors")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header, A::Error> {
        let mut header = Header::default();
        // Names are kept as keyed hashes: 8 bytes each instead of up to the whole header.
        let hasher = std::hash::RandomState::new();
        let mut names = HashSet::new();
        while let Some(name) = map.next_key::<String>()? {
            if !names.insert(hasher.hash_one(&name)) {
                return Err(A::Error::custom(format_args!(
                    "`{}` appears twice",
                    shown(&name, 80)
                )));
            }
            if name == "__metadata__" {
                header.metadata = map.next_value::<Option<Metadata>>()?.unwrap_or_default();
                continue;
            }
            let tensor: Tensor = map.next_value()?;
            let span = tensor.span().map_err(|fault| {
                A::Error::custom(format_args!("tensor `{}` {fault}", shown(&name, 80)))
            })?;
            header.spans.push(span);
            header
                .census
                .count(tensor.dtype.name(), tensor.shape.elements.unwrap_or(0));
            header.census.name(&name, tensor.shape.first);
        }
        Ok(header)
    }
}

/// The texts beside the tensors: the first ones by key, and those that facts are read from.
#[derive(Default)]
struct Metadata {
    first: BTreeMap<String, String>,
    told: BTreeMap<String, String>,
}

impl<'de> Deserialize<'de> for Metadata {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MetadataVisitor)
    }
}

struct MetadataVisitor;

impl<'de> Visitor<'de> for MetadataVisitor {
    type Value = Metadata;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of texts")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Metadata, A::Error> {
        let mut metadata = Metadata::default();
        while let Some((key, value)) = map.next_entry::<String, String>()? {
            let key: String = key.chars().take(256).collect();
            let value: String = value.chars().take(MAX_VALUE).collect();
            if key.starts_with("modelspec.") || key.starts_with("ss_") && metadata.told.len() < 512
            {
                metadata.told.insert(key.clone(), value.clone());
            }
            metadata.first.insert(key, value);
            if metadata.first.len() > MAX_METADATA {
                metadata.first.pop_last();
            }
        }
        Ok(metadata)
    }
}
