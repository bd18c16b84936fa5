//! Which tokens an import may use.

use modelferry_providers::{Auth, ProviderKind, Token};

use crate::credentials::CredentialName;
use crate::error::{Code, Error};
use crate::import::Ferry;
use crate::records::CredentialRow;
use crate::request::{ImportRequest, LOCAL_OWNER};

/// What this process has been told, by whom it was told.
#[derive(Debug, Clone, Default)]
pub struct Tokens {
    /// From the operator's configuration.
    operator: Auth,
    /// What an owner stored.
    stored: Option<(String, Auth)>,
    /// What an import asks for by its name, in place of the usual one.
    named: Option<Named>,
    /// What stood in a source itself. It is never stored: it works in this
    /// process alone.
    source: Option<(ProviderKind, Token)>,
}

/// A credential that was asked for.
#[derive(Debug, Clone)]
struct Named {
    owner: String,
    name: String,
    auth: Auth,
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

    /// The tokens for one request: one that stood in the source, before one
    /// that the request names, before the operator's and those that the request's owner stored. On this machine's
    /// command line the environment beats what is stored; any other owner's
    /// own come before the operator's.
    pub fn for_request(&self, request: &ImportRequest) -> Auth {
        let reference = &request.reference;
        let known = self.of_owner(&request.owner);
        let asked = self.named.as_ref().filter(|named| {
            named.owner == request.owner && Some(&named.name) == request.credential.as_ref()
        });
        let known = match asked {
            Some(named) => either(named.auth.clone(), known),
            None => known,
        };
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
            rows.retain(|row| {
                !row.slot.is_labelled() && !self.tokens.overrules(owner, row.slot.target())
            });
            let stored = self.vault.open(&rows).await?;
            ferry.tokens.stored = Some((owner.to_owned(), stored));
        }
        Ok(ferry)
    }

    /// As [`Ferry::for_owner`], with the credential that a request names.
    ///
    /// # Errors
    /// Also [`Code::AuthRequired`] when the owner has none of that name, and
    /// [`Code::InvalidRequest`] when it goes elsewhere than the source is.
    pub async fn for_request(&self, request: &ImportRequest) -> Result<Self, Error> {
        let mut ferry = self.for_owner(&request.owner).await?;
        if let Some(row) = self.named_credential(request).await? {
            ferry.tokens.named = Some(Named {
                owner: row.owner.clone(),
                name: row.slot.name().to_owned(),
                auth: self.vault.open(std::slice::from_ref(&row)).await?,
            });
        }
        Ok(ferry)
    }

    /// The tokens for what an owner asks for that is no import, such as a
    /// list: with the credential of this name before the others.
    ///
    /// # Errors
    /// [`Code::AuthRequired`] when the owner has none of that name; as
    /// [`Ferry::for_owner`].
    pub async fn auth_of(&self, owner: &str, credential: Option<&str>) -> Result<Auth, Error> {
        let known = self.for_owner(owner).await?.tokens.of_owner(owner);
        let Some(name) = credential else {
            return Ok(known);
        };
        let row = self.records.credential(owner, name).await?;
        let row = row.ok_or_else(|| no_credential(name))?;
        let named = self.vault.open(std::slice::from_ref(&row)).await?;
        Ok(either(named, known))
    }

    /// The stored credential that a request names, unopened.
    ///
    /// # Errors
    /// As [`Ferry::for_request`].
    pub async fn named_credential(
        &self,
        request: &ImportRequest,
    ) -> Result<Option<CredentialRow>, Error> {
        let Some(name) = &request.credential else {
            return Ok(None);
        };
        let shown = modelferry_providers::source::quoted(name);
        let found = self.records.credential(&request.owner, name).await?;
        let row = found.ok_or_else(|| no_credential(name))?;
        if !row.slot.fits(&request.reference) {
            let message = format!(
                "the credential {shown} is for {}, and the source is at {}",
                row.slot.target(),
                request.host()
            );
            return Err(Error::new(Code::InvalidRequest, message)
                .hint("name one that is for the source's host, or none"));
        }
        Ok(Some(row))
    }
}

/// That an owner has no credential of this name.
pub fn no_credential(name: &str) -> Error {
    let shown = modelferry_providers::source::quoted(name);
    let message = format!("the owner has no stored credential {shown}, which the import names");
    Error::new(Code::AuthRequired, message).hint(
        "store it with PUT /v1/credentials/NAME or `modelferry credentials set`, then try again",
    )
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
