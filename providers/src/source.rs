//! What a user asked for, read from text without any network traffic.

use serde::{Deserialize, Serialize};

use crate::ProviderKind;
use crate::auth::Token;
use crate::civitai::CivitaiRef;
use crate::digest::Sha256;
use crate::huggingface::HfRef;
use crate::path::RelPath;
use crate::url::SafeUrl;

/// Longest source text accepted, in bytes.
pub const MAX_SOURCE: usize = 8 * 1024;

/// A source that was understood: which provider, which thing, which of its files.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reference {
    /// What is meant, in its provider's own terms.
    pub locator: Locator,
    /// Which of its files are wanted.
    #[serde(default)]
    pub selection: Selection,
    /// A token that stood in the source. Never stored, never shown.
    #[serde(skip)]
    pub token: Option<SourceToken>,
}

/// A [`Token`] found in a source text. Compares equal to any other, since it
/// is no part of what was asked for.
#[derive(Debug, Clone)]
pub struct SourceToken(pub Token);

impl PartialEq for SourceToken {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// What is meant, in its provider's own terms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "provider", rename_all = "lowercase")]
pub enum Locator {
    /// A repository, folder or file on Hugging Face.
    HuggingFace(HfRef),
    /// A model, version, file or hash on Civitai.
    Civitai(CivitaiRef),
    /// One file behind a URL.
    Other {
        /// Where it is.
        url: SafeUrl,
    },
    /// One file that its owner brings along in parts. No provider resolves it,
    /// and no source text means one.
    Multipart {
        /// The upload that its parts belong to.
        upload: String,
        /// What it is called.
        file: RelPath,
        /// Its length in bytes.
        size: u64,
    },
}

/// Which files of a source are wanted. Empty: the provider's own default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Selection {
    /// A branch, tag, commit or `refs/pr/N`, where the source itself names none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// Globs a file must match one of, as `hf download --include` reads them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub include: Vec<String>,
    /// Globs a file must match none of.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
    /// Every file of a Civitai version, not only its weights.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub all_files: bool,
    /// What the user says the one file's SHA-256 is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Sha256>,
    /// The model's card and a preview beside each file, for people's tools.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub sidecar: bool,
}

impl Reference {
    /// A reference with the default selection.
    pub fn new(locator: Locator) -> Self {
        Self {
            locator,
            selection: Selection::default(),
            token: None,
        }
    }

    /// Whose it is.
    pub fn provider(&self) -> ProviderKind {
        match self.locator {
            Locator::HuggingFace(_) => ProviderKind::HuggingFace,
            Locator::Civitai(_) => ProviderKind::Civitai,
            Locator::Other { .. } | Locator::Multipart { .. } => ProviderKind::Other,
        }
    }
}

/// Why a source text can't be imported, with an example of one that can.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}; write it like {example}")]
pub struct SourceError {
    /// Understood, but of a sort that is not imported (a bucket, a user page).
    pub unsupported: bool,
    /// What is wrong, in plain words.
    pub message: String,
    /// A source of the right form.
    pub example: String,
}

impl SourceError {
    /// A malformed source.
    pub fn malformed(message: impl Into<String>, example: impl Into<String>) -> Self {
        Self {
            unsupported: false,
            message: message.into(),
            example: example.into(),
        }
    }

    /// A well-formed source of a sort that is not imported.
    pub fn unsupported(message: impl Into<String>, example: impl Into<String>) -> Self {
        Self {
            unsupported: true,
            ..Self::malformed(message, example)
        }
    }

    /// A source that no provider claims.
    pub fn unclaimed(text: &str) -> Self {
        Self::malformed(
            format!("{} is no source that any provider knows", quoted(text)),
            "org/name, https://huggingface.co/org/name, https://civitai.com/models/4384, \
             civitai:4384@128713 or https://example.com/model.safetensors",
        )
    }
}

/// The source without outer blanks.
///
/// # Errors
/// An empty or overlong text, or one with control characters inside.
pub fn trimmed(source: &str) -> Result<&str, SourceError> {
    const EXAMPLE: &str = "org/name or https://example.com/model.safetensors";
    let text = source.trim();
    if text.is_empty() {
        return Err(SourceError::malformed("the source is empty", EXAMPLE));
    }
    if text.len() > MAX_SOURCE {
        return Err(SourceError::malformed(
            format!(
                "the source is {} bytes long, the most is {MAX_SOURCE}",
                text.len()
            ),
            EXAMPLE,
        ));
    }
    if text.chars().any(char::is_control) {
        return Err(SourceError::malformed(
            format!("{} has control characters inside", quoted(text)),
            EXAMPLE,
        ));
    }
    Ok(text)
}

/// A piece of outside text made fit for a message: short, on one line, its
/// control characters escaped, and no query or user info that may hold a secret.
pub fn quoted(text: &str) -> String {
    let shown = text.split(['?', '#']).next().unwrap_or(text);
    let shown = match (shown.find("://"), shown.rfind('@')) {
        (Some(scheme), Some(at)) if at > scheme && !shown[scheme + 3..at].contains('/') => {
            format!("{}…{}", &shown[..scheme + 3], &shown[at..])
        }
        _ => shown.to_owned(),
    };
    let query = if text.contains('?') { "?…" } else { "" };
    let mut short: String = shown
        .chars()
        .take(120)
        .flat_map(char::escape_debug)
        .collect();
    if shown.chars().count() > 120 {
        short.push('…');
    }
    format!("`{short}{query}`")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_text_is_quoted_on_one_short_line(text in ".{0,300}|https?://.{0,40}@.{0,40}") {
            let shown = quoted(&text);
            prop_assert!(!shown.chars().any(char::is_control));
            prop_assert!(shown.len() < 2000);
            let _ = trimmed(&text);
        }
    }

    #[test]
    fn a_quoted_source_shows_no_secret_and_no_control_character() {
        let cases = [
            ("https://h/x?token=s3cret", "`https://h/x?…`"),
            ("https://user:s3cret@h/x", "`https://…@h/x`"),
            ("a\u{1b}[31mb", "`a\\u{1b}[31mb`"),
        ];
        for (text, shown) in cases {
            assert_eq!(quoted(text), shown);
        }
        assert!(quoted(&"x".repeat(9999)).len() < 200);
    }

    #[test]
    fn outer_blanks_are_dropped_and_inner_control_characters_refused() {
        assert_eq!(trimmed("  org/name \n"), Ok("org/name"));
        for bad in ["", "  ", "a\0b", "a\nb", &"x".repeat(MAX_SOURCE + 1)] {
            assert!(trimmed(bad).is_err(), "{bad:?}");
        }
    }
}
