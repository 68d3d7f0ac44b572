//! Names and ARNs, shortened for people and completed for the API.

/// How many digits of an id tables show: enough to be unique in practice, and accepted wherever an id is.
pub(crate) const SHORT_ID: usize = 12;

/// The last part of an ARN: a name, an id, or `family:revision`. Anything else is returned as it is.
pub(crate) fn short(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}

/// The beginning of an id, for a table.
pub(crate) fn short_id(arn: &str) -> &str {
    let id = short(arn);
    id.get(..SHORT_ID).unwrap_or(id)
}

/// The cluster that the ARN of a task, a service or an instance names.
pub(crate) fn cluster_of(arn: &str) -> Option<&str> {
    let resource = arn.strip_prefix("arn:")?.splitn(5, ':').nth(4)?;
    let mut parts = resource.split('/');
    match (parts.next()?, parts.next()?, parts.next()) {
        ("cluster", name, None) => Some(name),
        (_, cluster, Some(_)) => Some(cluster),
        _ => None,
    }
}

/// `service/web` as `web`; kinds are what `-o name` of other tools puts in front.
pub(crate) fn without_kind<'a>(name: &'a str, kinds: &[&str]) -> &'a str {
    match name.split_once('/') {
        Some((kind, rest)) if kinds.contains(&kind) => rest,
        _ => name,
    }
}

/// The service whose task this is, from the task's group.
pub(crate) fn service_of_group(group: &str) -> Option<&str> {
    group.strip_prefix("service:")
}

/// True for the beginning of an id that is not a whole id, so that it has to be looked up.
pub(crate) fn is_id_prefix(text: &str) -> bool {
    (4..32).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shortens_arns() {
        let rows = [
            ("arn:aws:ecs:us-east-1:000000000000:cluster/prod", "prod", Some("prod")),
            ("arn:aws:ecs:us-east-1:000000000000:service/prod/web", "web", Some("prod")),
            ("arn:aws:ecs:us-east-1:000000000000:task-definition/web:12", "web:12", None),
            (
                "arn:aws:ecs:us-east-1:000000000000:task/prod/0123456789abcdef",
                "0123456789abcdef",
                Some("prod"),
            ),
            ("web", "web", None),
        ];
        for (arn, name, cluster) in rows {
            assert_eq!(short(arn), name);
            assert_eq!(cluster_of(arn), cluster, "{arn}");
        }
        assert_eq!(short_id("arn:aws:ecs:r:0:task/prod/0123456789abcdef"), "0123456789ab");
    }

    #[test]
    fn takes_the_kind_off_a_name() {
        assert_eq!(without_kind("service/web", &["service", "svc"]), "web");
        assert_eq!(without_kind("svc/web", &["service", "svc"]), "web");
        assert_eq!(
            without_kind("arn:aws:ecs:r:0:service/prod/web", &["service"]),
            "arn:aws:ecs:r:0:service/prod/web"
        );
        assert_eq!(service_of_group("service:web"), Some("web"));
        assert_eq!(service_of_group("family:web"), None);
    }

    #[test]
    fn knows_the_beginning_of_an_id() {
        assert!(is_id_prefix("0123456789ab"));
        assert!(!is_id_prefix("0123456789abcdef0123456789abcdef"));
        assert!(!is_id_prefix("web"));
        assert!(!is_id_prefix("service"));
    }
}
