//! The globbing of `hf download --include` and `--exclude`.
//!
//! Python's `fnmatch` over the whole path: `*` and `?` also match `/`, `[a-z]`
//! and `[!a-z]` are sets, and a pattern ending in `/` means all below it.

use regex::Regex;

use crate::error::{ErrorKind, ProviderError};

/// Longest pattern accepted, in bytes.
pub const MAX_PATTERN: usize = 1024;

/// A pattern that can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the pattern `{pattern}` can't be read; `*.safetensors` and `text_encoder/*` are patterns that can"
)]
pub struct BadGlob {
    pattern: String,
}

impl From<BadGlob> for ProviderError {
    fn from(bad: BadGlob) -> Self {
        Self::new(ErrorKind::InvalidSource, bad.to_string())
            .hint("quote the pattern so that the shell leaves it alone")
    }
}

/// Include and exclude patterns, compiled.
#[derive(Debug, Clone, Default)]
pub struct Globs {
    include: Vec<Regex>,
    exclude: Vec<Regex>,
}

impl Globs {
    /// Compiles both lists.
    ///
    /// # Errors
    /// [`BadGlob`] names the first pattern that can't be read.
    pub fn new(include: &[String], exclude: &[String]) -> Result<Self, BadGlob> {
        let compile = |patterns: &[String]| -> Result<Vec<Regex>, BadGlob> {
            patterns.iter().map(|pattern| compile(pattern)).collect()
        };
        Ok(Self {
            include: compile(include)?,
            exclude: compile(exclude)?,
        })
    }

    /// Whether a path is wanted: in one include (or there is none), and in no exclude.
    pub fn wants(&self, path: &str) -> bool {
        let included = self.include.is_empty() || self.include.iter().any(|p| p.is_match(path));
        included && !self.exclude.iter().any(|p| p.is_match(path))
    }
}

fn compile(pattern: &str) -> Result<Regex, BadGlob> {
    let bad = || BadGlob {
        pattern: pattern
            .chars()
            .take(120)
            .flat_map(char::escape_debug)
            .collect(),
    };
    if pattern.is_empty() || pattern.len() > MAX_PATTERN || pattern.contains('\0') {
        return Err(bad());
    }
    let whole = if pattern.ends_with('/') {
        format!("{pattern}*")
    } else {
        pattern.to_owned()
    };
    Regex::new(&translate(&whole)).map_err(|_| bad())
}

/// A pattern as a regular expression. Rules of Python's `fnmatch.translate`.
fn translate(pattern: &str) -> String {
    let chars: Vec<char> = pattern.chars().collect();
    let mut regex = String::from("(?s)^");
    let mut at = 0;
    while let Some(&c) = chars.get(at) {
        at += 1;
        match c {
            '*' => regex.push_str(".*"),
            '?' => regex.push('.'),
            '[' => match set_end(&chars, at) {
                Some(end) => {
                    regex.push_str(&set(&chars[at..end]));
                    at = end + 1;
                }
                None => regex.push_str("\\["),
            },
            other => regex.push_str(&regex::escape(other.encode_utf8(&mut [0; 4]))),
        }
    }
    regex.push('$');
    regex
}

/// Where the set that opened before `from` closes. A `]` right at its start is a member.
fn set_end(chars: &[char], from: usize) -> Option<usize> {
    let mut at = from;
    if chars.get(at) == Some(&'!') {
        at += 1;
    }
    if chars.get(at) == Some(&']') {
        at += 1;
    }
    (at..chars.len()).find(|&i| chars[i] == ']')
}

/// A set as a character class. One without members matches nothing, or, negated,
/// anything.
fn set(members: &[char]) -> String {
    let (negated, members) = match members {
        ['!', rest @ ..] => (true, rest),
        all => (false, all),
    };
    let ranges = ranges(members);
    match (ranges.is_empty(), negated) {
        (true, false) => r"[^\s\S]".to_owned(),
        (true, true) => ".".to_owned(),
        (false, _) => {
            let inner: String = ranges
                .iter()
                .map(|(first, last)| {
                    format!("\\x{{{:x}}}-\\x{{{:x}}}", *first as u32, *last as u32)
                })
                .collect();
            format!("[{}{inner}]", if negated { "^" } else { "" })
        }
    }
}

/// The members of a set, each from its first to its last character. A range
/// that runs backwards has none; a hyphen at either end is itself a member, and
/// so is one right after a range.
fn ranges(mut members: &[char]) -> Vec<(char, char)> {
    let mut found = Vec::new();
    loop {
        members = match *members {
            [first, '-', last, ref rest @ ..] => {
                if first <= last {
                    found.push((first, last));
                }
                rest
            }
            [one, ref rest @ ..] => {
                found.push((one, one));
                rest
            }
            [] => return found,
        };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_pattern_is_compiled_and_a_plain_one_matches_itself(
            pattern in "[a-c*?!\\[\\]^&~|/.{}()+$\\\\-]{1,20}|.{1,20}",
            path in "[a-c!\\[\\]^/.-]{0,12}|.{0,12}",
        ) {
            prop_assume!(!pattern.contains('\0'));
            let globs = Globs::new(std::slice::from_ref(&pattern), &[]);
            prop_assert!(globs.is_ok(), "{:?}", pattern);
            let is_plain = !pattern.contains(['*', '?', '[']) && !pattern.ends_with('/');
            if is_plain {
                prop_assert!(matches(&pattern, &pattern));
                prop_assert_eq!(matches(&pattern, &path), pattern == path);
            }
        }
    }

    fn matches(pattern: &str, path: &str) -> bool {
        Globs::new(&[pattern.to_owned()], &[]).unwrap().wants(path)
    }

    #[test]
    fn patterns_match_as_fnmatch_does() {
        let cases = [
            ("*.safetensors", "model.safetensors", true),
            ("*.safetensors", "unet/model.safetensors", true),
            ("*.safetensors", "model.safetensors.index.json", false),
            ("unet/*", "unet/a/b.bin", true),
            ("unet/", "unet/a.bin", true),
            ("unet", "unet/a.bin", false),
            ("model-0000[12].bin", "model-00002.bin", true),
            ("model-0000[!12].bin", "model-00002.bin", false),
            ("a?c", "abc", true),
            ("a?c", "a/c", true),
            ("[", "[", true),
            ("[]]", "]", true),
            ("a.b", "axb", false),
            ("{a,b}", "a", false),
            ("Model*", "model.bin", false),
            ("[z-a]", "z", false),
            ("[!z-a]", "q", true),
            ("x[z-ab]", "xb", true),
            ("[a-]", "-", true),
            ("[-a]", "-", true),
            ("[a-c-e]", "-", true),
            ("[a-c-e]", "d", false),
            ("[^a]", "^", true),
            ("[^a]", "b", false),
            ("[!]a]", "]", false),
            ("[!]a]", "b", true),
            ("[\\]", "\\", true),
            ("[[&&~~||]", "[", true),
            ("a\\*", "a\\b", true),
            ("[!a]", "/", true),
            ("*", ".gitattributes", true),
            ("**/x", "a/b/x", true),
            ("**/x", "x", false),
            ("*.bin/", "a.bin/b", true),
            ("/", "/x", true),
            ("[é-ü]", "ö", true),
            ("a\nb", "a\nb", true),
        ];
        for (pattern, path, expected) in cases {
            assert_eq!(matches(pattern, path), expected, "{pattern} on {path}");
        }
    }

    #[test]
    fn exclude_wins_over_include() {
        let globs = Globs::new(&["*.bin".into()], &["old/*".into()]).unwrap();
        assert!(globs.wants("a.bin"));
        assert!(!globs.wants("old/a.bin"));
        assert!(!globs.wants("a.txt"));
    }

    #[test]
    fn a_pattern_that_can_not_be_read_is_named() {
        for bad in ["", "a\0", &"x".repeat(MAX_PATTERN + 1)] {
            assert!(Globs::new(&[bad.to_owned()], &[]).is_err(), "{bad:?}");
        }
    }
}
