//! PNG, JPEG, GIF, WebP, BMP and TIFF. Layouts from their specifications.

use super::{MAX_PARTS, cursor, pixels};
use crate::inspect::{
    finding::{InspectError, malformed},
    source::{Cursor, Source},
};

type Size = (u64, u64);

/// Chunks from IHDR, whose checksum is right, to IEND.
pub(super) fn png(source: &mut Source<'_>) -> Result<Size, InspectError> {
    let mut cursor = cursor(source, 8, "PNG");
    let mut size = None;
    for _ in 0..MAX_PARTS {
        let at = cursor.position();
        let length = u64::from(u32::from_be_bytes(cursor.array()?));
        let name: [u8; 4] = cursor.array()?;
        match (&name, size) {
            (b"IHDR", None) if length == 13 => {
                let body: [u8; 13] = cursor.array()?;
                let stated = u32::from_be_bytes(cursor.array()?);
                let mut sum = crc32fast::Hasher::new();
                sum.update(&name);
                sum.update(&body);
                if sum.finalize() != stated {
                    return Err(malformed(format!(
                        "the PNG header at byte {at} does not match its checksum"
                    )));
                }
                let [w0, w1, w2, w3, h0, h1, h2, h3, ..] = body;
                let width = u32::from_be_bytes([w0, w1, w2, w3]);
                let height = u32::from_be_bytes([h0, h1, h2, h3]);
                size = Some(pixels("PNG", at, (width.into(), height.into()))?);
            }
            (_, None) => {
                return Err(malformed(format!(
                    "the PNG picture does not start with its header at byte {at}"
                )));
            }
            (b"IEND", Some(size)) => return Ok(size),
            _ => cursor.skip(length + 4)?,
        }
    }
    size.ok_or_else(|| malformed("the PNG picture has no header"))
}

/// Segments up to the first scan, with a frame among them.
pub(super) fn jpeg(source: &mut Source<'_>) -> Result<Size, InspectError> {
    let mut cursor = cursor(source, 2, "JPEG");
    let mut size = None;
    for _ in 0..MAX_PARTS {
        let at = cursor.position();
        let marker = jpeg_marker(&mut cursor)?;
        if matches!(marker, 0xd0..=0xd7 | 0x01) {
            continue;
        }
        let length = u64::from(u16::from_be_bytes(cursor.array()?));
        let rest = length.checked_sub(2).ok_or_else(|| {
            malformed(format!(
                "the JPEG segment at byte {at} is {length} bytes long"
            ))
        })?;
        match marker {
            0xc0..=0xcf if !matches!(marker, 0xc4 | 0xc8 | 0xcc) && rest >= 6 => {
                let [_precision, h0, h1, w0, w1] = cursor.array()?;
                // A height of zero is told later, by the scan itself.
                let height = u64::from(u16::from_be_bytes([h0, h1])).max(1);
                let width = u64::from(u16::from_be_bytes([w0, w1]));
                size = Some(pixels("JPEG", at, (width, height))?);
                cursor.skip(rest - 5)?;
            }
            0xda => {
                cursor.need(rest)?;
                return size.ok_or_else(|| {
                    malformed(format!(
                        "the JPEG scan at byte {at} has no picture header before it"
                    ))
                });
            }
            _ => cursor.skip(rest)?,
        }
    }
    size.ok_or_else(|| malformed("the JPEG file holds no picture"))
}

/// The next marker, which is not the end.
fn jpeg_marker(cursor: &mut Cursor<'_, '_>) -> Result<u8, InspectError> {
    let at = cursor.position();
    let [lead, mut marker] = cursor.array()?;
    while marker == 0xff {
        [marker] = cursor.array()?;
    }
    if lead != 0xff {
        return Err(malformed(format!(
            "the JPEG picture has no segment at byte {at}"
        )));
    }
    if marker == 0xd9 {
        return Err(malformed(format!(
            "the JPEG file ends at byte {at} with no picture in it"
        )));
    }
    Ok(marker)
}

pub(super) fn gif(source: &mut Source<'_>) -> Result<Size, InspectError> {
    let mut cursor = cursor(source, 6, "GIF");
    let width = u16::from_le_bytes(cursor.array()?);
    let height = u16::from_le_bytes(cursor.array()?);
    let _flags: [u8; 3] = cursor.array()?;
    pixels("GIF", 6, (width.into(), height.into()))
}

/// A RIFF whose first chunk tells the size, in one of three ways.
pub(super) fn webp(source: &mut Source<'_>) -> Result<Size, InspectError> {
    let mut cursor = cursor(source, 4, "WebP");
    let length = u64::from(u32::from_le_bytes(cursor.array()?));
    cursor.need(length)?;
    cursor.skip(4)?;
    let name: [u8; 4] = cursor.array()?;
    let _length: [u8; 4] = cursor.array()?;
    let body: [u8; 10] = cursor.array()?;
    let [b0, b1, b2, b3, b4, b5, b6, b7, b8, b9] = body;
    let size = match &name {
        b"VP8X" => (
            u64::from(u32::from_le_bytes([b4, b5, b6, 0])) + 1,
            u64::from(u32::from_le_bytes([b7, b8, b9, 0])) + 1,
        ),
        b"VP8L" if b0 == 0x2f => {
            let bits = u64::from(u32::from_le_bytes([b1, b2, b3, b4]));
            ((bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1)
        }
        b"VP8 " if [b3, b4, b5] == [0x9d, 0x01, 0x2a] => (
            u64::from(u16::from_le_bytes([b6, b7]) & 0x3fff),
            u64::from(u16::from_le_bytes([b8, b9]) & 0x3fff),
        ),
        _ => {
            return Err(malformed("the WebP file has no picture at byte 12"));
        }
    };
    pixels("WebP", 20, size)
}

pub(super) fn bmp(source: &mut Source<'_>) -> Result<Size, InspectError> {
    let mut cursor = cursor(source, 10, "BMP");
    let data_at = u64::from(u32::from_le_bytes(cursor.array()?));
    let header = u32::from_le_bytes(cursor.array()?);
    let (width, height) = if header == 12 {
        let width = u16::from_le_bytes(cursor.array()?);
        let height = u16::from_le_bytes(cursor.array()?);
        (u64::from(width), u64::from(height))
    } else {
        let width = i32::from_le_bytes(cursor.array()?);
        let height = i32::from_le_bytes(cursor.array()?);
        // A height below zero says that the first row is the top one.
        (
            u64::try_from(width).unwrap_or(0),
            u64::from(height.unsigned_abs()),
        )
    };
    let left = cursor.position() + cursor.left();
    if data_at > left {
        return Err(malformed(format!(
            "the BMP file is cut: its pixels start at byte {data_at} of {left}"
        )));
    }
    pixels("BMP", 18, (width, height))
}

pub(super) fn tiff(source: &mut Source<'_>) -> Result<(), InspectError> {
    let size = source.size();
    let mut cursor = cursor(source, 0, "TIFF");
    let [order, ..] = cursor.array::<4>()?;
    let bytes = cursor.array()?;
    let first = if order == b'M' {
        u32::from_be_bytes(bytes)
    } else {
        u32::from_le_bytes(bytes)
    };
    if first < 8 || u64::from(first) + 2 > size {
        return Err(malformed(format!(
            "the TIFF file is cut: its first directory should be at byte {first} of {size}"
        )));
    }
    Ok(())
}
