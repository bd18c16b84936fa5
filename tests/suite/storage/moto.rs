//! moto: a second S3 server, of other people's making, with other quirks. Its
//! script installs it where it is missing, and it ends with the test's process.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use super::Bench;
use super::s3::{Address, ask};

struct Moto {
    url: String,
    /// It goes on until its standard input closes.
    _process: Child,
}

/// One server for all tests of this process; each has its own bucket.
fn server() -> &'static Moto {
    static SERVER: OnceLock<Moto> = OnceLock::new();
    SERVER.get_or_init(|| {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/moto-server");
        let mut process = Command::new(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut url = String::new();
        BufReader::new(process.stdout.take().unwrap())
            .read_line(&mut url)
            .unwrap();
        let url = url.trim().to_owned();
        assert!(
            url.starts_with("http://"),
            "scripts/moto-server printed {url:?}"
        );
        Moto {
            url,
            _process: process,
        }
    })
}

/// A new bucket there.
pub async fn address() -> Address {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let moto = tokio::task::spawn_blocking(server).await.unwrap();
    let bucket = format!("bucket-{}", COUNT.fetch_add(1, Ordering::Relaxed));
    let (status, ..) = ask("PUT", &format!("{}/{bucket}", moto.url), b"").await;
    assert_eq!(status, 200);
    Address::new(&moto.url, &bucket, "any", "any")
}

pub async fn bucket() -> Bench {
    let address = address().await;
    Bench::new(move || address.open(), ())
}
