//! A new key: what an earlier one sealed is sealed anew.

use super::{Sealed, Vault};
use crate::error::Error;
use crate::records::Records;

/// What came of it.
#[derive(Debug, Default)]
pub struct Resealed {
    /// Secrets that the current key opens now and did not before.
    pub anew: usize,
    /// Why others stay as they are.
    pub failed: Vec<Error>,
}

impl Resealed {
    /// Counts one.
    pub fn count(&mut self, one: Result<bool, Error>) {
        match one {
            Ok(anew) => self.anew += usize::from(anew),
            Err(error) => self.failed.push(error),
        }
    }
}

/// Seals every stored credential with the current key. One that is set by its
/// owner meanwhile is left as they set it.
///
/// # Errors
/// When the records can't be read; what single ones met is in the answer.
pub async fn reseal(records: &Records, vault: &Vault) -> Result<Resealed, Error> {
    let mut resealed = Resealed::default();
    for row in records.all_credentials().await? {
        let one = async {
            if vault.is_current(&row.sealed).await? {
                return Ok(false);
            }
            let (owner, purpose) = (&row.owner, row.slot.purpose());
            let opened = vault.open_for(owner, &purpose, &row.sealed).await;
            let secret = opened.map_err(|fault| fault.of_credential(&row))?;
            let sealed = vault.seal_for(owner, &purpose, &secret).await?;
            records.replace_credential(&row, &sealed).await
        };
        resealed.count(one.await);
    }
    Ok(resealed)
}

impl Vault {
    /// Whether the key that seals now is the one that sealed this.
    ///
    /// # Errors
    /// When the key can't be read or made.
    pub async fn is_current(&self, sealed: &Sealed) -> Result<bool, Error> {
        Ok(self.sealing_key().await?.id() == sealed.key_id)
    }
}
