//! What deliveries are signed with.

use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use modelferry_providers::Token;

use crate::credentials::{Resealed, Vault};
use crate::error::Error;
use crate::records::{Records, WebhookSecretRow};

/// What a secret begins with, as the specification has it.
const PREFIX: &str = "whsec_";
/// Bytes of a secret; the specification has 24 to 64.
const LENGTH: usize = 32;
/// How long an earlier secret signs beside its successor.
const OVERLAP: Duration = Duration::from_secs(24 * 3600);
/// What the vault seals it for. No credential has a blank in its name.
const PURPOSE: &str = "webhook secret";

/// The secrets of owners.
#[derive(Debug, Clone)]
pub struct Secrets {
    records: Records,
    vault: Vault,
}

/// An owner's secret, as its owner may see it.
#[derive(Debug, Clone)]
pub struct ShownSecret {
    /// `whsec_` and base64.
    pub secret: Token,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Until when an earlier one signs too.
    pub previous_until: Option<DateTime<Utc>>,
}

/// Signs for one owner.
#[derive(Debug)]
pub(super) struct Signer(Vec<hmac::Key>);

impl Secrets {
    /// The secrets in these records, which this vault opens.
    pub const fn new(records: Records, vault: Vault) -> Self {
        Self { records, vault }
    }

    /// An owner's secret, made when it is first asked for.
    ///
    /// # Errors
    /// When the records can't be read, or the key is not the one at hand.
    pub async fn of(&self, owner: &str) -> Result<ShownSecret, Error> {
        let mut rows = self.records.webhook_secrets(owner).await?;
        if rows.is_empty() {
            self.put(owner, 1).await?;
            rows = self.records.webhook_secrets(owner).await?;
        }
        self.shown(owner, &rows).await
    }

    /// Gives an owner a new secret. Earlier ones sign beside it for a day.
    ///
    /// # Errors
    /// As [`Secrets::of`].
    pub async fn rotate(&self, owner: &str) -> Result<ShownSecret, Error> {
        // Two that rotate at once both find a new secret, which is what they want.
        let rows = self.records.webhook_secrets(owner).await?;
        let number = rows.first().map_or(1, |row| row.number + 1);
        self.put(owner, number).await?;
        let rows = self.records.webhook_secrets(owner).await?;
        self.shown(owner, &rows).await
    }

    /// Seals every owner's secrets with the current key.
    ///
    /// # Errors
    /// When the records can't be read; what single ones met is in the answer.
    pub async fn reseal(&self) -> Result<Resealed, Error> {
        let mut resealed = Resealed::default();
        for (owner, row) in self.records.all_webhook_secrets().await? {
            let one = async {
                if self.vault.is_current(&row.sealed).await? {
                    return Ok(false);
                }
                let secret = self.open(&owner, &row).await?;
                let sealed = self.vault.seal_for(&owner, PURPOSE, &secret).await?;
                self.records
                    .replace_webhook_secret(&owner, &row, &sealed)
                    .await
            };
            resealed.count(one.await);
        }
        Ok(resealed)
    }

    /// What signs an owner's deliveries now.
    ///
    /// # Errors
    /// As [`Secrets::of`].
    pub(super) async fn signer(&self, owner: &str) -> Result<Signer, Error> {
        let mut rows = self.records.webhook_secrets(owner).await?;
        if rows.is_empty() {
            self.put(owner, 1).await?;
            rows = self.records.webhook_secrets(owner).await?;
        }
        let mut keys = Vec::with_capacity(rows.len());
        for row in &rows {
            keys.push(key(&self.open(owner, row).await?)?);
        }
        Ok(Signer(keys))
    }

    async fn put(&self, owner: &str, number: i64) -> Result<(), Error> {
        let mut bytes = [0; LENGTH];
        aws_lc_rs::rand::fill(&mut bytes)
            .map_err(|error| Error::internal("making a webhook secret", error))?;
        let text = Token::new(&format!("{PREFIX}{}", STANDARD.encode(bytes)))
            .ok_or_else(|| Error::internal("making a webhook secret", "it is empty"))?;
        let sealed = self.vault.seal_for(owner, PURPOSE, &text).await?;
        self.records
            .put_webhook_secret(owner, number, &sealed, OVERLAP)
            .await?;
        Ok(())
    }

    async fn shown(&self, owner: &str, rows: &[WebhookSecretRow]) -> Result<ShownSecret, Error> {
        let current = rows
            .first()
            .ok_or_else(|| Error::internal("reading a webhook secret", "there is none"))?;
        Ok(ShownSecret {
            secret: self.open(owner, current).await?,
            created_at: current.created_at,
            previous_until: rows.get(1).and_then(|row| row.ends_at),
        })
    }

    async fn open(&self, owner: &str, row: &WebhookSecretRow) -> Result<Token, Error> {
        let opened = self.vault.open_for(owner, PURPOSE, &row.sealed).await;
        opened.map_err(|fault| {
            let what = format!("the webhook secret of {owner}");
            let anew =
                format!("make a new one: `modelferry webhooks secret --rotate --owner {owner}`");
            fault.of(&what, &anew)
        })
    }
}

fn key(secret: &Token) -> Result<hmac::Key, Error> {
    let text = secret.expose();
    let bytes = STANDARD
        .decode(text.strip_prefix(PREFIX).unwrap_or(text))
        .map_err(|_| Error::internal("reading a webhook secret", "it is no base64"))?;
    Ok(hmac::Key::new(hmac::HMAC_SHA256, &bytes))
}

impl Signer {
    /// The `webhook-signature` of this body: one signature a secret.
    pub fn sign(&self, id: &str, timestamp: i64, body: &str) -> String {
        let signed = format!("{id}.{timestamp}.{body}");
        let signatures = self.0.iter().map(|key| {
            let tag = hmac::sign(key, signed.as_bytes());
            format!("v1,{}", STANDARD.encode(tag.as_ref()))
        });
        signatures.collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_specifications_example_is_signed_as_it_says() {
        // From the specification's reference libraries' tests.
        let secret = Token::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signer = Signer(vec![key(&secret).unwrap()]);
        let signature = signer.sign(
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            "{\"test\": 2432232314}",
        );
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }
}
