//! Copies that the store makes itself.

use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::ObjectStoreExt;
use object_store::multipart::PartId;
use object_store::path::Path as ObjectPath;

use super::super::StorageError;
use super::signed::Ask;
use super::{AT_ONCE, Client, CloudStorage};

/// How long a copy that the store makes in its own time is waited for.
const COPYING: Duration = Duration::from_secs(600);

impl CloudStorage {
    /// Copies an object of this length, and sees that the copy is whole.
    pub(super) async fn copy(
        &self,
        from: &ObjectPath,
        to: &ObjectPath,
        size: u64,
    ) -> Result<(), StorageError> {
        if size > self.tuning.copy_at_once && matches!(self.client, Client::S3(..)) {
            self.copy_in_parts(from, to, size).await?;
        } else {
            let done = self.client.objects().copy(from, to).await;
            done.map_err(|error| self.explain(&format!("copy {from} to {to}"), &error))?;
        }
        let arrived = tokio::time::timeout(COPYING, self.until_whole(to, size)).await;
        arrived.unwrap_or_else(|_| {
            Err(StorageError::Failed(format!(
                "{} did not finish copying {from} to {to}",
                self.bucket
            )))
        })
    }

    /// Azure may answer before it has copied.
    async fn until_whole(&self, path: &ObjectPath, size: u64) -> Result<(), StorageError> {
        while self.head(path).await?.is_none_or(|meta| meta.size != size) {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        Ok(())
    }

    async fn copy_in_parts(
        &self,
        from: &ObjectPath,
        to: &ObjectPath,
        size: u64,
    ) -> Result<(), StorageError> {
        let doing = format!("copy {from} to {to}");
        let begun = self.client.parts().create_multipart(to).await;
        let id = begun.map_err(|error| self.explain(&doing, &error))?;
        let part = self.tuning.copy_part.max(size.div_ceil(10_000));
        let copied: Result<Vec<PartId>, StorageError> = stream::iter(0..size.div_ceil(part))
            .map(|number| {
                let range = number * part..((number + 1) * part).min(size);
                let ask = Ask::copy_part(&self.bucket.name, from, to, &id, number + 1, range);
                async move { self.copied_part(ask).await }
            })
            .buffered(AT_ONCE)
            .try_collect()
            .await;
        let done = match copied {
            Ok(tags) => self.client.parts().complete_multipart(to, &id, tags).await,
            Err(error) => {
                self.abort(to, &id).await?;
                return Err(error);
            }
        };
        // The length is looked at next, so a lost answer does no harm.
        match done {
            Err(error) if self.head(to).await?.is_none() => Err(self.explain(&doing, &error)),
            _ => Ok(()),
        }
    }

    async fn copied_part(&self, ask: Ask) -> Result<PartId, StorageError> {
        let doing = format!("copy part {} of {}", ask.number(), ask.path);
        let body = self.ask(&ask, &doing).await?;
        let tag = body
            .split_once("<ETag>")
            .and_then(|(_, rest)| rest.split_once("</ETag>"))
            .map(|(tag, _)| tag.replace("&quot;", "\""));
        match tag {
            Some(content_id) => Ok(PartId { content_id }),
            None => Err(StorageError::Failed(format!(
                "can't {doing} in {}: the answer names no ETag",
                self.bucket
            ))),
        }
    }
}
