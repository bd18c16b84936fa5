//! A file that its owner brought in parts: its plan, and the step that takes
//! the place of the transfer.

use std::sync::Arc;

use modelferry_providers::{
    Artifact, Digests, Locator, Origin, Place, Plan, ProviderKind, RelPath, Size,
};

use super::Import;
use super::ledger::RecordsLedger;
use crate::error::{Code, Error, Stop};
use crate::progress::ArtifactMeter;
use crate::records::Stored;
use crate::request::ImportRequest;
use crate::transfer::Adoption;

/// The plan of a request whose owner brings the file along; `None` for any other.
pub(super) fn plan(request: &ImportRequest) -> Option<Plan> {
    let Locator::Multipart { upload, file, size } = &request.reference.locator else {
        return None;
    };
    let name = |text: &str| RelPath::sanitised_name(text).unwrap_or_else(|| file.clone());
    Some(Plan {
        provider: ProviderKind::Other,
        reference: file.to_string(),
        revision: upload.clone(),
        name: file.to_string(),
        page: format!("modelferry:{upload}"),
        place: Place {
            owner: name(&request.owner),
            name: name(file.name()),
            revision: name(upload),
        },
        is_asset: false,
        artifacts: vec![Artifact {
            path: file.clone(),
            size: Size::Exact(*size),
            digests: Digests {
                sha256: request.reference.selection.sha256,
                ..Digests::default()
            },
            origin: Origin::Multipart {
                upload: upload.clone(),
            },
            scan: None,
        }],
        left_out: Vec::new(),
        warnings: Vec::new(),
        card: None,
    })
}

/// Whether nobody but its owner can bring this file.
pub(super) fn is_brought(artifact: &Artifact) -> bool {
    matches!(artifact.origin, Origin::Multipart { .. })
}

impl Import<'_> {
    /// Puts the parts together and publishes what they come to.
    pub(super) async fn adopt(&self, plan: &Plan, missing: &[u32]) -> Result<(), Stop> {
        for &index in missing {
            if let Some(artifact) = plan.artifacts.get(index as usize) {
                let stored = self.adopt_one(index, artifact).await?;
                self.keep(&[(index, stored)]).await?;
            }
        }
        Ok(())
    }

    async fn adopt_one(&self, index: u32, artifact: &Artifact) -> Result<Stored, Stop> {
        let upload = self.claim.upload_id();
        let intake = self.ferry.records.intake(upload).await?;
        let Some((staged, parts)) = intake.and_then(|intake| Some((intake.staged, intake.parts?)))
        else {
            let message = format!("the parts of {} are gone", artifact.path);
            return Err(Error::new(Code::NotFound, message)
                .hint("make a new upload and send its parts")
                .into());
        };
        let ledger = RecordsLedger {
            records: &self.ferry.records,
            claim: self.claim,
            index,
        };
        let meter = ArtifactMeter::new(self.observer.clone(), index, artifact);
        let job = Adoption {
            artifact,
            staged,
            parts,
            resume: ledger.saved().await?.map(|(checkpoint, _)| checkpoint),
            ledger: &ledger,
            meter: Arc::new(meter),
            cancel: self.cancel,
        };
        match self.ferry.engine.adopt(job).await {
            Ok(landed) => Ok(Stored {
                sha256: landed.sha256,
                size: landed.size,
                verification: landed.verification,
                // Every byte came over the wire, whoever took it.
                bytes_transferred: landed.size,
                reused: false,
                repaired: landed.repaired,
            }),
            Err(Stop::Failed(error)) => {
                let records = &self.ferry.records;
                super::held(records.blame(self.claim, index, error.code, 0).await?)?;
                Err(Stop::Failed(error))
            }
            Err(early) => Err(early),
        }
    }
}
