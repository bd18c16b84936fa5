//! WAV, FLAC and Ogg.

use super::{MAX_PARTS, cursor};
use crate::inspect::{
    finding::{InspectError, malformed},
    source::Source,
};

/// Chunks, with a format before the samples. A recorder that could not seek back leaves lengths
/// of 0 or of all bits set, which readers take for "to the end".
pub(super) fn wav(source: &mut Source<'_>) -> Result<(), InspectError> {
    let mut cursor = cursor(source, 12, "WAV");
    let mut described = false;
    for _ in 0..MAX_PARTS {
        let at = cursor.position();
        if cursor.left() < 8 {
            break;
        }
        let name: [u8; 4] = cursor.array()?;
        let length = u32::from_le_bytes(cursor.array()?);
        match &name {
            b"fmt " if length >= 14 => described = true,
            b"data" => {
                if !described {
                    break;
                }
                let open = matches!(length, 0 | u32::MAX);
                return if open {
                    Ok(())
                } else {
                    cursor.need(length.into())
                };
            }
            b"fmt " => {
                return Err(malformed(format!(
                    "the WAV `fmt ` chunk at byte {at} is {length} bytes long"
                )));
            }
            _ => {}
        }
        cursor.skip(length.into())?;
        let padding = u64::from(length % 2).min(cursor.left());
        cursor.skip(padding)?;
    }
    Err(malformed(format!(
        "the WAV recording has no {} by byte {}",
        if described {
            "`data` chunk"
        } else {
            "`fmt ` chunk before its samples"
        },
        cursor.position()
    )))
}

/// Metadata blocks, the first of them STREAMINFO.
pub(super) fn flac(source: &mut Source<'_>) -> Result<(), InspectError> {
    let mut cursor = cursor(source, 4, "FLAC");
    for index in 0..MAX_PARTS {
        let [kind, a, b, c] = cursor.array()?;
        let length = u64::from(u32::from_be_bytes([0, a, b, c]));
        if index == 0 && (kind & 0x7f != 0 || length != 34) {
            return Err(malformed("the FLAC recording has no STREAMINFO at byte 4"));
        }
        cursor.skip(length)?;
        if kind & 0x80 != 0 {
            break;
        }
    }
    Ok(())
}

/// The first page, which opens a stream.
pub(super) fn ogg(source: &mut Source<'_>) -> Result<(), InspectError> {
    let mut cursor = cursor(source, 4, "Ogg");
    let [version, kind] = cursor.array()?;
    if version != 0 || kind & 2 == 0 {
        return Err(malformed("the Ogg page at byte 0 does not start a stream"));
    }
    cursor.skip(20)?;
    let [segments] = cursor.array()?;
    let lengths = cursor.bytes(segments.into())?;
    cursor.need(lengths.iter().map(|length| u64::from(*length)).sum())
}
