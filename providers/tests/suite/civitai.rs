//! The Civitai provider against the hub.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "clippy lets tests panic, but not the helpers that tests share"
)]

mod access;
mod card;
mod choice;
mod errors;
mod links;
mod oracle;
mod resolve;

use std::time::Duration;

use futures_util::TryStreamExt;
use modelferry_fixtures::{Hub, HubOptions, Seen, Site};
use modelferry_providers::http::{HttpSettings, RetryPolicy};
use modelferry_providers::{
    Artifact, Auth, ByteRange, Civitai, ErrorKind, Http, Plan, Provider, ProviderError, SafeUrl,
    Selection, Token,
};
use sha2::{Digest, Sha256};

/// A hub and the provider that points at it.
struct Harbour {
    hub: Hub,
    civitai: Civitai,
}

async fn harbour(options: impl Into<HubOptions>) -> Harbour {
    let hub = Hub::start(options).await.unwrap();
    let civitai = provider_of(&hub);
    Harbour { hub, civitai }
}

/// A provider as a process has it that just started.
fn provider_of(hub: &Hub) -> Civitai {
    let endpoint = SafeUrl::parse(&hub.civitai_url()).unwrap();
    Civitai::new(endpoint.clone(), http(vec![endpoint]))
}

/// The shared layer, in a hurry.
fn http(endpoints: Vec<SafeUrl>) -> Http {
    Http::new(HttpSettings {
        allow_nets: vec!["127.0.0.0/8".parse().unwrap()],
        endpoints,
        retry: RetryPolicy {
            retries: 2,
            base: Duration::from_millis(1),
            cap: Duration::from_millis(5),
            ..RetryPolicy::default()
        },
        ..HttpSettings::default()
    })
    .unwrap()
}

fn token(text: &str) -> Auth {
    Auth {
        civitai: Token::new(text),
        ..Auth::anonymous()
    }
}

impl Harbour {
    async fn plan(&self, source: &str) -> Plan {
        self.plan_as(source, &Auth::anonymous()).await
    }

    async fn plan_as(&self, source: &str, auth: &Auth) -> Plan {
        let plan = self.try_plan(source, Selection::default(), auth).await;
        plan.unwrap_or_else(|error| panic!("{source}: {error}"))
    }

    async fn refused(&self, source: &str, auth: &Auth) -> ProviderError {
        let plan = self.try_plan(source, Selection::default(), auth).await;
        plan.map(|plan| plan.reference)
            .expect_err("resolved what it should not")
    }

    async fn try_plan(
        &self,
        source: &str,
        selection: Selection,
        auth: &Auth,
    ) -> Result<Plan, ProviderError> {
        let mut reference = self
            .civitai
            .parse(source)
            .unwrap_or_else(|| panic!("{source} is not claimed"))
            .unwrap_or_else(|error| panic!("{source}: {error}"));
        reference.selection = selection;
        self.civitai.resolve(&reference, auth).await
    }

    async fn read(&self, file: &Artifact, auth: &Auth) -> Result<Vec<u8>, ProviderError> {
        self.read_range(file, &ByteRange::whole(), auth).await
    }

    async fn read_range(
        &self,
        file: &Artifact,
        range: &ByteRange,
        auth: &Auth,
    ) -> Result<Vec<u8>, ProviderError> {
        let body = self.civitai.open(file, range, auth).await?;
        let bytes: Vec<_> = body.bytes.try_collect().await?;
        Ok(bytes.concat())
    }

    /// Requests that count against the hub's download limit.
    fn downloads(&self) -> Vec<Seen> {
        let requests = self.hub.requests();
        let is_download =
            |seen: &Seen| seen.site == Site::Civitai && seen.path.contains("/download/");
        requests.into_iter().filter(is_download).collect()
    }

    fn at(&self, site: Site) -> Vec<Seen> {
        let requests = self.hub.requests();
        requests
            .into_iter()
            .filter(|seen| seen.site == site)
            .collect()
    }
}

fn paths(plan: &Plan) -> Vec<&str> {
    plan.artifacts
        .iter()
        .map(|file| file.path.as_str())
        .collect()
}

fn codes(plan: &Plan) -> Vec<&str> {
    plan.warnings
        .iter()
        .map(|warning| warning.code.as_str())
        .collect()
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

fn is(error: &ProviderError, kind: ErrorKind) {
    assert_eq!(error.kind, kind, "{error} ({:?})", error.hint);
}
