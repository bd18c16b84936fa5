//! The steps before the first byte: resolve, and prove access.

use modelferry_providers::{Auth, Plan};

use super::{Import, held};
use crate::crash;
use crate::error::Stop;
use crate::progress::Event;
use crate::storage::StageName;

impl Import<'_> {
    /// The plan: the one that an earlier worker saved, the one in hand, or a new one.
    pub(super) async fn resolve(&self, resolved: Option<Plan>) -> Result<Plan, Stop> {
        let detail = &self.claim.detail;
        if let Some(saved) = &detail.plan {
            self.observer.event(&Event::Planned(saved));
            return Ok(saved.clone());
        }
        let plan = match resolved {
            Some(plan) => plan,
            None => self.ferry.resolve(&detail.request).await?,
        };
        let key = detail.request.plan_key(&plan, &self.rules.fingerprint());
        held(
            self.ferry
                .records
                .save_plan(self.claim, &plan, &key)
                .await?,
        )?;
        crash::point("plan-saved");
        self.ferry.admit_bytes(&detail.request.owner, 0).await?;
        self.observer.event(&Event::Planned(&plan));
        Ok(plan)
    }

    /// Asks the hub whether this token may read each thing it grants, before
    /// any held blob is used. Knowing a hash opens nothing.
    pub(super) async fn prove_access(&self, plan: &Plan) -> Result<(), Stop> {
        Ok(self.ferry.prove_access(plan, &self.auth()).await?)
    }

    pub(super) fn auth(&self) -> Auth {
        self.ferry.tokens.for_request(&self.claim.detail.request)
    }

    pub(super) fn stage_name(&self, index: u32) -> StageName {
        StageName {
            upload: self.claim.upload_id().to_owned(),
            index,
        }
    }

    pub(super) async fn discard_staged(&self) {
        let upload = self.claim.upload_id();
        if let Err(error) = self.ferry.storage.discard_upload(upload).await {
            tracing::warn!(%error, "staged bytes could not be thrown away; the next start tries again");
        }
    }
}
