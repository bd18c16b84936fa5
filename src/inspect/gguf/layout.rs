//! Where the tensors lie behind the header.

use crate::inspect::finding::{InspectError, malformed};

/// A tensor's place behind the header. The length is `None` for a type whose size is not known.
#[derive(Clone, Copy)]
pub(super) struct Span {
    pub(super) offset: u64,
    pub(super) length: Option<u64>,
}

/// Checks where the tensors lie, and gives the number of bytes after the last.
pub(super) fn check_layout(
    mut spans: Vec<Span>,
    alignment: u64,
    data_start: Option<u64>,
    size: u64,
) -> Result<u64, InspectError> {
    let data = data_start.map_or(0, |start| size.saturating_sub(start));
    spans.sort_unstable_by_key(|span| (span.offset, span.length));
    let mut reached = 0;
    for Span { offset, length } in spans {
        if offset % alignment != 0 {
            return Err(malformed(format!(
                "a GGUF tensor starts at data byte {offset}, which is not a multiple of {alignment}"
            )));
        }
        if offset < reached {
            return Err(malformed(format!(
                "GGUF tensors overlap at data byte {offset}"
            )));
        }
        reached = offset
            .checked_add(length.unwrap_or(0))
            .filter(|end| *end <= data)
            .ok_or_else(|| malformed(format!(
                "the GGUF file is cut: a tensor of {} bytes starts at data byte {offset}, and {data} bytes of data are there",
                length.unwrap_or(0)
            )))?;
    }
    Ok(data - reached)
}
