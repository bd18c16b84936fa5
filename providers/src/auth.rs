//! Tokens, and which host each belongs to.

use std::collections::BTreeMap;
use std::fmt;

use secrecy::{ExposeSecret, SecretString};

use crate::ProviderKind;

/// A secret that no `Debug`, `Display` or serialisation shows.
#[derive(Clone)]
pub struct Token(SecretString);

impl Token {
    /// Wraps a secret. Outer blanks and line ends, which files and pastes
    /// leave, are dropped; an empty text is no token.
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        let sendable = !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic());
        sendable.then(|| Self(SecretString::from(text)))
    }

    /// The secret itself, for the one place that writes it on the wire.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// What a plain URL's host wants to see.
#[derive(Debug, Clone)]
pub enum HostCredential {
    /// `Authorization: Bearer …`
    Bearer(Token),
    /// `Authorization: Basic …`, from `user:password`.
    Basic(Token),
}

/// The tokens one import may use. Each goes only to the hosts it belongs to.
#[derive(Debug, Clone, Default)]
pub struct Auth {
    /// For the Hugging Face endpoint.
    pub huggingface: Option<Token>,
    /// For the Civitai endpoint.
    pub civitai: Option<Token>,
    /// For other hosts, keyed by `host` or `host:port` in lower case.
    pub hosts: BTreeMap<String, HostCredential>,
}

impl Auth {
    /// No token at all.
    pub fn anonymous() -> Self {
        Self::default()
    }

    /// The token for a hub, if there is one.
    pub fn hub(&self, kind: ProviderKind) -> Option<&Token> {
        match kind {
            ProviderKind::HuggingFace => self.huggingface.as_ref(),
            ProviderKind::Civitai => self.civitai.as_ref(),
            ProviderKind::Other => None,
        }
    }

    /// This, with the token that the user wrote into the source put first.
    pub fn with_source_token(mut self, kind: ProviderKind, token: Option<&Token>) -> Self {
        let Some(token) = token.cloned() else {
            return self;
        };
        match kind {
            ProviderKind::HuggingFace => self.huggingface = Some(token),
            ProviderKind::Civitai => self.civitai = Some(token),
            ProviderKind::Other => {}
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_never_shows_itself() {
        let auth = Auth {
            huggingface: Token::new(" hf_secret\n"),
            ..Auth::default()
        };
        let token = auth.huggingface.as_ref().unwrap();
        assert_eq!(token.expose(), "hf_secret");
        assert!(!format!("{auth:?}").contains("secret"));
    }

    #[test]
    fn a_text_that_no_header_could_carry_is_no_token() {
        for text in ["", "  ", "a b", "a\r\nX: y", "schlüssel"] {
            assert!(Token::new(text).is_none(), "{text:?}");
        }
    }
}
