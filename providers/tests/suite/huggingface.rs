//! The Hugging Face provider against the hub, and against raw servers for
//! what no hub would send.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "clippy lets tests panic, but not the helpers that tests share"
)]

mod access;
mod content;
mod hostile;
mod limits;
mod listing;
mod mirrors;
mod pinned;
mod scans;
mod sources;

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::TryStreamExt;
use modelferry_fixtures::{
    Content, Fault, Hub, HubOptions, Mirror, Repo, RepoFile, Scene, Seen, Site,
};
use modelferry_providers::http::HttpSettings;
use modelferry_providers::{
    Artifact, Auth, Body, ByteRange, ErrorKind, Http, HuggingFace, Plan, Provider, ProviderError,
    Reference, SafeUrl, Size, Token, Validator,
};
use sha2::{Digest as _, Sha256};

use super::raw::{Play, Raw, answer, quick};

/// A hub and the provider that points at it.
struct Harbour {
    hub: Hub,
    provider: HuggingFace,
}

async fn harbour(options: impl Into<HubOptions>) -> Harbour {
    let hub = Hub::start(options).await.unwrap();
    let provider = provider_at(&SafeUrl::parse(&hub.huggingface_url()).unwrap());
    Harbour { hub, provider }
}

async fn standard() -> Harbour {
    harbour(Scene::standard()).await
}

/// A hub with this one repository.
async fn with_repo(repo: Repo) -> Harbour {
    harbour(Scene::empty().repo(repo)).await
}

fn settings(endpoint: &SafeUrl) -> HttpSettings {
    HttpSettings {
        endpoints: vec![endpoint.clone()],
        header_timeout: Duration::from_secs(30),
        read_timeout: Duration::from_secs(15),
        ..quick()
    }
}

/// A provider that loses no time and reaches 127.0.0.1 alone.
fn provider_at(endpoint: &SafeUrl) -> HuggingFace {
    HuggingFace::new(endpoint.clone(), Http::new(settings(endpoint)).unwrap())
}

fn token(text: &str) -> Auth {
    Auth {
        huggingface: Token::new(text),
        ..Auth::anonymous()
    }
}

impl Harbour {
    fn read(&self, source: &str) -> Reference {
        let read = self.provider.parse(source);
        read.unwrap_or_else(|| panic!("{source} is not claimed"))
            .unwrap_or_else(|error| panic!("{source}: {error}"))
    }

    async fn resolve_as(&self, source: &str, auth: &Auth) -> Result<Plan, ProviderError> {
        self.provider.resolve(&self.read(source), auth).await
    }

    async fn resolve(&self, source: &str) -> Result<Plan, ProviderError> {
        self.resolve_as(source, &Auth::anonymous()).await
    }

    async fn plan(&self, source: &str) -> Plan {
        let plan = self.resolve(source).await;
        plan.unwrap_or_else(|error| panic!("{source}: {error:?}"))
    }

    async fn open(&self, file: &Artifact, range: &ByteRange) -> Result<Body, ProviderError> {
        self.provider.open(file, range, &Auth::anonymous()).await
    }

    async fn bytes(&self, file: &Artifact) -> Vec<u8> {
        read(self.open(file, &ByteRange::whole()).await.unwrap()).await
    }

    fn requests_to(&self, site: Site) -> Vec<Seen> {
        let all = self.hub.requests().into_iter();
        all.filter(|seen| seen.site == site).collect()
    }

    /// The page of a repository, as hints name it.
    fn page(&self, rest: &str) -> String {
        format!("{}/{rest}", self.hub.huggingface_url())
    }

    /// The content of each file of `main`.
    fn held(&self, id: &str) -> BTreeMap<String, Content> {
        let scene = self.hub.scene();
        let files = scene.find_repo(id).unwrap().main.files.iter();
        files.map(|f| (f.path.clone(), f.content.clone())).collect()
    }
}

async fn read(body: Body) -> Vec<u8> {
    let chunks: Vec<_> = body.bytes.try_collect().await.unwrap();
    chunks.concat()
}

fn paths(plan: &Plan) -> Vec<&str> {
    plan.artifacts.iter().map(|f| f.path.as_str()).collect()
}

fn codes(plan: &Plan) -> Vec<&str> {
    plan.warnings.iter().map(|w| w.code.as_str()).collect()
}

/// A failure, which has to tell a person what to do.
fn failure<T>(outcome: Result<T, ProviderError>) -> ProviderError {
    let Err(error) = outcome else {
        panic!("this should have failed");
    };
    assert!(error.hint.is_some(), "no hint: {error:?}");
    error
}

fn part(start: u64, end: Option<u64>, validator: Option<Validator>) -> ByteRange {
    ByteRange {
        start,
        end,
        validator,
    }
}

const SHA: &str = "0123456789abcdef0123456789abcdef01234567";

fn json(body: &str) -> Play {
    answer("200 OK", "Content-Type: application/json\r\n", body)
}

/// A raw hub that pins `a/b` as the real one does and leaves the rest to
/// `play`, which hears the request line and its number from 0.
async fn raw_hub(play: impl Fn(&str, usize) -> Play + Send + Sync + 'static) -> (Raw, HuggingFace) {
    let server = Raw::start(move |head, nth| {
        let line = head.lines().next().unwrap_or_default();
        if line.contains("/api/models/a/b/revision/main ") {
            return json(&format!(
                r#"{{"id":"a/b","sha":"{SHA}","private":false,"gated":false,"disabled":false}}"#
            ));
        }
        play(line, nth)
    })
    .await;
    let provider = provider_at(&server.url(""));
    (server, provider)
}

/// The plan of `a/b` on a raw hub.
async fn resolve_raw(provider: &HuggingFace) -> Result<Plan, ProviderError> {
    let reference = provider.parse("a/b").unwrap().unwrap();
    provider.resolve(&reference, &Auth::anonymous()).await
}
