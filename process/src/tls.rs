//! Certificates: the cluster's own authority, and what it issues.
//!
//! A certificate is issued for [`SERVER_NAME`] beside the addresses it serves, and Berth's own clients check that
//! name and no other. So a host may be reached by any address, behind any NAT, and still proves that it belongs
//! to the cluster.
//!
//! Certificates do not expire. An authority exists for one cluster, is trusted by nobody else and is replaced by
//! issuing anew; an expiry date would only bring down a cluster on its anniversary, and keep out a host whose
//! clock is wrong.

use std::fmt;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use serde::{Deserialize, Serialize};

use crate::net::Protocol;

/// The name that every certificate of a cluster carries and every client checks.
pub const SERVER_NAME: &str = "berth";

/// All that controllers and agents speak among themselves.
const ALPN_H2: &[u8] = b"h2";

/// What clients of the AWS API speak.
const ALPN_HTTP1: &[u8] = b"http/1.1";

/// The cluster's own certificate authority.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Authority {
    /// What clients trust.
    pub certificate_pem: String,
    /// What certificates are signed with. Secret.
    pub key_pem: String,
}

/// A server's certificate and its key.
#[derive(Clone, PartialEq, Eq)]
pub struct Certificate {
    /// The certificate, signed by the cluster's authority.
    pub certificate_pem: String,
    /// Its key. Secret.
    pub key_pem: String,
}

/// Why a certificate could not be made or used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The authority could not be made.
    #[error("cannot generate the authority {common_name:?}")]
    Generate {
        /// Its name.
        common_name: String,
        /// What failed.
        #[source]
        source: rcgen::Error,
    },
    /// A certificate could not be issued.
    #[error("cannot issue a certificate for {}", names.join(", "))]
    Issue {
        /// The names it was to carry.
        names: Vec<String>,
        /// What failed.
        #[source]
        source: rcgen::Error,
    },
    /// What should be a certificate or a key in PEM is not.
    #[error("{what} is not valid PEM")]
    Pem {
        /// Which of them.
        what: &'static str,
        /// What is wrong with it.
        #[source]
        source: pem::Error,
    },
    /// The TLS library refused a certificate or a key.
    #[error("cannot use {what}")]
    Rejected {
        /// Which of them.
        what: &'static str,
        /// Why.
        #[source]
        source: rustls::Error,
    },
}

// === impl Authority ===

impl Authority {
    /// A new authority with a key of its own.
    pub fn generate(common_name: &str) -> Result<Self, Error> {
        let failed = |source| Error::Generate { common_name: common_name.to_owned(), source };
        let key = KeyPair::generate().map_err(failed)?;
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, common_name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key).map_err(failed)?;
        Ok(Self { certificate_pem: certificate.pem(), key_pem: key.serialize_pem() })
    }

    /// A server certificate with a new key for `names`, each a DNS name or an IP address, and for [`SERVER_NAME`].
    pub fn issue(&self, names: &[String]) -> Result<Certificate, Error> {
        self.sign(names).map_err(|source| Error::Issue { names: names.to_vec(), source })
    }

    fn sign(&self, names: &[String]) -> Result<Certificate, rcgen::Error> {
        let issuer = Issuer::from_ca_cert_pem(&self.certificate_pem, KeyPair::from_pem(&self.key_pem)?)?;
        let key = KeyPair::generate()?;
        let mut all = vec![SERVER_NAME.to_owned()];
        all.extend(names.iter().filter(|name| *name != SERVER_NAME).cloned());
        let mut params = CertificateParams::new(all)?;
        params.distinguished_name.push(DnType::CommonName, SERVER_NAME);
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let certificate = params.signed_by(&key, &issuer)?;
        Ok(Certificate { certificate_pem: certificate.pem(), key_pem: key.serialize_pem() })
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").finish_non_exhaustive()
    }
}

// === impl Certificate ===

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate").finish_non_exhaustive()
    }
}

/// What a server needs to accept TLS.
pub(crate) fn server_config(certificate: &Certificate, protocol: Protocol) -> Result<ServerConfig, Error> {
    const CERTIFICATE: &str = "the server's certificate";
    const KEY: &str = "the server's key";
    let chain = parse(CERTIFICATE, &certificate.certificate_pem)?;
    let key = PrivateKeyDer::from_pem_slice(certificate.key_pem.as_bytes())
        .map_err(|source| Error::Pem { what: KEY, source })?;
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|source| Error::Rejected { what: CERTIFICATE, source })?;
    let spoken = match protocol {
        Protocol::Http2 => ALPN_H2,
        Protocol::Http1 => ALPN_HTTP1,
    };
    config.alpn_protocols = vec![spoken.to_vec()];
    Ok(config)
}

/// What a client needs to check that a server belongs to the cluster of the authority `ca_pem`.
pub(crate) fn client_config(ca_pem: &str) -> Result<ClientConfig, Error> {
    const AUTHORITY: &str = "the cluster's authority";
    let rejected = |source| Error::Rejected { what: AUTHORITY, source };
    let mut roots = RootCertStore::empty();
    for certificate in parse(AUTHORITY, ca_pem)? {
        roots.add(certificate).map_err(rejected)?;
    }
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(rejected)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![ALPN_H2.to_vec()];
    Ok(config)
}

/// What a client needs to ask servers that are not the cluster's: it trusts whom this system trusts, and the authorities
/// in `extra_pem`.
pub(crate) fn web_config(extra_pem: Option<&str>) -> Result<ClientConfig, Error> {
    const EXTRA: &str = "an authority that is to be trusted";
    let rejected = |source| Error::Rejected { what: EXTRA, source };
    let mut roots = RootCertStore::empty();
    // A system has authorities by the hundred: one that cannot be read is no reason to trust none.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    for certificate in extra_pem.map(|pem| parse(EXTRA, pem)).transpose()?.unwrap_or_default() {
        roots.add(certificate).map_err(rejected)?;
    }
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    let mut config = builder.map_err(rejected)?.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![ALPN_HTTP1.to_vec()];
    Ok(config)
}

/// At least one certificate.
fn parse(what: &'static str, text: &str) -> Result<Vec<CertificateDer<'static>>, Error> {
    let parsed: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
    match parsed {
        Ok(certificates) if certificates.is_empty() => {
            Err(Error::Pem { what, source: pem::Error::NoItemsFound })
        }
        parsed => parsed.map_err(|source| Error::Pem { what, source }),
    }
}

/// Named here and not installed for the process: a library that installs another cannot change ours.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn issues_for_names_and_addresses() {
        let authority = Authority::generate("berth test").unwrap();
        let names = ["controller-1.example.org", "10.0.0.7", "fd00::7", "berth"].map(str::to_owned);
        let certificate = authority.issue(&names).unwrap();
        server_config(&certificate, Protocol::Http2).unwrap();
        client_config(&authority.certificate_pem).unwrap();
    }

    #[test]
    fn a_name_that_cannot_be_in_a_certificate_is_named() {
        let authority = Authority::generate("berth test").unwrap();
        let error = authority.issue(&["höst".to_owned()]).unwrap_err();
        assert_eq!(error.to_string(), "cannot issue a certificate for höst");
    }

    #[test]
    fn text_that_is_no_certificate_is_refused() {
        for text in ["", "hello", "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----"] {
            let error = client_config(text).unwrap_err();
            assert_eq!(error.to_string(), "the cluster's authority is not valid PEM", "{text:?}");
        }
    }

    #[test]
    fn printing_shows_no_key() {
        let authority = Authority::generate("berth test").unwrap();
        let certificate = authority.issue(&[]).unwrap();
        assert!(!format!("{authority:?} {certificate:?}").contains("PRIVATE"));
    }
}
