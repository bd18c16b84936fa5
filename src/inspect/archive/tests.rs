use modelferry_fixtures::build::{Entry, Pickle, Zip, gzip, npy, torch};

use crate::inspect::{
    Format, WarningKind,
    tests::{assert_malformed, assert_unsafe, look},
};

fn system() -> Vec<u8> {
    Pickle::protocol(2).call("os", "system", &["true"]).stop()
}

fn array() -> Vec<u8> {
    npy(
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }",
        &[0; 8],
    )
}

#[test]
fn an_openly_packed_archive_is_taken_and_its_pickles_are_judged() {
    let zip = |entry: Entry| Zip::new([Entry::stored("a.txt", *b"hello"), entry]).finish();
    assert!(look("data.zip", &zip(Entry::stored("b.npy", array()))).is_ok());
    assert!(look("data.zip", &zip(Entry::stored("b.pt", torch::state_dict()))).is_ok());
    for name in ["b.pkl", "b.bin", "b", "b.txt", "deep/b.joblib"] {
        assert_unsafe(
            "data.zip",
            &zip(Entry::stored(name, system())),
            "`os.system`",
        );
        assert_unsafe(
            "data.zip",
            &zip(Entry::deflated(name, &system())),
            "`os.system`",
        );
    }
    assert_malformed(
        "data.zip",
        &zip(Entry::stored("../b", *b"x")),
        "unpacked outside its folder",
    );
}

#[test]
fn an_archive_in_an_archive_is_warned_of_or_refused() {
    let zip = |name: &str| Zip::new([Entry::stored(name, gzip(b"hello"))]).finish();
    let finding = look("data.zip", &zip("logs.gz")).unwrap();
    assert_eq!(finding.warnings[0].kind, WarningKind::NotChecked);
    assert_unsafe("data.zip", &zip("model.bin"), "was not looked into");
}

#[test]
fn a_zip_in_a_zip_is_judged_as_the_file_it_is() {
    let npz = |bytes: Vec<u8>| Zip::new([Entry::stored("a.npy", bytes)]).finish();
    let outer = |name: &str, inner: Vec<u8>| {
        [
            Zip::new([Entry::stored(name, inner.clone())]).finish(),
            Zip::new([Entry::deflated(name, &inner)]).finish(),
        ]
    };
    for zip in outer("one/a.npz", npz(array())) {
        assert!(look("data.zip", &zip).is_ok());
    }
    for zip in outer("one/a.pt", torch::checkpoint().finish()) {
        assert!(look("data.zip", &zip).is_ok());
    }
    for zip in outer("one/a.pt", torch::zipped(&system(), &[]).finish()) {
        assert_unsafe("data.zip", &zip, "`one/a.pt`: its entry `model/data.pkl`");
    }
    let deeper = Zip::new([Entry::stored("b.pt", torch::checkpoint().finish())]).finish();
    for zip in outer("a.zip", deeper) {
        assert_unsafe("data.zip", &zip, "was not looked into");
    }
    for zip in outer("a.npz", npz(array())[..40].to_vec()) {
        assert_malformed("data.zip", &zip, "`a.npz`: the zip archive is cut");
    }
}

#[test]
fn numpy_archives_hold_arrays() {
    let npz = |entry: Entry| Zip::new([Entry::stored("a.npy", array()), entry]).finish();
    assert_eq!(
        look("a.npz", &npz(Entry::deflated("b.npy", &array())))
            .unwrap()
            .format,
        Format::Npz
    );
    let objects = npy(
        "{'descr': '|O', 'fortran_order': False, 'shape': (1,), }",
        &system(),
    );
    assert_unsafe(
        "a.npz",
        &npz(Entry::deflated("b.npy", &objects)),
        "holds Python objects",
    );
    assert_unsafe(
        "a.npz",
        &npz(Entry::stored("b.npy", system())),
        "`os.system`",
    );
    assert_malformed(
        "a.npz",
        &npz(Entry::stored("b.txt", *b"hello")),
        "it has no data.pkl",
    );
}

#[test]
fn a_pickle_that_unpacks_to_too_much_is_not_unpacked() {
    let bomb = Entry::deflated("model/data.pkl", &[b'N'; 4096]).size(64 << 20);
    assert_unsafe("a.pt", &Zip::new([bomb]).finish(), "too much to check");
}

#[test]
fn an_archive_under_the_name_of_other_weights_says_that_it_may_name_code() {
    let zip = Zip::new([Entry::stored("config.json", *b"{}")]).finish();
    let finding = look("a.keras", &zip).unwrap();
    assert_eq!(finding.format, Format::UnknownWeights);
    assert!(
        finding
            .warnings
            .iter()
            .any(|w| w.kind == WarningKind::RunsElsewhere)
    );
    assert_malformed("a.safetensors", &zip, "not a PyTorch checkpoint");
}
