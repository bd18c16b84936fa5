//! Which code may use what: each outside crate has one owner, and modules
//! depend in one direction.

use std::fs;
use std::path::{Path, PathBuf};

/// What may stand only in these files or folders.
const OWNERS: &[(&str, &[&str])] = &[
    ("reqwest::", &["providers/src/http"]),
    ("sqlx::", &["src/records"]),
    ("object_store::", &["src/storage"]),
    ("axum::", &["src/api", "fixtures/src"]),
    ("opentelemetry", &["src/telemetry"]),
    ("prometheus_client::", &["src/api/metrics"]),
    ("clap::", &["src/cli", "fixtures/src/main"]),
    ("indicatif::", &["src/cli"]),
    ("std::env::", &["src/config"]),
    ("println!", &["fixtures/src/main", "examples/"]),
    ("writeln!(std::io::stdout", &["src/cli/output"]),
];

/// What these files or folders may not name.
const ARROWS: &[(&str, &[&str])] = &[
    (
        "src/inspect",
        &[
            "crate::records",
            "crate::storage",
            "crate::transfer",
            "crate::import",
            "modelferry_providers",
            "tokio",
        ],
    ),
    (
        "src/transfer",
        &[
            "crate::records",
            "crate::import",
            "crate::config",
            "crate::cli",
        ],
    ),
    (
        "src/storage",
        &[
            "crate::records",
            "crate::import",
            "crate::transfer",
            "crate::config",
        ],
    ),
    (
        "src/records",
        &[
            "crate::import",
            "crate::transfer",
            "crate::cli",
            "crate::config",
        ],
    ),
    (
        "src/import",
        &["crate::cli", "crate::config", "crate::worker"],
    ),
    (
        "providers/src",
        &[
            "modelferry::",
            "modelferry_fixtures",
            "std::fs",
            "tokio::fs",
        ],
    ),
    ("fixtures/src", &["modelferry_providers", "modelferry::"]),
];

#[test]
fn each_outside_crate_has_one_owner() {
    for (text, owners) in OWNERS {
        let strays: Vec<String> = code()
            .filter(|(path, _)| !owners.iter().any(|owner| path.starts_with(owner)))
            .filter(|(_, code)| code.contains(text))
            .map(|(path, _)| path)
            .collect();
        assert_eq!(
            strays,
            Vec::<String>::new(),
            "`{text}` belongs to {owners:?}"
        );
    }
}

#[test]
fn modules_depend_in_one_direction() {
    for (place, forbidden) in ARROWS {
        let mut seen = 0;
        for (path, code) in code().filter(|(path, _)| path.starts_with(place)) {
            seen += 1;
            for text in *forbidden {
                assert!(!code.contains(text), "{path} names `{text}`");
            }
        }
        assert!(seen > 0, "nothing was found under {place}");
    }
}

/// Every source file that is no test, with its comments left out.
fn code() -> impl Iterator<Item = (String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in ["src", "providers/src", "fixtures/src", "examples"] {
        collect(&root.join(folder), &mut files);
    }
    let root = root.to_owned();
    files
        .into_iter()
        .filter(|path| {
            !path.ends_with("tests.rs")
                && !path.components().any(|part| part.as_os_str() == "tests")
        })
        .map(move |path| {
            let text = fs::read_to_string(&path).unwrap();
            let before_tests = text
                .split("#[cfg(test)]\nmod tests {")
                .next()
                .unwrap_or_default();
            let lines = before_tests
                .lines()
                .filter(|line| !line.trim_start().starts_with("//"));
            let shown = path
                .strip_prefix(&root)
                .unwrap()
                .to_string_lossy()
                .into_owned();
            (shown, lines.collect::<Vec<_>>().join("\n"))
        })
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}
