//! Azurite: Azure's own emulator. Its script installs it where it is missing,
//! and it ends with the test's process.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use modelferry::storage::cloud::{CloudStorage, Tuning};
use modelferry::storage::{Place, Storage, Variables};

use super::Bench;
use super::script::Script;

/// A folder of its own in the one container.
pub async fn container() -> Bench {
    static SERVER: OnceLock<Script> = OnceLock::new();
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let server = || SERVER.get_or_init(|| Script::start("azure-server"));
    let said = tokio::task::spawn_blocking(server).await.unwrap().said();
    let connection = (
        "AZURE_STORAGE_CONNECTION_STRING".to_owned(),
        said.to_owned(),
    );
    let variables = BTreeMap::from([connection]);
    let nth = COUNT.fetch_add(1, Ordering::Relaxed);
    let place = Place::parse(&format!("az://models/test/{nth}")).unwrap();
    Bench::new(move || open(&place, &variables), ())
}

fn open(place: &Place, variables: &BTreeMap<String, String>) -> Arc<dyn Storage> {
    let Place::Bucket(bucket) = place else {
        panic!("{place} is no bucket");
    };
    let variables = Variables::gather(variables);
    Arc::new(CloudStorage::open(bucket, &variables, Tuning::default()).unwrap())
}
