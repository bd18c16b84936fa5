//! The gate alone.
//!
//! ```text
//! cargo run --release -- corpus FOLDER     writes every file that must be refused, and what must be said
//! cargo run --release -- verdicts FILE…    prints a JSON line a file
//! cargo run --release -- speed             times large files, real-shaped and hostile
//! ```

use std::{fs, path::Path, process::ExitCode};

mod speed;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["corpus", folder] => corpus(Path::new(folder)),
        ["verdicts", ref files @ ..] => verdicts(files),
        ["speed"] => {
            speed::all();
            Ok(())
        }
        _ => {
            eprintln!("usage: modelferry-gate corpus FOLDER | verdicts FILE… | speed");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// One folder a case, because the file's own name matters: `unsafe/017/model.pkl`.
fn corpus(folder: &Path) -> std::io::Result<()> {
    let sets = [
        ("unsafe", modelferry_gate::corpus::unsafe_pickles()),
        ("malformed", modelferry_gate::corpus::malformed()),
    ];
    let mut list = Vec::new();
    for (set, cases) in sets {
        for (index, case) in cases.into_iter().enumerate() {
            let place = format!("{set}/{index:03}/{}", case.path);
            let path = folder.join(&place);
            fs::create_dir_all(path.parent().unwrap_or(folder))?;
            fs::write(&path, &case.bytes)?;
            list.push(serde_json::json!({"set": set, "file": place, "name": case.name, "code": case.code}).to_string());
        }
    }
    fs::write(folder.join("cases.jsonl"), list.join("\n") + "\n")
}

fn verdicts(files: &[&str]) -> std::io::Result<()> {
    for file in files {
        let name = Path::new(file).file_name().unwrap_or_default().to_string_lossy();
        let bytes = fs::read(file)?;
        let line = match modelferry_gate::look(&name, &bytes) {
            Ok(finding) => serde_json::json!({"file": file, "verdict": "ok", "facts": finding.facts}),
            Err(modelferry_gate::inspect::InspectError::Refused(refusal)) => {
                serde_json::json!({"file": file, "verdict": refusal.reason.code(), "message": refusal.message})
            }
            Err(error) => serde_json::json!({"file": file, "verdict": "error", "message": error.to_string()}),
        };
        println!("{line}");
    }
    Ok(())
}
