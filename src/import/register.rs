//! The last steps: the entity, its manifest, and the record's end.

use modelferry_providers::Plan;

use super::{Import, held};
use crate::crash;
use crate::entity::{self, Manifest};
use crate::error::{Code, Error, Stop};
use crate::progress::Event;
use crate::records::{Entity, EntityFile};
use crate::storage::StorageKey;
use crate::upload::UploadStatus::{Complete, Imported};
use crate::upload::{ArtifactStatus, Kind};

impl Import<'_> {
    /// Writes the manifest and the library's links. The entity is not known to
    /// anyone until [`Import::imported`].
    pub(super) async fn register(&self, plan: &Plan, kind: Kind) -> Result<Entity, Stop> {
        let mut rows = self.ferry.records.artifacts(self.claim.upload_id()).await?;
        rows.retain(|row| row.status != ArtifactStatus::Refused);
        let files: Option<Vec<EntityFile>> = rows
            .iter()
            .map(|row| {
                Some(EntityFile {
                    path: row.path.clone(),
                    size: row.size?,
                    sha256: row.sha256?,
                })
            })
            .collect();
        let Some(files) = files else {
            return Err(Error::new(
                Code::Internal,
                "a file was to be registered before it was stored",
            )
            .into());
        };
        let entity = Entity {
            id: self.entity_id(kind),
            kind,
            name: plan.name.clone(),
            files,
        };
        let upload = self.claim.upload_id();
        let stored_at = self.ferry.records.stored_at(upload).await?;
        let request = &self.claim.detail.request;
        let manifest = Manifest::new(&entity, request, plan, &rows, &stored_at);
        let key = StorageKey::Manifest {
            entity: entity.id.clone(),
        };
        self.ferry.storage.put(&key, manifest.to_bytes()?).await?;
        crash::point("manifest-written");
        if let Some(root) = self.ferry.storage.local_root() {
            entity::link_library(root, plan, &entity).await?;
            crash::point("library-linked");
        }
        self.sidecars(plan, &entity).await;
        Ok(entity)
    }

    /// Writes what was asked for beside the files; none of it can fail the import.
    async fn sidecars(&self, plan: &Plan, entity: &Entity) {
        let request = &self.claim.detail.request;
        let written = self
            .ferry
            .write_sidecars(request, plan, &entity.files)
            .await;
        for trouble in written {
            self.observer.event(&Event::Warning {
                path: &plan.reference,
                message: &trouble,
            });
        }
    }

    /// The same for every worker that gets this far with this upload, so that
    /// a crash before the end leaves one manifest and not two.
    fn entity_id(&self, kind: Kind) -> String {
        let [model, asset] = entity::ids_for(self.claim.upload_id());
        if kind == Kind::Model { model } else { asset }
    }

    pub(super) async fn imported(&self, entity: &Entity) -> Result<(), Stop> {
        held(self.ferry.records.import(self.claim, entity).await?)?;
        crash::point("imported");
        self.moved(Imported);
        Ok(())
    }

    pub(super) async fn complete(&self) -> Result<(), Stop> {
        held(self.ferry.records.complete(self.claim).await?)?;
        self.moved(Complete);
        Ok(())
    }
}
