//! Formats that are known by their first bytes.

use super::finding::Format;

#[cfg(test)]
mod tests;

/// Formats told by fixed bytes at fixed places: `(offset, bytes, format)`.
const MAGIC: &[(usize, &[u8], Format)] = &[
    (0, b"GGUF", Format::Gguf),
    (0, b"\x93NUMPY", Format::Npy),
    (0, b"\x89HDF\r\n\x1a\n", Format::Hdf5),
    (4, b"TFL3", Format::TfLite),
    (0, b"lmgg", Format::GgmlLegacy),
    (0, b"fmgg", Format::GgmlLegacy),
    (0, b"tjgg", Format::GgmlLegacy),
    (0, b"algg", Format::GgmlLegacy),
    (0, b"ptrt", Format::TensorRt),
    (0, b"ftrt", Format::TensorRt),
    (0, b"PK\x03\x04", Format::Zip),
    (0, b"PK\x05\x06", Format::Zip),
    (0, b"7z\xbc\xaf\x27\x1c", Format::SevenZip),
    (257, b"ustar", Format::Tar),
    (0, b"\x1f\x8b\x08", Format::Gzip),
    (0, b"\xfd7zXZ\x00", Format::Xz),
    (0, b"\x28\xb5\x2f\xfd", Format::Zstd),
    (0, b"\x04\x22\x4d\x18", Format::Lz4),
    (0, b"Rar!\x1a\x07", Format::Rar),
    (0, b"\x89PNG\r\n\x1a\n", Format::Png),
    (0, b"\xff\xd8\xff", Format::Jpeg),
    (0, b"GIF87a", Format::Gif),
    (0, b"GIF89a", Format::Gif),
    (0, b"II*\x00", Format::Tiff),
    (0, b"MM\x00*", Format::Tiff),
    (0, b"fLaC", Format::Flac),
    (0, b"OggS", Format::Ogg),
    (0, b"glTF", Format::Glb),
    (0, b"Kaydara FBX Binary  \x00", Format::Fbx),
    (0, b"%PDF-", Format::Pdf),
    (0, b"PAR1", Format::Parquet),
    (0, b"ARROW1", Format::Arrow),
    (0, b"SQLite format 3\x00", Format::Sqlite),
    (0, b"\x7fELF", Format::Executable),
    (0, b"\xcf\xfa\xed\xfe", Format::Executable),
    (0, b"\xca\xfe\xba\xbe", Format::Executable),
];

/// The format that the first bytes of a file tell for sure, if any.
pub(super) fn by_magic(head: &[u8], size: u64) -> Option<Format> {
    let fixed = MAGIC
        .iter()
        .find(|(offset, bytes, _)| at(head, *offset, bytes))
        .map(|(_, _, format)| *format);
    fixed
        .or_else(|| riff(head))
        .or_else(|| iso_media(head))
        .or_else(|| other(head, size))
}

fn at(head: &[u8], offset: usize, bytes: &[u8]) -> bool {
    head.get(offset..)
        .is_some_and(|rest| rest.starts_with(bytes))
}

fn riff(head: &[u8]) -> Option<Format> {
    match (at(head, 0, b"RIFF"), head.get(8..12)) {
        (true, Some(b"WEBP")) => Some(Format::WebP),
        (true, Some(b"WAVE")) => Some(Format::Wav),
        _ => None,
    }
}

/// ISO base media files: the brand of the leading `ftyp` box tells which.
fn iso_media(head: &[u8]) -> Option<Format> {
    if !at(head, 4, b"ftyp") {
        return None;
    }
    Some(match head.get(8..12)? {
        b"avif" | b"avis" => Format::Avif,
        b"qt  " => Format::Mov,
        b"M4A " | b"M4B " => Format::M4a,
        _ => Format::Mp4,
    })
}

fn other(head: &[u8], size: u64) -> Option<Format> {
    if at(head, 0, b"\x1a\x45\xdf\xa3") {
        let doctype = head.get(..64).unwrap_or(head);
        let webm = doctype.windows(4).any(|four| four == b"webm");
        return Some(if webm { Format::WebM } else { Format::Mkv });
    }
    if is_bmp(head, size) {
        return Some(Format::Bmp);
    }
    if is_bzip2(head) {
        return Some(Format::Bzip2);
    }
    if is_lzma(head) {
        return Some(Format::Lzma);
    }
    if is_old_tar(head) {
        return Some(Format::Tar);
    }
    if at(head, 0, b"MZ") && dos_header_points_to_pe(head) {
        return Some(Format::Executable);
    }
    if is_mp3(head) {
        return Some(Format::Mp3);
    }
    if is_binary_stl(head, size) {
        return Some(Format::Stl);
    }
    is_zlib(head).then_some(Format::Zlib)
}

fn u32_at(head: &[u8], offset: usize) -> Option<u64> {
    let bytes = head.get(offset..)?.first_chunk::<4>()?;
    Some(u64::from(u32::from_le_bytes(*bytes)))
}

fn is_bmp(head: &[u8], size: u64) -> bool {
    let info = u32_at(head, 14);
    at(head, 0, b"BM")
        && u32_at(head, 2).is_some_and(|stated| stated == size || stated == 0)
        && matches!(info, Some(12 | 40 | 52 | 56 | 64 | 108 | 124))
}

fn is_bzip2(head: &[u8]) -> bool {
    at(head, 0, b"BZh")
        && head.get(3).is_some_and(u8::is_ascii_digit)
        && (at(head, 4, b"1AY&SY") || at(head, 4, b"\x17\x72\x45\x38\x50\x90"))
}

/// The `.lzma` header has no magic: properties 0x5d, a power-of-two dictionary, a size that is
/// unknown or small, and a first range-coder byte of zero.
fn is_lzma(head: &[u8]) -> bool {
    let Some(dictionary) = u32_at(head, 1) else {
        return false;
    };
    let Some(size) = head.get(5..13).and_then(|bytes| bytes.first_chunk::<8>()) else {
        return false;
    };
    let size = u64::from_le_bytes(*size);
    head.first() == Some(&0x5d)
        && (dictionary.is_power_of_two()
            || (dictionary.is_multiple_of(3) && (dictionary / 3).is_power_of_two()))
        && (size == u64::MAX || size < 1 << 48)
        && head.get(13) == Some(&0)
}

/// Tar from before the `ustar` magic: the header's checksum, in octal, is right.
fn is_old_tar(head: &[u8]) -> bool {
    let Some(block) = head.first_chunk::<512>() else {
        return false;
    };
    let stated = block.get(148..156).unwrap_or_default();
    let digits: Vec<u8> = stated
        .iter()
        .copied()
        .skip_while(|b| *b == b' ')
        .take_while(|b| (b'0'..=b'7').contains(b))
        .collect();
    if digits.len() < 3 || block.first() == Some(&0) {
        return false;
    }
    let stated = digits.iter().fold(0u32, |sum, digit| {
        sum.saturating_mul(8)
            .saturating_add(u32::from(digit - b'0'))
    });
    let blank = |(index, byte): (usize, &u8)| {
        if (148..156).contains(&index) {
            32
        } else {
            u32::from(*byte)
        }
    };
    stated == block.iter().enumerate().map(blank).sum::<u32>()
}

fn dos_header_points_to_pe(head: &[u8]) -> bool {
    let place = u32_at(head, 0x3c).and_then(|place| usize::try_from(place).ok());
    place.is_some_and(|place| at(head, place, b"PE\0\0"))
}

fn is_mp3(head: &[u8]) -> bool {
    if at(head, 0, b"ID3") {
        // Version, flags, and a size of four 7-bit bytes.
        let version = head.get(3).is_some_and(|v| (2..=4).contains(v));
        return version
            && head
                .get(6..10)
                .is_some_and(|size| size.iter().all(|byte| *byte < 0x80));
    }
    // Frame sync, a layer, a bit rate and a sample rate that exist.
    let [a, b, c, ..] = head else { return false };
    *a == 0xff
        && b & 0xe0 == 0xe0
        && (b >> 3) & 3 != 1
        && (b >> 1) & 3 == 1
        && !matches!(c >> 4, 0 | 15)
        && (c >> 2) & 3 != 3
}

/// Binary STL: an 80-byte header, a count, 50 bytes a triangle, and nothing after.
fn is_binary_stl(head: &[u8], size: u64) -> bool {
    u32_at(head, 80).is_some_and(|triangles| triangles > 0 && size == 84 + triangles * 50)
}

/// A zlib stream has only a two-byte header, so its start must also inflate.
fn is_zlib(head: &[u8]) -> bool {
    let [method, flags, ..] = head else {
        return false;
    };
    let header = u16::from_be_bytes([*method, *flags]);
    if method & 0x0f != 8 || method >> 4 > 7 || !header.is_multiple_of(31) || flags & 0x20 != 0 {
        return false;
    }
    let mut out = [0; 256];
    let mut inflate = flate2::Decompress::new(true);
    let result = inflate.decompress(head, &mut out, flate2::FlushDecompress::None);
    result.is_ok() && inflate.total_out() > 0
}
