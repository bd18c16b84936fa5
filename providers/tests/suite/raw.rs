//! A server of raw bytes, for what no honest one would send.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use modelferry_providers::http::{HttpSettings, RetryPolicy};
use modelferry_providers::{Http, SafeUrl};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What to do with a request once its head was read.
pub enum Play {
    /// Sends these bytes and closes.
    Send(Vec<u8>),
    /// Sends these bytes and then nothing, with the connection open.
    Hang(Vec<u8>),
    /// Sends a byte at a time, this far apart.
    Drip(Vec<u8>, Duration),
}

/// A whole answer with a length.
pub fn answer(status: &str, headers: &str, body: &str) -> Play {
    let length = body.len();
    Play::Send(
        format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n{headers}\r\n{body}")
            .into_bytes(),
    )
}

pub fn redirect(location: &str) -> Play {
    answer("302 Found", &format!("Location: {location}\r\n"), "")
}

/// The server: each request's head goes to a function with its number from 0.
pub struct Raw {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Raw {
    pub async fn start(play: impl Fn(&str, usize) -> Play + Send + Sync + 'static) -> Self {
        Self::at("127.0.0.1", play).await
    }

    pub async fn at(ip: &str, play: impl Fn(&str, usize) -> Play + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((ip, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let (log, play) = (heads.clone(), Arc::new(play));
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (log, play) = (log.clone(), play.clone());
                tokio::spawn(async move { serve(socket, &log, &*play).await });
            }
        });
        Self { address, heads }
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    pub fn url(&self, path: &str) -> SafeUrl {
        SafeUrl::parse(&format!("http://{}{path}", self.address)).unwrap()
    }

    /// The heads of all requests so far.
    pub fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

async fn serve(
    mut socket: TcpStream,
    log: &Mutex<Vec<String>>,
    play: &(impl Fn(&str, usize) -> Play + Send + Sync),
) {
    let mut head = Vec::new();
    let mut buffer = [0; 4096];
    while !head.windows(4).any(|w| w == b"\r\n\r\n") {
        match socket.read(&mut buffer).await {
            Ok(read) if read > 0 => head.extend_from_slice(&buffer[..read]),
            _ => return,
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let nth = {
        let mut log = log.lock().unwrap();
        log.push(head.clone());
        log.len() - 1
    };
    // The other side may have had enough at any moment.
    match play(&head, nth) {
        Play::Send(bytes) => {
            let _ = socket.write_all(&bytes).await;
            let _ = socket.shutdown().await;
            let _ = socket.read(&mut buffer).await;
        }
        Play::Hang(bytes) => {
            let _ = socket.write_all(&bytes).await;
            let _ = socket.read(&mut buffer).await;
        }
        Play::Drip(bytes, apart) => {
            for byte in bytes {
                if socket.write_all(&[byte]).await.is_err() {
                    return;
                }
                tokio::time::sleep(apart).await;
            }
        }
    }
}

/// Settings that reach loopback and lose no time.
pub fn quick() -> HttpSettings {
    HttpSettings {
        allow_nets: vec!["127.0.0.1/32".parse().unwrap()],
        header_timeout: Duration::from_secs(2),
        read_timeout: Duration::from_millis(400),
        retry: RetryPolicy {
            retries: 2,
            base: Duration::from_millis(1),
            ..RetryPolicy::default()
        },
        ..HttpSettings::default()
    }
}

pub fn client() -> Http {
    Http::new(quick()).unwrap()
}
