//! Text of every sort: plain, JSON, XML, YAML, HTML pages, and 3D formats that are text.

use super::{
    facts::from_configuration,
    finding::{Finding, Format, InspectError, WarningKind},
    name,
    source::Source,
};

#[cfg(test)]
mod tests;

/// How much of a text is searched for what other programs would run.
const SEARCHED: usize = 1024 * 1024;
/// Longest title of a page that is kept, in characters.
const MAX_TITLE: usize = 200;

/// Whether the start of a file is text: UTF-8 or UTF-16 with a mark, no control characters.
pub(super) fn is_text(head: &[u8], whole: bool) -> bool {
    if head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff") {
        return true;
    }
    let text = match std::str::from_utf8(head) {
        Ok(text) => text,
        // The look may have cut the last character in two.
        Err(error) if error.error_len().is_none() && !whole => {
            std::str::from_utf8(head.get(..error.valid_up_to()).unwrap_or_default())
                .unwrap_or_default()
        }
        Err(_) => return is_latin1_text(head),
    };
    text.chars().all(|c| {
        !c.is_control() || matches!(c, '\n' | '\r' | '\t' | '\x0b' | '\x0c' | '\x1b' | '\u{85}')
    })
}

/// Old files in a one-byte encoding: no control bytes, and mostly ASCII.
fn is_latin1_text(head: &[u8]) -> bool {
    let control =
        |b: &u8| *b == 0x7f || (*b < 0x20 && !matches!(b, b'\n' | b'\r' | b'\t' | 0x0c | 0x1b));
    let high = head.iter().filter(|b| **b >= 0x80).count();
    !head.iter().any(control) && high * 4 < head.len()
}

/// Which sort of text it is. The name decides only between sorts that content can't tell apart.
pub(super) fn sort(path: &str, head: &[u8]) -> Format {
    let text = beginning(head);
    if is_html(text) {
        return Format::Html;
    }
    let extension = name::extension(path);
    match (text.first(), extension.as_str()) {
        (Some(b'<'), _) if has_tag(text, b"svg") => Format::Svg,
        (Some(b'<'), _) if text.starts_with(b"<?xml") || extension == "xml" => Format::Xml,
        (Some(b'{'), "gltf") if contains(text, b"\"asset\"") => Format::Gltf,
        (
            Some(b'{' | b'['),
            "" | "json" | "jsonl" | "ndjson" | "ipynb" | "gltf" | "geojson" | "webmanifest" | "map",
        ) => Format::Json,
        (Some(b'{' | b'['), _) if looks_like_json(text) => Format::Json,
        (_, "obj") if looks_like_obj(text) => Format::Obj,
        (_, "yaml" | "yml") => Format::Yaml,
        _ if text.starts_with(b"ply\n") || text.starts_with(b"ply\r") => Format::Ply,
        _ if text.starts_with(b"solid ") && contains(text, b"facet") => Format::Stl,
        _ if text.starts_with(b"; FBX ") => Format::Fbx,
        _ => Format::Text,
    }
}

/// Whether the head is a PLY model whose body is binary.
pub(super) fn is_binary_ply(head: &[u8]) -> bool {
    let start = head.get(..64).unwrap_or(head);
    head.starts_with(b"ply") && contains(start, b"\nformat binary_")
}

/// Describes a text file, with warnings for what programs are known to run out of text.
pub(super) fn read(
    path: &str,
    format: Format,
    source: &mut Source<'_>,
) -> Result<Finding, InspectError> {
    let mut finding = Finding::new(format);
    let text = source.bytes_at(0, SEARCHED)?;
    match format {
        Format::Html => finding.title = title(&text),
        Format::Json | Format::Yaml | Format::Text => {
            warn_of_what_runs(path, &text, &mut finding);
            if format == Format::Json
                && let Some(facts) = from_configuration(path, &text)
            {
                finding.facts = facts;
            }
        }
        _ => {}
    }
    Ok(finding)
}

fn warn_of_what_runs(path: &str, text: &[u8], finding: &mut Finding) {
    const RUN: [(&[u8], &str); 5] = [
        (
            b"\"auto_map\"",
            "it names Python code of the repository (`auto_map`) that transformers runs when it is told to trust it",
        ),
        (
            b"\"chat_template\"",
            "it holds a chat template; programs that use it run it as a Jinja template",
        ),
        (
            b"_target_",
            "it names Python classes (`_target_`) that Hydra calls",
        ),
        (
            b"!!python/",
            "it holds YAML tags that make Python objects when loaded unsafely",
        ),
        (
            b"\"class_name\": \"Lambda\"",
            "it holds a Keras Lambda layer, which is Python code",
        ),
    ];
    let extension = name::extension(path);
    if matches!(
        extension.as_str(),
        "py" | "sh" | "bat" | "ps1" | "js" | "ipynb"
    ) {
        finding.warn(
            WarningKind::RunsElsewhere,
            "it is program code: read it before running it",
        );
        return;
    }
    if !matches!(extension.as_str(), "json" | "yaml" | "yml" | "jsonl") {
        return;
    }
    for (needle, message) in RUN {
        if contains(text, needle) {
            finding.warn(WarningKind::RunsElsewhere, message);
        }
    }
}

/// A Git LFS pointer: the small text that stands in a repository for a large file.
pub(super) fn is_lfs_pointer(head: &[u8]) -> bool {
    head.starts_with(b"version https://git-lfs.github.com/spec/")
}

/// The text without its byte order mark and leading white space.
fn beginning(head: &[u8]) -> &[u8] {
    head.strip_prefix(b"\xef\xbb\xbf")
        .unwrap_or(head)
        .trim_ascii_start()
}

fn is_html(text: &[u8]) -> bool {
    let mut rest = text;
    // Prologue, comments and white space may come before the first tag.
    while let Some(after) = skip_prologue(rest) {
        rest = after.trim_ascii_start();
    }
    const FIRST: [&[u8]; 6] = [
        b"<!doctype html",
        b"<html",
        b"<head",
        b"<body",
        b"<title",
        b"<script",
    ];
    FIRST.iter().any(|tag| {
        let here = rest
            .get(..tag.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(tag));
        here && rest
            .get(tag.len())
            .is_none_or(|b| !b.is_ascii_alphanumeric())
    })
}

fn skip_prologue(text: &[u8]) -> Option<&[u8]> {
    let end: &[u8] = match text {
        [b'<', b'?', ..] => b"?>",
        [b'<', b'!', b'-', b'-', ..] => b"-->",
        _ => return None,
    };
    let found = find(text, end)?;
    text.get(found + end.len()..)
}

fn title(text: &[u8]) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    let open = find(&lower, b"<title")?;
    let start = open + find(lower.get(open..)?, b">")? + 1;
    let length = find(lower.get(start..)?, b"</title")?;
    let title = String::from_utf8_lossy(text.get(start..start + length)?);
    let title = title.split_whitespace().collect::<Vec<_>>().join(" ");
    (!title.is_empty()).then(|| title.chars().take(MAX_TITLE).collect())
}

fn has_tag(text: &[u8], tag: &[u8]) -> bool {
    let start = text.get(..4096).unwrap_or(text);
    find(start, b"<svg").is_some_and(|at| {
        start
            .get(at + 1..)
            .is_some_and(|rest| rest.starts_with(tag))
    })
}

/// `{` or `[`, then what JSON allows there.
fn looks_like_json(text: &[u8]) -> bool {
    let Some((open, rest)) = text.split_first() else {
        return false;
    };
    let next = rest.trim_ascii_start().first();
    let in_array = |b: &u8| b"\"{[]-tfn".contains(b) || b.is_ascii_digit();
    match open {
        b'{' => matches!(next, Some(b'"' | b'}')),
        _ => *open == b'[' && next.is_some_and(in_array),
    }
}

fn looks_like_obj(text: &[u8]) -> bool {
    let known = |line: &&[u8]| {
        [&b"v "[..], b"vn ", b"vt ", b"f ", b"o ", b"g ", b"mtllib "]
            .iter()
            .any(|tag| line.starts_with(tag))
    };
    text.split(|b| *b == b'\n')
        .take(200)
        .filter(|line| known(line))
        .count()
        > 0
}

pub(super) fn contains(text: &[u8], needle: &[u8]) -> bool {
    find(text, needle).is_some()
}

fn find(text: &[u8], needle: &[u8]) -> Option<usize> {
    text.windows(needle.len())
        .position(|window| window == needle)
}
