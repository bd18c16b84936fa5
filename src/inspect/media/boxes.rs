//! ISO base media files (MP4, QuickTime, AVIF): boxes one after another to the end of the file.

use super::{MAX_PARTS, cursor};
use crate::inspect::{
    finding::{InspectError, malformed},
    source::Source,
};

/// Walks the outer boxes: each lies inside the file, and one says what the file holds.
pub(super) fn read(source: &mut Source<'_>) -> Result<(), InspectError> {
    let mut cursor = cursor(source, 0, "ISO media");
    let mut described = false;
    for _ in 0..MAX_PARTS {
        let at = cursor.position();
        if cursor.left() < 8 {
            break;
        }
        let length = u32::from_be_bytes(cursor.array()?);
        let name: [u8; 4] = cursor.array()?;
        if !name
            .iter()
            .all(|byte| byte.is_ascii_graphic() || *byte == b' ' || *byte == 0xa9)
        {
            // Bytes after the last box, which players pass over.
            break;
        }
        described |= matches!(&name, b"moov" | b"moof" | b"meta");
        let (length, head) = match length {
            0 => break,
            1 => (u64::from_be_bytes(cursor.array()?), 16),
            n => (u64::from(n), 8),
        };
        let rest = length.checked_sub(head).ok_or_else(|| {
            malformed(format!("the media box at byte {at} is {length} bytes long"))
        })?;
        cursor.skip(rest)?;
    }
    if described {
        return Ok(());
    }
    Err(malformed(format!(
        "the media file has no `moov`, `moof` or `meta` box by byte {}, so nothing says what is in it",
        cursor.position()
    )))
}
