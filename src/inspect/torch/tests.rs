use modelferry_fixtures::build::{Entry, Pickle, torch};

use crate::inspect::tests::{assert_malformed, assert_unsafe, look};

fn system() -> Vec<u8> {
    Pickle::protocol(2).call("os", "system", &["true"]).stop()
}

#[test]
fn whole_checkpoints_of_both_formats_are_taken() {
    let zip = torch::checkpoint();
    assert_eq!(look("a.pt", &zip.finish()).unwrap().facts.tensors, Some(1));
    let legacy = torch::legacy(&torch::state_dict(), &[("0", &[0; 16])]);
    assert_eq!(look("a.pt", &legacy).unwrap().facts.tensors, Some(1));
}

#[test]
fn a_program_anywhere_in_a_zip_is_refused() {
    let good = || torch::checkpoint();
    for zip in [
        torch::zipped(&system(), &[]),
        good().with(Entry::stored("model/other.pkl", system())),
        good().with(Entry::stored("model/noname", system())),
        good().with(Entry::stored("model/data/1.pkl", system())),
        good().with(Entry::stored("model/data/9", system())),
        good().with(Entry::deflated("model/deep.pkl", &system())),
    ] {
        assert_unsafe("a.pt", &zip.finish(), "`os.system`");
    }
}

#[test]
fn archives_of_code_are_refused() {
    for name in [
        "model/code/__torch__.py",
        "model/constants.pkl",
        "model/.data/extern_modules",
    ] {
        let zip = torch::checkpoint().with(Entry::stored(name, *b"\x80\x02)."));
        assert_unsafe("a.pt", &zip.finish(), "holds program code");
    }
    let nested = torch::checkpoint().with(Entry::stored("model/x", torch::checkpoint().finish()));
    assert_unsafe("a.pt", &nested.finish(), "a zip archive inside the archive");
}

#[test]
fn the_layout_of_the_zip_is_that_of_torch_save() {
    let good = torch::checkpoint;
    for (zip, rule) in [
        (
            good().with(Entry::stored("other/data.pkl", torch::state_dict())),
            "more than one data.pkl",
        ),
        (
            good().with(Entry::stored("model/DATA.PKL", torch::state_dict())),
            "appears twice",
        ),
        (
            good().with(Entry::stored("stray.txt", *b"x")),
            "lies outside the folder",
        ),
        (
            good().with(Entry::stored("model/../../x", *b"x")),
            "unpacked outside its folder",
        ),
        (
            good().with(Entry::stored("model/x", *b"x").symlink()),
            "symbolic link",
        ),
        (
            good().with(Entry::stored("model/x", *b"x").flags(1)),
            "encrypted",
        ),
        (
            good().with(Entry::stored("model/x", *b"x").local_name("model/y")),
            "than in the directory",
        ),
        (
            torch::zipped(&torch::state_dict(), &[]),
            "`data/0` is missing",
        ),
        (
            torch::zipped(&torch::state_dict(), &[("0", &[0; 12])]),
            "has 12 bytes, which does not hold the 4 elements",
        ),
        (
            torch::zipped(&torch::state_dict()[..40], &[("0", &[0; 16])]),
            "is cut: it has no end",
        ),
        (
            modelferry_fixtures::build::Zip::new([Entry::stored("data.pkl", torch::state_dict())]),
            "does not lie in one folder",
        ),
    ] {
        assert_malformed("a.pt", &zip.finish(), rule);
    }
    let mut entries = torch::checkpoint().finish();
    let at = entries.windows(6).position(|six| six == b"weight").unwrap();
    entries[at] = b'W';
    assert_malformed("a.pt", &entries, "does not match its checksum");
}

#[test]
fn legacy_checkpoints_are_five_pickles_and_their_storages() {
    let object = torch::state_dict();
    let whole = torch::legacy(&object, &[("0", &[0; 16])]);
    assert_malformed(
        "a.pt",
        &whole[..whole.len() - 1],
        "is cut at the storage `0`",
    );
    assert_malformed(
        "a.pt",
        &[whole.clone(), vec![0]].concat(),
        "1 bytes follow its last storage",
    );
    assert_malformed(
        "a.pt",
        &torch::legacy(&object, &[]),
        "lists 0 storages and its tensors use 1",
    );
    assert_malformed(
        "a.pt",
        &torch::legacy(&object, &[("1", &[0; 16])]),
        "which no tensor uses",
    );
    assert_malformed(
        "a.pt",
        &torch::legacy(&object, &[("0", &[0; 12])]),
        "has 3 elements at byte",
    );
    assert_unsafe("a.pt", &torch::legacy(&system(), &[]), "`os.system`");
    // A program in place of the facts about the machine, and in place of the list.
    let mut other = torch::legacy(&object, &[("0", &[0; 16])]);
    let at = other.windows(3).position(|three| three == b"}(X").unwrap();
    other.splice(at.., Pickle::bare().call("os", "system", &["true"]).stop());
    assert_unsafe("a.pt", &other, "`os.system`");
}

#[test]
fn a_tensor_beyond_its_storage_is_malformed() {
    let object = Pickle::protocol(2).rebuilt("0", 4, 0, &[400], &[1]).stop();
    assert_malformed(
        "a.pt",
        &torch::zipped(&object, &[("0", &[0; 16])]).finish(),
        "elements beyond its end",
    );
}
