//! Signs a client's requests, and says in which region they are.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::{Request, Status};

use super::proof::{self, Proof};
use super::{METADATA, SCHEME, sign};
use crate::clock::Clock;
use crate::{region, telemetry};

/// How long a token is valid. Longer than any call takes to start, short enough that a stolen one is soon useless.
const LIFE: Duration = Duration::from_secs(300);

/// A tonic interceptor that adds a token to every request, and the current trace. A token is used again until half
/// its life is over. Clones share it.
#[derive(Clone)]
pub struct Signer {
    access_key_id: String,
    secret: String,
    clock: Clock,
    region: Option<MetadataValue<Ascii>>,
    proof: Option<MetadataValue<Ascii>>,
    current: Arc<Mutex<Option<Signed>>>,
}

struct Signed {
    header: MetadataValue<Ascii>,
    signed_unix_ms: i64,
}

// === impl Signer ===

impl Signer {
    /// Signs as `access_key_id` with its secret.
    pub fn new(access_key_id: impl Into<String>, secret: impl Into<String>, clock: Clock) -> Self {
        let (access_key_id, secret) = (access_key_id.into(), secret.into());
        Self { access_key_id, secret, clock, region: None, proof: None, current: Arc::default() }
    }

    /// The same for requests in a region. A name that cannot be one is one that nobody serves.
    #[must_use]
    pub fn in_region(self, region: Option<&str>) -> Self {
        let region = region.map(|name| name.parse().unwrap_or_else(|_| MetadataValue::from_static("?")));
        Self { region, ..self }
    }

    /// The same for somebody who can prove who it is.
    #[must_use]
    pub fn with_proof(self, proof: &Proof) -> Self {
        Self { proof: Some(proof.header()), ..self }
    }

    fn header(&self) -> MetadataValue<Ascii> {
        let now_unix_ms = self.clock.unix_ms();
        let mut current = self.current.lock();
        match &*current {
            Some(signed) if signed.is_fresh(now_unix_ms) => signed.header.clone(),
            _ => {
                let header = self.sign(now_unix_ms);
                *current = Some(Signed { header: header.clone(), signed_unix_ms: now_unix_ms });
                header
            }
        }
    }

    fn sign(&self, now_unix_ms: i64) -> MetadataValue<Ascii> {
        let token = sign(&self.access_key_id, &self.secret, now_unix_ms, LIFE);
        let mut header: MetadataValue<Ascii> =
            format!("{SCHEME}{token}").parse().expect("a JWT is made of letters, digits and dots");
        header.set_sensitive(true);
        header
    }
}

impl Interceptor for Signer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert(METADATA, self.header());
        if let Some(region) = &self.region {
            request.metadata_mut().insert(region::METADATA, region.clone());
        }
        if let Some(proof) = &self.proof {
            request.metadata_mut().insert(proof::METADATA, proof.clone());
        }
        if let Some(trace) = telemetry::traceparent().and_then(|trace| trace.parse().ok()) {
            request.metadata_mut().insert("traceparent", trace);
        }
        Ok(request)
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("access_key_id", &self.access_key_id).finish_non_exhaustive()
    }
}

// === impl Signed ===

impl Signed {
    /// Before it was signed, it is not: then the clock was set back, and the server might find the token early.
    fn is_fresh(&self, now_unix_ms: i64) -> bool {
        let half_ms = i64::try_from(LIFE.as_millis() / 2).unwrap_or(i64::MAX);
        (0..half_ms).contains(&now_unix_ms.saturating_sub(self.signed_unix_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{bearer, verify};
    use super::*;
    use crate::telemetry::test::capture;

    const NOW: i64 = 1_700_000_000_000;

    fn sent(signer: &mut Signer) -> String {
        let request = signer.call(Request::new(())).unwrap();
        bearer(request.metadata()).unwrap().to_owned()
    }

    #[test]
    fn a_token_is_used_until_half_its_life_is_over() {
        let (clock, hand) = Clock::manual(NOW);
        let mut signer = Signer::new("BKA123", "secret", clock.clone());
        let first = sent(&mut signer);
        hand.advance(Duration::from_secs(149));
        assert_eq!(sent(&mut signer.clone()), first);
        hand.advance(Duration::from_secs(1));
        let second = sent(&mut signer);
        assert_ne!(second, first);
        assert_eq!(verify(&second, "secret", clock.unix_ms()).unwrap().expires_at, 1_700_000_450);
    }

    #[test]
    fn the_current_trace_goes_with_the_request() {
        let _logged = capture();
        let mut signer = Signer::new("BKA123", "secret", Clock::manual(NOW).0);
        assert!(signer.call(Request::new(())).unwrap().metadata().get("traceparent").is_none());
        let request = tracing::info_span!("call").in_scope(|| {
            let request = signer.call(Request::new(())).unwrap();
            (request.metadata().get("traceparent").cloned(), telemetry::traceparent())
        });
        assert_eq!(request.0.unwrap().to_str().unwrap(), request.1.unwrap());
    }

    #[test]
    fn printing_shows_no_secret() {
        let mut signer = Signer::new("BKA123", "hush", Clock::manual(NOW).0);
        let request = signer.call(Request::new(())).unwrap();
        let printed = format!("{signer:?} {request:?}");
        assert!(
            printed.contains("BKA123") && !printed.contains("hush") && !printed.contains("eyJ"),
            "{printed}"
        );
    }
}
