use modelferry_fixtures::build::media::{gif, glb, iso_box, jpeg, mp4, png, riff, wav, webp};

use crate::inspect::tests::{assert_malformed, look};

#[test]
fn pictures_tell_their_size() {
    for (path, bytes) in [
        ("a.png", png(3, 2)),
        ("a.jpg", jpeg(3, 2)),
        ("a.gif", gif(3, 2)),
        ("a.webp", webp(3, 2)),
    ] {
        let facts = look(path, &bytes).unwrap().facts;
        assert_eq!((facts.width, facts.height), (Some(3), Some(2)), "{path}");
    }
    let extended = riff(b"WEBP", &[(b"VP8X", &[0, 0, 0, 0, 2, 0, 0, 1, 0, 0])]);
    assert_eq!(look("a.webp", &extended).unwrap().facts.width, Some(3));
    let lossy = riff(b"WEBP", &[(b"VP8 ", &[0, 0, 0, 0x9d, 1, 0x2a, 3, 0, 2, 0])]);
    assert_eq!(look("a.webp", &lossy).unwrap().facts.height, Some(2));
}

#[test]
fn sloppy_files_that_every_reader_takes_are_taken() {
    let mut streamed = wav(8);
    streamed[40..44].fill(0xff);
    let mut open_end = mp4();
    let at = open_end.len() - 72;
    open_end[at..at + 4].fill(0);
    let large = [
        &1_u32.to_be_bytes()[..],
        b"mdat",
        &24_u64.to_be_bytes(),
        &[0; 8],
    ]
    .concat();
    for (path, bytes) in [
        ("a.png", [png(1, 1), b"trailing".to_vec()].concat()),
        ("a.jpg", [jpeg(1, 1), b"trailing".to_vec()].concat()),
        ("a.wav", streamed),
        (
            "a.wav",
            riff(
                b"WAVE",
                &[(b"LIST", b"odd"), (b"fmt ", &[1; 16]), (b"data", &[0; 3])],
            ),
        ),
        ("a.mp4", open_end),
        ("a.mp4", [mp4(), b"\0\0\0".to_vec()].concat()),
        ("a.mp4", [mp4(), large].concat()),
        (
            "a.mp4",
            [mp4(), b"\0\0\0\x09\x01\x02\x03\x04....".to_vec()].concat(),
        ),
        (
            "a.avif",
            [iso_box(b"ftyp", b"avif\0\0\0\0"), iso_box(b"meta", b"")].concat(),
        ),
        (
            "a.glb",
            [glb(r#"{"asset":{}}"#, 0), b"\0\0".to_vec()].concat(),
        ),
        (
            "a.flac",
            [b"fLaC\x80\0\0\x22".to_vec(), vec![0; 34]].concat(),
        ),
        (
            "a.ogg",
            [b"OggS\0\x02".to_vec(), vec![0; 20], b"\x01\x02ab".to_vec()].concat(),
        ),
    ] {
        assert!(
            look(path, &bytes).is_ok(),
            "{path}: {:?}",
            look(path, &bytes)
        );
    }
}

#[test]
fn what_no_reader_takes_is_malformed() {
    for (path, bytes, rule) in [
        (
            "a.jpg",
            b"\xff\xd8\xff\xe0\x00\x00".to_vec(),
            "is 0 bytes long",
        ),
        (
            "a.jpg",
            b"\xff\xd8\xff\xe0\x00\x02\x00\x00\x00".to_vec(),
            "no segment at byte 6",
        ),
        (
            "a.jpg",
            b"\xff\xd8\xff\xda\x00\x02".to_vec(),
            "no picture header before it",
        ),
        (
            "a.png",
            b"\x89PNG\r\n\x1a\n\0\0\0\0IDAT\0\0\0\0".to_vec(),
            "does not start with its header",
        ),
        (
            "a.webp",
            riff(b"WEBP", &[(b"ICCP", &[0; 10])]),
            "no picture at byte 12",
        ),
        (
            "a.mp4",
            [
                iso_box(b"ftyp", b"isom\0\0\0\0"),
                b"\0\0\0\x04moov".to_vec(),
            ]
            .concat(),
            "is 4 bytes long",
        ),
        (
            "a.tif",
            b"II*\0\xff\xff\0\0".to_vec(),
            "first directory should be at byte 65535",
        ),
        ("a.ogg", b"OggS\0\x00".to_vec(), "does not start a stream"),
        (
            "a.wav",
            riff(b"WAVE", &[(b"fmt ", &[1; 2])]),
            "is 2 bytes long",
        ),
        (
            "a.wav",
            riff(b"WAVE", &[(b"fmt ", &[1; 16])]),
            "no `data` chunk",
        ),
    ] {
        assert_malformed(path, &bytes, rule);
    }
}
