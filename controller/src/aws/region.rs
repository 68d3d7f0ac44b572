//! Which regions are served.

use super::sigv4::{Authorization, Refusal};
use super::target::Service;

/// The regions that a request may be signed for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Regions(Vec<String>);

// === impl Regions ===

impl Regions {
    /// The deployment's own region and those that are its names too.
    pub fn new(own: &str, others: &[String]) -> Self {
        Self(std::iter::once(own.to_owned()).chain(others.iter().cloned()).collect())
    }

    /// Refuses a signature for another region or another service.
    pub(super) fn check(&self, signed: &Authorization<'_>, service: &Service) -> Result<(), Refusal> {
        let invalid = |text: String| Err(Refusal::Invalid(text));
        if signed.service != service.signing_name {
            return invalid(format!(
                "Credential should be scoped to correct service: '{}'.",
                service.signing_name
            ));
        }
        if !self.0.iter().any(|region| region == signed.region) {
            return invalid(format!("Credential should be scoped to a valid region: {}.", self.0.join(", ")));
        }
        Ok(())
    }
}
