//! A server that lifecycle hooks ask: it answers every question with what the test wants it to say.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use parking_lot::Mutex;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// See the module. It answers for as long as this is kept.
#[derive(Debug)]
pub struct HookServer {
    address: SocketAddr,
    said: Arc<Mutex<String>>,
    asked: Arc<Mutex<Vec<serde_json::Value>>>,
    _serving: JoinSet<()>,
}

// === impl HookServer ===

impl HookServer {
    /// Answers with this `hookStatus` until it is told otherwise.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn start(status: &str) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("listen for hooks")?;
        let address = listener.local_addr()?;
        let (said, asked) = (Arc::new(Mutex::new(status.to_owned())), Arc::new(Mutex::new(Vec::new())));
        let (says, asks) = (Arc::clone(&said), Arc::clone(&asked));
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let status = says.lock().clone();
                if let Ok(question) = answer(stream, &status).await {
                    asks.lock().push(question);
                }
            }
        });
        Ok(Self { address, said, asked, _serving: serving })
    }

    /// Where it is asked.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// From now on it says this.
    pub fn say(&self, status: &str) {
        status.clone_into(&mut self.said.lock());
    }

    /// What it was asked so far.
    #[must_use]
    pub fn asked(&self) -> Vec<serde_json::Value> {
        self.asked.lock().clone()
    }
}

/// Reads one request and answers it; what was asked.
async fn answer(stream: TcpStream, status: &str) -> Result<serde_json::Value> {
    let mut stream = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        let line = line.trim_end().to_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().context("the length of a question")?;
        }
        if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    let said = serde_json::json!({ "hookStatus": status, "callBackDelay": 1 }).to_string();
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", said.len());
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(said.as_bytes()).await?;
    stream.shutdown().await?;
    serde_json::from_slice(&body).context("a question is JSON")
}
