//! Plain URLs against the hub's file server and raw ones.

mod access;
mod files;
mod github;
mod pages;
mod sources;

use std::time::Duration;

use futures_util::TryStreamExt;
use modelferry_fixtures::{Content, DigestHeader, Fault, Hub, PlainFile, Scene};
use modelferry_providers::auth::HostCredential;
use modelferry_providers::digest::HeaderAlgorithm;
use modelferry_providers::{
    Artifact, Auth, Body, ByteRange, ErrorKind, Locator, Other, Plan, Provider, ProviderError,
    Reference, SafeUrl, Services, Size, Token,
};
use sha2::{Digest as _, Sha256};

use super::raw::{Play, Raw, answer, client};

async fn hub() -> Hub {
    Hub::start(Scene::standard()).await.unwrap()
}

fn other() -> Other {
    Other::new(client())
}

fn at(url: &str) -> Reference {
    Reference::new(Locator::Other {
        url: SafeUrl::parse(url).unwrap(),
    })
}

async fn resolve(url: &str) -> Result<Plan, ProviderError> {
    other().resolve(&at(url), &Auth::anonymous()).await
}

/// The plan of a file on the hub, which must resolve.
async fn plan(hub: &Hub, path: &str) -> Plan {
    resolve(&format!("{}{path}", hub.files_url()))
        .await
        .unwrap()
}

async fn open(file: &Artifact, range: &ByteRange) -> Result<Body, ProviderError> {
    other().open(file, range, &Auth::anonymous()).await
}

async fn bytes(body: Body) -> Vec<u8> {
    let chunks: Vec<_> = body.bytes.try_collect().await.unwrap();
    chunks.concat()
}

fn held(hub: &Hub, path: &str) -> Vec<u8> {
    hub.scene().find_file(path).unwrap().content.to_vec()
}

fn codes(plan: &Plan) -> Vec<&str> {
    plan.warnings
        .iter()
        .map(|warning| warning.code.as_str())
        .collect()
}

fn other_at(services: Services) -> Other {
    Other::with_services(client(), services)
}
