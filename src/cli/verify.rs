//! `verify`

use modelferry_providers::Sha256;
use serde::Serialize;

use super::output::{Output, ShownError, count, printable, size};
use super::session::Session;
use super::{Exit, VerifyArgs};
use crate::config::Config;
use crate::error::{Code, Error, Stop};
use crate::verify::{State, Verdict, Verifier};

/// One blob that is not as it should be, for programs.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ShownVerdict<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    sha256: Sha256,
    size: u64,
    found: &'static str,
    repaired: bool,
    files: Vec<ShownFile<'a>>,
    error: Option<ShownError<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ShownFile<'a> {
    upload: &'a str,
    path: &'a str,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    #[serde(rename = "type")]
    kind: &'static str,
    checked: usize,
    bytes: u64,
    damaged: usize,
    missing: usize,
    repaired: usize,
}

impl<'a> ShownVerdict<'a> {
    fn new(verdict: &'a Verdict) -> Self {
        let files = verdict.files.iter().map(|file| ShownFile {
            upload: &file.upload,
            path: &file.path,
        });
        let error = match &verdict.repair {
            Some(Err(error)) => Some(ShownError::from(error)),
            _ => None,
        };
        Self {
            kind: "blob",
            sha256: verdict.sha256,
            size: verdict.size,
            found: word(&verdict.found),
            repaired: matches!(verdict.repair, Some(Ok(()))),
            files: files.collect(),
            error,
        }
    }

    fn print(&self, output: &Output) {
        let end = if self.repaired { ", fetched again" } else { "" };
        output.line(&format!("{}{end}  {}", self.found, self.sha256));
        for file in &self.files {
            output.line(&format!("  {}  {}", file.upload, printable(file.path)));
        }
    }
}

impl Summary {
    fn add(&mut self, verdict: &Verdict) {
        self.checked += 1;
        self.bytes += verdict.size;
        match verdict.found {
            State::Sound => {}
            State::Damaged => self.damaged += 1,
            State::Missing => self.missing += 1,
        }
        self.repaired += usize::from(matches!(verdict.repair, Some(Ok(()))));
    }

    fn text(&self) -> String {
        format!(
            "{} checked ({}): {} damaged, {} missing, {} repaired",
            count(self.checked, "blob"),
            size(Some(self.bytes)),
            self.damaged,
            self.missing,
            self.repaired
        )
    }

    fn exit(&self) -> Exit {
        if self.damaged + self.missing == self.repaired {
            Exit::Done
        } else {
            Exit::Failed
        }
    }
}

fn word(state: &State) -> &'static str {
    match state {
        State::Sound => "sound",
        State::Missing => "missing",
        State::Damaged => "damaged",
    }
}

pub(super) async fn run(
    output: &Output,
    config: &Config,
    args: &VerifyArgs,
) -> Result<Exit, Error> {
    let session = Session::open(config).await?;
    let verifier = Verifier {
        ferry: &session.ferry,
        repair: args.repair,
        cancel: &session.cancel,
    };
    let mut summary = Summary {
        kind: "summary",
        ..Summary::default()
    };
    let mut report = |verdict: &Verdict| {
        summary.add(verdict);
        if verdict.found == State::Sound {
            return;
        }
        let shown = ShownVerdict::new(verdict);
        if output.json {
            output.json_line(&shown);
        } else {
            shown.print(output);
        }
        if let Some(Err(error)) = &verdict.repair {
            output.error(error);
        }
    };
    let outcome = verifier.run(args.id.as_deref(), &mut report).await;
    let exit = match outcome {
        Ok(()) => summary.exit(),
        Err(Stop::Interrupted | Stop::LeaseLost) => Exit::Interrupted,
        Err(Stop::Failed(error)) if error.code == Code::NotFound => return Err(error),
        Err(Stop::Failed(error)) => {
            output.error(&error);
            Exit::Failed
        }
    };
    if output.json {
        output.json_line(&summary);
    } else {
        output.line(&summary.text());
        if exit == Exit::Failed && !args.repair {
            output.note("`modelferry verify --repair` fetches bad and missing ones again");
        }
    }
    session.close().await;
    Ok(exit)
}
