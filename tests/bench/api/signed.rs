//! One connection that signs its requests as AWS clients do.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, ensure};
use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use berth_process::clock::Clock;
use berth_process::identity::AccessKey;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

const TARGET: &str = "AmazonEC2ContainerServiceV20141113";

/// See the module. Connects with its first call.
pub(super) struct Connection {
    address: String,
    key: Arc<AccessKey>,
    stream: Option<BufReader<TcpStream>>,
}

// === impl Connection ===

impl Connection {
    pub(super) fn new(address: &str, key: Arc<AccessKey>) -> Self {
        Self { address: address.to_owned(), key, stream: None }
    }

    /// Calls an operation, and reads its answer to the end.
    pub(super) async fn call(&mut self, operation: &str, body: &str) -> Result<()> {
        let request = self.request(operation, body)?;
        if self.stream.is_none() {
            let stream = TcpStream::connect(&self.address).await?;
            stream.set_nodelay(true)?;
            self.stream = Some(BufReader::new(stream));
        }
        let stream = self.stream.as_mut().context("connected")?;
        stream.write_all(request.as_bytes()).await?;
        let (mut line, mut length) = (String::new(), 0);
        stream.read_line(&mut line).await?;
        let status = line.clone();
        while line != "\r\n" {
            line.clear();
            stream.read_line(&mut line).await?;
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse()?;
            }
        }
        let mut answer = vec![0; length];
        stream.read_exact(&mut answer).await?;
        ensure!(status.contains(" 200 "), "{status}: {}", String::from_utf8_lossy(&answer));
        Ok(())
    }

    fn request(&self, operation: &str, body: &str) -> Result<String> {
        let target = format!("{TARGET}.{operation}");
        let headers = [
            ("host", self.address.as_str()),
            ("content-type", "application/x-amz-json-1.1"),
            ("x-amz-target", target.as_str()),
        ];
        let body_bytes = SignableBody::Bytes(body.as_bytes());
        let signable = SignableRequest::new("POST", "/", headers.into_iter(), body_bytes)?;
        let credentials =
            Credentials::new(&self.key.access_key_id, &self.key.secret_access_key, None, None, "bench");
        let identity = credentials.into();
        let now = u64::try_from(Clock::system().unix_ms())?;
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region("us-east-1")
            .name("ecs")
            .time(SystemTime::UNIX_EPOCH + Duration::from_millis(now))
            .settings(SigningSettings::default())
            .build()?
            .into();
        let signed = sign(signable, &parameters)?.into_parts().0;
        let mut request = format!("POST / HTTP/1.1\r\ncontent-length: {}\r\n", body.len());
        for (name, value) in headers.into_iter().chain(signed.headers()) {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str("\r\n");
        request.push_str(body);
        Ok(request)
    }
}
