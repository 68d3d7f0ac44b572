//! A very small HTTP client: one GET, with a deadline.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

const DEADLINE: Duration = Duration::from_secs(2);

/// The body of a 200 answer.
///
/// # Errors
/// When there is no answer in two seconds, or another one than 200.
pub async fn get(address: SocketAddr, path: &str) -> Result<String> {
    let answer = timeout(DEADLINE, exchange(address, path))
        .await
        .with_context(|| format!("GET {path} of {address}"))??;
    match answer.split_once("\r\n\r\n") {
        Some((head, body)) if head.starts_with("HTTP/1.1 200") => Ok(body.to_owned()),
        _ => bail!("GET {path} of {address}: {}", answer.lines().next().unwrap_or("no answer")),
    }
}

async fn exchange(address: SocketAddr, path: &str) -> Result<String> {
    let mut connection =
        TcpStream::connect(address).await.with_context(|| format!("connect to {address}"))?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    connection.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await?;
    Ok(answer)
}
