//! Stored credentials: what each is for, and how its secret is sealed.
//!
//! AES-256-GCM with a random nonce for each; owner and name are authenticated
//! with it, so that a sealed secret is of no use in another's row. The key is
//! never in the database.

mod key;
mod reseal;
mod slot;

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use modelferry_providers::auth::HostCredential;
use modelferry_providers::{Auth, Token};

pub use self::key::{SecretKey, SecretKeys};
pub use self::reseal::{Resealed, reseal};
pub use self::slot::Slot;
use crate::error::{Code, Error};
use crate::records::CredentialRow;

/// What a credential is for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum CredentialName {
    /// `huggingface`
    HuggingFace,
    /// `civitai`
    Civitai,
    /// `host` or `host:port`, in lower case.
    Host(String),
}

impl CredentialName {
    /// As it is written.
    pub fn as_str(&self) -> &str {
        match self {
            Self::HuggingFace => "huggingface",
            Self::Civitai => "civitai",
            Self::Host(host) => host,
        }
    }
}

impl fmt::Display for CredentialName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for CredentialName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "it is huggingface, civitai, or a host such as example.com:8443".to_owned();
        let lower = text.to_ascii_lowercase();
        match &*lower {
            "huggingface" => return Ok(Self::HuggingFace),
            "civitai" => return Ok(Self::Civitai),
            "huggingface.co" | "hf.co" => return Err("that hub is named huggingface".to_owned()),
            "civitai.com" | "civitai.red" => return Err("that hub is named civitai".to_owned()),
            _ => {}
        }
        let digits = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
        let (host, port) = match lower.rsplit_once(':') {
            Some((host, port)) if digits(port) => (host, Some(port)),
            _ => (&*lower, None),
        };
        let host = url::Host::parse(host).map_err(|_| wrong())?;
        match port.map(str::parse::<u16>) {
            None => Ok(Self::Host(host.to_string())),
            Some(Ok(port @ 1..)) => Ok(Self::Host(format!("{host}:{port}"))),
            Some(_) => Err(wrong()),
        }
    }
}

/// A secret that only its key opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// Which key that is.
    pub key_id: String,
    /// The random number it was sealed with.
    pub nonce: Vec<u8>,
    /// The secret, encrypted, and its tag.
    pub sealed: Vec<u8>,
}

/// Where the keys are.
#[derive(Debug, Clone)]
pub enum Vault {
    /// In the configuration.
    Given(SecretKeys),
    /// In this file, which is made when it is first needed.
    File(PathBuf),
}

impl Vault {
    /// A key for this purpose alone, the same in every process that has the
    /// secret key. That is made where there is none.
    ///
    /// # Errors
    /// When the key can't be read or made.
    pub async fn derive(&self, purpose: &str) -> Result<[u8; 32], Error> {
        Ok(self.sealing_key().await?.derive(purpose))
    }

    /// Seals an owner's credential.
    ///
    /// # Errors
    /// When the key can't be read or made.
    pub async fn seal(&self, owner: &str, slot: &Slot, secret: &Token) -> Result<Sealed, Error> {
        self.seal_for(owner, &slot.purpose(), secret).await
    }

    /// The key that seals from now on, made where there is none.
    async fn sealing_key(&self) -> Result<SecretKey, Error> {
        let keys = match self {
            Self::Given(keys) => keys.clone(),
            Self::File(path) => key::read_or_make(path).await?,
        };
        Ok(keys.current().clone())
    }

    /// Seals a secret of an owner for one purpose; for no other it opens.
    ///
    /// # Errors
    /// When the key can't be read or made.
    pub async fn seal_for(
        &self,
        owner: &str,
        purpose: &str,
        secret: &Token,
    ) -> Result<Sealed, Error> {
        let key = self.sealing_key().await?;
        let mut text = secret.expose().as_bytes().to_vec();
        let nonce = cipher(&key)?
            .seal_in_place_append_tag(Aad::from(bound_to(owner, purpose)), &mut text)
            .map_err(|error| Error::internal("sealing a credential", error))?;
        Ok(Sealed {
            key_id: key.id(),
            nonce: nonce.as_ref().to_vec(),
            sealed: text,
        })
    }

    /// Opens what is stored. The key is not asked for where there is nothing.
    ///
    /// # Errors
    /// [`Code::StorageError`] when one was sealed with another key, or was
    /// changed since: an upload keeps its bytes, and waits for a worker that
    /// has the key.
    pub async fn open(&self, rows: &[CredentialRow]) -> Result<Auth, Error> {
        let mut auth = Auth::default();
        for row in rows {
            let opened = self
                .open_for(&row.owner, &row.slot.purpose(), &row.sealed)
                .await;
            let secret = opened.map_err(|fault| fault.of_credential(row))?;
            match row.slot.target() {
                CredentialName::HuggingFace => auth.huggingface = Some(secret),
                CredentialName::Civitai => auth.civitai = Some(secret),
                CredentialName::Host(host) => {
                    auth.hosts.insert(host.clone(), for_host(secret));
                }
            }
        }
        Ok(auth)
    }

    /// Opens a secret that was sealed for this owner and purpose.
    ///
    /// # Errors
    /// Why it does not open; whoever asked knows what it is the secret of.
    pub(crate) async fn open_for(
        &self,
        owner: &str,
        purpose: &str,
        sealed: &Sealed,
    ) -> Result<Token, Fault> {
        let other = |why: String| Fault::OtherKey {
            sealed_with: sealed.key_id.clone(),
            why,
        };
        let (keys, place) = match self {
            Self::Given(keys) => (keys.clone(), "MODELFERRY_SECRET_KEY".to_owned()),
            Self::File(path) => {
                let place = path.display().to_string();
                let keys = key::read(path).await.map_err(Fault::Key)?;
                let keys = keys.ok_or_else(|| other(format!("{place} is not there")))?;
                (keys, place)
            }
        };
        let Some(key) = keys.of_id(&sealed.key_id) else {
            return Err(other(format!("{place} holds another")));
        };
        let open = || {
            let nonce: [u8; NONCE_LEN] = sealed.nonce.as_slice().try_into().ok()?;
            let mut text = sealed.sealed.clone();
            let opened = cipher(key).ok()?.open_in_place(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(bound_to(owner, purpose)),
                &mut text,
            );
            Token::new(std::str::from_utf8(opened.ok()?).ok()?)
        };
        open().ok_or(Fault::Changed)
    }
}

/// Why a sealed secret does not open.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The key itself can't be read.
    Key(Error),
    /// It was sealed with a key that is not at hand.
    OtherKey {
        /// Which key that is.
        sealed_with: String,
        /// Where the key was looked for, and what was there.
        why: String,
    },
    /// It is not as it was written.
    Changed,
}

impl Fault {
    fn of_credential(self, row: &CredentialRow) -> Error {
        let mut anew = format!(
            "set it anew: `modelferry credentials set {} --owner {}`",
            row.slot, row.owner
        );
        if row.slot.is_labelled() {
            anew.insert_str(anew.len() - 1, &format!(" --host {}", row.slot.target()));
        }
        self.of(&format!("the stored credential for {}", row.slot), &anew)
    }

    /// In plain words: `what` does not open, and how to have it `anew`.
    pub(crate) fn of(self, what: &str, anew: &str) -> Error {
        match self {
            Self::Key(error) => error,
            Self::OtherKey { sealed_with, why } => {
                let message = format!(
                    "{what} can't be read: it was sealed with the key {sealed_with}, and {why}"
                );
                Error::new(Code::StorageError, message).hint(format!(
                    "give that key back (MODELFERRY_SECRET_KEY, the same for every process, or the file secret.key in the home folder), or {anew}"
                ))
            }
            Self::Changed => {
                let message = format!("{what} is not as it was written: its row was changed");
                Error::new(Code::StorageError, message).hint(anew)
            }
        }
    }
}

/// `user:password` is Basic, anything else Bearer.
fn for_host(secret: Token) -> HostCredential {
    if secret.expose().contains(':') {
        HostCredential::Basic(secret)
    } else {
        HostCredential::Bearer(secret)
    }
}

fn cipher(key: &SecretKey) -> Result<RandomizedNonceKey, Error> {
    RandomizedNonceKey::new(&AES_256_GCM, key.expose())
        .map_err(|error| Error::internal("using the secret key", error))
}

fn bound_to(owner: &str, purpose: &str) -> Vec<u8> {
    format!("{owner}\n{purpose}").into_bytes()
}

#[cfg(test)]
mod tests;
