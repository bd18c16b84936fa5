//! Which tokens an import may use.

use modelferry_providers::{Auth, ProviderKind, Token};

use crate::credentials::CredentialName;
use crate::error::Error;
use crate::import::Ferry;
use crate::request::{ImportRequest, LOCAL_OWNER};

/// What this process has been told, by whom it was told.
#[derive(Debug, Clone, Default)]
pub struct Tokens {
    /// From the operator's configuration.
    operator: Auth,
    /// What an owner stored.
    stored: Option<(String, Auth)>,
    /// What stood in a source itself. It is never stored: it works in this
    /// process alone.
    source: Option<(ProviderKind, Token)>,
}

impl Tokens {
    /// The operator's own alone.
    pub fn of_operator(operator: Auth) -> Self {
        Self {
            operator,
            ..Self::default()
        }
    }

    /// These, with one that stood in the request's source among them.
    #[must_use]
    pub fn with_source_token(mut self, request: &ImportRequest) -> Self {
        let reference = &request.reference;
        if let Some(token) = &reference.token {
            self.source = Some((reference.provider(), token.0.clone()));
        }
        self
    }

    /// The tokens for one request: one that stood in the source, before the
    /// operator's and those that the request's owner stored. On this machine's
    /// command line the environment beats what is stored; any other owner's
    /// own come before the operator's.
    pub fn for_request(&self, request: &ImportRequest) -> Auth {
        let reference = &request.reference;
        let known = self.of_owner(&request.owner);
        let kind = reference.provider();
        let earlier = self.source.as_ref().filter(|(of, _)| *of == kind);
        let token = reference.token.as_ref().map(|token| &token.0);
        known.with_source_token(kind, token.or(earlier.map(|(_, token)| token)))
    }

    /// The tokens for what an owner asks for that is no import, such as a list.
    pub fn of_owner(&self, asks: &str) -> Auth {
        match &self.stored {
            Some((owner, stored)) if owner == asks => {
                let (operator, stored) = (self.operator.clone(), stored.clone());
                if owner == LOCAL_OWNER {
                    either(operator, stored)
                } else {
                    either(stored, operator)
                }
            }
            _ => self.operator.clone(),
        }
    }

    fn knows(&self, owner: &str) -> bool {
        matches!(&self.stored, Some((of, _)) if of == owner)
    }

    /// Whether a stored one of this name would never be used.
    fn overrules(&self, owner: &str, name: &CredentialName) -> bool {
        let set = match name {
            CredentialName::HuggingFace => self.operator.huggingface.is_some(),
            CredentialName::Civitai => self.operator.civitai.is_some(),
            CredentialName::Host(host) => self.operator.hosts.contains_key(host),
        };
        set && owner == LOCAL_OWNER
    }
}

impl Ferry {
    /// This, with what an owner stored among its tokens. The records are asked
    /// once: one that knows them already is copied.
    ///
    /// # Errors
    /// When the records can't be read, or a credential that would be used can't
    /// be opened with the key at hand.
    pub async fn for_owner(&self, owner: &str) -> Result<Self, Error> {
        let mut ferry = self.clone();
        if !self.tokens.knows(owner) {
            let mut rows = self.records.credentials(owner).await?;
            rows.retain(|row| !self.tokens.overrules(owner, &row.name));
            let stored = self.vault.open(&rows).await?;
            ferry.tokens.stored = Some((owner.to_owned(), stored));
        }
        Ok(ferry)
    }
}

fn either(first: Auth, second: Auth) -> Auth {
    let mut hosts = second.hosts;
    hosts.extend(first.hosts);
    Auth {
        huggingface: first.huggingface.or(second.huggingface),
        civitai: first.civitai.or(second.civitai),
        hosts,
    }
}
