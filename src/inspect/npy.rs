//! NumPy's `.npy`: a magic, a version, and a header that is a Python dict literal.
//!
//! The header is read by a small strict parser: NumPy gives it to `ast.literal_eval`, where a
//! string may be written in many ways, so any other spelling than NumPy's own is refused.

use super::{
    finding::{Finding, Format, InspectError, malformed},
    pickle::{Feed, gate::Gate},
};

#[cfg(test)]
mod tests;

pub(super) const MAGIC: &[u8] = b"\x93NUMPY";
/// Longest header that is read. Arrays of thousands of fields have more than the 10,000 characters
/// that NumPy reads without being told to.
const MAX_HEADER: u64 = 1024 * 1024;

/// Reads and checks an array whose bytes `feed` gives. `what` names it in messages.
pub(super) fn read(
    what: &str,
    feed: &mut Feed<'_>,
    gate: Gate<'_>,
) -> Result<Finding, InspectError> {
    let mut finding = Finding::new(Format::Npy);
    let cut = || malformed(format!("{what} is cut inside its header"));
    let [.., major, _minor] = feed.array::<8>()?.ok_or_else(cut)?;
    let length = match major {
        1 => u64::from(u16::from_le_bytes(feed.array()?.ok_or_else(cut)?)),
        2 | 3 => u64::from(u32::from_le_bytes(feed.array()?.ok_or_else(cut)?)),
        other => {
            return Err(malformed(format!(
                "{what} has the .npy version {other}, which does not exist"
            )));
        }
    };
    if length > MAX_HEADER {
        return Err(malformed(format!(
            "{what} claims a header of {length} bytes, which is too long to be real"
        )));
    }
    let header = feed
        .bytes(length, usize::try_from(MAX_HEADER).unwrap_or(usize::MAX))?
        .ok_or_else(cut)?;
    let header = Header::parse(&header)
        .ok_or_else(|| malformed(format!("{what} has a header that NumPy does not write")))?;
    if header.has_objects() {
        gate.refuse_hidden(
            format!("{what} holds Python objects, which are a pickle"),
            &mut finding,
        )?;
    } else if header.bytes().is_some_and(|bytes| bytes > feed.left()) {
        return Err(malformed(format!(
            "{what} is cut: its shape needs more than the {} bytes that follow",
            feed.left()
        )));
    }
    Ok(finding)
}

struct Header {
    /// Every string of the `descr` value.
    types: Vec<String>,
    shape: Option<Vec<u64>>,
}

enum Token<'h> {
    Text(&'h str),
    Word(&'h str),
    Mark(char),
}

impl Header {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?.trim();
        let tokens = tokens(text)?;
        let mut header = Self {
            types: Vec::new(),
            shape: None,
        };
        let mut key = "";
        let mut after_value = false;
        let mut numbers = Vec::new();
        for (index, token) in tokens.iter().enumerate() {
            let is_key = matches!(tokens.get(index + 1), Some(Token::Mark(':')));
            match token {
                // Two values side by side: Python would join two strings into one.
                Token::Text(_) | Token::Word(_) if after_value => return None,
                Token::Text(text) if is_key => key = text,
                Token::Text(text) if key == "descr" => header.types.push((*text).to_owned()),
                Token::Word(word) if key == "shape" => {
                    numbers.push(word.trim_end_matches('L').parse().ok()?)
                }
                Token::Text(_) | Token::Word(_) | Token::Mark(_) => {}
            }
            after_value = !matches!(token, Token::Mark(_));
        }
        let dict = matches!(
            (tokens.first(), tokens.last()),
            (Some(Token::Mark('{')), Some(Token::Mark('}')))
        );
        header.shape = Some(numbers);
        (dict && !header.types.is_empty()).then_some(header)
    }

    /// Whether an element may be a Python object: `O`, `|O8`, `object`, or one of them in a list.
    fn has_objects(&self) -> bool {
        let object = |part: &str| {
            let code = part
                .trim()
                .trim_start_matches(|c: char| c.is_ascii_digit() || "(,)<>|= ".contains(c));
            code.starts_with("object")
                || code
                    .strip_prefix('O')
                    .is_some_and(|rest| rest.chars().all(|c| c.is_ascii_digit()))
        };
        self.types.iter().any(|text| text.split(',').any(object))
    }

    /// Bytes of the data, for an element type of one plain code.
    fn bytes(&self) -> Option<u64> {
        let [code] = self.types.as_slice() else {
            return None;
        };
        let code = code.trim_start_matches(['<', '>', '|', '=']);
        let mut rest = code.chars();
        let kind = rest.next()?;
        let size: u64 = rest.as_str().parse().ok()?;
        let size = if kind == 'U' {
            size.checked_mul(4)?
        } else {
            size
        };
        self.shape
            .as_ref()?
            .iter()
            .try_fold(size, |bytes, n| bytes.checked_mul(*n))
    }
}

fn tokens(mut text: &str) -> Option<Vec<Token<'_>>> {
    let mut tokens = Vec::new();
    while let Some(first) = text.chars().next() {
        let rest = text.get(first.len_utf8()..)?;
        match first {
            ' ' | '\n' => text = rest,
            '{' | '}' | '(' | ')' | '[' | ']' | ',' | ':' => {
                tokens.push(Token::Mark(first));
                text = rest;
            }
            '\'' | '"' => {
                let end = rest.find(first)?;
                let inside = rest.get(..end)?;
                if inside.contains('\\') {
                    return None;
                }
                tokens.push(Token::Text(inside));
                text = rest.get(end + 1..)?;
            }
            c if c.is_ascii_alphanumeric() => {
                let end = text
                    .find(|c: char| !c.is_ascii_alphanumeric())
                    .unwrap_or(text.len());
                tokens.push(Token::Word(text.get(..end)?));
                text = text.get(end..)?;
            }
            _ => return None,
        }
    }
    Some(tokens)
}
