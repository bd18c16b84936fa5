//! Which tokens an import may use.

use modelferry_providers::Auth;

use crate::request::ImportRequest;

/// The operator's own tokens, from the configuration.
#[derive(Debug, Clone, Default)]
pub struct Tokens {
    /// Used for every import of this process.
    pub operator: Auth,
}

impl Tokens {
    /// These, with one that stood in the request's source among them. Such a
    /// token is never stored: it works in this process alone.
    #[must_use]
    pub fn with_source_token(&self, request: &ImportRequest) -> Self {
        Self {
            operator: self.for_request(request),
        }
    }

    /// The tokens for one request: the operator's, and before them one that
    /// stood in the source itself.
    pub fn for_request(&self, request: &ImportRequest) -> Auth {
        let reference = &request.reference;
        let token = reference.token.as_ref().map(|token| &token.0);
        self.operator
            .clone()
            .with_source_token(reference.provider(), token)
    }
}
