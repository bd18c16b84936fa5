//! Relative paths that are safe to create on any platform.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

/// Longest whole path, in bytes.
pub const MAX_PATH: usize = 4096;
/// Longest single name, in bytes.
pub const MAX_NAME: usize = 255;

/// Why a name from outside is not a path we would create.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// Nothing left, or an empty segment.
    #[error("the path is empty or has an empty part")]
    Empty,
    /// `..` or `.` as a segment.
    #[error("the path climbs out of its folder (`..`)")]
    Climbs,
    /// A leading `/`, a drive letter, or a backslash.
    #[error("the path is absolute or written for another platform")]
    Absolute,
    /// NUL, line breaks, bidirectional overrides, zero-width characters.
    #[error("the path has control or invisible characters")]
    Control,
    /// `CON`, `NUL.txt`, a trailing dot or blank, `a:b`.
    #[error("a part of the path is a device or can't exist on every platform")]
    Device,
    /// Over [`MAX_PATH`] or [`MAX_NAME`].
    #[error("the path or a part of it is too long")]
    TooLong,
}

/// A relative path of one or more plain names joined by `/`.
///
/// Holds no `..`, no absolute or drive prefix, no control or invisible
/// character, no Windows device name, and is kept in Unicode NFC.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RelPath(String);

impl RelPath {
    /// Checks a path from outside. Nothing is repaired: a bad one is refused.
    ///
    /// # Errors
    /// [`PathError`] names the first thing wrong.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        if text.is_empty() {
            return Err(PathError::Empty);
        }
        if text.len() > MAX_PATH {
            return Err(PathError::TooLong);
        }
        if text.starts_with('/') || text.contains('\\') || has_drive(text) {
            return Err(PathError::Absolute);
        }
        let path: String = text.nfc().collect();
        path.split('/').try_for_each(check_name)?;
        Ok(Self(path))
    }

    /// Makes one safe name out of any text, for names that servers suggest:
    /// the last part of it, with what can't stand replaced by `_`.
    ///
    /// `None` when nothing is left to build on.
    pub fn sanitised_name(text: &str) -> Option<Self> {
        let last = text.rsplit(['/', '\\']).next().unwrap_or_default();
        let mut name: String = last
            .nfc()
            .filter(|c| !is_invisible(*c))
            .map(|c| if is_forbidden(c) { '_' } else { c })
            .collect();
        name.truncate(name.trim_end_matches(['.', ' ']).len());
        let mut name = name.trim_start().to_owned();
        if name.chars().all(|c| matches!(c, '.' | '_' | ' ')) {
            return None;
        }
        shorten(&mut name);
        if is_device(&name) {
            name.insert(0, '_');
        }
        Self::parse(&name).ok()
    }

    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last name.
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }

    /// The names from first to last.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }

    /// What a file system that folds case would call the same file.
    pub fn fold_key(&self) -> String {
        self.0.nfkc().flat_map(char::to_lowercase).collect()
    }

    /// The same path with `suffix` put before the last name's extension.
    ///
    /// # Errors
    /// [`PathError`] when the result is no safe path.
    pub fn with_suffix(&self, suffix: &str) -> Result<Self, PathError> {
        let cut = self.0.len() - self.name().len();
        let (folder, name) = self.0.split_at(cut);
        let renamed = match name.rsplit_once('.') {
            Some((stem, extension)) if !stem.is_empty() => {
                format!("{folder}{stem}{suffix}.{extension}")
            }
            _ => format!("{folder}{name}{suffix}"),
        };
        Self::parse(&renamed)
    }
}

fn check_name(name: &str) -> Result<(), PathError> {
    if name.is_empty() {
        return Err(PathError::Empty);
    }
    if name == ".." || name == "." {
        return Err(PathError::Climbs);
    }
    if name.len() > MAX_NAME {
        return Err(PathError::TooLong);
    }
    if name.chars().any(is_invisible) {
        return Err(PathError::Control);
    }
    if name.chars().any(is_forbidden) || name.ends_with(['.', ' ']) || is_device(name) {
        return Err(PathError::Device);
    }
    Ok(())
}

fn has_drive(text: &str) -> bool {
    let mut chars = text.chars();
    matches!((chars.next(), chars.next()), (Some(letter), Some(':')) if letter.is_ascii_alphabetic())
}

/// Control characters, bidirectional controls, zero-width characters, and the
/// byte order mark: what makes a name look like another.
fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{00AD}' | '\u{061C}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}')
}

/// What Windows refuses in a name.
fn is_forbidden(c: char) -> bool {
    matches!(c, '<' | '>' | ':' | '"' | '|' | '?' | '*' | '/' | '\\')
}

fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or(name).trim_end();
    let upper = stem.to_ascii_uppercase();
    if matches!(
        upper.as_str(),
        "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$"
    ) {
        return true;
    }
    let mut tail = upper
        .strip_prefix("COM")
        .or_else(|| upper.strip_prefix("LPT"))
        .unwrap_or("")
        .chars();
    matches!(
        (tail.next(), tail.next()),
        (Some('0'..='9' | '¹' | '²' | '³'), None)
    )
}

/// Cuts a name to [`MAX_NAME`] bytes, keeping its extension.
fn shorten(name: &mut String) {
    if name.len() <= MAX_NAME {
        return;
    }
    let extension = match name.rsplit_once('.') {
        Some((_, extension)) if extension.len() <= 16 => format!(".{extension}"),
        _ => String::new(),
    };
    let mut keep = MAX_NAME - extension.len();
    while !name.is_char_boundary(keep) {
        keep -= 1;
    }
    name.truncate(keep);
    name.push_str(&extension);
}

impl fmt::Display for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for RelPath {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        Self::parse(text)
    }
}

impl TryFrom<String> for RelPath {
    type Error = PathError;

    fn try_from(text: String) -> Result<Self, PathError> {
        Self::parse(&text)
    }
}

impl From<RelPath> for String {
    fn from(path: RelPath) -> String {
        path.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn bad_paths_are_refused_each_for_its_reason() {
        let long = "a".repeat(256);
        let cases: &[(&str, PathError)] = &[
            ("", PathError::Empty),
            ("a//b", PathError::Empty),
            ("a/", PathError::Empty),
            ("../x", PathError::Climbs),
            ("a/../b", PathError::Climbs),
            ("./a", PathError::Climbs),
            ("/etc/passwd", PathError::Absolute),
            ("a\\b", PathError::Absolute),
            ("C:x", PathError::Absolute),
            ("a\0b", PathError::Control),
            ("a\nb", PathError::Control),
            ("safe\u{202E}txt.exe", PathError::Control),
            ("zero\u{200B}width", PathError::Control),
            ("CON", PathError::Device),
            ("x/nul.txt", PathError::Device),
            ("com1.bin", PathError::Device),
            ("trailing.", PathError::Device),
            ("trailing ", PathError::Device),
            ("stream:x", PathError::Device),
            (&long, PathError::TooLong),
        ];
        for (text, error) in cases {
            assert_eq!(RelPath::parse(text), Err(*error), "{text:?}");
        }
    }

    #[test]
    fn ordinary_paths_pass_as_they_are() {
        for text in [
            "a",
            "unet/model.safetensors",
            ".gitattributes",
            "日本/モデル.bin",
            "a b#.txt",
            "common.txt",
            "a..b",
        ] {
            assert_eq!(RelPath::parse(text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn suggested_names_become_safe_names() {
        let cases = [
            ("../../x.bin", Some("x.bin")),
            ("C:\\dir\\model.gguf", Some("model.gguf")),
            ("a:b?.txt", Some("a_b_.txt")),
            ("con.txt", Some("_con.txt")),
            ("evil\u{202E}.bin", Some("evil.bin")),
            ("name. . ", Some("name")),
            ("..", None),
            ("", None),
            ("dir/", None),
        ];
        for (text, name) in cases {
            let made = RelPath::sanitised_name(text);
            assert_eq!(made.as_ref().map(RelPath::as_str), name, "{text:?}");
        }
    }

    #[test]
    fn a_suffix_goes_before_the_extension() {
        let path = RelPath::parse("dir/model.safetensors").unwrap();
        assert_eq!(
            path.with_suffix("-fp16").unwrap().as_str(),
            "dir/model-fp16.safetensors"
        );
        let path = RelPath::parse(".hidden").unwrap();
        assert_eq!(path.with_suffix("-2").unwrap().as_str(), ".hidden-2");
    }

    proptest! {
        #[test]
        fn no_accepted_path_climbs(text in ".{0,60}") {
            if let Ok(path) = RelPath::parse(&text) {
                prop_assert!(path.segments().all(|s| !s.is_empty() && s != ".." && s != "."));
                prop_assert!(!path.as_str().starts_with('/'));
            }
        }

        #[test]
        fn a_sanitised_name_is_one_accepted_segment(text in ".{0,400}") {
            if let Some(name) = RelPath::sanitised_name(&text) {
                prop_assert_eq!(name.segments().count(), 1);
                prop_assert_eq!(RelPath::parse(name.as_str()), Ok(name));
            }
        }
    }
}
