//! What may be called with what, and built from what.

use super::{
    Pickle, assert_harmless, assert_violates, of_protocol_2, violations, walked, walked_with,
};

#[test]
fn what_savers_write_is_harmless() {
    let numpy_array = |at: Pickle, state: &dyn Fn(Pickle) -> Pickle| {
        let at = at
            .global("numpy.core.multiarray", "_reconstruct")
            .tuple(|at| at.global("numpy", "ndarray").raw(b"K\x00\x85").bytes(b"b"));
        state(at.raw(b"R")).raw(b"b")
    };
    let dtype = |at: Pickle| {
        at.global("numpy", "dtype")
            .tuple(|at| at.text("f4").raw(b"\x89\x88"))
            .raw(b"R")
            .tuple(|at| {
                at.raw(b"K\x03")
                    .text("<")
                    .raw(b"NNN")
                    .int(-1)
                    .int(-1)
                    .raw(b"K\x00")
            })
            .raw(b"b")
    };
    let cases = [
        of_protocol_2().tensor("0", 4),
        of_protocol_2()
            .call("collections", "OrderedDict", &[])
            .raw(b"}")
            .text("_metadata")
            .raw(b"}sb"),
        of_protocol_2()
            .call("collections", "Counter", &[])
            .raw(b"(")
            .text("a")
            .raw(b"K\x01u"),
        of_protocol_2().call("_codecs", "encode", &["abc", "latin1"]),
        of_protocol_2().call("torch", "device", &["cuda:0"]),
        of_protocol_2()
            .global("torch", "Size")
            .raw(b"K\x02\x85\x85R"),
        of_protocol_2().global("torch", "float16"),
        of_protocol_2().global("builtins", "set").raw(b"]\x85R"),
        of_protocol_2().global("__builtin__", "set").raw(b"]\x85R"),
        of_protocol_2()
            .global("torch._utils", "_rebuild_parameter")
            .tuple(|at| {
                at.tensor("0", 4)
                    .raw(b"\x88")
                    .call("collections", "OrderedDict", &[])
            })
            .raw(b"R"),
        numpy_array(Pickle::protocol(4), &|at| {
            at.tuple(|at| dtype(at.raw(b"K\x01K\x01\x85")).raw(b"\x89").bytes(&[0; 4]))
        }),
        Pickle::protocol(4)
            .global("numpy._core.multiarray", "scalar")
            .tuple(|at| dtype(at).bytes(&[0; 4]))
            .raw(b"R"),
        of_protocol_2()
            .raw(b"}")
            .global(
                "pytorch_lightning.callbacks.model_checkpoint",
                "ModelCheckpoint",
            )
            .raw(b"Ns"),
    ];
    for case in cases {
        assert_harmless(&case.stop());
    }
}

#[test]
fn listed_names_do_not_take_other_arguments() {
    let cases: [(Pickle, &str); 14] = [
        (
            of_protocol_2().call("_codecs", "encode", &["abc", "rot13"]),
            "another codec than latin1",
        ),
        (
            of_protocol_2().call("_codecs", "encode", &["abc"]),
            "another codec",
        ),
        (
            of_protocol_2()
                .global("torch", "Size")
                .tuple(|at| at.global("torch", "Tensor"))
                .raw(b"R"),
            "never saved with",
        ),
        (
            of_protocol_2().call("torch", "device", &[]),
            "never saved with",
        ),
        (
            of_protocol_2()
                .global("numpy", "dtype")
                .tuple(|at| at.text("O8").raw(b"\x89\x88"))
                .raw(b"R"),
            "Python objects",
        ),
        (
            of_protocol_2().call("numpy", "dtype", &["f4,O"]),
            "never saved with",
        ),
        (
            of_protocol_2()
                .global("torch._tensor", "_rebuild_from_type_v2")
                .tuple(|at| {
                    at.global("torch", "device")
                        .global("torch", "Tensor")
                        .tuple(|at| at.text("cpu"))
                        .raw(b"}")
                })
                .raw(b"R"),
            "never saved with",
        ),
        (
            of_protocol_2()
                .global("torch._utils", "_rebuild_tensor_v2")
                .raw(b")R"),
            "never saved with",
        ),
        (
            of_protocol_2().global("torch", "FloatStorage").raw(b")R"),
            "may only be named",
        ),
        (
            of_protocol_2().global("torch", "float32").raw(b")R"),
            "may only be named",
        ),
        (
            of_protocol_2()
                .global(
                    "pytorch_lightning.callbacks.model_checkpoint",
                    "ModelCheckpoint",
                )
                .raw(b")R"),
            "may only be named",
        ),
        (
            of_protocol_2()
                .global("torch._utils", "_rebuild_tensor_v2")
                .raw(b")\x81"),
            "may only be named",
        ),
        (
            of_protocol_2()
                .global("numpy.core.multiarray", "_reconstruct")
                .tuple(|at| at.global("torch", "Tensor").raw(b"K\x00\x85").text("b"))
                .raw(b"R"),
            "never saved with",
        ),
        (
            of_protocol_2()
                .global("collections", "OrderedDict")
                .tuple(|at| at.text("not items"))
                .raw(b"R"),
            "never saved with",
        ),
    ];
    for (case, what) in cases {
        assert_violates(&case.stop(), what);
    }
}

#[test]
fn only_instances_are_built_and_only_from_their_own_state() {
    let ordered = || of_protocol_2().call("collections", "OrderedDict", &[]);
    let cases = [
        (
            of_protocol_2().global("torch", "Tensor").raw(b"}b"),
            "a class or function itself",
        ),
        (
            of_protocol_2().global("numpy", "dtype").raw(b"}b"),
            "a class or function itself",
        ),
        (
            ordered().raw(b"}").text("__class__").raw(b"Nsb"),
            "more than plain attributes",
        ),
        (ordered().raw(b"N}\x86b"), "more than plain attributes"),
        (ordered().raw(b"]b"), "more than plain attributes"),
        (of_protocol_2().raw(b"}}b"), "a value that takes no state"),
        (
            of_protocol_2().tensor("0", 4).raw(b"}b"),
            "a state it is never saved with",
        ),
        (
            of_protocol_2()
                .global("numpy", "dtype")
                .tuple(|at| at.text("V4").raw(b"\x89\x88"))
                .raw(b"R")
                .tuple(|at| {
                    at.raw(b"K\x03")
                        .text("|")
                        .raw(b"N)}")
                        .int(4)
                        .int(1)
                        .raw(b"K\x00")
                })
                .raw(b"b"),
            "a state it is never saved with",
        ),
        (
            of_protocol_2()
                .global("numpy", "dtype")
                .tuple(|at| at.text("V8").raw(b"\x89\x88"))
                .raw(b"R")
                .tuple(|at| {
                    at.raw(b"K\x03")
                        .text("|")
                        .raw(b"NNN")
                        .int(8)
                        .int(8)
                        .raw(b"K\x3f")
                })
                .raw(b"b"),
            "a state it is never saved with",
        ),
    ];
    for (case, what) in cases {
        assert_violates(&case.stop(), what);
    }
}

#[test]
fn a_persistent_id_is_a_storage_and_nothing_else() {
    let id = |class: (&str, &str), tag: &str, count: i32| {
        of_protocol_2()
            .tuple(|at| {
                at.text(tag)
                    .global(class.0, class.1)
                    .text("0")
                    .text("cpu")
                    .int(count)
            })
            .raw(b"Q")
            .stop()
    };
    assert_harmless(&id(("torch", "HalfStorage"), "storage", 4));
    assert_violates(
        &id(("torch", "HalfStorage"), "module", 4),
        "not a tensor storage",
    );
    assert_violates(
        &id(("torch", "Tensor"), "storage", 4),
        "not a tensor storage",
    );
    assert_violates(
        &id(("torch", "HalfStorage"), "storage", -4),
        "not a tensor storage",
    );
}

#[test]
fn a_tensor_lies_inside_its_storage() {
    for (offset, size, stride, inside) in [
        (0, &[4][..], &[1][..], true),
        (2, &[2], &[1], true),
        (0, &[2, 2], &[2, 1], true),
        (0, &[0, 9], &[9, 1], true),
        (0, &[100], &[0], true),
        (0, &[5], &[1], false),
        (3, &[2], &[1], false),
        (0, &[2], &[4], false),
        (-1, &[2], &[1], false),
        (0, &[-2], &[1], false),
        (0, &[2], &[-1], false),
        (0, &[2], &[1, 1], false),
        (
            i32::MAX,
            &[i32::MAX, i32::MAX],
            &[i32::MAX, i32::MAX],
            false,
        ),
    ] {
        let report = walked(&of_protocol_2().rebuilt("0", 4, offset, size, stride).stop());
        assert_eq!(violations(&report), Vec::<&str>::new());
        assert_eq!(
            report.geometry.is_none(),
            inside,
            "{offset} {size:?} {stride:?}: {:?}",
            report.geometry
        );
        assert_eq!(report.tensors, u64::from(inside));
    }
    let twice = of_protocol_2()
        .storage("0", 4)
        .raw(b"0")
        .storage("0", 8)
        .stop();
    assert!(walked(&twice).geometry.unwrap().contains("with two sizes"));
}

#[test]
fn an_operator_can_vouch_for_a_name_and_for_what_it_makes() {
    let pickle = of_protocol_2()
        .call("argparse", "Namespace", &[])
        .raw(b"}")
        .text("lr")
        .raw(b"K\x01sb")
        .stop();
    assert_violates(
        &pickle,
        "`argparse.Namespace` (GLOBAL at byte 2), which is not known to be harmless",
    );
    let report = walked_with(&pickle, "# ours\n\nargparse Namespace\n");
    assert_eq!(violations(&report), Vec::<&str>::new());
    let special = of_protocol_2()
        .call("argparse", "Namespace", &[])
        .raw(b"}")
        .text("__class__")
        .raw(b"Nsb")
        .stop();
    assert!(
        !walked_with(&special, "argparse Namespace")
            .violations
            .is_empty()
    );
    let other = of_protocol_2().global("argparse", "namespace").stop();
    assert!(
        !walked_with(&other, "argparse Namespace")
            .violations
            .is_empty()
    );
}
