use modelferry_fixtures::build::{Gguf, header::gguf};

use super::super::tests::{assert_malformed, look};

#[test]
fn both_versions_and_both_byte_orders_are_read() {
    for build in [gguf(), gguf().version(2)] {
        let finding = look("a.gguf", &build.finish()).unwrap();
        assert_eq!(finding.facts.tensors, Some(1));
        assert_eq!(finding.metadata["general.architecture"], "llama");
    }
    let big = Gguf::new()
        .big_endian()
        .text("general.architecture", "llama")
        .tensor("a", &[8], 0, 0)
        .data(32)
        .finish();
    assert_eq!(look("a.gguf", &big).unwrap().facts.tensors, Some(1));
}

#[test]
fn every_sort_of_value_is_passed_over() {
    let mut build = gguf();
    for (kind, size) in [
        (0, 1),
        (1, 1),
        (2, 2),
        (3, 2),
        (4, 4),
        (5, 4),
        (6, 4),
        (7, 1),
        (10, 8),
        (11, 8),
        (12, 8),
    ] {
        build = build.pair(&format!("k{kind}"), kind, &vec![0; size]);
        let list = [
            &u32::to_le_bytes(kind)[..],
            &3_u64.to_le_bytes(),
            &vec![0; 3 * size],
        ]
        .concat();
        build = build.pair(&format!("l{kind}"), 9, &list);
    }
    let nested = [
        &9_u32.to_le_bytes()[..],
        &1_u64.to_le_bytes(),
        &0_u32.to_le_bytes(),
        &2_u64.to_le_bytes(),
        b"ab",
    ]
    .concat();
    build = build
        .pair("nested", 9, &nested)
        .texts("tokens", &["a", "", "b"]);
    assert!(look("a.gguf", &build.finish()).is_ok());
}

#[test]
fn each_rule_of_the_header_is_named() {
    let text = |n: u64| [&n.to_le_bytes()[..], b"abc"].concat();
    let deep = [9_u32.to_le_bytes().to_vec(), 1_u64.to_le_bytes().to_vec()]
        .concat()
        .repeat(6);
    let cases: [(Gguf, &str); 18] = [
        (gguf().version(1), "GGUF version at byte 4 is 1"),
        (gguf().version(4), "GGUF version at byte 4 is 4"),
        (gguf().counts(1 << 18, 2), "more than fit"),
        (
            gguf().counts(1, u64::MAX),
            "at most 262144 and 65536 are taken",
        ),
        (gguf().pair("k", 8, &text(u64::MAX)), "is cut"),
        (
            gguf().pair(
                "k",
                9,
                &[&8_u32.to_le_bytes()[..], &u64::MAX.to_le_bytes()].concat(),
            ),
            "is cut",
        ),
        (
            gguf().pair(
                "k",
                9,
                &[&4_u32.to_le_bytes()[..], &u64::MAX.to_le_bytes()].concat(),
            ),
            "is cut",
        ),
        (
            gguf().pair("k", 13, &[0; 8]),
            "type 13, which does not exist",
        ),
        (gguf().pair("k", 9, &deep), "is nested more than"),
        (
            gguf().text("general.name", "twice"),
            "`general.name` at byte 108 appears twice",
        ),
        (
            gguf().u32("general.alignment", 33),
            "alignment 33 is not a power of two",
        ),
        (
            gguf().u32("general.alignment", 0),
            "alignment 0 is not a power of two",
        ),
        (
            gguf().text("general.alignment", "32"),
            "not a 32-bit number",
        ),
        (
            gguf().tensor("token_embd.weight", &[1], 0, 32),
            "appears twice",
        ),
        (gguf().tensor("b", &[1; 5], 0, 32), "has 5 dimensions"),
        (
            gguf().tensor("b", &[8], 99, 32),
            "has type 99, which does not exist",
        ),
        (
            gguf().tensor("b", &[31], 8, 32),
            "not a multiple of its type's block of 32",
        ),
        (
            gguf().tensor("b", &[1 << 40, 1 << 40], 0, 32),
            "too large to be real",
        ),
    ];
    for (build, rule) in cases {
        assert_malformed("a.gguf", &build.finish(), rule);
    }
}

#[test]
fn tensors_lie_inside_the_file_and_not_on_each_other() {
    let pair = |second: u64, data: usize| {
        Gguf::new()
            .tensor("a", &[8], 0, 0)
            .tensor("b", &[8], 0, second)
            .data(data)
            .finish()
    };
    assert!(look("a.gguf", &pair(32, 64)).is_ok());
    assert_malformed("a.gguf", &pair(0, 64), "overlap at data byte 0");
    assert_malformed(
        "a.gguf",
        &pair(40, 96),
        "data byte 40, which is not a multiple of 32",
    );
    assert_malformed("a.gguf", &pair(32, 63), "is cut");
    assert_malformed("a.gguf", &pair(1 << 62, 64), "is cut");
    let whole = pair(32, 64);
    for length in [4, 7, 12, 20, 80, whole.len() - 1] {
        assert_malformed("a.gguf", &whole[..length], "is cut");
    }
    assert_malformed(
        "a.gguf",
        &whole[..40],
        "more than fit in the 16 bytes that follow",
    );
}

#[test]
fn a_chat_template_is_warned_of() {
    let finding = look(
        "a.gguf",
        &gguf().text("tokenizer.chat_template", "{{ x }}").finish(),
    )
    .unwrap();
    assert!(finding.warnings[0].message.contains("Jinja"));
}
