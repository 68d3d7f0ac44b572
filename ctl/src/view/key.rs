//! Access keys, for people.

use berth_proto::admin::v1::AccessKey;

use crate::table::{Cell, Keep, Table};
use crate::time::age;

/// One line a key.
pub(crate) fn keys(keys: &[AccessKey], now_unix_ms: i64) -> Table {
    let mut table = Table::new(&[
        ("ACCESS KEY", Keep::Always),
        ("ROLE", Keep::Always),
        ("ENABLED", Keep::Always),
        ("LAST USED", Keep::IfRoom(1)),
        ("AGE", Keep::IfRoom(2)),
        ("DESCRIPTION", Keep::Sentence(3)),
    ]);
    for key in keys {
        table.row([
            key.access_key_id.as_str().into(),
            key.role.as_str().into(),
            Cell::status(if key.enabled { "yes" } else { "no" }),
            age(key.last_used_at.as_ref(), now_unix_ms).into(),
            age(key.created_at.as_ref(), now_unix_ms).into(),
            key.description.as_str().into(),
        ]);
    }
    table
}

/// A new key, the only time that its secret is shown.
pub(crate) fn made(id: &str, secret: &str) -> Table {
    let mut table = Table::new(&[("ACCESS KEY", Keep::Always), ("SECRET ACCESS KEY", Keep::Always)]);
    table.row([id.into(), secret.into()]);
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Surface;

    #[test]
    fn a_key_is_shown_with_what_it_is_for() {
        let key = AccessKey {
            access_key_id: "BKU1".into(),
            role: "admin".into(),
            enabled: false,
            description: "pipeline".into(),
            ..AccessKey::default()
        };
        let text = keys(&[key], 0).render(Surface::default());
        assert!(text.contains("BKU1") && text.contains("no") && text.contains("pipeline"), "{text}");
    }
}
