//! Civitai: models, versions and their files.
//!
//! The way of the data: text ▸ [`parse`] ▸ [`CivitaiRef`] ▸ [`lookup`] (one
//! version, from all that the hub says of it) ▸ [`access`] and [`choose`] ▸
//! [`plan`] ▸ [`download`] (a signed link, counted) ▸ [`open`].

mod access;
mod air;
mod api;
mod card;
mod choose;
mod download;
mod errors;
mod filter;
mod hash;
mod id;
mod links;
mod listing;
mod lookup;
mod name;
mod open;
mod parse;
mod plan;
mod reference;
mod scan;
mod sidecar;
mod wire;

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

pub use self::filter::{BadFilter, FileFilter, FileFormat, FileSize, FileType, ShortText};
pub use self::hash::{BadHash, HashKind, ModelHash};
pub use self::id::{BadId, CivitaiId};
pub use self::listing::CivitaiListing;
pub use self::reference::{CivitaiRef, CivitaiTarget, SisterHost};
pub use self::sidecar::Sidecar;

use self::api::Api;
use self::links::Links;
use self::lookup::Found;
use crate::{
    Artifact, Auth, Body, ByteRange, ErrorKind, Http, Locator, Origin, Plan, Provider,
    ProviderError, ProviderKind, Reference, SafeUrl, Selection, SourceError, Token,
};

/// A download proven this recently is not asked for again only to prove it.
const PROOF_LASTS: Duration = Duration::from_secs(60);

/// How to ask for a file of a version again.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CivitaiOrigin {
    /// The version's id.
    pub version: CivitaiId,
    /// The file's id, where the hub gave one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<CivitaiId>,
    /// The query of the file's own download URL, for when the hub can't find it by id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub download_query: Option<String>,
    /// The sister domain that alone knows the version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<SisterHost>,
    /// Whether a login or a grant stood before the download when it was planned:
    /// then only asking for it proves that it may be read.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_guarded: bool,
}

impl CivitaiOrigin {
    pub(crate) fn grant(&self) -> String {
        format!("civitai/{}", self.version)
    }
}

/// The Civitai provider.
pub struct Civitai {
    endpoint: SafeUrl,
    sisters: Sisters,
    http: Http,
    links: Links,
}

/// Where the sister domains are; nowhere unless the endpoint is the hub itself.
#[derive(Debug, Clone)]
pub(crate) struct Sisters(Vec<(SisterHost, SafeUrl)>);

impl Sisters {
    /// The real ones, beside the real hub alone.
    fn of(endpoint: &SafeUrl) -> Self {
        let is_default =
            SafeUrl::parse("https://civitai.com").is_ok_and(|hub| hub.same_origin(endpoint));
        let all = SisterHost::ALL.into_iter().filter(|_| is_default);
        let placed = |host: SisterHost| {
            Some((
                host,
                SafeUrl::parse(&format!("https://{}", host.domain())).ok()?,
            ))
        };
        Self(all.filter_map(placed).collect())
    }

    fn base(&self, host: SisterHost) -> Option<&SafeUrl> {
        self.0
            .iter()
            .find(|(known, _)| *known == host)
            .map(|(_, base)| base)
    }
}

impl Civitai {
    /// For one endpoint: the hub itself or a stand-in for it.
    pub fn new(endpoint: SafeUrl, http: Http) -> Self {
        let sisters = Sisters::of(&endpoint);
        Self::with_sisters(endpoint, sisters, http)
    }

    /// With the sister domains somewhere else, as tests have them.
    pub(crate) fn with_sisters(endpoint: SafeUrl, sisters: Sisters, http: Http) -> Self {
        Self {
            endpoint,
            sisters,
            http,
            links: Links::default(),
        }
    }

    fn hub<'a>(&'a self, token: Option<&'a Token>) -> Api<'a> {
        Api {
            http: &self.http,
            base: self.endpoint.clone(),
            token,
            sister: None,
        }
    }

    fn sister<'a>(&'a self, host: SisterHost, token: Option<&'a Token>) -> Option<Api<'a>> {
        let base = self.sisters.base(host)?.clone();
        Some(Api {
            http: &self.http,
            base,
            token: token.filter(|_| host.takes_token()),
            sister: Some(host),
        })
    }

    fn place_of<'a>(&'a self, origin: &CivitaiOrigin, auth: &'a Auth) -> Api<'a> {
        let token = auth.civitai.as_ref();
        let sister = origin.host.and_then(|host| self.sister(host, token));
        sister.unwrap_or_else(|| self.hub(token))
    }

    /// At the hub; where it shows nothing, at the sister domain that the source
    /// named, or else at the one that alone shows mature models.
    async fn find<'a>(
        &'a self,
        of: &CivitaiRef,
        token: Option<&'a Token>,
    ) -> Result<(Api<'a>, Found), ProviderError> {
        let hub = self.hub(token);
        if let Some(found) = lookup::find(&hub, of).await? {
            return Ok((hub, found));
        }
        let host = of.host.unwrap_or(SisterHost::Red);
        let Some(sister) = self.sister(host, token) else {
            return Err(nothing_there(&hub, of));
        };
        match lookup::find(&sister, of).await {
            Ok(Some(found)) => Ok((sister, found)),
            Err(error) if of.host.is_some() => Err(error),
            // Nobody spoke of that domain: what it lacks or refuses says nothing new.
            Ok(None) | Err(_) => Err(nothing_there(&hub, of)),
        }
    }

    /// Whether the one answer that names version and files still comes to this
    /// plan. Where nothing stands before the download, having been shown the
    /// version is the proof of access; else its download is asked for, which
    /// the hub counts.
    async fn still_shown(
        &self,
        plan: &Plan,
        of: &CivitaiRef,
        selection: &Selection,
        auth: &Auth,
    ) -> Result<bool, ProviderError> {
        let of = at_revision(of, selection.revision.as_deref())?;
        let Some(file) = plan.artifacts.first() else {
            return Ok(false);
        };
        let origin = origin_of(file)?;
        let api = self.place_of(origin, auth);
        let Some(found) = lookup::glance(&api, &of).await? else {
            return Ok(false);
        };
        if !plan::comes_to(&api, &found, &of, selection, plan) {
            return Ok(false);
        }
        let doubt = access::doubt(&api, &found, crate::time::now())?;
        if origin.is_guarded || doubt.is_some() {
            self.may_read(file, auth).await?;
        }
        Ok(true)
    }

    /// The plan, and proof that it can be carried out.
    async fn proven(
        &self,
        api: &Api<'_>,
        found: &Found,
        of: &CivitaiRef,
        selection: &Selection,
    ) -> Result<Plan, ProviderError> {
        let doubt = access::doubt(api, found, crate::time::now())?;
        let plan = plan::plan(api, found, of, selection);
        let Some(doubt) = doubt else {
            return plan;
        };
        if doubt.is_certain && api.token.is_none() || found.version.files.is_empty() {
            return Err(lookup::with_free_version(api, found, of, doubt.refusal));
        }
        let mut plan = plan?;
        for file in &mut plan.artifacts {
            if let Origin::Civitai(origin) = &mut file.origin {
                origin.is_guarded = true;
            }
        }
        if let Some(Origin::Civitai(origin)) = plan.artifacts.first().map(|file| &file.origin) {
            let key = self.links.key(origin, api.token);
            let proof = self.links.lend(&key, || download::link(api, origin)).await;
            // Where the two agree, the metadata knows more: a date, the model's page.
            proof.map_err(|error| match doubt.refusal.kind == error.kind {
                true => doubt.refusal,
                false => error,
            })?;
        }
        Ok(plan)
    }
}

fn nothing_there(hub: &Api<'_>, of: &CivitaiRef) -> ProviderError {
    let (what, page) = match &of.target {
        CivitaiTarget::Model(model) => (format!("model {model}"), hub.page(Some(*model), None)),
        CivitaiTarget::Version { model, version } => (
            format!("version {version}"),
            hub.page(*model, Some(*version)),
        ),
        CivitaiTarget::Hash(hash) => (
            format!("published file of the hash {hash}"),
            hub.page(None, None),
        ),
    };
    let login = if hub.token.is_some() {
        ""
    } else {
        ", or shown only with a login"
    };
    ProviderError::new(ErrorKind::NotFound, format!("{} has no {what}", hub.host()))
        .status(404)
        .hint(format!(
            "it may be deleted, unpublished or hidden{login}: open {page} to see"
        ))
}

/// A revision given beside the source: a version's id.
fn at_revision(of: &CivitaiRef, revision: Option<&str>) -> Result<CivitaiRef, ProviderError> {
    let Some(revision) = revision else {
        return Ok(of.clone());
    };
    let wrong = |message: String| {
        ProviderError::new(ErrorKind::InvalidSource, message)
            .hint("a revision of a Civitai model is a version's id, as in civitai:4384@128713")
    };
    let asked: CivitaiId = revision.parse().map_err(|_| {
        wrong(format!(
            "the revision {} is no version's id",
            crate::source::quoted(revision)
        ))
    })?;
    let target = match &of.target {
        CivitaiTarget::Model(model) => CivitaiTarget::Version {
            model: Some(*model),
            version: asked,
        },
        CivitaiTarget::Version { version, .. } if *version == asked => of.target.clone(),
        CivitaiTarget::Version { version, .. } => {
            return Err(wrong(format!(
                "the source names version {version} and the revision {asked}"
            )));
        }
        CivitaiTarget::Hash(_) => {
            return Err(wrong(format!(
                "a hash names its version itself, and can't be asked for at {asked}"
            )));
        }
    };
    Ok(CivitaiRef {
        target,
        ..of.clone()
    })
}

fn origin_of(file: &Artifact) -> Result<&CivitaiOrigin, ProviderError> {
    match &file.origin {
        Origin::Civitai(origin) => Ok(origin),
        _ => Err(not_ours(file.origin.provider())),
    }
}

fn not_ours(provider: ProviderKind) -> ProviderError {
    ProviderError::new(
        ErrorKind::UnsupportedSource,
        format!("this is of the provider {provider}, not of Civitai"),
    )
}

impl fmt::Debug for Civitai {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Civitai")
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Provider for Civitai {
    fn kind(&self) -> ProviderKind {
        ProviderKind::Civitai
    }

    fn parse(&self, source: &str) -> Option<Result<Reference, SourceError>> {
        parse::parse(source, &self.endpoint)
    }

    async fn resolve(&self, of: &Reference, auth: &Auth) -> Result<Plan, ProviderError> {
        let Locator::Civitai(civitai) = &of.locator else {
            return Err(not_ours(of.provider()));
        };
        let civitai = at_revision(civitai, of.selection.revision.as_deref())?;
        let token = of
            .token
            .as_ref()
            .map(|token| &token.0)
            .or(auth.civitai.as_ref());
        let (api, found) = self.find(&civitai, token).await?;
        self.proven(&api, &found, &civitai, &of.selection).await
    }

    async fn may_read(&self, file: &Artifact, auth: &Auth) -> Result<(), ProviderError> {
        let origin = origin_of(file)?;
        let api = self.place_of(origin, auth);
        let key = self.links.key(origin, api.token);
        self.links.drop_older(&key, PROOF_LASTS);
        self.links
            .lend(&key, || download::link(&api, origin))
            .await?;
        Ok(())
    }

    async fn is_current(
        &self,
        plan: &Plan,
        of: &Reference,
        auth: &Auth,
    ) -> Result<bool, ProviderError> {
        let Locator::Civitai(asked) = &of.locator else {
            return Err(not_ours(of.provider()));
        };
        let told = self.still_shown(plan, asked, &of.selection, auth).await;
        crate::error::yes_or_open(told)
    }

    async fn open(
        &self,
        file: &Artifact,
        range: &ByteRange,
        auth: &Auth,
    ) -> Result<Body, ProviderError> {
        let origin = origin_of(file)?;
        let api = self.place_of(origin, auth);
        open::open(&api, &self.links, file, origin, range).await
    }
}

#[cfg(test)]
mod tests;
