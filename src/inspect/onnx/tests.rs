use modelferry_fixtures::build::{Proto, proto::onnx};

use super::super::tests::{assert_malformed, look};

#[test]
fn a_model_is_told_by_its_fields() {
    let model = onnx(|tensor| tensor.bytes(9, [0; 16]));
    assert!(look("a.onnx", &model).is_ok());
    assert!(look("a.bin", &model).is_ok());
}

#[test]
fn what_is_no_model_is_named_with_its_place() {
    let graph = || Proto::new().bytes(2, "g");
    let version = || Proto::new().number(1, 8);
    for (bytes, rule) in [
        (version().finish(), "one graph should be there"),
        (
            version().message(7, graph()).message(7, graph()).finish(),
            "one graph should be there",
        ),
        (
            Proto::new().number(1, 900).message(7, graph()).finish(),
            "one graph should be there",
        ),
        (
            version().message(7, graph()).number(9, 1).finish(),
            "field 9 at byte",
        ),
        (version().raw(b"\x3a\xff\x7f").finish(), "is cut"),
        (
            version().raw(&[0xff; 12]).finish(),
            "a number without an end",
        ),
    ] {
        assert_malformed("a.onnx", &bytes, rule);
    }
}
