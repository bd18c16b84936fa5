//! The records' promises, each kept on SQLite and on PostgreSQL.

mod artifacts;
mod claims;
mod counts;
mod credentials;
mod deliveries;
mod failures;
mod holdings;
mod intakes;
mod moves;
mod overview;
mod queue;
mod syncs;
mod uploads;

use std::time::Duration;

use modelferry::records::{Claim, NewUpload, Records};
use modelferry::request::ImportRequest;
use modelferry::upload::{Kind, Upload};
use modelferry_providers::http::HttpSettings;
use modelferry_providers::{Http, Plan, Providers, SafeUrl, Settings};

/// Runs each check on a fresh database of each kind.
macro_rules! on_each_database {
    ($($check:ident,)*) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $check() {
                super::$check(&crate::databases::Backend::Sqlite.fresh().await).await;
            })*
        }

        mod postgres {
            $(#[tokio::test]
            async fn $check() {
                super::$check(&crate::databases::Backend::Postgres.fresh().await).await;
            })*
        }
    };
}
pub(crate) use on_each_database;

/// Long enough that no test outlives it.
pub const LONG: Duration = Duration::from_secs(600);
/// Over before the next statement.
pub const OVER: Duration = Duration::ZERO;

pub fn request(source: &str) -> ImportRequest {
    let settings = Settings {
        huggingface_endpoint: SafeUrl::parse("https://huggingface.co").unwrap(),
        civitai_endpoint: SafeUrl::parse("https://civitai.com").unwrap(),
    };
    let http = Http::new(HttpSettings::default()).unwrap();
    let providers = Providers::new(&settings, &http);
    ImportRequest::local(providers.parse(source).unwrap(), None)
}

/// An upload of this source, waiting for a worker.
pub async fn upload(records: &Records, source: &str) -> Upload {
    create(records, &request(source)).await
}

pub async fn create(records: &Records, request: &ImportRequest) -> Upload {
    let new = NewUpload {
        request,
        source: request.upload_source(),
        file_name: "tiny",
    };
    records.create(&new).await.unwrap()
}

/// An upload of this source, claimed.
pub async fn claimed(records: &Records, source: &str) -> Claim {
    let upload = upload(records, source).await;
    claim(records, &upload, LONG).await.unwrap()
}

pub async fn claim(records: &Records, upload: &Upload, lease: Duration) -> Option<Claim> {
    records
        .claim(&upload.owner_id, &upload.id, "worker_1", lease)
        .await
        .unwrap()
}

/// Two files of `acme/tiny`, pinned.
pub fn plan() -> Plan {
    let file = |path: &str, digests: serde_json::Value| {
        serde_json::json!({
            "path": path, "size": { "is": "exact", "bytes": 10 }, "digests": digests,
            "origin": { "provider": "other", "url": format!("https://example.com/{path}") },
        })
    };
    serde_json::from_value(serde_json::json!({
        "provider": "huggingface", "reference": "acme/tiny", "revision": "a".repeat(40),
        "name": "acme/tiny", "page": "https://example.com/acme/tiny",
        "place": { "owner": "acme", "name": "tiny", "revision": "main" },
        "is_asset": false, "warnings": [],
        "artifacts": [
            file("model.safetensors", serde_json::json!({ "sha256": "ab".repeat(32) })),
            file("config.json", serde_json::json!({ "git_sha1": "cd".repeat(20) })),
        ],
    }))
    .unwrap()
}

/// An entity of that plan's first file.
pub fn entity(id: &str) -> modelferry::records::Entity {
    modelferry::records::Entity {
        id: id.to_owned(),
        kind: Kind::Model,
        name: "acme/tiny".to_owned(),
        files: vec![modelferry::records::EntityFile {
            path: "model.safetensors".to_owned(),
            size: 10,
            sha256: "ab".repeat(32).parse().unwrap(),
        }],
    }
}
