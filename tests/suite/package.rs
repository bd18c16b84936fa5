//! What is published: all that the program is made of, and nothing else.

use std::path::Path;
use std::process::Command;

/// The files of a crate's package.
fn packaged(name: &str) -> Vec<String> {
    let ran = Command::new(env!("CARGO"))
        .args([
            "package",
            "--list",
            "--allow-dirty",
            "--offline",
            "-p",
            name,
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    let stderr = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{name}: {stderr}");
    let listed = String::from_utf8(ran.stdout).expect("names");
    listed.lines().map(ToOwned::to_owned).collect()
}

/// The files that a source file compiles in, from the package's root.
fn compiled_in(source: &str, text: &str) -> Vec<String> {
    let folder = Path::new(source).parent().expect("a file in a folder");
    let mut found = Vec::new();
    for start in ["include_str!(\"", "include_bytes!(\""] {
        for rest in text.split(start).skip(1) {
            let name = rest.split('"').next().unwrap_or_default();
            let mut place = folder.to_owned();
            for part in name.split('/') {
                if part == ".." {
                    place.pop();
                } else {
                    place.push(part);
                }
            }
            found.push(place.display().to_string());
        }
    }
    found
}

#[test]
fn a_package_holds_all_that_is_compiled_in_and_no_tests() {
    let files = packaged("modelferry");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let sources = files.iter().filter(|file| file.ends_with(".rs"));
    for source in sources {
        let text = std::fs::read_to_string(root.join(source)).expect("a source file");
        for named in compiled_in(source, &text) {
            assert!(files.contains(&named), "{source} needs {named}");
        }
    }
    for needed in ["build.rs", "README.md", "LICENSE-MIT", "LICENSE-APACHE"] {
        assert!(files.iter().any(|file| file == needed), "no {needed}");
    }
    let console = files.iter().filter(|file| file.starts_with("console/"));
    assert!(console.count() > 0, "no console");
    let needless = ["tests/", "benches/", "fuzz/", "scripts/", ".ci/"];
    for file in &files {
        let is_needless = needless.iter().any(|folder| file.starts_with(folder));
        assert!(!is_needless, "{file}");
    }
}

#[test]
fn the_other_crates_are_packed_with_their_licences() {
    for name in ["modelferry-providers", "modelferry-fixtures"] {
        let files = packaged(name);
        for needed in ["README.md", "LICENSE-MIT", "LICENSE-APACHE", "src/lib.rs"] {
            assert!(
                files.iter().any(|file| file == needed),
                "{name}: no {needed}"
            );
        }
        assert!(
            !files.iter().any(|file| file.starts_with("tests/")),
            "{name}"
        );
    }
}
