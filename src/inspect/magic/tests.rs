use super::by_magic;
use crate::inspect::Format;

#[test]
fn formats_are_known_by_their_first_bytes() {
    let table: [(&[u8], Option<Format>); 34] = [
        (b"GGUF\x03\0\0\0", Some(Format::Gguf)),
        (b"\x93NUMPY\x01\0", Some(Format::Npy)),
        (b"\x89HDF\r\n\x1a\n", Some(Format::Hdf5)),
        (b"\x1c\0\0\0TFL3", Some(Format::TfLite)),
        (b"lmgg\x01", Some(Format::GgmlLegacy)),
        (b"tjgg\x01", Some(Format::GgmlLegacy)),
        (b"PK\x03\x04", Some(Format::Zip)),
        (b"PK\x05\x06", Some(Format::Zip)),
        (b"7z\xbc\xaf\x27\x1c", Some(Format::SevenZip)),
        (b"\x1f\x8b\x08\0", Some(Format::Gzip)),
        (b"BZh91AY&SY", Some(Format::Bzip2)),
        (b"BZh9 is not", None),
        (b"\xfd7zXZ\0", Some(Format::Xz)),
        (
            b"\x5d\0\0\x80\0\xff\xff\xff\xff\xff\xff\xff\xff\0",
            Some(Format::Lzma),
        ),
        (b"\x28\xb5\x2f\xfd", Some(Format::Zstd)),
        (b"\x04\x22\x4d\x18", Some(Format::Lz4)),
        (b"Rar!\x1a\x07\x01\0", Some(Format::Rar)),
        (b"\x89PNG\r\n\x1a\n", Some(Format::Png)),
        (b"\xff\xd8\xff\xe0", Some(Format::Jpeg)),
        (b"GIF89a", Some(Format::Gif)),
        (b"RIFF\0\0\0\0WEBP", Some(Format::WebP)),
        (b"RIFF\0\0\0\0WAVE", Some(Format::Wav)),
        (b"RIFF\0\0\0\0AVI ", None),
        (b"\0\0\0\x18ftypisom", Some(Format::Mp4)),
        (b"\0\0\0\x18ftypqt  ", Some(Format::Mov)),
        (b"\0\0\0\x18ftypM4A ", Some(Format::M4a)),
        (b"\0\0\0\x18ftypavif", Some(Format::Avif)),
        (b"\x1a\x45\xdf\xa3\x01\x42\x82\x84webm", Some(Format::WebM)),
        (
            b"\x1a\x45\xdf\xa3\x01\x42\x82\x88matroska",
            Some(Format::Mkv),
        ),
        (b"ID3\x04\0\0\0\0\0\x10", Some(Format::Mp3)),
        (b"\xff\xfb\x90\x64", Some(Format::Mp3)),
        (b"glTF\x02\0\0\0", Some(Format::Glb)),
        (b"\x7fELF\x02", Some(Format::Executable)),
        (b"hello, world", None),
    ];
    for (head, format) in table {
        assert_eq!(
            by_magic(head, head.len() as u64),
            format,
            "{}",
            String::from_utf8_lossy(head)
        );
    }
}

#[test]
fn zlib_needs_a_stream_that_inflates() {
    let packed = modelferry_fixtures::build::zlib(b"hello");
    assert_eq!(by_magic(&packed, packed.len() as u64), Some(Format::Zlib));
    assert_eq!(by_magic(b"x\x9c this is text", 15), None);
}

#[test]
fn tar_is_known_with_and_without_its_magic() {
    let mut tar = modelferry_fixtures::build::tar(&[("a.txt", b"hello")]);
    assert_eq!(by_magic(&tar, tar.len() as u64), Some(Format::Tar));
    tar[257..265].fill(0);
    tar[148..156].fill(b' ');
    let sum: u32 = tar[..512].iter().copied().map(u32::from).sum();
    tar[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    assert_eq!(by_magic(&tar, tar.len() as u64), Some(Format::Tar));
    tar[0] ^= 1;
    assert_eq!(by_magic(&tar, tar.len() as u64), None);
}

#[test]
fn a_binary_stl_is_as_long_as_its_count_says() {
    let mut stl = vec![0; 84 + 50];
    stl[80] = 1;
    assert_eq!(by_magic(&stl, 134), Some(Format::Stl));
    assert_eq!(by_magic(&stl, 135), None);
}
