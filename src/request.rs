//! What was asked for, by whoever asked: the CLI, the API or a sync.

use modelferry_providers::{Locator, Plan, Providers, Reference, SafeUrl, Selection};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::Error;
use crate::import::Overrides;
use crate::upload::{Kind, UploadSource};

/// The owner of what is imported from this machine's command line.
pub const LOCAL_OWNER: &str = "local";

/// What of a source is meant, and how it is to be taken.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Wanted {
    /// The kind it must be of; `None` when the content is to tell.
    pub kind: Option<Kind>,
    /// Which of its files.
    pub selection: Selection,
    /// What may be done beyond the configuration.
    pub overrides: Overrides,
}

impl Wanted {
    /// Reads a source, to be taken this way by this machine's user.
    ///
    /// # Errors
    /// What is wrong with the source.
    pub fn of(&self, providers: &Providers, source: &str) -> Result<ImportRequest, Error> {
        let mut reference = providers.parse(source)?;
        reference.selection = self.selection.clone();
        let mut request = ImportRequest::local(reference, self.kind);
        request.overrides = self.overrides;
        Ok(request)
    }
}

/// One import, as asked for. Kept with the upload, so that any worker can go on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImportRequest {
    /// Whose the result is.
    pub owner: String,
    /// Who asked.
    pub author: String,
    /// What is meant, and which of its files.
    pub reference: Reference,
    /// The kind asked for; `None` when the content is to tell.
    pub kind: Option<Kind>,
    /// Whether an entity is made of it.
    pub register: bool,
    /// From -10 to 10; higher goes first.
    pub priority: i32,
    /// What this import may do beyond the configuration.
    #[serde(default)]
    pub overrides: Overrides,
    /// The sync that asks.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sync: Option<OfSync>,
    /// The `traceparent` of whatever asked, for the worker to join.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub trace: Option<String>,
    /// Where its owner wants to hear how it ended.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub webhook: Option<SafeUrl>,
    /// The stored credential to use in place of the usual one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub credential: Option<String>,
    /// The API's `config`, echoed on the record.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub config: Option<serde_json::Value>,
    /// The API's `assetOptions`, echoed on the record.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub asset_options: Option<serde_json::Value>,
}

/// An import that a sync asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfSync {
    /// The sync's id.
    pub id: String,
    /// What of its list this is, the same at every revision.
    pub subject: String,
}

impl ImportRequest {
    /// A request of this machine's user.
    pub fn local(reference: Reference, kind: Option<Kind>) -> Self {
        Self {
            owner: LOCAL_OWNER.to_owned(),
            author: LOCAL_OWNER.to_owned(),
            reference,
            kind,
            register: true,
            priority: 0,
            overrides: Overrides::default(),
            sync: None,
            trace: None,
            webhook: None,
            credential: None,
            config: None,
            asset_options: None,
        }
    }

    /// The kind to hold the content against: the one asked for, else what the
    /// source itself says. `None`: the content tells.
    pub fn expected_kind(&self, plan: &Plan) -> Option<Kind> {
        match (&self.reference.locator, self.kind) {
            (_, Some(kind)) => Some(kind),
            (Locator::Other { .. } | Locator::Multipart { .. }, None) => None,
            (_, None) if plan.is_asset => Some(Kind::Asset),
            (_, None) => Some(Kind::Model),
        }
    }

    /// The kind shown until validation names the found one.
    pub fn provisional_kind(&self) -> Kind {
        match (&self.reference.locator, self.kind) {
            (_, Some(kind)) => kind,
            (Locator::Other { .. } | Locator::Multipart { .. }, None) => Kind::Asset,
            (_, None) => Kind::Model,
        }
    }

    /// How the record says it was asked for.
    pub fn upload_source(&self) -> UploadSource {
        match self.reference.locator {
            Locator::HuggingFace(_) => UploadSource::HuggingFace,
            Locator::Civitai(_) => UploadSource::Civitai,
            Locator::Other { .. } => UploadSource::Url,
            Locator::Multipart { .. } => UploadSource::Multipart,
        }
    }

    /// Where the bytes come from: a hub's name, or a URL's host and port.
    pub fn host(&self) -> String {
        match &self.reference.locator {
            Locator::Other { url } => url.authority(),
            Locator::Multipart { .. } => UploadSource::Multipart.to_string(),
            Locator::HuggingFace(_) | Locator::Civitai(_) => self.reference.provider().to_string(),
        }
    }

    /// The source's URL as a record may show it: none but a plain URL, and of
    /// that no query.
    pub fn shown_source(&self) -> Option<String> {
        match &self.reference.locator {
            Locator::Other { url } => Some(url.with_query("").to_string()),
            Locator::HuggingFace(_) | Locator::Civitai(_) | Locator::Multipart { .. } => None,
        }
    }

    /// The same for two requests that ask for the same thing.
    pub fn key(&self) -> String {
        hash(&(
            &self.reference.locator,
            &self.reference.selection,
            self.kind,
            self.register,
            self.overrides,
        ))
    }

    /// The same for two requests that came to the same thing: the pinned
    /// revision counts, how it was asked for does not. `rules` is the
    /// fingerprint of what decided which files are taken.
    pub fn plan_key(&self, plan: &Plan, rules: &str) -> String {
        let files: Vec<_> = plan
            .artifacts
            .iter()
            .map(|a| (a.path.as_str(), &a.digests, a.size))
            .collect();
        hash(&(
            plan.provider,
            &plan.reference,
            &plan.revision,
            files,
            self.reference.selection.sha256,
            self.kind,
            self.register,
            rules,
        ))
    }
}

fn hash<T: Serialize>(value: &T) -> String {
    // Plain data with string keys always serialises.
    let text = serde_json::to_vec(value).unwrap_or_default();
    hex::encode(Sha256::digest(text))
}
