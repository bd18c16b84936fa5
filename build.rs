//! Tells the program which commit it is built of, and cargo what else it is
//! built of beside Rust: the migrations, which a macro reads.

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=src/records/migrations");
    let commit = if std::env::var("PROFILE").as_deref() == Ok("release") {
        of_repository().or_else(of_package)
    } else {
        // Whoever works on it would build everything anew after each commit.
        None
    };
    let shown = commit.map_or_else(String::new, |commit| format!(" ({commit})"));
    println!("cargo::rustc-env=MODELFERRY_COMMIT={shown}");
}

/// The commit that is checked out, when this folder is a repository's own.
fn of_repository() -> Option<String> {
    if !Path::new(".git").exists() {
        return None;
    }
    let head = git(&["rev-parse", "--symbolic-full-name", "HEAD"])?;
    for name in ["HEAD", "packed-refs", &head] {
        // Cargo takes a file that is not there for one that changed.
        let path = git(&["rev-parse", "--git-path", name]);
        if let Some(path) = path.filter(|path| Path::new(path).exists()) {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    git(&["rev-parse", "--short=12", "HEAD"])
}

/// The commit that `cargo package` wrote down.
fn of_package() -> Option<String> {
    let written = std::fs::read_to_string(".cargo_vcs_info.json").ok()?;
    let (_, rest) = written.split_once("\"sha1\"")?;
    let commit: String = rest
        .chars()
        .skip_while(|c| !c.is_ascii_hexdigit())
        .take_while(char::is_ascii_hexdigit)
        .take(12)
        .collect();
    (commit.len() == 12).then_some(commit)
}

fn git(words: &[&str]) -> Option<String> {
    let ran = Command::new("git").args(words).output().ok()?;
    let said = String::from_utf8(ran.stdout).ok()?;
    (ran.status.success() && !said.trim().is_empty()).then(|| said.trim().to_owned())
}
