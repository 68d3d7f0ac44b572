//! How a call says in which region it is.

/// The metadata that names the region. A call without it is in the deployment's own.
pub const METADATA: &str = "berth-region";

/// Longest name: that of a label in a host name, which regions are for AWS's clients.
const LENGTH: usize = 63;

/// Whether this can be the name of a region: a label of a host name, in lower case.
pub fn is_well_formed(name: &str) -> bool {
    let is_letter_or_digit = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let inside = |byte: u8| is_letter_or_digit(byte) || byte == b'-';
    let ends = [name.bytes().next(), name.bytes().last()];
    name.len() <= LENGTH
        && name.bytes().all(inside)
        && ends.iter().all(|end| end.is_some_and(is_letter_or_digit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_are_labels_of_host_names() {
        for good in ["us-east-1", "us-gov-west-1", "home", "dc2", "7"] {
            assert!(is_well_formed(good), "{good}");
        }
        for bad in ["", "-a", "a-", "US-EAST-1", "a b", "a.b", "*", "a/b", "a:b", &"x".repeat(64)] {
            assert!(!is_well_formed(bad), "{bad}");
        }
    }
}
