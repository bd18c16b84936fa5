//! The safetensors header: an 8-byte little-endian length, that many bytes of JSON, then data.
//!
//! Rules as in the format's reference reader (`safetensors` crate, `tensor.rs`): header of at most
//! 100,000,000 bytes that starts with `{`; tensors lie end to end without holes or overlaps; each
//! span is what dtype and shape say; the last one ends at the end of the file.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    hash::BuildHasher,
    io::Read,
};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};

use super::{
    finding::{Finding, Format, InspectError, WarningKind, malformed, shown},
    source::{Cursor, Source},
};

#[cfg(test)]
mod tests;

const MAX_HEADER: u64 = 100_000_000;
/// Most dimensions a tensor may have; PyTorch itself stops at 64.
const MAX_DIMENSIONS: usize = 64;

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
    let header = parse_header(cursor.take(length))?;
    header.check_layout(size - 8 - length)?;
    Ok(header.into_finding())
}

fn parse_header(json: impl Read) -> Result<Header, InspectError> {
    let mut json = std::io::BufReader::with_capacity(64 * 1024, json);
    let starts_well = std::io::BufRead::fill_buf(&mut json)?.first() == Some(&b'{');
    if !starts_well {
        return Err(malformed("the safetensors header does not start with `{`"));
    }
    let mut deserializer = serde_json::Deserializer::from_reader(json);
    Header::deserialize(&mut deserializer)
        .and_then(|header| deserializer.end().map(|()| header))
        .map_err(|error| match error.io_error_kind() {
            Some(kind) => std::io::Error::new(kind, error).into(),
            None => malformed(format!(
                "the safetensors header is not valid: {}",
                shown(&error.to_string(), 200)
            )),
        })
}

/// What is kept of a header: spans without names, so that a hostile one stays small.
#[derive(Default)]
struct Header {
    spans: Vec<(u64, u64)>,
    metadata: HashMap<String, String>,
}

impl Header {
    fn check_layout(&self, data: u64) -> Result<(), InspectError> {
        let mut spans = self.spans.clone();
        spans.sort_unstable();
        let mut reached = 0;
        for (begin, end) in spans {
            if begin != reached {
                let fault = if begin < reached {
                    "overlap"
                } else {
                    "leave a hole"
                };
                return Err(malformed(format!(
                    "the safetensors tensors {fault}: one starts at data byte {begin} where {reached} was due"
                )));
            }
            reached = end;
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
            "the safetensors file {fault}: its header names {reached} bytes of data and {data} are there"
        )))
    }

    fn into_finding(self) -> Finding {
        let mut finding = Finding::new(Format::Safetensors);
        finding.facts.tensors = Some(self.spans.len() as u64);
        if self.spans.is_empty() {
            finding.warn(WarningKind::Odd, "the safetensors file holds no tensors");
        }
        let mut pairs: Vec<_> = self.metadata.iter().collect();
        pairs.sort();
        for (key, value) in pairs {
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
        use serde::de::Error;
        let mut header = Header::default();
        // Names are kept as keyed hashes: 8 bytes each instead of up to the whole header.
        let hasher = std::hash::RandomState::new();
        let mut names = HashSet::new();
        while let Some(name) = map.next_key::<String>()? {
            if !names.insert(hasher.hash_one(&name)) {
                return Err(A::Error::custom(format_args!("`{name}` appears twice")));
            }
            if name == "__metadata__" {
                header.metadata = map
                    .next_value::<Option<HashMap<String, String>>>()?
                    .unwrap_or_default();
            } else {
                let tensor: Tensor = map.next_value()?;
                let span = tensor
                    .span()
                    .map_err(|fault| A::Error::custom(format_args!("tensor `{name}` {fault}")))?;
                header.spans.push(span);
            }
        }
        Ok(header)
    }
}

#[derive(Deserialize)]
struct Tensor {
    dtype: Dtype,
    shape: Shape,
    data_offsets: (u64, u64),
}

impl Tensor {
    fn span(&self) -> Result<(u64, u64), String> {
        let (begin, end) = self.data_offsets;
        let length = end
            .checked_sub(begin)
            .ok_or_else(|| format!("ends at {end}, before its start {begin}"))?;
        let bits = self
            .shape
            .0
            .iter()
            .try_fold(self.dtype.0, |bits, n| bits.checked_mul(*n));
        let bits = bits.ok_or("has a shape too large to be real")?;
        if bits % 8 != 0 || bits / 8 != length {
            return Err(format!(
                "spans {length} bytes where its dtype and shape need {}",
                bits.div_ceil(8)
            ));
        }
        Ok((begin, end))
    }
}

/// Bits an element takes.
struct Dtype(u64);

impl<'de> Deserialize<'de> for Dtype {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        let bits = match name.as_str() {
            "F4" => 4,
            "F6_E2M3" | "F6_E3M2" => 6,
            "BOOL" | "U8" | "I8" | "F8_E5M2" | "F8_E4M3" | "F8_E8M0" | "F8_E4M3FNUZ"
            | "F8_E5M2FNUZ" => 8,
            "I16" | "U16" | "F16" | "BF16" => 16,
            "I32" | "U32" | "F32" => 32,
            "I64" | "U64" | "F64" | "C64" => 64,
            "C128" => 128,
            _ => {
                return Err(serde::de::Error::custom(format_args!(
                    "`{name}` is not a known dtype"
                )));
            }
        };
        Ok(Self(bits))
    }
}

struct Shape(Vec<u64>);

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(ShapeVisitor).map(Self)
    }
}

struct ShapeVisitor;

impl<'de> Visitor<'de> for ShapeVisitor {
    type Value = Vec<u64>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at most {MAX_DIMENSIONS} sizes")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<u64>, A::Error> {
        let mut shape = Vec::new();
        while let Some(n) = seq.next_element()? {
            shape.push(n);
            if shape.len() > MAX_DIMENSIONS {
                return Err(serde::de::Error::invalid_length(shape.len(), &self));
            }
        }
        Ok(shape)
    }
}
