//! Parameters and secrets, for people. Never their values.

use berth_proto::secretsmanager::v1::SecretListEntry;
use berth_proto::ssm::v1::ParameterMetadata;

use crate::table::{Cell, Keep, Table};
use crate::time::age;

/// One line a parameter.
pub(crate) fn parameters(parameters: &[ParameterMetadata], now_unix_ms: i64) -> Table {
    let mut table = Table::new(&[
        ("NAME", Keep::Always),
        ("TYPE", Keep::Always),
        ("VERSION", Keep::IfRoom(1)),
        ("CHANGED", Keep::IfRoom(2)),
        ("DESCRIPTION", Keep::Sentence(3)),
    ]);
    for parameter in parameters {
        table.row([
            parameter.name().into(),
            parameter.r#type().into(),
            parameter.version().to_string().into(),
            age(parameter.last_modified_date.as_ref(), now_unix_ms).into(),
            parameter.description().into(),
        ]);
    }
    table
}

/// One line a secret.
pub(crate) fn secrets(secrets: &[SecretListEntry], now_unix_ms: i64) -> Table {
    let mut table = Table::new(&[
        ("NAME", Keep::Always),
        ("STATUS", Keep::Always),
        ("CHANGED", Keep::IfRoom(1)),
        ("DESCRIPTION", Keep::Sentence(2)),
        ("ARN", Keep::IfRoom(3)),
    ]);
    for secret in secrets {
        table.row([
            secret.name().into(),
            Cell::status(if secret.deleted_date.is_some() { "DELETED" } else { "ACTIVE" }),
            age(secret.last_changed_date.as_ref(), now_unix_ms).into(),
            secret.description().into(),
            secret.arn().into(),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Surface;

    #[test]
    fn a_deleted_secret_says_so() {
        let secret = SecretListEntry {
            name: Some("db".into()),
            deleted_date: Some(prost_types::Timestamp::default()),
            ..SecretListEntry::default()
        };
        let text = secrets(&[secret], 0).render(Surface::default());
        assert!(text.contains("db") && text.contains("DELETED"), "{text}");
    }
}
