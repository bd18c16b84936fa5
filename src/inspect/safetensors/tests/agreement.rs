//! Agreement with the reference reader on headers that are changed a little, many times.

use modelferry_fixtures::build::safetensors;
use proptest::prelude::*;
use safetensors::SafeTensors;

use crate::inspect::tests::look;

const HEADER: &str = r#"{"__metadata__":{"format":"pt","k":"v"},"w.a":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},"b":{"dtype":"BF16","shape":[3],"data_offsets":[16,22]},"c":{"dtype":"U8","shape":[0,9],"data_offsets":[22,22]},"d":{"dtype":"F4","shape":[4],"data_offsets":[22,24]}}"#;

/// A change of a header's text.
#[derive(Clone, Debug)]
enum Change {
    Byte(usize, u8),
    Remove(usize, usize),
    Repeat(usize, usize),
    Insert(usize, &'static str),
}

fn change() -> impl Strategy<Value = Change> {
    let at = 0..HEADER.len();
    let snippet = prop::sample::select(vec![
        "0",
        "1",
        "9",
        "-",
        ".5",
        "e9",
        "null",
        "true",
        " ",
        ",",
        "[",
        "]",
        "{",
        "}",
        "\"",
        ":",
        "[]",
        "{}",
        "\"x\":[[1,{}]],",
        "\"x\":1e400,",
        "\"x\":\"\\ud800\",",
        "18446744073709551616",
        "4294967296,4294967296",
        "\"dtype\":\"F16\",",
        "{\"F32\":null}",
        "C64",
        "\u{e9}",
        "\\u0041",
        "\"e\":[\"U8\",[0],[24,24]],",
        "\"__metadata__\":null,",
        "\t\n",
    ]);
    prop_oneof![
        (at.clone(), any::<u8>()).prop_map(|(at, byte)| Change::Byte(at, byte)),
        (
            at.clone(),
            prop::sample::select(b"0123456789[]{},:\"FUI".to_vec())
        )
            .prop_map(|(at, byte)| Change::Byte(at, byte)),
        (at.clone(), 1..8_usize).prop_map(|(at, n)| Change::Remove(at, n)),
        (at.clone(), 1..40_usize).prop_map(|(at, n)| Change::Repeat(at, n)),
        (at, snippet).prop_map(|(at, text)| Change::Insert(at, text)),
    ]
}

fn changed(changes: &[Change]) -> Vec<u8> {
    let mut header = HEADER.as_bytes().to_vec();
    for change in changes {
        match change {
            Change::Byte(at, byte) => {
                if let Some(here) = header.get_mut(*at) {
                    *here = *byte;
                }
            }
            Change::Remove(at, n) => {
                let end = (at + n).min(header.len());
                header.drain((*at).min(end)..end);
            }
            Change::Repeat(at, n) => {
                let end = (at + n).min(header.len());
                let part = header[(*at).min(end)..end].to_vec();
                header.splice(end..end, part);
            }
            Change::Insert(at, text) => {
                let at = (*at).min(header.len());
                header.splice(at..at, text.bytes());
            }
        }
    }
    header
}

/// Where this reader is stricter, as the format's description is.
fn is_stricter_here(header: &[u8], message: &str) -> bool {
    message.contains("appears twice") || header.first() != Some(&b'{')
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 800, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn changed_headers_are_judged_as_the_reference_reader_judges(
        changes in prop::collection::vec(change(), 0..4),
        data in prop_oneof![4 => Just(24_usize), 1 => 0..40_usize],
        length_off in prop_oneof![6 => Just(0_i64), 1 => -3..3_i64],
    ) {
        let header = changed(&changes);
        let mut bytes = safetensors("", &[]);
        bytes[..8].copy_from_slice(&((header.len() as u64).saturating_add_signed(length_off)).to_le_bytes());
        bytes.extend_from_slice(&header);
        bytes.resize(bytes.len() + data, 0);
        let theirs = SafeTensors::deserialize(&bytes).map(|_| ()).map_err(|error| error.to_string());
        let ours = look("a.safetensors", &bytes).map(|_| ()).map_err(|error| error.to_string());
        match (&ours, &theirs) {
            (Ok(()), Ok(())) | (Err(_), Err(_)) => {}
            (Err(message), Ok(())) if is_stricter_here(&header, message) => {}
            _ => prop_assert!(false, "ours {ours:?}, theirs {theirs:?}: {}", String::from_utf8_lossy(&header)),
        }
    }
}
