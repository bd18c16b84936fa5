//! One connection that is kept alive.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::Result;

/// A server and a key to it.
#[derive(Debug, Clone, clap::Args)]
pub struct Target {
    /// Where it listens, as 127.0.0.1:8787.
    #[arg(long)]
    pub server: String,
    /// `key:secret`; several are several owners, and take turns.
    #[arg(long = "key", required = true)]
    pub keys: Vec<String>,
}

impl Target {
    /// What goes in the Authorization header of this owner.
    pub fn authorization(&self, nth: usize) -> String {
        let key = &self.keys[nth % self.keys.len()];
        format!("Basic {}", STANDARD.encode(key))
    }
}

pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub async fn open(server: &str) -> Result<Self> {
        let stream = TcpStream::connect(server).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            buffer: Vec::with_capacity(4096),
        })
    }

    /// Sends a request and reads its answer, which must be a good one.
    pub async fn call(
        &mut self,
        method: &str,
        path: &str,
        authorization: &str,
        body: &str,
    ) -> Result<Value> {
        self.send(method, path, authorization, body).await?;
        let head = self.head().await?;
        let length: usize = header(&head, "content-length")
            .ok_or("an answer without a length")?
            .parse()?;
        while self.buffer.len() < length {
            self.more().await?;
        }
        let body: Vec<u8> = self.buffer.drain(..length).collect();
        if status(&head) != Some("200") {
            return Err(format!("{head}{}", String::from_utf8_lossy(&body)).into());
        }
        Ok(serde_json::from_slice(&body)?)
    }

    /// Sends a request whose answer goes on; returns once its head is here.
    pub async fn follow(&mut self, path: &str, authorization: &str) -> Result<()> {
        self.send("GET", path, authorization, "").await?;
        let head = self.head().await?;
        if status(&head) != Some("200") {
            return Err(head.into());
        }
        Ok(())
    }

    /// What comes next, as text; empty at the end.
    pub async fn next(&mut self) -> Result<String> {
        if self.buffer.is_empty() {
            // A stream that is silent holds no buffer, or thousands of them would be the load.
            self.buffer.shrink_to_fit();
            self.stream.readable().await?;
            self.more().await?;
        }
        let bytes = std::mem::take(&mut self.buffer);
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    async fn send(
        &mut self,
        method: &str,
        path: &str,
        authorization: &str,
        body: &str,
    ) -> Result<()> {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: load\r\nAuthorization: {authorization}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        Ok(self.stream.write_all(request.as_bytes()).await?)
    }

    async fn head(&mut self) -> Result<String> {
        loop {
            if let Some(end) = self.buffer.windows(4).position(|it| it == b"\r\n\r\n") {
                let head: Vec<u8> = self.buffer.drain(..end + 4).collect();
                return Ok(String::from_utf8(head)?);
            }
            if self.more().await? == 0 {
                return Err("the server hung up".into());
            }
        }
    }

    async fn more(&mut self) -> Result<usize> {
        self.buffer.reserve(1024);
        Ok(self.stream.read_buf(&mut self.buffer).await?)
    }
}

fn status(head: &str) -> Option<&str> {
    head.split(' ').nth(1)
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}
