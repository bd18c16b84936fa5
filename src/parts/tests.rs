use chrono::{DateTime, Utc};
use proptest::prelude::*;

use super::*;

const MIB: u64 = 1024 * 1024;

fn part(number: u32, size: u64) -> Part {
    Part {
        number: number - 1,
        offset: 0,
        size,
        tag: String::new(),
    }
}

#[test]
fn a_file_can_be_cut_where_s3_could_take_it() {
    let cases = [
        (0, 1, false),
        (1, 0, false),
        (1, 1, true),
        (1, 2, false),
        (5 * MIB, 2, false),
        (5 * MIB + 1, 2, true),
        (12 * MIB, 3, true),
        (10 * MIB, 3, false),
        (100 * MIB, 10_001, false),
        (100_000 * MIB, 10_000, true),
        (MOST_PART, 1, true),
        (MOST_PART + 1, 1, false),
        (MOST_PART + 1, 2, true),
        (MAX_SIZE, 10_000, false),
        (MAX_SIZE + 1, 10_000, false),
        (u64::MAX, u64::MAX, false),
    ];
    for (size, count, fits) in cases {
        let shape = Shape::new(size, count);
        assert_eq!(shape.is_ok(), fits, "{size} in {count}: {shape:?}");
        if let Err(error) = shape {
            assert!(error.hint.is_some(), "{error:?}");
        }
    }
}

#[test]
fn what_is_there_is_held_against_the_file() {
    let shape = Shape::new(12 * MIB, 3).unwrap();
    let of = |sizes: &[(u32, u64)]| -> Vec<Part> {
        sizes
            .iter()
            .map(|(number, size)| part(*number, *size))
            .collect()
    };
    let good: [&[(u32, u64)]; 3] = [
        &[(1, 5 * MIB), (2, 5 * MIB), (3, 2 * MIB)],
        &[(1, 6 * MIB), (2, 5 * MIB), (3, MIB)],
        &[(1, 5 * MIB), (2, 7 * MIB - 1), (3, 1)],
    ];
    for sizes in good {
        assert_eq!(shape.check(&of(sizes)), Ok(()), "{sizes:?}");
    }
    let bad = [
        (&[][..], Code::InvalidRequest, "parts 1, 2, 3 are not there"),
        (
            &[(1, 5 * MIB), (3, 7 * MIB)],
            Code::InvalidRequest,
            "part 2 is not there",
        ),
        (
            &[(1, 5 * MIB), (2, 5 * MIB), (3, MIB), (4, MIB)],
            Code::InvalidRequest,
            "part 4 is not of this upload",
        ),
        (
            &[(1, 4 * MIB), (2, 5 * MIB), (3, 3 * MIB)],
            Code::SizeMismatch,
            "part 1 is under",
        ),
        (
            &[(1, 5 * MIB), (2, 5 * MIB), (3, 0)],
            Code::SizeMismatch,
            "part 3 is under",
        ),
        (
            &[(1, 5 * MIB), (2, 5 * MIB), (3, 3 * MIB)],
            Code::SizeMismatch,
            "13631488 bytes together, and fileSize is 12582912",
        ),
    ];
    for (sizes, code, says) in bad {
        let error = shape.check(&of(sizes)).unwrap_err();
        assert_eq!(error.code, code, "{error:?}");
        assert!(error.message.contains(says), "{error:?}");
    }
}

#[test]
fn a_message_names_some_of_many_missing_parts() {
    let shape = Shape::new(100_000 * MIB, 10_000).unwrap();
    let error = shape.check(&[]).unwrap_err();
    assert!(
        error.message.ends_with("20 and 9980 more are not there"),
        "{error}"
    );
}

#[test]
fn a_url_works_until_it_expires_and_unchanged() {
    let signer = Signer::new(&[7; 32]);
    let url = PartUrl {
        upload: "upload_1",
        number: 3,
        expires: 1_000,
    };
    let signature = signer.sign(&url);
    let at = |seconds| DateTime::from_timestamp(seconds, 0).unwrap();
    assert_eq!(signer.check(&url, &signature, at(1_000)), Ok(()));
    assert_eq!(
        signer.check(&url, &signature, at(1_001)),
        Err(Refused::Late(at(1_000)))
    );
    let others = [
        PartUrl { number: 4, ..url },
        PartUrl {
            expires: 2_000,
            ..url
        },
        PartUrl {
            upload: "upload_2",
            ..url
        },
    ];
    for other in others {
        let checked = signer.check(&other, &signature, at(1_001));
        assert_eq!(checked, Err(Refused::Tampered), "{other:?}");
    }
    let stranger = Signer::new(&[8; 32]);
    assert_eq!(
        stranger.check(&url, &signature, at(0)),
        Err(Refused::Tampered)
    );
}

proptest! {
    #[test]
    fn the_advised_length_always_makes_so_many_parts(size in 1..=200_000 * MIB, count in 1..=MOST_PARTS) {
        let Ok(shape) = Shape::new(size, u64::from(count)) else {
            return Ok(());
        };
        let length = shape.part_size();
        prop_assert_eq!(size.div_ceil(length), u64::from(count));
        let parts: Vec<Part> = (1..=count)
            .map(|number| part(number, length.min(size - u64::from(number - 1) * length)))
            .collect();
        prop_assert_eq!(shape.check(&parts), Ok(()));
        for part in &parts {
            prop_assert!(part.size <= shape.most(part.number + 1));
        }
    }

    #[test]
    fn no_other_signature_is_accepted(key in any::<[u8; 32]>(), upload in "[a-z0-9_\n]{1,40}", number in 1..=MOST_PARTS, expires in 0..4_102_444_800_i64, wrong in ".{0,80}", flip in 0..256_usize) {
        let signer = Signer::new(&key);
        let url = PartUrl { upload: &upload, number, expires };
        let signature = signer.sign(&url);
        prop_assert_eq!(signer.check(&url, &signature, DateTime::<Utc>::UNIX_EPOCH), Ok(()));
        if wrong != signature {
            prop_assert_eq!(signer.check(&url, &wrong, DateTime::<Utc>::UNIX_EPOCH), Err(Refused::Tampered));
        }
        let mut bytes = hex::decode(&signature).unwrap();
        bytes[flip / 8] ^= 1 << (flip % 8);
        let flipped = hex::encode(&bytes);
        prop_assert_eq!(signer.check(&url, &flipped, DateTime::<Utc>::UNIX_EPOCH), Err(Refused::Tampered));
        let cut = &signature[..62];
        prop_assert_eq!(signer.check(&url, cut, DateTime::<Utc>::UNIX_EPOCH), Err(Refused::Tampered));
    }
}
