use modelferry_fixtures::build::{Entry, Zip, deflate};

use super::{Directory, Unpacked, directory};
use crate::inspect::{finding::InspectError, pickle::Stream, source::Source};

fn with_directory<T>(
    bytes: &[u8],
    use_it: impl FnOnce(Directory, &mut Source<'_>) -> T,
) -> Result<T, String> {
    let mut content = std::io::Cursor::new(bytes);
    let mut source = Source::new(&mut content, bytes.len() as u64);
    match directory(&mut source) {
        Ok(directory) => Ok(use_it(directory, &mut source)),
        Err(InspectError::Refused(refusal)) => Err(refusal.message),
        Err(error) => panic!("{error}"),
    }
}

/// The first fault of the archive as a whole, or of its first entry.
fn fault(zip: Zip) -> Option<String> {
    let bytes = zip.finish();
    let fault = with_directory(&bytes, |directory, source| {
        let entry = directory.entries.first().unwrap();
        let located = match directory.locate(entry, source) {
            Ok(located) => located.fault,
            Err(error) => Some(error.to_string()),
        };
        directory.fault().or(located)
    });
    fault.unwrap_or_else(Some)
}

fn entry() -> Entry {
    Entry::stored("a/b.txt", *b"hello")
}

#[test]
fn an_honest_archive_has_no_fault() {
    for zip in [
        Zip::new([entry()]),
        Zip::new([entry(), Entry::deflated("c", &[7; 1000])]).comment(b"by hand"),
        Zip::new([entry().flags(8)]),
        Zip::new([entry().padded(40)]),
    ] {
        assert_eq!(fault(zip), None);
    }
}

#[test]
fn copies_of_a_fact_that_differ_are_a_fault() {
    for zip in [
        Zip::new([entry().local_name("a/c.txt")]),
        Zip::new([entry().local_size(4)]),
        Zip::new([entry().local_method(8)]),
        Zip::new([entry().local_flags(1)]),
        Zip::new([entry().local_flags(8)]),
    ] {
        assert!(fault(zip).unwrap().contains("than in the directory"));
    }
}

#[test]
fn an_archive_that_is_two_in_one_is_a_fault() {
    for (zip, says) in [
        (Zip::new([entry(), entry()]), "appears twice"),
        (
            Zip::new([entry(), Entry::stored("A/B.TXT", *b"x")]),
            "appears twice",
        ),
        (
            Zip::new([entry()]).prefix(b"#!/bin/sh\n"),
            "bytes come before",
        ),
        (
            Zip::new([entry()]).claim(2),
            "has 1 entries and should have 2",
        ),
        (Zip::new([entry()]).after(b"x"), "or bytes follow it"),
        (
            Zip::new([entry()]).comment(&b"PK\x05\x06".repeat(8)),
            "damaged",
        ),
    ] {
        let found = fault(zip).unwrap();
        assert!(found.contains(says), "{found}");
    }
}

#[test]
fn a_cut_archive_says_so() {
    let whole = Zip::new([entry(), Entry::stored("c", vec![1; 300])]).finish();
    for length in [0, 10, 100, whole.len() - 1] {
        assert!(
            with_directory(&whole[..length], |_, _| ()).is_err(),
            "{length}"
        );
    }
    let mut moved = whole.clone();
    let at = moved.len() - 6;
    moved[at] ^= 1;
    assert!(
        with_directory(&moved, |_, _| ())
            .unwrap_err()
            .contains("does not lie where")
    );
}

#[test]
fn names_that_leave_their_folder_escape() {
    for (name, escapes) in [
        (&b"a/b"[..], false),
        (b"a..b/c", false),
        (b"../a", true),
        (b"a/../../b", true),
        (b"/etc/x", true),
        (b"\\x", true),
        (b"a\\..\\b", true),
        (b"C:\\x", true),
        (b"a\0b", true),
    ] {
        let zip = Zip::new([entry().raw_name(name)]).finish();
        let found = with_directory(&zip, |directory, _| directory.entries[0].escapes()).unwrap();
        assert_eq!(found, escapes, "{}", String::from_utf8_lossy(name));
    }
}

#[test]
fn marks_of_an_entry_are_seen() {
    let marks = |zip: Entry| {
        with_directory(&Zip::new([zip]).finish(), |directory, _| {
            let entry = &directory.entries[0];
            (entry.is_hidden(), entry.is_symlink(), entry.is_renamed())
        })
        .unwrap()
    };
    assert_eq!(marks(entry()), (false, false, false));
    for flag in [0x1, 0x20, 0x40, 0x2000] {
        assert!(marks(entry().flags(flag)).0, "{flag:#x}");
    }
    assert!(marks(entry().symlink()).1);
    assert!(marks(entry().extra(0x7075, b"\x01\0\0\0\0other")).2);
}

#[test]
fn an_entry_is_unpacked_and_checked() {
    let unpack = |entry: Entry| {
        with_directory(&Zip::new([entry]).finish(), |directory, source| {
            let entry = &directory.entries[0];
            let at = directory.locate(entry, source).unwrap().data_at;
            let mut bytes = Unpacked::new(entry, at, source)?;
            let mut head = [0; 3];
            let n = bytes.read(&mut head).unwrap();
            Some((head[..n].to_vec(), bytes.finish().unwrap()))
        })
        .unwrap()
    };
    assert_eq!(unpack(entry()), Some((b"hel".to_vec(), true)));
    assert_eq!(
        unpack(Entry::deflated("a", b"hello")),
        Some((b"hel".to_vec(), true))
    );
    assert_eq!(unpack(entry().crc(1)), Some((b"hel".to_vec(), false)));
    assert_eq!(
        unpack(Entry::deflated("a", b"hello").size(4)),
        Some((b"hel".to_vec(), false))
    );
    assert_eq!(
        unpack(Entry::deflated("a", b"hello").size(6)),
        Some((b"hel".to_vec(), false))
    );
    assert_eq!(
        unpack(Entry::stored("a", *b"\xff\xff\xff").method(8)),
        Some((Vec::new(), false))
    );
    assert_eq!(unpack(entry().method(14)), None);
    // A stream that goes on where the entry ends, as the decoder sees it, is damaged and no failed read.
    let cut = deflate(b"hello, hello, hello")[..6].to_vec();
    let (head, whole) = unpack(Entry::stored("a", cut).method(8).size(19)).unwrap();
    assert!(head.len() <= 3 && !whole);
}
