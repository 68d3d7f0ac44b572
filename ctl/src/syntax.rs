//! The small languages inside flags: `KEY=VALUE`, ports, placement, resources.

use berth_proto::AwsName as _;
use berth_proto::ecs::v1::{
    ClusterSetting, ClusterSettingName, KeyValuePair, PlacementConstraint, PlacementConstraintType,
    PlacementStrategy, PlacementStrategyType, PortMapping, Tag, TransportProtocol,
};

/// `KEY=VALUE`, split at the first `=`.
pub(crate) fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(format!("`{text}` is not KEY=VALUE")),
    }
}

/// A tag, as `KEY=VALUE`.
pub(crate) fn tag(text: &str) -> Result<Tag, String> {
    key_value(text).map(|(key, value)| Tag { key: Some(key), value: Some(value) })
}

/// An environment variable, as `NAME=VALUE`; a bare `NAME` takes the value it has here.
pub(crate) fn environment(text: &str) -> Result<KeyValuePair, String> {
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name.to_owned(), value.to_owned()),
        None => {
            let value =
                std::env::var(text).map_err(|_| format!("`{text}` is not set here: write NAME=VALUE"))?;
            (text.to_owned(), value)
        }
    };
    if name.is_empty() {
        return Err(format!("`{text}` is not NAME=VALUE"));
    }
    Ok(KeyValuePair { name: Some(name), value: Some(value) })
}

/// A cluster setting, as `containerInsights=enabled`.
pub(crate) fn cluster_setting(text: &str) -> Result<ClusterSetting, String> {
    let (name, value) = key_value(text)?;
    let known = ClusterSettingName::from_aws_name(&name)
        .ok_or_else(|| format!("`{name}` is no cluster setting; known is containerInsights"))?;
    Ok(ClusterSetting { name: Some(known.into()), value: Some(value) })
}

/// A published port: `80` (any host port), `8080:80`, `8053:53/udp`.
pub(crate) fn port_mapping(text: &str) -> Result<PortMapping, String> {
    let wrong = || format!("`{text}` is no port: write CONTAINER, HOST:CONTAINER or HOST:CONTAINER/udp");
    let (ports, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let protocol = TransportProtocol::from_aws_name(protocol).ok_or_else(wrong)?;
    let port = |text: &str| text.parse::<u16>().map(i32::from).map_err(|_| wrong());
    let (host, container) = match ports.split_once(':') {
        Some((host, container)) => (port(host)?, port(container)?),
        None => (0, port(ports)?),
    };
    Ok(PortMapping {
        container_port: Some(container),
        host_port: Some(host),
        protocol: Some(protocol.into()),
        ..PortMapping::default()
    })
}

/// A placement strategy: `spread=zone`, `spread=attribute:rack`, `binpack=memory`, `random`, or as the AWS CLI writes
/// it, `type=spread,field=attribute:rack`.
pub(crate) fn placement_strategy(text: &str) -> Result<PlacementStrategy, String> {
    let (kind, field) = type_and(text, "field");
    let known = PlacementStrategyType::from_aws_name(kind).ok_or_else(|| {
        format!("`{kind}` is no placement strategy; known are random, spread=FIELD, binpack=FIELD")
    })?;
    let field = match (known, field) {
        (PlacementStrategyType::Spread, Some("zone")) => Some("attribute:ecs.availability-zone".to_owned()),
        (PlacementStrategyType::Random, None) => None,
        (PlacementStrategyType::Random, Some(_)) => return Err("`random` takes no field".to_owned()),
        (_, Some(field)) if !field.is_empty() => Some(field.to_owned()),
        _ => return Err(format!("`{kind}` wants a field: spread=zone, spread=instanceId, binpack=memory")),
    };
    Ok(PlacementStrategy { r#type: Some(known.into()), field })
}

/// A placement constraint: `distinctInstance`, `memberOf=EXPRESSION`, or `type=memberOf,expression=…`.
pub(crate) fn placement_constraint(text: &str) -> Result<PlacementConstraint, String> {
    let (kind, expression) = type_and(text, "expression");
    let known = PlacementConstraintType::from_aws_name(kind).ok_or_else(|| {
        format!("`{kind}` is no constraint; known are distinctInstance and memberOf=EXPRESSION")
    })?;
    let expression = match (known, expression) {
        (PlacementConstraintType::MemberOf, Some(expression)) if !expression.is_empty() => {
            Some(expression.to_owned())
        }
        (PlacementConstraintType::MemberOf, _) => {
            return Err("`memberOf` wants an expression: 'memberOf=attribute:rack == r1'".to_owned());
        }
        (_, None) => None,
        (_, Some(_)) => return Err(format!("`{kind}` takes no expression")),
    };
    Ok(PlacementConstraint { r#type: Some(known.into()), expression })
}

/// Splits `KIND`, `KIND=REST` and `type=KIND,MEMBER=REST`. The rest may contain anything.
fn type_and<'a>(text: &'a str, member: &str) -> (&'a str, Option<&'a str>) {
    let Some(aws) = text.strip_prefix("type=") else {
        return match text.split_once('=') {
            Some((kind, rest)) => (kind, Some(rest)),
            None => (text, None),
        };
    };
    match aws.split_once(',') {
        Some((kind, rest)) => (kind, rest.strip_prefix(member).and_then(|rest| rest.strip_prefix('='))),
        None => (aws, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_ports() {
        let rows = [
            ("80", Some((0, 80, "tcp"))),
            ("8080:80", Some((8080, 80, "tcp"))),
            ("8053:53/udp", Some((8053, 53, "udp"))),
            ("53/udp", Some((0, 53, "udp"))),
            ("80/sctp", None),
            ("eighty", None),
            ("70000", None),
            ("1:2:3", None),
        ];
        for (text, expected) in rows {
            let read = port_mapping(text).ok();
            let read = read.as_ref().map(|port| {
                (port.host_port.unwrap_or(-1), port.container_port.unwrap_or(-1), port.protocol().aws_name())
            });
            assert_eq!(read, expected, "{text}");
        }
    }

    #[test]
    fn reads_placement_strategies() {
        let rows = [
            ("random", Some(("random", None))),
            ("spread=zone", Some(("spread", Some("attribute:ecs.availability-zone")))),
            ("spread=instanceId", Some(("spread", Some("instanceId")))),
            ("binpack=memory", Some(("binpack", Some("memory")))),
            ("type=spread,field=attribute:rack", Some(("spread", Some("attribute:rack")))),
            ("type=random", Some(("random", None))),
            ("spread", None),
            ("pack=memory", None),
            ("random=1", None),
        ];
        for (text, expected) in rows {
            let read = placement_strategy(text).ok();
            let read =
                read.as_ref().map(|strategy| (strategy.r#type().aws_name(), strategy.field.as_deref()));
            assert_eq!(read, expected, "{text}");
        }
    }

    #[test]
    fn reads_placement_constraints() {
        let expression = "attribute:rack == r1 and attribute:x != y";
        let rows = [
            ("distinctInstance".to_owned(), Some(("distinctInstance", None))),
            (format!("memberOf={expression}"), Some(("memberOf", Some(expression)))),
            (format!("type=memberOf,expression={expression}"), Some(("memberOf", Some(expression)))),
            ("memberOf".to_owned(), None),
            ("distinctInstance=x".to_owned(), None),
            ("nearby".to_owned(), None),
        ];
        for (text, expected) in rows {
            let read = placement_constraint(&text).ok();
            let read = read
                .as_ref()
                .map(|constraint| (constraint.r#type().aws_name(), constraint.expression.as_deref()));
            assert_eq!(read, expected, "{text}");
        }
    }

    #[test]
    fn reads_pairs() {
        assert_eq!(key_value("a=b=c"), Ok(("a".to_owned(), "b=c".to_owned())));
        assert_eq!(key_value("a="), Ok(("a".to_owned(), String::new())));
        assert!(key_value("a").is_err() && key_value("=a").is_err());
        assert!(environment("NAME=value").is_ok() && environment("=value").is_err());
        assert!(
            cluster_setting("containerInsights=enabled").is_ok() && cluster_setting("colour=red").is_err()
        );
    }
}
