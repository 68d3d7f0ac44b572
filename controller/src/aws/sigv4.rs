//! Signature Version 4: what a request says about who signed it, and whether that is true.
//!
//! The signature is computed again from the request with the secret of the key that it names, and compared in constant
//! time. As at AWS there is no memory of signatures: a copy of a request is accepted for as long as its date is, which
//! is [`SKEW_S`] in both directions.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use http::request::Parts;
use http::{HeaderMap, header};
use subtle::ConstantTimeEq;

/// How far the clocks of the signer and of this host may be apart. Source: AWS, 5 minutes.
pub const SKEW_S: i64 = 300;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const TERMINATOR: &str = "aws4_request";
/// The header that carries the date of the signature.
pub const DATE: &str = "x-amz-date";
/// The header that carries the token of temporary credentials.
pub const SESSION_TOKEN: &str = "x-amz-security-token";

/// What must be signed when it is there: whoever could change it would make another request of it.
const MUST_BE_SIGNED: [&str; 4] = ["host", DATE, SESSION_TOKEN, "x-amz-target"];

/// What the `Authorization` header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authorization<'a> {
    /// The key that it claims to be signed with.
    pub access_key_id: &'a str,
    /// `yyyymmdd`.
    pub date: &'a str,
    /// For which region.
    pub region: &'a str,
    /// For which service, by its signing name.
    pub service: &'a str,
    signed_headers: Vec<&'a str>,
    signature: &'a str,
}

/// Why a request is not accepted as its sender's, in AWS's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is not signed.
    #[error("Missing Authentication Token")]
    Missing,
    /// The signature cannot be read.
    #[error("{0}")]
    Incomplete(String),
    /// The signature is another, too old, too early, or for somebody else.
    #[error("{0}")]
    Invalid(String),
    /// Nobody knows the key or the token.
    #[error("The security token included in the request is invalid.")]
    Unrecognized,
    /// The token's time is over.
    #[error("The security token included in the request is expired")]
    Expired,
}

// === impl Refusal ===

impl Refusal {
    /// The exception, as AWS names it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Missing => "MissingAuthenticationTokenException",
            Self::Incomplete(_) => "IncompleteSignatureException",
            Self::Invalid(_) => "InvalidSignatureException",
            Self::Unrecognized => "UnrecognizedClientException",
            Self::Expired => "ExpiredTokenException",
        }
    }
}

// === impl Authorization ===

impl<'a> Authorization<'a> {
    /// The header of a request.
    pub fn of(headers: &'a HeaderMap) -> Result<Self, Refusal> {
        let value = headers.get(header::AUTHORIZATION).ok_or(Refusal::Missing)?;
        let value = value.to_str().map_err(|_| Refusal::Incomplete("Authorization is not a text.".into()))?;
        Self::parse(value)
    }

    /// `AWS4-HMAC-SHA256 Credential=KEY/DATE/REGION/SERVICE/aws4_request, SignedHeaders=a;b, Signature=hex`.
    pub fn parse(value: &'a str) -> Result<Self, Refusal> {
        let parameters = value.strip_prefix(ALGORITHM).ok_or(Refusal::Missing)?;
        let named = |name: &str| {
            let mut parameters = parameters.split(',').map(str::trim);
            let found = parameters.find_map(|parameter| parameter.strip_prefix(name)?.strip_prefix('='));
            found.ok_or_else(|| {
                Refusal::Incomplete(format!("Authorization header requires '{name}' parameter."))
            })
        };
        let (credential, headers, signature) =
            (named("Credential")?, named("SignedHeaders")?, named("Signature")?);
        let scope: Vec<&str> = credential.split('/').collect();
        let [access_key_id, date, region, service, terminator] = scope[..] else {
            let text = "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term";
            return Err(Refusal::Incomplete(format!("{text}, got '{credential}'")));
        };
        if terminator != TERMINATOR {
            let text = "Credential should be scoped with a valid terminator";
            return Err(Refusal::Invalid(format!("{text}: '{TERMINATOR}', not '{terminator}'.")));
        }
        let signed_headers = headers.split(';').collect();
        Ok(Self { access_key_id, date, region, service, signed_headers, signature })
    }

    /// Checks the signature of a request, whose body is as it came, against the secret of its key.
    pub fn verify(
        &self,
        request: &Parts,
        body: &[u8],
        secret: &str,
        now_unix_ms: i64,
    ) -> Result<(), Refusal> {
        let date = request.headers.get(DATE).and_then(|value| value.to_str().ok());
        let signed_at = date.and_then(|date| Some((date, unix_seconds(date)?)));
        let (date, signed_at) = signed_at.ok_or_else(no_date)?;
        self.check_headers(&request.headers)?;
        self.check_date(date, signed_at, now_unix_ms)?;
        let expected = self.sign(request, body, secret, signed_at)?;
        if bool::from(expected.as_bytes().ct_eq(self.signature.as_bytes())) {
            return Ok(());
        }
        Err(Refusal::Invalid(
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret \
             Access Key and signing method. Consult the service documentation for details."
                .into(),
        ))
    }

    fn check_headers(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let unsigned = MUST_BE_SIGNED.iter().find(|name| {
            let named = self.signed_headers.iter().any(|signed| signed.eq_ignore_ascii_case(name));
            headers.contains_key(**name) && !named
        });
        let refused = |name: &&str| {
            Err(Refusal::Invalid(format!("'{name}' must be a 'SignedHeader' in the AWS Authorization.")))
        };
        if !headers.contains_key(header::HOST) {
            return refused(&"host");
        }
        unsigned.map_or(Ok(()), refused)
    }

    fn check_date(&self, date: &str, signed_at: i64, now_unix_ms: i64) -> Result<(), Refusal> {
        let now = now_unix_ms.div_euclid(1_000);
        if date.get(..8) != Some(self.date) {
            let text =
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP";
            let of_request = date.get(..8).unwrap_or(date);
            return Err(Refusal::Invalid(format!(
                "{text}: '{}' != '{of_request}', from '{date}'.",
                self.date
            )));
        }
        if signed_at < now.saturating_sub(SKEW_S) {
            let (limit, now) = (iso_8601(now - SKEW_S), iso_8601(now));
            let text = format!("Signature expired: {date} is now earlier than {limit} ({now} - 5 min.)");
            return Err(Refusal::Invalid(text));
        }
        if signed_at > now.saturating_add(SKEW_S) {
            let (limit, now) = (iso_8601(now + SKEW_S), iso_8601(now));
            let text =
                format!("Signature not yet current: {date} is still later than {limit} ({now} + 5 min.)");
            return Err(Refusal::Invalid(text));
        }
        Ok(())
    }

    /// The signature that the holder of `secret` gives the headers that this one names.
    fn sign(&self, request: &Parts, body: &[u8], secret: &str, signed_at: i64) -> Result<String, Refusal> {
        let unreadable = || Refusal::Incomplete("The signed headers cannot be read.".to_owned());
        let headers = request.headers.iter().filter(|(name, _)| {
            self.signed_headers.iter().any(|signed| signed.eq_ignore_ascii_case(name.as_str()))
        });
        let headers: Option<Vec<_>> =
            headers.map(|(name, value)| Some((name.as_str(), value.to_str().ok()?))).collect();
        let headers = headers.ok_or_else(unreadable)?;
        let uri = request.uri.path_and_query().map_or("/", |path| path.as_str());
        let body = SignableBody::Bytes(body);
        let signable =
            SignableRequest::new(request.method.as_str(), Cow::Borrowed(uri), headers.into_iter(), body)
                .map_err(|_| unreadable())?;
        let mut settings = SigningSettings::default();
        // What was signed is what the request says, not what the library would sign.
        settings.excluded_headers = None;
        let identity = Credentials::new(self.access_key_id, secret, None, None, "berth").into();
        let since = Duration::from_secs(u64::try_from(signed_at).map_err(|_| no_date())?);
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(self.region)
            .name(self.service)
            .time(SystemTime::UNIX_EPOCH + since)
            .settings(settings)
            .build()
            .expect("every parameter was given")
            .into();
        Ok(sign(signable, &parameters).map_err(|_| unreadable())?.into_parts().1)
    }
}

fn no_date() -> Refusal {
    Refusal::Incomplete("Authorization header requires existence of a 'X-Amz-Date' header.".into())
}

/// The time of `20260131T120000Z`.
fn unix_seconds(date: &str) -> Option<i64> {
    let shape = date.bytes().enumerate().all(|(index, byte)| match index {
        8 => byte == b'T',
        15 => byte == b'Z',
        _ => byte.is_ascii_digit(),
    });
    if date.len() != 16 || !shape {
        return None;
    }
    let part = |from: usize, to: usize| &date[from..to];
    let text = format!(
        "{}-{}-{}T{}:{}:{}Z",
        part(0, 4),
        part(4, 6),
        part(6, 8),
        part(9, 11),
        part(11, 13),
        part(13, 15)
    );
    Some(text.parse::<prost_types::Timestamp>().ok()?.seconds)
}

/// `20260131T120000Z` of a time.
pub(super) fn iso_8601(unix_seconds: i64) -> String {
    prost_types::Timestamp { seconds: unix_seconds, nanos: 0 }.to_string().replace(['-', ':'], "")
}

#[cfg(test)]
mod tests;
