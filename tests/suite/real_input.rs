//! Model files that others made, from servers that others wrote.
//! `scripts/real-input` fetches the files.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::servers::Server;
use crate::support::{Home, hash_of};

/// The Silero voice detector: six ONNX files, one safetensors, one TorchScript.
fn originals() -> PathBuf {
    let folder =
        Path::new(env!("CARGO_MANIFEST_DIR")).join(".cache/real-input/files/silero_vad/data");
    assert!(folder.is_dir(), "run scripts/real-input first");
    folder
}

fn harmless(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".onnx") || name.ends_with(".safetensors"))
        .collect();
    names.sort();
    names
}

fn import_all_from(server: &Server, verification: &str) {
    let folder = originals();
    let home = Home::alone();
    let names = harmless(&folder);
    assert_eq!(names.len(), 7, "{names:?}");
    let mut hashes = Vec::new();
    for name in &names {
        let original = fs::read(folder.join(name)).unwrap();
        let hash = hash_of(&original);
        let mut words = vec![server.url(name)];
        if verification == "sha256" {
            words.extend(["--sha256".to_owned(), hash.clone()]);
        }
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let line = home.import(&words);
        assert_eq!(line["outcome"], "imported", "{line:#}");
        assert_eq!(line["upload"]["kind"], "model", "{line:#}");
        let file = &line["artifacts"][0];
        assert_eq!(file["sha256"], hash.as_str(), "{line:#}");
        assert_eq!(file["size"], original.len(), "{line:#}");
        assert_eq!(file["verification"], verification, "{line:#}");
        hashes.push(hash);
    }
    home.assert_holds_only(&hashes);
}

#[test]
fn real_models_from_pythons_server_arrive_as_they_were() {
    import_all_from(&Server::python(&originals()), "length");
}

#[test]
fn real_models_from_nginx_arrive_as_they_were() {
    import_all_from(&Server::nginx(&originals()), "length");
}

#[test]
fn real_models_are_held_against_the_hash_that_the_user_knows() {
    import_all_from(&Server::nginx(&originals()), "sha256");
}

/// A TorchScript archive carries program code, a well-meant one too.
#[test]
fn a_real_torchscript_file_is_refused_until_the_operator_allows_pickles() {
    let server = Server::nginx(&originals());
    let url = server.url("silero_vad.jit");
    let line = Home::alone().import(&[&url]);
    assert_eq!(line["error"]["code"], "unsafe_pickle", "{line:#}");
    let allowing = Home::alone().with("MODELFERRY_PICKLE", "allow");
    let line = allowing.import(&[&url]);
    assert_eq!(line["outcome"], "imported", "{line:#}");
    let original = fs::read(originals().join("silero_vad.jit")).unwrap();
    allowing.assert_holds_only(&[hash_of(&original)]);
}
