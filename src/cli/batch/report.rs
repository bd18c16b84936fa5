//! What a batch says of each source, and of all of them.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::cli::Exit;
use crate::cli::import::shown_import;
use crate::cli::output::{Output, clip, count, printable, size};
use crate::error::{Code, Error};
use crate::worker::{Ended, Outcome};

/// How the sources of a batch ended so far.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub imported: usize,
    pub unchanged: usize,
    pub failed: usize,
    /// Not begun, or stopped on the way.
    pub left: usize,
    pub bytes: u64,
    /// Whether `--fail-fast` ended it.
    pub stopped_by_failure: bool,
}

impl Tally {
    pub fn add(&mut self, ended: &Ended) {
        match ended.outcome {
            Outcome::Imported | Outcome::Complete => self.imported += 1,
            Outcome::Unchanged => self.unchanged += 1,
            Outcome::Failed => self.failed += 1,
        }
        self.bytes += ended.bytes_moved();
    }

    pub fn done(&self) -> usize {
        self.imported + self.unchanged + self.failed
    }

    pub fn exit(&self) -> Exit {
        if self.left > 0 && !self.stopped_by_failure {
            Exit::Interrupted
        } else if self.failed > 0 {
            Exit::Failed
        } else {
            Exit::Done
        }
    }
}

/// Where the lines go: the screen or stdout, and a file when one was asked for.
pub(super) struct Report<'a> {
    output: &'a Output,
    file: Option<(PathBuf, File)>,
    started: Instant,
}

impl<'a> Report<'a> {
    /// Makes the file at once: one that can't be made is known before any work.
    pub fn start(output: &'a Output, path: Option<&Path>) -> Result<Self, Error> {
        let file = path
            .map(|path| match File::create(path) {
                Ok(file) => Ok((path.to_owned(), file)),
                Err(error) => Err(unwritable(path, &error)),
            })
            .transpose()?;
        Ok(Self {
            output,
            file,
            started: Instant::now(),
        })
    }

    /// One source that ended. Its line is in the file before the next begins.
    pub fn add(&mut self, line: usize, source: &str, ended: &Ended) -> Result<(), Error> {
        let shown = shown_import(source, ended, Some(line));
        if let Some((path, file)) = &mut self.file {
            let mut text = serde_json::to_vec(&shown)
                .map_err(|error| Error::internal("writing the report", error))?;
            text.push(b'\n');
            file.write_all(&text)
                .map_err(|error| unwritable(path, &error))?;
        }
        if self.output.json {
            self.output.json_line(&shown);
        }
        if let Some(error) = &ended.error {
            let message = format!("line {line}, {source}: {}", error.message);
            self.output.error(&Error {
                message,
                ..error.clone()
            });
        } else if !self.output.json {
            let line = match self.output.columns {
                Some(columns) => clip(&short(source, ended), columns),
                None => summary(source, ended),
            };
            self.output.line(&line);
        }
        Ok(())
    }

    /// What came of them all.
    pub fn summary(&self, tally: &Tally, folded: usize) {
        let mut parts = vec![
            format!("{} imported", tally.imported),
            format!("{} unchanged", tally.unchanged),
            format!("{} failed", tally.failed),
        ];
        if tally.left > 0 {
            parts.push(format!("{} left", tally.left));
        }
        if folded > 0 {
            parts.push(count(folded, "duplicate"));
        }
        let text = format!(
            "{}; {} in {:.1} s",
            parts.join(", "),
            size(Some(tally.bytes)),
            self.started.elapsed().as_secs_f64()
        );
        if self.output.json {
            if tally.left > 0 {
                self.output.note(&text);
            }
        } else {
            self.output.line(&text);
        }
        if tally.left > 0 {
            self.output
                .note("run the same command again to go on from here");
        }
    }
}

/// What fits a line of a terminal, where the source may be cut.
fn short(source: &str, ended: &Ended) -> String {
    format!(
        "{:9}  {:>11}  {}",
        ended.outcome.as_str(),
        size(Some(ended.bytes_moved())),
        printable(source),
    )
}

fn summary(source: &str, ended: &Ended) -> String {
    let entity = ended
        .detail
        .as_ref()
        .and_then(|detail| detail.upload.entity_id.as_deref())
        .unwrap_or_default();
    format!(
        "{:9}  {}  {}, {}  {entity}",
        ended.outcome.as_str(),
        printable(source),
        count(ended.artifacts.len(), "file"),
        size(Some(ended.bytes_moved())),
    )
}

fn unwritable(path: &Path, error: &std::io::Error) -> Error {
    Error::new(
        Code::InvalidRequest,
        format!("the report {} can't be written: {error}", path.display()),
    )
    .hint("name a file in a folder that can be written to")
}
