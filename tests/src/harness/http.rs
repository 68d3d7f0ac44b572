//! A very small HTTP client: one GET, with a deadline.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

const DEADLINE: Duration = Duration::from_secs(2);
/// For what asks somebody else in turn.
const PATIENCE: Duration = Duration::from_secs(10);

/// The body of a 200 answer.
///
/// # Errors
/// When there is no answer in two seconds, or another one than 200.
pub async fn get(address: SocketAddr, path: &str) -> Result<String> {
    get_within(DEADLINE, address, path).await
}

/// The status and the body of what a container is answered when it asks what one of its variables names, at a path below
/// that: `/ask` of the test application.
///
/// # Errors
/// When nobody answers.
pub async fn ask(
    container: SocketAddr,
    variable: &str,
    path: &str,
    put: Option<&str>,
) -> Result<(u16, String)> {
    let method = if put.is_some() { "PUT" } else { "GET" };
    let query = format!("/ask?at={variable}&path={path}&method={method}&body={}", put.unwrap_or_default());
    let answer = get_within(PATIENCE, container, &query).await?;
    let (head, body) = answer.split_once("\r\n\r\n").context("an answer with a head")?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    Ok((status.context("an answer with a status")?, body.to_owned()))
}

async fn get_within(deadline: Duration, address: SocketAddr, path: &str) -> Result<String> {
    let answer = timeout(deadline, exchange(address, path))
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
