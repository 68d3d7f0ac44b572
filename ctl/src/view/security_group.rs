//! Security groups, for people.

use berth_proto::admin::v1::SecurityGroup;
use berth_proto::agent::v1::SecurityGroupRule;

use crate::table::{Keep, Table};

/// One line a rule; a group without any has a line all the same.
pub(crate) fn groups(groups: &[SecurityGroup]) -> Table {
    let mut table = Table::new(&[
        ("SECURITY GROUP", Keep::Always),
        ("NAME", Keep::Always),
        ("DIRECTION", Keep::Always),
        ("PROTOCOL", Keep::Always),
        ("PORTS", Keep::Always),
        ("OTHER END", Keep::Always),
        ("DESCRIPTION", Keep::Sentence(1)),
    ]);
    for group in groups {
        let ingress = group.ingress.iter().map(|rule| ("in", rule));
        let rules: Vec<_> = ingress.chain(group.egress.iter().map(|rule| ("out", rule))).collect();
        for (direction, rule) in &rules {
            table.row([
                group.group_id.as_str().into(),
                group.name.as_str().into(),
                (*direction).into(),
                protocol(rule).into(),
                ports(rule).into(),
                if rule.cidr.is_empty() { &rule.group_id } else { &rule.cidr }.as_str().into(),
                rule.description.as_str().into(),
            ]);
        }
        if rules.is_empty() {
            let name = group.name.as_str();
            let description = group.description.as_str();
            table.row([
                group.group_id.as_str().into(),
                name.into(),
                "".into(),
                "".into(),
                "".into(),
                "".into(),
                description.into(),
            ]);
        }
    }
    table
}

fn protocol(rule: &SecurityGroupRule) -> &str {
    if rule.protocol == "-1" { "all" } else { &rule.protocol }
}

fn ports(rule: &SecurityGroupRule) -> String {
    match (rule.from_port, rule.to_port) {
        (0, 0) => "all".to_owned(),
        (from, to) if from == to => from.to_string(),
        (from, to) => format!("{from}-{to}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Surface;

    #[test]
    fn every_rule_has_a_line() {
        let rule = |port, cidr: &str| SecurityGroupRule {
            protocol: "tcp".into(),
            from_port: port,
            to_port: port,
            cidr: cidr.into(),
            ..SecurityGroupRule::default()
        };
        let group = SecurityGroup {
            group_id: "sg-1".into(),
            name: "web".into(),
            ingress: vec![rule(80, "10.0.0.0/8"), rule(443, "0.0.0.0/0")],
            ..SecurityGroup::default()
        };
        let text = groups(&[group]).render(Surface::default());
        assert!(text.contains("443") && text.contains("10.0.0.0/8") && text.lines().count() == 3, "{text}");
    }
}
