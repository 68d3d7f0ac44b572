//! Asking somebody else over HTTP, as whatever runs in a container asks the endpoint of its task.

use std::collections::BTreeMap;
use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// Where clients of AWS put a relative address.
const STANDARD: &str = "http://169.254.170.2";
const TIMEOUT: Duration = Duration::from_secs(10);

/// Carries out `/ask?at=VARIABLE&path=…&method=…&body=…`: asks what the variable names, and gives the whole answer. A
/// body stands last, for it may have anything in it.
pub(crate) fn ask(query: &str) -> io::Result<String> {
    let (query, body) = query.split_once("&body=").unwrap_or((query, ""));
    let parameters: BTreeMap<&str, &str> = query.split('&').filter_map(|pair| pair.split_once('=')).collect();
    let parameter = |name: &str| parameters.get(name).copied().unwrap_or_default();
    let variable = std::env::var(parameter("at")).map_err(io::Error::other)?;
    let base = if variable.starts_with('/') { format!("{STANDARD}{variable}") } else { variable };
    let url =
        base.strip_prefix("http://").ok_or_else(|| io::Error::other(format!("{base} is no address")))?;
    let (authority, path) = url.split_once('/').unwrap_or((url, ""));
    let address = if authority.contains(':') { authority.to_owned() } else { format!("{authority}:80") };
    let method = if parameter("method").is_empty() { "GET" } else { parameter("method") };
    let head = format!("{method} /{path}{} HTTP/1.1\r\nhost: {authority}\r\n", parameter("path"));
    let mut connection = TcpStream::connect(address)?;
    connection.set_read_timeout(Some(TIMEOUT))?;
    let length = body.len();
    let request = format!("{head}content-length: {length}\r\nconnection: close\r\n\r\n{body}");
    connection.write_all(request.as_bytes())?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer)?;
    Ok(answer)
}
