//! Sidecars, where they were asked for: see [`crate::entity::sidecar`].

use modelferry_providers::Plan;

use super::Ferry;
use crate::entity::sidecar;
use crate::records::{EntityFile, UploadDetail};
use crate::request::ImportRequest;

impl Ferry {
    /// Writes what an earlier import's files lack and is asked for now.
    pub(super) async fn complete_sidecars(
        &self,
        request: &ImportRequest,
        plan: &Plan,
        earlier: &UploadDetail,
        files: &[EntityFile],
    ) {
        if earlier.upload.entity_id.is_none() {
            return;
        }
        // A model renamed since then still stands in the folder it had.
        let stood = earlier.plan.as_ref().unwrap_or(plan);
        let plan = Plan {
            place: stood.place.clone(),
            ..plan.clone()
        };
        self.write_sidecars(request, &plan, files).await;
    }

    /// Writes what the request asks for beside the entity's files. Returns
    /// what a person should know of what could not be written.
    pub(super) async fn write_sidecars(
        &self,
        request: &ImportRequest,
        plan: &Plan,
        files: &[EntityFile],
    ) -> Vec<String> {
        if !request.reference.selection.sidecar {
            return Vec::new();
        }
        let troubles = match self.storage.local_root() {
            Some(root) => sidecar::write(root, plan, files, &self.providers).await,
            None => vec![
                "no sidecars are written: only a local storage folder has a library".to_owned(),
            ],
        };
        for trouble in &troubles {
            tracing::warn!(reference = %plan.reference, "{trouble}");
        }
        troubles
    }
}
