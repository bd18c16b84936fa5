//! How much one owner may have.

use bytesize::ByteSize;

use super::Ferry;
use crate::error::{Code, Error};

impl Ferry {
    /// Whether an owner may have `more` bytes beside those it has and has asked
    /// for. Two that ask at once may both be refused, and are never both let
    /// through: each has written down its size before it asks.
    ///
    /// # Errors
    /// [`Code::TooLarge`] when the rule `max_owner_bytes` says no.
    pub async fn admit_bytes(&self, owner: &str, more: u64) -> Result<(), Error> {
        let own = self.records.owner_limits(owner).await?.max_bytes;
        let Some(most) = own.or(self.rules.max_owner_bytes) else {
            return Ok(());
        };
        let has = self.records.owner_bytes(owner).await?;
        if has.total().saturating_add(more) <= most {
            return Ok(());
        }
        let shown = |bytes| ByteSize::b(bytes).display().iec();
        let message = format!(
            "the rule `max_owner_bytes` gives this owner {}; it has {}, and with all that is asked for it would have {}",
            shown(most),
            shown(has.stored),
            shown(has.total().saturating_add(more))
        );
        Err(Error::new(Code::TooLarge, message).hint(
            "cancel what waits or remove what is no longer needed, or ask whoever runs this to raise \
             MODELFERRY_MAX_OWNER_BYTES, or `modelferry owners limit`",
        ))
    }
}
