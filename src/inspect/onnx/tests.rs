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

#[test]
fn a_tensor_has_the_bytes_that_its_shape_needs() {
    assert_malformed(
        "a.onnx",
        &onnx(|tensor| tensor.bytes(9, [0; 15])),
        "has 15 bytes",
    );
    assert_malformed(
        "a.onnx",
        &onnx(|tensor| tensor.number(2, 99)),
        "has type 99",
    );
    assert_malformed(
        "a.onnx",
        &onnx(|tensor| tensor.number(1, 1 << 62)),
        "too large to be real",
    );
    assert_malformed(
        "a.onnx",
        &onnx(|tensor| tensor.raw(b"\x0f")),
        "wire type 7 at byte",
    );
    assert_malformed("a.onnx", &onnx(|tensor| tensor.raw(b"\x4a\x40")), "is cut");
    let model = onnx(|tensor| tensor.bytes(9, [0; 16]));
    assert_eq!(look("a.onnx", &model).unwrap().facts.parameters, Some(4));
}

#[test]
fn weights_in_another_file_lie_beside_the_model() {
    let at = |place: &str| {
        let entry = Proto::new().bytes(1, "location").bytes(2, place);
        onnx(|tensor| tensor.message(13, entry).number(14, 1))
    };
    let finding = look("a.onnx", &at("model.onnx_data")).unwrap();
    assert!(finding.warnings[0].message.contains("`model.onnx_data`"));
    for place in [
        "/etc/passwd",
        "../x",
        "a/../../x",
        "C:\\x",
        "a\\..\\..\\x",
        "a\0b",
    ] {
        assert_malformed("a.onnx", &at(place), "outside the model's folder");
    }
}
