use modelferry_fixtures::build::safetensors;

use super::super::tests::{assert_malformed, look};

fn file(header: &str, data: usize) -> Vec<u8> {
    safetensors(header, &vec![0; data])
}

#[test]
fn a_whole_header_is_read() {
    let header = r#"{"__metadata__":{"format":"pt","note":"x"},
        "a":{"dtype":"F16","shape":[2,3],"data_offsets":[0,12]},
        "b":{"dtype":"I64","shape":[],"data_offsets":[12,20]},
        "c":{"dtype":"F4","shape":[4],"data_offsets":[20,22]},
        "d":{"dtype":"BOOL","shape":[0,7],"data_offsets":[22,22]}}"#;
    let finding = look("a.safetensors", &file(header, 22)).unwrap();
    assert_eq!(finding.facts.tensors, Some(4));
    assert_eq!(finding.metadata["format"], "pt");
    assert!(finding.warnings.is_empty());
}

#[test]
fn each_rule_of_the_layout_is_named_with_its_place() {
    let cases = [
        (
            r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}"#,
            12,
            "leave a hole",
        ),
        (
            r#"{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}}"#,
            6,
            "overlap: one starts at data byte 2 where 4 was due",
        ),
        (
            r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#,
            7,
            "is cut",
        ),
        (
            r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#,
            9,
            "bytes that no tensor names",
        ),
        (
            r#"{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}"#,
            8,
            "spans 8 bytes from data byte 0 where its dtype and shape need 12",
        ),
        (
            r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}"#,
            8,
            "before its start",
        ),
        (
            r#"{"a":{"dtype":"F4","shape":[3],"data_offsets":[0,2]}}"#,
            2,
            "spans 2 bytes",
        ),
        (
            r#"{"a":{"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,0]}}"#,
            0,
            "too large to be real",
        ),
        (
            r#"{"a":{"dtype":"Q4","shape":[2],"data_offsets":[0,8]}}"#,
            8,
            "Q4",
        ),
        (
            r#"{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,8]}}"#,
            8,
            "not valid",
        ),
        (r#"{"a":{"dtype":"F32","shape":[2]}}"#, 8, "data_offsets"),
        (r#"{"a":1}"#, 0, "not valid"),
        (
            r#"{"a":{"dtype":"U8","shape":[],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[],"data_offsets":[1,2]}}"#,
            2,
            "`a` appears twice",
        ),
        (r#"{"__metadata__":{"format":1}}"#, 0, "not valid"),
        (r#"{} x"#, 0, "not valid"),
        (r#"{"a""#, 0, "not valid"),
    ];
    for (header, data, rule) in cases {
        assert_malformed("a.safetensors", &file(header, data), rule);
    }
}

#[test]
fn the_length_before_the_header_is_not_believed() {
    let mut huge = file("{}", 0);
    huge[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    assert_malformed(
        "a.safetensors",
        &huge,
        "claim a header of 18446744073709551615 bytes",
    );
    huge[..8].copy_from_slice(&90_000_000_u64.to_le_bytes());
    assert_malformed(
        "a.safetensors",
        &huge,
        "header should be 90000000 bytes and only 2 follow",
    );
    assert_malformed("a.safetensors", &huge[..5], "is cut");
    assert_malformed("a.safetensors", &file(" {}", 0), "does not start with `{`");
}

#[test]
fn no_tensors_at_all_is_odd() {
    let finding = look("a.safetensors", &file("{}", 0)).unwrap();
    assert!(finding.warnings[0].message.contains("no tensors"));
}

mod agreement;

#[test]
fn one_text_may_be_long_and_no_longer() {
    let note = |length: usize| {
        file(
            &format!(r#"{{"__metadata__":{{"tags":"{}"}}}}"#, "x".repeat(length)),
            0,
        )
    };
    assert!(look("a.safetensors", &note(4_000_000)).is_ok());
    assert_malformed(
        "a.safetensors",
        &note(9_000_000),
        "a text of more than 8388608 bytes",
    );
}
