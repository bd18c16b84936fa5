//! Everything a command needs, built from the configuration.

use std::sync::Arc;

use modelferry_providers::http::{HostPauses, HttpSettings, Pauses, RetryPolicy};
use modelferry_providers::net::AddressGuard;
use modelferry_providers::{Http, ProviderKind, Providers, Settings};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::api::{self, Api};
use crate::config::Config;
use crate::error::{Code, Error};
use crate::import::Ferry;
use crate::pauses::SharedPauses;
use crate::records::Records;
use crate::storage::Storage;
use crate::tokens::Tokens;
use crate::transfer::{Engine, Limits, Patience};
use crate::webhook::{self, Deliverer, Secrets};
use crate::worker::Worker;

/// The parts, and this process's place among the workers.
pub(super) struct Session {
    pub ferry: Ferry,
    pub worker: Worker,
    pub cancel: CancellationToken,
}

impl Session {
    /// Opens home, records and storage, and cleans up after the dead.
    pub async fn open(config: &Config) -> Result<Self, Error> {
        let worker = Worker::start(&config.home)?;
        let records = open_records(config).await?;
        let storage = config.storage.open(&config.storage_variables)?;
        worker.clean_up(&records, &*storage).await?;
        let ferry = ferry(config, records, storage)?;
        let cancel = CancellationToken::new();
        stop_on_signals(&cancel)?;
        Ok(Self {
            ferry,
            worker,
            cancel,
        })
    }

    /// What sends webhooks in the name of this process.
    pub fn deliverer(&self, config: &Config) -> Result<Deliverer, Error> {
        let (records, vault) = (&self.ferry.records, &self.ferry.vault);
        let settings = webhook::http_settings(config.allow_nets.clone(), config.proxy.clone());
        Ok(Deliverer::new(
            self.worker.id(),
            records.clone(),
            Secrets::new(records.clone(), vault.clone()),
            Http::new(settings)?,
            webhook::Settings::default(),
        ))
    }

    /// The HTTP API over these parts.
    pub fn api(&self, config: &Config) -> Api {
        let settings = api::Settings {
            guard: AddressGuard::new(config.allow_nets.clone(), config.named_endpoints.clone()),
            public_url: config.public_url.clone(),
            max_queued: config.max_queued,
            part_door: config.part_door,
            part_urls: config.part_urls,
            closing: self.cancel.clone(),
        };
        Api::new(self.ferry.clone(), settings)
    }

    /// Ends with nothing left to write.
    pub async fn close(self) {
        self.ferry.records.close().await;
    }
}

/// The records alone, for commands that only read.
pub(super) async fn open_records(config: &Config) -> Result<Records, Error> {
    std::fs::create_dir_all(&config.home).map_err(|error| {
        Error::new(
            Code::StorageError,
            format!("can't make {}: {error}", config.home.display()),
        )
        .hint("set MODELFERRY_HOME to a folder that can be written to")
    })?;
    Records::open(&config.database).await
}

/// Who knows the hubs' ways, for commands that only read sources.
pub(super) fn readers(config: &Config) -> Result<Providers, Error> {
    providers(config, Arc::new(Pauses::default()))
}

fn providers(config: &Config, pauses: Arc<dyn HostPauses>) -> Result<Providers, Error> {
    let http = Http::new(HttpSettings {
        allow_nets: config.allow_nets.clone(),
        endpoints: config.named_endpoints.clone(),
        proxy: config.proxy.clone(),
        proxy_login: config.proxy_login.clone(),
        retry: RetryPolicy::default(),
        pauses,
        ..HttpSettings::default()
    })?;
    let settings = Settings {
        huggingface_endpoint: config.huggingface_endpoint.clone(),
        civitai_endpoint: config.civitai_endpoint.clone(),
    };
    Ok(Providers::new(&settings, &http))
}

fn ferry(config: &Config, records: Records, storage: Arc<dyn Storage>) -> Result<Ferry, Error> {
    let providers = providers(config, Arc::new(shared_pauses(config, &records)))?;
    let limits = Limits::new(
        config.connections,
        config.connections_per_host,
        config.memory,
        config.limit_rate,
    );
    let engine = Engine {
        providers: providers.clone(),
        storage: storage.clone(),
        limits: Arc::new(limits),
        retry: RetryPolicy::default(),
        patience: Patience::default(),
    };
    Ok(Ferry {
        providers,
        records,
        storage,
        engine,
        tokens: Tokens::of_operator(config.auth.clone()),
        vault: config.vault(),
        rules: Arc::new(config.rules.clone()),
    })
}

/// What a hub asks of one process holds for all of this database, and for the
/// jobs that are to be begun.
fn shared_pauses(config: &Config, records: &Records) -> SharedPauses {
    let hubs = [
        (&config.huggingface_endpoint, ProviderKind::HuggingFace),
        (&config.civitai_endpoint, ProviderKind::Civitai),
    ];
    let hubs = hubs.map(|(endpoint, kind)| (endpoint.authority(), kind.to_string()));
    SharedPauses::new(records.clone(), hubs)
}

/// The first signal stops cleanly; the second is the platform's own.
pub(super) fn stop_on_signals(cancel: &CancellationToken) -> Result<(), Error> {
    let unwatchable = |error| Error::internal("watching for signals", error);
    let mut interrupt = signal(SignalKind::interrupt()).map_err(unwatchable)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(unwatchable)?;
    let cancel = cancel.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        cancel.cancel();
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        std::process::exit(130);
    });
    Ok(())
}
