//! Reading a list of sources: lines, CSV or JSON lines.
//!
//! A list is read whole before anything is done, so that one that can't be
//! read at all does nothing, and duplicates are known. A bad line is kept with
//! its number and what is wrong with it.

mod remote;

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use serde::Deserialize;

pub use self::remote::fetch;
use crate::error::{Code, Error};
use crate::request::Wanted;

/// The longest list in bytes: some 500,000 sources.
const LONGEST: u64 = 64 * 1024 * 1024;

/// How a list is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One source a line.
    Lines,
    /// A header row, then one source a row.
    Csv,
    /// One JSON object a line.
    Jsonl,
}

/// One line of a list that names a source, or fails to.
#[derive(Debug)]
pub struct Line {
    /// Counted from 1.
    pub number: usize,
    /// The source as it stands there, or the whole line when none was found.
    pub text: String,
    /// What it asks for.
    pub entry: Result<Entry, Error>,
}

/// What a line asks for.
#[derive(Debug)]
pub struct Entry {
    /// The source.
    pub source: String,
    /// How it is to be taken.
    pub wanted: Wanted,
}

/// The names a CSV column or a JSON field may have.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    source: String,
    #[serde(default)]
    kind: Option<String>,
    #[serde(default)]
    revision: Option<String>,
    #[serde(default)]
    include: Globs,
    #[serde(default)]
    exclude: Globs,
    #[serde(default)]
    sha256: Option<String>,
}

const COLUMNS: &[&str] = &["source", "kind", "revision", "include", "exclude", "sha256"];

/// Globs as a list, or as one text where `;` parts them.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Globs {
    Text(String),
    Many(Vec<String>),
    None(()),
}

impl Default for Globs {
    fn default() -> Self {
        Self::None(())
    }
}

impl Globs {
    fn into_list(self) -> Vec<String> {
        match self {
            Self::None(()) => Vec::new(),
            Self::Many(globs) => globs,
            Self::Text(text) => text
                .split(';')
                .map(str::trim)
                .filter(|glob| !glob.is_empty())
                .map(ToOwned::to_owned)
                .collect(),
        }
    }
}

/// Reads a list; `-` is stdin. Whatever a line leaves open, `defaults` decides.
///
/// # Errors
/// When it can't be read, is no text, is too long, or has a bad header.
pub fn read(path: &Path, format: Option<Format>, defaults: &Wanted) -> Result<Vec<Line>, Error> {
    let text = text(&path.display().to_string(), bytes_of(path)?)?;
    let format = format.unwrap_or_else(|| Format::of_name(&path.to_string_lossy()));
    parse(&text, format, defaults)
}

impl Format {
    /// The one that a file's name tells.
    pub fn of_name(name: &str) -> Self {
        let ending = Path::new(name).extension().unwrap_or_default();
        match ending.to_ascii_lowercase().to_str() {
            Some("csv") => Self::Csv,
            Some("jsonl" | "ndjson") => Self::Jsonl,
            _ => Self::Lines,
        }
    }

    /// Whether a file's name is that of a list.
    pub fn is_lists_name(name: &str) -> bool {
        let ending = Path::new(name).extension().unwrap_or_default();
        matches!(
            ending.to_ascii_lowercase().to_str(),
            Some("csv" | "jsonl" | "ndjson" | "txt")
        )
    }
}

fn bytes_of(path: &Path) -> Result<Vec<u8>, Error> {
    let name = path.display();
    let unreadable = |error: io::Error| {
        Error::new(
            Code::InvalidRequest,
            format!("the list {name} can't be read: {error}"),
        )
        .hint("name a file with one source a line, a .csv, a .jsonl, or - for stdin")
    };
    let mut bytes = Vec::new();
    let mut limited: Box<dyn Read> = if path.as_os_str() == "-" {
        Box::new(io::stdin().take(LONGEST + 1))
    } else {
        Box::new(File::open(path).map_err(unreadable)?.take(LONGEST + 1))
    };
    limited.read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(bytes)
}

fn too_long(name: &str) -> Error {
    Error::new(
        Code::TooLarge,
        format!("the list {name} is longer than 64 MiB"),
    )
    .hint("split it and run one batch a part; or is it the file itself that you mean to import?")
}

/// The whole text of a list.
fn text(name: &str, bytes: Vec<u8>) -> Result<String, Error> {
    if bytes.len() as u64 > LONGEST {
        return Err(too_long(name));
    }
    if let Some(at) = bytes.iter().position(|byte| *byte == 0) {
        let line = 1 + bytes.iter().take(at).filter(|byte| **byte == b'\n').count();
        return Err(Error::new(
            Code::InvalidRequest,
            format!("the list {name} is no text: line {line} has a NUL byte"),
        )
        .hint("save it as UTF-8; a list in UTF-16, or a file that is no list, looks like this"));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = error
            .as_bytes()
            .iter()
            .take(error.utf8_error().valid_up_to());
        let line = 1 + valid.filter(|byte| **byte == b'\n').count();
        Error::new(
            Code::InvalidRequest,
            format!("the list {name} is not in UTF-8: line {line}"),
        )
        .hint("save it as UTF-8")
    })
}

fn parse(text: &str, format: Format, defaults: &Wanted) -> Result<Vec<Line>, Error> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    match format {
        Format::Lines => Ok(plain(text, defaults)),
        Format::Csv => csv(text, defaults),
        Format::Jsonl => Ok(json_lines(text, defaults)),
    }
}

fn plain(text: &str, defaults: &Wanted) -> Vec<Line> {
    let lines = (1..).zip(text.lines());
    lines
        .filter_map(|(number, line)| {
            let source = without_comment(line).trim();
            (!source.is_empty()).then(|| Line {
                number,
                text: source.to_owned(),
                entry: Ok(Entry {
                    source: source.to_owned(),
                    wanted: defaults.clone(),
                }),
            })
        })
        .collect()
}

/// A `#` begins a comment at the start or after a space; within a URL it does not.
fn without_comment(line: &str) -> &str {
    let mut before = ' ';
    for (at, c) in line.char_indices() {
        if c == '#' && before.is_whitespace() {
            return &line[..at];
        }
        before = c;
    }
    line
}

fn json_lines(text: &str, defaults: &Wanted) -> Vec<Line> {
    let lines = (1..).zip(text.lines());
    lines
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(number, line)| match serde_json::from_str::<Named>(line) {
            Ok(named) => named.into_line(number, defaults),
            Err(error) => Line {
                number,
                text: line.chars().take(200).collect(),
                entry: Err(bad(format!("it is no JSON object of a source: {error}"))),
            },
        })
        .collect()
}

fn csv(text: &str, defaults: &Wanted) -> Result<Vec<Line>, Error> {
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .comment(Some(b'#'))
        .from_reader(text.as_bytes());
    let header = reader
        .headers()
        .map_err(|error| bad_header(&error.to_string()))?
        .clone();
    check_header(&header)?;
    let mut lines = Vec::new();
    for row in reader.records() {
        match row {
            Ok(row) => {
                let number = row.position().map_or(0, |at| line_of(text, at));
                let named = row.deserialize::<Named>(Some(&header));
                lines.push(match named {
                    Ok(named) => named.into_line(number, defaults),
                    Err(error) => bad_row(number, &error),
                });
            }
            Err(error) => {
                let number = error.position().map_or(0, |at| line_of(text, at));
                lines.push(bad_row(number, &error));
            }
        }
    }
    Ok(lines)
}

/// The reader's position is before the blank lines and comments it skipped.
fn line_of(text: &str, at: &csv::Position) -> usize {
    let rest = text.get(at.byte() as usize..).unwrap_or_default();
    let skipped = rest
        .lines()
        .take_while(|line| line.trim().is_empty() || line.starts_with('#'));
    at.line() as usize + skipped.count()
}

fn bad_row(number: usize, error: &csv::Error) -> Line {
    Line {
        number,
        text: format!("row {number}"),
        entry: Err(bad(format!("it does not fit the header: {error}"))),
    }
}

fn check_header(header: &csv::StringRecord) -> Result<(), Error> {
    if let Some(unknown) = header.iter().find(|name| !COLUMNS.contains(name)) {
        let unknown: String = unknown
            .chars()
            .take(40)
            .flat_map(char::escape_debug)
            .collect();
        return Err(bad_header(&format!("there is no column `{unknown}`")));
    }
    if !header.iter().any(|name| name == "source") {
        return Err(bad_header("it has no column `source`"));
    }
    for name in COLUMNS {
        if header.iter().filter(|known| known == name).count() > 1 {
            return Err(bad_header(&format!("the column `{name}` is there twice")));
        }
    }
    Ok(())
}

fn bad_header(why: &str) -> Error {
    Error::new(
        Code::InvalidRequest,
        format!("the list's header row can't be used: {why}"),
    )
    .hint(format!(
        "the first row names the columns, `source` and any of the others: {}",
        COLUMNS.join(",")
    ))
}

fn bad(message: String) -> Error {
    Error::new(Code::InvalidRequest, message).hint(format!("the names are {}", COLUMNS.join(", ")))
}

impl Named {
    fn into_line(self, number: usize, defaults: &Wanted) -> Line {
        let text = self.source.clone();
        Line {
            number,
            text,
            entry: self.into_entry(defaults),
        }
    }

    fn into_entry(self, defaults: &Wanted) -> Result<Entry, Error> {
        let given = |text: Option<String>| text.filter(|text| !text.trim().is_empty());
        let mut wanted = defaults.clone();
        if let Some(kind) = given(self.kind) {
            let kind = kind.parse();
            wanted.kind = Some(kind.map_err(|error| bad(format!("its kind: {error}")))?);
        }
        if let Some(sha256) = given(self.sha256) {
            let sha256 = sha256.parse();
            wanted.selection.sha256 =
                Some(sha256.map_err(|error| bad(format!("its sha256: {error}")))?);
        }
        if let Some(revision) = given(self.revision) {
            wanted.selection.revision = Some(revision);
        }
        for (globs, own) in [
            (&mut wanted.selection.include, self.include.into_list()),
            (&mut wanted.selection.exclude, self.exclude.into_list()),
        ] {
            if !own.is_empty() {
                *globs = own;
            }
        }
        Ok(Entry {
            source: self.source,
            wanted,
        })
    }
}

#[cfg(test)]
mod tests;
