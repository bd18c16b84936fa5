//! The library's own pipeline on a home of its own, with waits short enough to
//! fail in: for what would take minutes at the program's.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use modelferry::credentials::Vault;
use modelferry::error::{Error, Stop};
use modelferry::import::Ferry;
use modelferry::progress::Unwatched;
use modelferry::records::{ArtifactRow, NewUpload, Records, UploadDetail};
use modelferry::request::{ImportRequest, LOCAL_OWNER};
use modelferry::storage::LocalStorage;
use modelferry::tokens::Tokens;
use modelferry::transfer::{Engine, Limits, Patience};
use modelferry::upload::Kind;
use modelferry::worker::Worker;
use modelferry_fixtures::{Content, Hub, PlainFile, Scene};
use modelferry_providers::http::{HttpSettings, RetryPolicy};
use modelferry_providers::{Http, Providers, SafeUrl, Settings, Sha256};
use sha2::Digest;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

pub const MIB: u64 = 1024 * 1024;

/// What a test may want otherwise.
pub struct Knobs {
    pub read_timeout: Duration,
    pub limits: Limits,
    pub patience: Patience,
}

impl Default for Knobs {
    fn default() -> Self {
        Self {
            read_timeout: Duration::from_secs(15),
            limits: Limits::new(16, 8, 256 * MIB, None),
            patience: Patience::default(),
        }
    }
}

/// Everything an import needs, in a folder that goes with it.
pub struct Pipeline {
    pub home: TempDir,
    pub ferry: Ferry,
    worker: Worker,
}

/// An upload that ended, whichever way.
#[derive(Debug)]
pub struct Ended {
    pub detail: UploadDetail,
    pub files: Vec<ArtifactRow>,
}

impl Pipeline {
    pub async fn on(hub: &Hub) -> Self {
        Self::with(hub, Knobs::default()).await
    }

    pub async fn with(hub: &Hub, knobs: Knobs) -> Self {
        let home = tempfile::tempdir().unwrap();
        let worker = Worker::start(home.path()).unwrap();
        let records = Records::open(&home.path().join("modelferry.db"))
            .await
            .unwrap();
        let storage = Arc::new(LocalStorage::open(&home.path().join("storage")).unwrap());
        let retry = RetryPolicy {
            base: Duration::from_millis(5),
            ..RetryPolicy::default()
        };
        let http = Http::new(HttpSettings {
            allow_nets: vec!["127.0.0.0/8".parse().unwrap()],
            read_timeout: knobs.read_timeout,
            retry: retry.clone(),
            ..HttpSettings::default()
        });
        let settings = Settings {
            huggingface_endpoint: SafeUrl::parse(&hub.huggingface_url()).unwrap(),
            civitai_endpoint: SafeUrl::parse(&hub.civitai_url()).unwrap(),
        };
        let providers = Providers::new(&settings, &http.unwrap());
        let engine = Engine {
            providers: providers.clone(),
            storage: storage.clone(),
            limits: Arc::new(knobs.limits),
            retry,
            patience: knobs.patience,
        };
        let ferry = Ferry {
            providers,
            records,
            storage,
            engine,
            tokens: Tokens::default(),
            vault: Vault::File(home.path().join("secret.key")),
            rules: Arc::default(),
        };
        Self {
            home,
            ferry,
            worker,
        }
    }

    /// Imports as an asset, so that any bytes will do.
    pub async fn import(
        &self,
        source: &str,
        sha256: Option<&str>,
    ) -> Result<Ended, (Error, Ended)> {
        let request = self.request(source, sha256);
        let new = NewUpload {
            request: &request,
            source: request.upload_source(),
            file_name: source,
        };
        let upload = self.ferry.records.create(&new).await.unwrap();
        self.work(&upload.id).await
    }

    pub fn request(&self, source: &str, sha256: Option<&str>) -> ImportRequest {
        let mut reference = self.ferry.providers.parse(source).unwrap();
        reference.selection.sha256 = sha256.map(|hex| hex.parse().unwrap());
        ImportRequest::local(reference, Some(Kind::Asset))
    }

    /// Takes a failed upload up again.
    pub async fn retry(&self, ended: &Ended) -> Result<Ended, (Error, Ended)> {
        assert!(self.ferry.records.retry(&ended.detail).await.unwrap());
        self.work(&ended.detail.upload.id).await
    }

    async fn work(&self, id: &str) -> Result<Ended, (Error, Ended)> {
        let cancel = CancellationToken::new();
        let outcome = self
            .worker
            .work_on(
                &self.ferry,
                LOCAL_OWNER,
                id,
                None,
                Arc::new(Unwatched),
                &cancel,
            )
            .await;
        let ended = Ended {
            detail: self.ferry.records.get(LOCAL_OWNER, id).await.unwrap(),
            files: self.ferry.records.artifacts(id).await.unwrap(),
        };
        self.assert_blobs_match_their_names();
        match outcome {
            Ok(()) => Ok(ended),
            Err(Stop::Failed(error)) => Err((error, ended)),
            Err(other) => panic!("the work ended as {other:?}"),
        }
    }

    pub fn blob(&self, sha256: &str) -> Vec<u8> {
        let name = format!("storage/blobs/sha256/{}/{sha256}", &sha256[..2]);
        fs::read(self.home.path().join(name)).unwrap()
    }

    /// How many blobs there are, each of which holds what its name says.
    pub fn assert_blobs_match_their_names(&self) -> usize {
        blobs_that_match(self.home.path())
    }

    /// What is staged and not published.
    pub fn staged(&self) -> Vec<String> {
        staged(self.home.path())
    }
}

pub fn blobs_that_match(home: &Path) -> usize {
    let mut count = 0;
    for shard in fs::read_dir(home.join("storage/blobs/sha256")).unwrap() {
        for blob in fs::read_dir(shard.unwrap().path()).unwrap() {
            let path = blob.unwrap().path();
            let named: Sha256 = path.file_name().unwrap().to_str().unwrap().parse().unwrap();
            let held = Sha256::new(sha2::Sha256::digest(fs::read(&path).unwrap()).into());
            assert_eq!(held, named, "a blob holds other bytes than its name says");
            count += 1;
        }
    }
    count
}

pub fn staged(home: &Path) -> Vec<String> {
    let Ok(uploads) = fs::read_dir(home.join("storage/staging")) else {
        return Vec::new();
    };
    let names = uploads.map(|entry| entry.unwrap().file_name());
    names
        .map(|name| name.to_string_lossy().into_owned())
        .collect()
}

/// A hub with one plain file, and where that is.
pub async fn hub_with(file: PlainFile) -> (Hub, String) {
    let path = file.path.clone();
    let hub = Hub::start(Scene::empty().file(file)).await.unwrap();
    let url = format!("{}{path}", hub.files_url());
    (hub, url)
}

/// A file of some parts, the last one shorter.
pub fn parted(seed: u64) -> PlainFile {
    PlainFile::new("/big.bin", Content::seeded(seed, 20 * MIB + 7))
}
