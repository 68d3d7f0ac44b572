//! The body of a request: read up to a limit, and unpacked up to the same limit.

use std::io::Read;

use axum::body::Body;
use bytes::Bytes;
use flate2::read::GzDecoder;
use http::{HeaderMap, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};

use super::fault::Fault;
use crate::limits::REQUEST_BYTES;

/// All of a body, as it was sent: the signature is over this.
pub(super) async fn collect(body: Body) -> Result<Bytes, Fault> {
    let collected = Limited::new(body, REQUEST_BYTES).collect().await.map_err(|error| {
        if error.is::<LengthLimitError>() {
            return Fault::too_large(REQUEST_BYTES);
        }
        Fault::malformed("The request ended early.")
    })?;
    Ok(collected.to_bytes())
}

/// What was packed into it.
pub(super) fn unpack(headers: &HeaderMap, body: Bytes) -> Result<Bytes, Fault> {
    match headers.get(header::CONTENT_ENCODING).map(http::HeaderValue::as_bytes) {
        None | Some(b"identity" | b"") => Ok(body),
        Some(b"gzip") => {
            let mut unpacked = Vec::new();
            let limit = u64::try_from(REQUEST_BYTES).unwrap_or(u64::MAX);
            let mut reader = GzDecoder::new(&*body).take(limit.saturating_add(1));
            reader
                .read_to_end(&mut unpacked)
                .map_err(|_| Fault::malformed("The body is not what gzip makes."))?;
            if unpacked.len() > REQUEST_BYTES {
                return Err(Fault::too_large(REQUEST_BYTES));
            }
            Ok(unpacked.into())
        }
        Some(_) => Err(Fault::malformed("The Content-Encoding is not known: send gzip, or none.")),
    }
}
