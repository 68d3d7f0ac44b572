//! Security groups: made, changed and taken out.

use berth_proto::admin::v1 as pb;
use berth_proto::agent::v1::SecurityGroupRule;

use super::super::cases;
use super::super::controller::{Controller, exception, refusal};

fn tcp(port: u32, cidr: &str) -> SecurityGroupRule {
    SecurityGroupRule {
        protocol: "tcp".into(),
        from_port: port,
        to_port: port,
        cidr: cidr.into(),
        ..SecurityGroupRule::default()
    }
}

async fn make(controller: &Controller, name: &str) -> pb::SecurityGroup {
    let request = pb::CreateSecurityGroupRequest { name: name.into(), ..Default::default() };
    let made = controller.admin().create_security_group(request).await.expect("made").into_inner();
    made.security_group.expect("rendered")
}

fn authorize(group: &str, rule: SecurityGroupRule) -> pb::ChangeSecurityGroupRequest {
    let authorize_ingress = vec![rule];
    pb::ChangeSecurityGroupRequest { group: group.into(), authorize_ingress, ..Default::default() }
}

cases!(
    "admin",
    (CreateSecurityGroup, Answered, a_new_group_lets_nothing_in_and_everything_out, async |controller| {
        let group = make(&controller, "web").await;
        assert!(group.group_id.starts_with("sg-") && group.group_id.len() == 20, "{}", group.group_id);
        assert!(group.ingress.is_empty());
        let egress: Vec<_> = group.egress.iter().map(|rule| (&*rule.protocol, &*rule.cidr)).collect();
        assert_eq!(egress, [("-1", "0.0.0.0/0")]);
    }),
    (CreateSecurityGroup, Refused, names_are_unique, async |controller| {
        make(&controller, "web").await;
        let request = pb::CreateSecurityGroupRequest { name: "web".into(), ..Default::default() };
        let (name, text) = refusal(controller.admin().create_security_group(request).await);
        assert_eq!(
            (name.as_str(), text.as_str()),
            ("ResourceExistsException", "The security group 'web' already exists.")
        );
    }),
    (ChangeSecurityGroup, Answered, rules_come_and_go, async |controller| {
        make(&controller, "web").await;
        let mut client = controller.admin();
        let changed = client.change_security_group(authorize("web", tcp(80, "10.0.0.0/8"))).await.unwrap();
        assert_eq!(changed.into_inner().security_group.unwrap().ingress, [tcp(80, "10.0.0.0/8")]);
        let revoke_ingress = vec![tcp(80, "10.0.0.0/8")];
        let request =
            pb::ChangeSecurityGroupRequest { group: "web".into(), revoke_ingress, ..Default::default() };
        let changed = client.change_security_group(request).await.unwrap().into_inner();
        assert!(changed.security_group.unwrap().ingress.is_empty());
    }),
    (ChangeSecurityGroup, Refused, a_rule_has_to_make_sense, async |controller| {
        make(&controller, "web").await;
        let named = SecurityGroupRule { cidr: String::new(), group_id: "gone".into(), ..tcp(80, "") };
        let rows = [
            (tcp(80, "10.0.0.1/8"), "CIDR block 10.0.0.1/8 is malformed"),
            (tcp(80, ""), "A rule needs addresses or a security group."),
            (tcp(70_000, "0.0.0.0/0"), "Invalid value for portRange: 70000-70000."),
            (named, "The security group 'gone' does not exist"),
        ];
        for (rule, expected) in rows {
            let (_, text) = refusal(controller.admin().change_security_group(authorize("web", rule)).await);
            assert_eq!(text, expected);
        }
    }),
    (DescribeSecurityGroups, Answered, groups_are_found_by_id_and_by_name, async |controller| {
        let (web, _) = (make(&controller, "web").await, make(&controller, "db").await);
        for groups in [vec![web.group_id.clone()], vec!["web".to_owned()]] {
            let request = pb::DescribeSecurityGroupsRequest { groups };
            let found = controller.admin().describe_security_groups(request).await.unwrap().into_inner();
            assert_eq!(found.security_groups, std::slice::from_ref(&web));
        }
        let all = pb::DescribeSecurityGroupsRequest::default();
        let all = controller.admin().describe_security_groups(all).await.unwrap().into_inner();
        assert_eq!(all.security_groups.len(), 2);
    }),
    (DescribeSecurityGroups, Refused, a_group_that_is_not_there_is_not_described, async |controller| {
        let request = pb::DescribeSecurityGroupsRequest { groups: vec!["gone".into()] };
        let answer = controller.admin().describe_security_groups(request).await;
        assert_eq!(exception(answer), "ResourceNotFoundException");
    }),
    (DeleteSecurityGroup, Answered, a_group_that_nobody_names_goes, async |controller| {
        make(&controller, "web").await;
        let request = pb::DeleteSecurityGroupRequest { group: "web".into() };
        controller.admin().delete_security_group(request).await.unwrap();
        assert_eq!(controller.view().security_groups().count(), 0);
    }),
    (DeleteSecurityGroup, Refused, a_group_that_a_rule_names_stays, async |controller| {
        let web = make(&controller, "web").await;
        make(&controller, "db").await;
        let of_web = SecurityGroupRule { cidr: String::new(), group_id: "web".into(), ..tcp(5432, "") };
        controller.admin().change_security_group(authorize("db", of_web)).await.unwrap();
        let request = pb::DeleteSecurityGroupRequest { group: "web".into() };
        let (name, text) = refusal(controller.admin().delete_security_group(request).await);
        assert_eq!(name, "ResourceInUseException");
        assert_eq!(text, format!("resource {} has a dependent object", web.group_id));
    }),
);
