//! What clients write of a sync.

use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;

use crate::api::auth::Caller;
use crate::sync::{Draft, Filter, Prune, Spec};
use crate::upload::Kind;

/// A sync to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::api) struct CreateSync {
    /// What to call it; no other of the owner's has the name.
    name: String,
    /// What to follow: a Hugging Face repository, author or collection, a
    /// Civitai model, creator, tag or search, or a list behind a URL.
    source: String,
    /// When: a cron expression of five fields, or a nickname such as `@daily`.
    cron: String,
    /// The zone in which that is meant, by its IANA name; UTC if absent.
    timezone: Option<String>,
    /// What of the source is taken; everything if absent.
    filters: Option<Filter>,
    /// The kind its sources must be of.
    #[schema(value_type = Option<String>)]
    kind: Option<Kind>,
    /// The branch or tag to follow.
    revision: Option<String>,
    /// Every file of a Civitai version, not only its weights.
    all_files: Option<bool>,
    /// Who is told of each run.
    webhook_url: Option<String>,
    /// The name of a stored credential to use in place of the usual one.
    pub credential: Option<String>,
    /// How much of what is gone upstream a run may remove here; nothing if absent.
    prune: Option<Prune>,
    /// Whether it is made with its schedule out of force.
    paused: Option<bool>,
}

impl CreateSync {
    pub fn draft(self, caller: &Caller) -> Draft {
        Draft {
            name: self.name,
            cron: self.cron,
            time_zone: self.timezone.unwrap_or_else(|| "UTC".to_owned()),
            is_paused: self.paused.unwrap_or_default(),
            spec: Spec {
                source: self.source,
                author: caller.author.clone(),
                filters: self.filters.unwrap_or_default(),
                kind: self.kind,
                revision: self.revision,
                all_files: self.all_files.unwrap_or_default(),
                sidecar: false,
                webhook_url: self.webhook_url,
                credential: self.credential,
                prune: self.prune,
            },
        }
    }
}

/// What of a sync changes. What is absent stays; `null` takes away what may be
/// absent; `filters` replaces all of them.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(in crate::api) struct UpdateSync {
    /// What to call it.
    name: Option<String>,
    /// What to follow.
    pub source: Option<String>,
    /// When.
    cron: Option<String>,
    /// The zone in which that is meant.
    timezone: Option<String>,
    /// What of the source is taken.
    filters: Option<Filter>,
    /// The kind its sources must be of.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    kind: Option<Option<Kind>>,
    /// The branch or tag to follow.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    revision: Option<Option<String>>,
    /// Every file of a Civitai version, not only its weights.
    all_files: Option<bool>,
    /// Who is told of each run.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    pub webhook_url: Option<Option<String>>,
    /// The name of a stored credential to use in place of the usual one.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    pub credential: Option<Option<String>>,
    /// How much of what is gone upstream a run may remove here.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<Prune>)]
    prune: Option<Option<Prune>>,
    /// Whether its schedule is out of force; put into force again, the next
    /// run is counted from now.
    paused: Option<bool>,
}

/// Tells `null` from what is absent.
fn given<'d, T: Deserialize<'d>, D: Deserializer<'d>>(
    value: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(value).map(Some)
}

impl UpdateSync {
    pub fn apply(&self, draft: &mut Draft) {
        fn set<T: Clone>(place: &mut T, value: Option<&T>) {
            if let Some(value) = value {
                place.clone_from(value);
            }
        }
        set(&mut draft.name, self.name.as_ref());
        set(&mut draft.cron, self.cron.as_ref());
        set(&mut draft.time_zone, self.timezone.as_ref());
        set(&mut draft.is_paused, self.paused.as_ref());
        let spec = &mut draft.spec;
        set(&mut spec.source, self.source.as_ref());
        set(&mut spec.filters, self.filters.as_ref());
        set(&mut spec.kind, self.kind.as_ref());
        set(&mut spec.revision, self.revision.as_ref());
        set(&mut spec.all_files, self.all_files.as_ref());
        set(&mut spec.webhook_url, self.webhook_url.as_ref());
        set(&mut spec.credential, self.credential.as_ref());
        set(&mut spec.prune, self.prune.as_ref());
    }
}
