//! The operator's own additions to the list of references a pickle may name.

use std::collections::HashSet;

use super::{super::finding::shown, names};

/// References that the operator vouches for, beside the built-in list.
///
/// Each is an exact pair of module and name. Pairs that run code whatever their arguments can't
/// be added.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowList {
    pairs: HashSet<(String, String)>,
}

/// A line of an allow-list that can't be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the pickle allow-list, `{text}`, {fault}")]
pub struct AllowListError {
    /// The line's number, from 1.
    pub line: usize,
    /// The line, made fit for a message.
    pub text: String,
    /// What is wrong with it.
    pub fault: &'static str,
}

impl AllowList {
    /// Reads lines of `module name`. Blank lines and lines that start with `#` are passed over.
    ///
    /// # Errors
    /// A line that is not exactly two words with one space between, or names a reference that is
    /// never allowed.
    pub fn parse(text: &str) -> Result<Self, AllowListError> {
        let mut list = Self::default();
        for (index, line) in text.lines().enumerate() {
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            let pair = read_line(line).map_err(|fault| AllowListError {
                line: index + 1,
                text: shown(line, 120),
                fault,
            })?;
            list.pairs.insert(pair);
        }
        Ok(list)
    }

    /// The lines that make this list, in order.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = self
            .pairs
            .iter()
            .map(|(module, name)| format!("{module} {name}"))
            .collect();
        lines.sort_unstable();
        lines
    }

    pub(super) fn contains(&self, module: &str, name: &str) -> bool {
        // A set of pairs of owned strings can't be asked with borrowed ones; the list is short.
        self.pairs.iter().any(|(m, n)| m == module && n == name)
    }
}

fn read_line(line: &str) -> Result<(String, String), &'static str> {
    let words: Vec<&str> = line.split(' ').collect();
    let [module, name] = words.as_slice() else {
        return Err("is not a module and a name with one space between");
    };
    if !names::is_dotted_identifier(module) || !names::is_identifier(name) {
        return Err(
            "is not a module and a plain name: a name has no dots, and neither has other marks",
        );
    }
    if names::never_allowed(module, name) {
        return Err(
            "names something that runs code or reaches files whatever it is given, and can't be allowed",
        );
    }
    Ok(((*module).to_owned(), (*name).to_owned()))
}
