use modelferry_fixtures::build::npy;

use super::super::tests::{assert_malformed, assert_unsafe, look};

fn described(descr: &str) -> Vec<u8> {
    npy(
        &format!("{{'descr': {descr}, 'fortran_order': False, 'shape': (2, 3), }}"),
        &[0; 96],
    )
}

#[test]
fn plain_and_structured_arrays_are_taken() {
    for descr in [
        "'<f4'",
        "'|u1'",
        "'<U2'",
        "'>c16'",
        "'<M8[ns]'",
        "[('a', '<f4'), ('b', '|u1', (2,))]",
        "[('x', [('y', '<i2')])]",
    ] {
        assert!(look("a.npy", &described(descr)).is_ok(), "{descr}");
    }
    let scalar = npy(
        "{'descr': '<f8', 'fortran_order': False, 'shape': (), }",
        &[0; 8],
    );
    assert!(look("a.npy", &scalar).is_ok());
}

#[test]
fn arrays_of_objects_are_pickles() {
    for descr in [
        "'|O'",
        "'O'",
        "'|O8'",
        "'object'",
        "[('a', '<f4'), ('b', '|O')]",
        "'<f4,O'",
        "'2O'",
        "('|O', (2,))",
    ] {
        assert_unsafe("a.npy", &described(descr), "holds Python objects");
    }
}

#[test]
fn a_header_is_read_only_as_numpy_writes_it() {
    for descr in [
        "'<f' '4'",
        "'\\x4f'",
        "b'O'",
        "u'O'",
        "'O",
        "f'{x}'",
        "'<f4' + 'O'",
        "__import__('os')",
        "''.join('O')",
    ] {
        assert_malformed(
            "a.npy",
            &described(descr),
            "a header that NumPy does not write",
        );
    }
    assert_malformed(
        "a.npy",
        &npy("[]", &[]),
        "a header that NumPy does not write",
    );
    assert_malformed(
        "a.npy",
        &npy("{'shape': (1,)}", &[]),
        "a header that NumPy does not write",
    );
}

#[test]
fn an_array_is_as_long_as_its_shape() {
    let short = npy(
        "{'descr': '<f4', 'fortran_order': False, 'shape': (5, 5), }",
        &[0; 96],
    );
    assert_malformed("a.npy", &short, "its shape needs more than the 96 bytes");
    let mut bytes = described("'<f4'");
    bytes[6] = 9;
    assert_malformed("a.npy", &bytes, "version 9, which does not exist");
    bytes[6] = 3;
    assert_malformed("a.npy", &bytes, "too long to be real");
    assert_malformed(
        "a.npy",
        &described("'<f4'")[..40],
        "is cut inside its header",
    );
    assert_malformed("a.npy", b"\x93NUMPY\x01", "is cut inside its header");
}
