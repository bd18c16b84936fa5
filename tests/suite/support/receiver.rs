//! A webhook receiver that keeps what it is told, and answers as the test says.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// One POST, as it came.
#[derive(Debug, Clone)]
pub struct Told {
    /// The path and the query.
    pub target: String,
    /// The headers, in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: String,
}

impl Told {
    /// `webhook-id`.
    pub fn id(&self) -> &str {
        &self.headers["webhook-id"]
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// What the receiver answers: a status with more header lines, or nothing.
pub type Answers = dyn Fn(&Told, usize) -> Option<String> + Send + Sync;

/// Listens until it is dropped.
pub struct Receiver {
    port: u16,
    told: Arc<Mutex<Vec<Told>>>,
    listening: JoinHandle<()>,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

impl Receiver {
    /// Answers each POST as `answers` says, which is told how many came before.
    pub async fn start(
        answers: impl Fn(&Told, usize) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let told = Arc::<Mutex<Vec<Told>>>::default();
        let (kept, answers) = (
            told.clone(),
            Arc::<Answers>::from(Box::new(answers) as Box<Answers>),
        );
        let listening = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(converse(stream, kept.clone(), answers.clone()));
            }
        });
        Self {
            port,
            told,
            listening,
        }
    }

    /// One that is content with everything.
    pub async fn content() -> Self {
        Self::start(|_, _| Some("204 No Content".to_owned())).await
    }

    /// Where it is.
    pub fn url(&self, target: &str) -> String {
        format!("http://127.0.0.1:{}{target}", self.port)
    }

    /// What it was told so far.
    pub fn told(&self) -> Vec<Told> {
        self.told
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

async fn converse(mut stream: TcpStream, told: Arc<Mutex<Vec<Told>>>, answers: Arc<Answers>) {
    while let Some(one) = read(&mut stream).await {
        let before = {
            let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
            told.push(one.clone());
            told.len() - 1
        };
        let Some(answer) = answers(&one, before) else {
            // Holds the line and says nothing.
            let mut rest = Vec::new();
            let _ = stream.read_to_end(&mut rest).await;
            return;
        };
        let text = format!("HTTP/1.1 {answer}\r\ncontent-length: 0\r\n\r\n");
        if stream.write_all(text.as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn read(stream: &mut TcpStream) -> Option<Told> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap();
    let mut lines = head.lines();
    let target = lines.next()?.split(' ').nth(1)?.to_owned();
    let headers: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let mut body = vec![0; headers["content-length"].parse().unwrap()];
    stream.read_exact(&mut body).await.ok()?;
    Some(Told {
        target,
        headers,
        body: String::from_utf8(body).unwrap(),
    })
}
