//! moto: a second S3 server, of other people's making, with other quirks. Its
//! script installs it where it is missing, and it ends with the test's process.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use super::Bench;
use super::s3::{Address, ask};
use super::script::Script;

/// A new bucket there.
pub async fn address() -> Address {
    static SERVER: OnceLock<Script> = OnceLock::new();
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let server = || SERVER.get_or_init(|| Script::start("moto-server"));
    let url = tokio::task::spawn_blocking(server).await.unwrap().said();
    let bucket = format!("bucket-{}", COUNT.fetch_add(1, Ordering::Relaxed));
    let (status, ..) = ask("PUT", &format!("{url}/{bucket}"), b"").await;
    assert_eq!(status, 200);
    Address::new(url, &bucket, "any", "any")
}

pub async fn bucket() -> Bench {
    let address = address().await;
    Bench::new(move || address.open(), ())
}
