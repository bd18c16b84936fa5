//! Binary glTF: a header, a chunk of JSON, a chunk of numbers.

use std::io::{BufReader, Read};

use super::cursor;
use crate::inspect::{
    finding::{InspectError, malformed, shown},
    source::Source,
};

/// Longest JSON that is parsed: a parser's memory can grow as deep as its input.
const MAX_JSON: u64 = 32 * 1024 * 1024;

/// Checks the header's length against the file, and that the first chunk is JSON.
pub(super) fn glb(source: &mut Source<'_>) -> Result<(), InspectError> {
    let size = source.size();
    let mut cursor = cursor(source, 4, "GLB");
    let version = u32::from_le_bytes(cursor.array()?);
    let length = u64::from(u32::from_le_bytes(cursor.array()?));
    if length > size {
        return Err(malformed(format!(
            "the GLB file is cut: it should be {length} bytes (byte 8) and is {size}"
        )));
    }
    // Some writers pad the file to a multiple of four and do not count the padding.
    if size - length > 3 {
        return Err(malformed(format!(
            "{} bytes follow the GLB file, which should be {length} bytes (byte 8)",
            size - length
        )));
    }
    if version != 2 {
        return Ok(());
    }
    let json = u64::from(u32::from_le_bytes(cursor.array()?));
    let kind: [u8; 4] = cursor.array()?;
    if &kind != b"JSON" {
        return Err(malformed("the GLB file has no JSON at byte 12"));
    }
    cursor.need(json)?;
    if json > MAX_JSON {
        return Ok(());
    }
    let text = BufReader::new(cursor.take(json));
    let parsed: Result<serde::de::IgnoredAny, _> = serde_json::from_reader(text);
    parsed
        .map(drop)
        .map_err(|error| match error.io_error_kind() {
            Some(kind) => std::io::Error::new(kind, error).into(),
            None => malformed(format!(
                "the GLB file's JSON at byte 20 is not valid: {}",
                shown(&error.to_string(), 120)
            )),
        })
}
