//! The short-lived tokens that gRPC requests carry.
//!
//! A client signs a token with the secret of its access key; the server looks up the secret by the access key id
//! that the token names, and verifies. The secret never travels. A token is a JWT signed with HMAC-SHA256, sent
//! as the metadata `authorization: Bearer <token>`.

pub mod proof;
mod signer;

use std::time::Duration;

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use tonic::metadata::MetadataMap;

use crate::entropy::Entropy;

pub use signer::Signer;

/// The metadata that a token travels in.
pub const METADATA: &str = "authorization";

/// How far the clocks of two hosts may differ.
pub const LEEWAY: Duration = Duration::from_secs(60);

const SCHEME: &str = "Bearer ";

/// What a token says. Times are in seconds since the Unix epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// The access key that signed it.
    #[serde(rename = "iss")]
    pub access_key_id: String,
    /// When it was made.
    #[serde(rename = "iat")]
    pub issued_at: i64,
    /// From when it is valid.
    #[serde(rename = "nbf")]
    pub not_before: i64,
    /// Until when it is valid.
    #[serde(rename = "exp")]
    pub expires_at: i64,
    /// Its own id.
    #[serde(rename = "jti")]
    pub id: String,
}

/// Why a token is not accepted.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The request carries no token.
    #[error("the request carries no bearer token")]
    Missing,
    /// It is not a token of this kind.
    #[error("the token is malformed")]
    Malformed,
    /// It was not signed with this secret.
    #[error("the token's signature does not match")]
    Signature,
    /// Its time is over.
    #[error("the token expired {expired_s} seconds ago")]
    Expired {
        /// How long ago.
        expired_s: i64,
    },
    /// Its time has not come: the two hosts' clocks disagree.
    #[error("the token is valid in {early_s} seconds only: check the clocks of both hosts")]
    Early {
        /// How long from now.
        early_s: i64,
    },
}

/// A token of `access_key_id`, valid from now for `ttl`.
pub fn sign(access_key_id: &str, secret: &str, now_unix_ms: i64, ttl: Duration) -> String {
    let now = now_unix_ms.div_euclid(1_000);
    let claims = Claims {
        access_key_id: access_key_id.to_owned(),
        issued_at: now,
        not_before: now,
        expires_at: now.saturating_add(seconds(ttl)),
        id: format!("{:032x}", Entropy::system().u128()),
    };
    let key = EncodingKey::from_secret(secret.as_bytes());
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key)
        .expect("an HMAC takes any key and any text")
}

/// The access key that `token` claims to be of. Nothing is verified: it serves to find the secret.
pub fn access_key_id(token: &str) -> Result<String, Error> {
    let decoded = jsonwebtoken::dangerous::insecure_decode::<Claims>(token);
    decoded.map(|decoded| decoded.claims.access_key_id).map_err(|_malformed| Error::Malformed)
}

/// Checks the signature in constant time, then the validity, and returns what the token says.
pub fn verify(token: &str, secret: &str, now_unix_ms: i64) -> Result<Claims, Error> {
    let key = DecodingKey::from_secret(secret.as_bytes());
    let decoded = jsonwebtoken::decode::<Claims>(token, &key, &signature_only());
    let claims = decoded.map_err(|error| refusal(&error))?.claims;
    let (now, leeway) = (now_unix_ms.div_euclid(1_000), seconds(LEEWAY));
    if now.saturating_sub(leeway) >= claims.expires_at {
        return Err(Error::Expired { expired_s: now.saturating_sub(claims.expires_at) });
    }
    if now.saturating_add(leeway) < claims.not_before {
        return Err(Error::Early { early_s: claims.not_before.saturating_sub(now) });
    }
    Ok(claims)
}

/// The token that a request's metadata carries.
pub fn bearer(metadata: &MetadataMap) -> Result<&str, Error> {
    let value = metadata.get(METADATA).ok_or(Error::Missing)?;
    let value = value.to_str().map_err(|_binary| Error::Malformed)?;
    value.strip_prefix(SCHEME).ok_or(Error::Missing)
}

/// The library would compare times with the host's own clock; we compare with the injected one.
fn signature_only() -> Validation {
    let mut validation = Validation::new(Algorithm::HS256);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    validation
}

fn refusal(error: &jsonwebtoken::errors::Error) -> Error {
    match error.kind() {
        jsonwebtoken::errors::ErrorKind::InvalidSignature => Error::Signature,
        _ => Error::Malformed,
    }
}

fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;

    const NOW: i64 = 1_700_000_000_000;
    const TTL: Duration = Duration::from_secs(300);

    fn token() -> String {
        sign("BKA123", "secret", NOW, TTL)
    }

    #[test]
    fn a_token_is_verified_with_its_secret() {
        let token = token();
        assert_eq!(access_key_id(&token).unwrap(), "BKA123");
        let claims = verify(&token, "secret", NOW).unwrap();
        assert_eq!(claims.access_key_id, "BKA123");
        assert_eq!(
            (claims.issued_at, claims.not_before, claims.expires_at),
            (1_700_000_000, 1_700_000_000, 1_700_000_300)
        );
        assert_eq!(verify(&token, "Secret", NOW), Err(Error::Signature));
    }

    #[test]
    fn validity_has_a_minute_of_leeway() {
        let token = token();
        let after = |seconds: i64| verify(&token, "secret", NOW + seconds * 1_000).map(|_| ());
        assert_eq!(after(-60), Ok(()));
        assert_eq!(after(-61), Err(Error::Early { early_s: 61 }));
        assert_eq!(after(359), Ok(()));
        assert_eq!(after(360), Err(Error::Expired { expired_s: 60 }));
    }

    #[test]
    fn no_two_tokens_have_one_id() {
        let id = |token: String| verify(&token, "secret", NOW).unwrap().id;
        assert_ne!(id(token()), id(token()));
    }

    #[test]
    fn changed_claims_do_not_verify() {
        let token = token();
        let parts: Vec<_> = token.split('.').collect();
        let mut claims = verify(&token, "secret", NOW).unwrap();
        claims.access_key_id = "BKU999".to_owned();
        let forged = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&claims).unwrap());
        let forged = format!("{}.{forged}.{}", parts[0], parts[2]);
        assert_eq!(verify(&forged, "secret", NOW), Err(Error::Signature));
    }

    #[test]
    fn a_token_without_a_signature_is_refused() {
        let token = token();
        let parts: Vec<_> = token.split('.').collect();
        let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#);
        for unsigned in [format!("{none}.{}.", parts[1]), format!("{}.{}.", parts[0], parts[1])] {
            assert!(verify(&unsigned, "secret", NOW).is_err(), "{unsigned}");
        }
    }

    #[test]
    fn what_is_no_token_is_malformed() {
        for text in ["", "a.b", "a.b.c", "...."] {
            assert_eq!(access_key_id(text), Err(Error::Malformed), "{text:?}");
            assert_eq!(verify(text, "secret", NOW), Err(Error::Malformed), "{text:?}");
        }
    }

    #[test]
    fn only_a_bearer_token_is_taken_from_the_metadata() {
        let mut metadata = MetadataMap::new();
        assert_eq!(bearer(&metadata), Err(Error::Missing));
        metadata.insert(METADATA, "Basic YTpi".parse().unwrap());
        assert_eq!(bearer(&metadata), Err(Error::Missing));
        metadata.insert(METADATA, "Bearer abc".parse().unwrap());
        assert_eq!(bearer(&metadata), Ok("abc"));
    }
}
