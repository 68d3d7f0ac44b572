//! Rows from the developer guide, refusals, and two properties: what is written reads back, and no text panics.

use proptest::prelude::*;

use super::{Comparison, Condition, Expression, Instance, Pattern, Predicate, Subject, Value};
use crate::attribute::Attributes;
use crate::container_instance::ContainerInstance;
use crate::fixture;
use crate::wire::Wire;
use berth_proto::ecs::v1 as pb;

struct Host {
    instance: ContainerInstance,
    groups: Vec<&'static str>,
}

impl Instance for Host {
    fn instance(&self) -> &ContainerInstance {
        &self.instance
    }

    fn has_group(&self, test: &dyn Fn(&str) -> bool) -> bool {
        self.groups.iter().any(|group| test(group))
    }
}

fn host() -> Host {
    let mut instance = fixture::instance(1, "us-east-1a", 2048, 2048);
    instance.attributes.put("ecs.instance-type", Some("t2.small"));
    instance.attributes.put("ssd", None);
    instance.custom_attributes = Attributes::from_iter([("rack", Some("10"))]);
    instance.running_count = 3;
    instance.spec = Wire::new(pb::ContainerInstance {
        ec2_instance_id: Some("i-0abc".into()),
        version_info: Some(pb::VersionInfo { agent_version: Some("1.20.3".into()), ..Default::default() }),
        ..Default::default()
    });
    // 1700000000 is 2023-11-14T22:13:20Z.
    Host { instance, groups: vec!["service:prod", "database"] }
}

#[test]
fn holds_as_the_developer_guide_says() {
    let rows = [
        ("attribute:ecs.instance-type == t2.small", true),
        ("attribute:ecs.instance-type equals 't2.small'", true),
        ("attribute:ecs.instance-type == t2.micro", false),
        ("attribute:ecs.instance-type != t2.small", false),
        ("attribute:none != t2.small", true),
        ("attribute:none == t2.small", false),
        ("attribute:none > 1", false),
        ("attribute:ecs.instance-type =~ t2.*", true),
        ("attribute:ecs.instance-type =~ t2", false),
        ("attribute:ecs.instance-type matches (t|m)2[.]small", true),
        ("(attribute:ecs.instance-type =~ g2.* and attribute:ecs.availability-zone != us-east-1d)", false),
        ("attribute:ecs.instance-type !~ g2.*", true),
        ("attribute:none !~ .*", true),
        ("attribute:ecs.availability-zone in [us-east-1a, us-east-1b]", true),
        ("attribute:ecs.availability-zone !in ['us-east-1a','us-east-1b']", false),
        ("attribute:none not_in [a]", true),
        ("attribute:ecs.availability-zone != us-east-1d", true),
        ("attribute:ssd exists", true),
        ("attribute:ssd == yes", false),
        ("attribute:hdd exists", false),
        ("attribute:hdd !exists", true),
        ("attribute:hdd not_exists", true),
        ("attribute:rack > 9", true),
        ("attribute:rack less_than_equal 9", false),
        ("task:group == service:prod", true),
        ("task:group == service:production", false),
        ("not(task:group == database)", false),
        ("task:group != database", false),
        ("task:group != other", true),
        ("task:group in [a, database]", true),
        ("task:group =~ service:.*", true),
        ("runningTasksCount == 3", true),
        ("runningTasksCount >= 4", false),
        ("runningTasksCount greater_than 2", true),
        ("agentConnected == true", true),
        ("agentConnected != false", true),
        ("agentVersion >= 1.9", true),
        ("agentVersion < 1.20.10", true),
        ("agentVersion == 1.20.3", true),
        ("ec2InstanceId in [i-0abc, i-1]", true),
        ("ec2InstanceId != i-0abc", false),
        ("registeredAt == 2023-11-14T22:13:20Z", true),
        ("registeredAt == 2023-11-14T23:13:20+01:00", true),
        ("registeredAt > 2023-11-14T22:13:19", true),
        ("registeredAt >= 2023-11-15", false),
        ("registeredAt > '2023-11-14'", true),
        ("not not attribute:ssd exists", true),
        ("!(attribute:ssd exists)", false),
        ("attribute:hdd exists or attribute:ssd exists and runningTasksCount > 100", false),
        ("(attribute:hdd exists or attribute:ssd exists) && runningTasksCount < 100", true),
        ("attribute:hdd exists || attribute:rack == 10", true),
        ("attribute:rack == 10.0", true),
    ];
    let host = host();
    for (text, expected) in rows {
        let expression = Expression::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(expression.holds(&host), expected, "{text}");
    }
}

#[test]
fn says_where_and_what_was_expected() {
    let subjects = "expected attribute:NAME, task:group, agentConnected, agentVersion, ec2InstanceId, registeredAt or \
                    runningTasksCount, found";
    let rows = [
        ("", format!("at character 1: {subjects} the end")),
        ("foo == 1", format!("at character 1: {subjects} `foo`")),
        ("attribute: == 1", format!("at character 1: {subjects} `attribute:`")),
        (
            "attribute:a = b",
            "at character 13: expected an operator such as ==, in, =~ or exists, found `=`".into(),
        ),
        ("attribute:a ==", "at character 15: expected a value, found the end".into()),
        ("attribute:a in b", "at character 16: expected a list such as [a, b], found `b`".into()),
        ("attribute:a in [b", "at character 18: expected `,` or `]`, found the end".into()),
        ("attribute:a in []", "at character 17: expected a value, found `]`".into()),
        ("attribute:a == 'b", "at character 16: the quote is not closed".into()),
        ("(attribute:a exists", "at character 20: expected `)`, found the end".into()),
        ("attribute:a exists)", "at character 19: expected and, or, or the end, found `)`".into()),
        ("attribute:a exists and", format!("at character 23: {subjects} the end")),
        (
            "runningTasksCount =~ 1",
            "at character 19: expected an operator that runningTasksCount has, found `=~`".into(),
        ),
        ("runningTasksCount == x", "at character 22: expected a number of tasks, found `x`".into()),
        ("agentConnected == yes", "at character 19: expected true or false, found `yes`".into()),
        (
            "registeredAt > tuesday",
            "at character 16: expected a time such as 2018-06-18T22:28:28Z or 2018-06-18, found `tuesday`"
                .into(),
        ),
        ("agentVersion > new", "at character 16: expected a version such as 1.2.3, found `new`".into()),
        (
            "attribute:a =~ '['",
            "at character 16: `[` is not a regular expression: unclosed character class".into(),
        ),
    ];
    for (text, expected) in rows {
        let error = Expression::parse(text).expect_err(text);
        assert_eq!(error.to_string(), expected, "{text}");
    }
    let deep = format!("{}attribute:a exists{}", "(".repeat(100), ")".repeat(100));
    assert!(Expression::parse(&deep).is_err(), "it nests too deep");
}

fn word() -> impl Strategy<Value = String> {
    proptest::string::string_regex("[A-Za-z0-9_.:/@ -]{1,12}").expect("valid")
}

fn predicate() -> impl Strategy<Value = Expression> {
    let comparison = prop_oneof![
        Just(Comparison::Equal),
        Just(Comparison::NotEqual),
        Just(Comparison::Greater),
        Just(Comparison::LessOrEqual)
    ];
    let name = proptest::string::string_regex("[A-Za-z0-9_./-]{1,12}").expect("valid");
    let condition = prop_oneof![
        Just(Condition::Exists),
        Just(Condition::NotExists),
        (comparison.clone(), word()).prop_map(|(how, word)| Condition::Compares(how, Value::Text(word))),
        proptest::collection::vec(word(), 1..4).prop_map(Condition::In),
        proptest::collection::vec(word(), 1..4).prop_map(Condition::NotIn),
        word().prop_map(|word| Condition::Matches(Pattern::new(&word).expect("nothing special"))),
    ];
    let of_attribute = (name, condition)
        .prop_map(|(name, condition)| Predicate { subject: Subject::Attribute(name), condition });
    let of_count = (comparison.clone(), any::<u32>()).prop_map(|(how, count)| Predicate {
        subject: Subject::RunningTasksCount,
        condition: Condition::Compares(how, Value::Count(count.into())),
    });
    let of_version =
        (comparison, proptest::collection::vec(0..50_u64, 1..4)).prop_map(|(how, version)| Predicate {
            subject: Subject::AgentVersion,
            condition: Condition::Compares(how, Value::Version(version)),
        });
    prop_oneof![of_attribute, of_count, of_version].prop_map(Expression::Holds)
}

fn expression() -> impl Strategy<Value = Expression> {
    predicate().prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 2..4).prop_map(Expression::Any),
            proptest::collection::vec(inner.clone(), 2..4).prop_map(Expression::All),
            inner.prop_map(|negated| Expression::Not(Box::new(negated))),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_reads_back_and_means_the_same(expression in expression()) {
        let text = expression.to_string();
        let read = Expression::parse(&text).map_err(|error| TestCaseError::fail(format!("{text}: {error}")))?;
        prop_assert_eq!(&read, &expression, "{}", text);
        let host = host();
        prop_assert_eq!(read.holds(&host), expression.holds(&host));
        let negated = Expression::Not(Box::new(expression.clone()));
        prop_assert_ne!(negated.holds(&host), expression.holds(&host));
    }

    #[test]
    fn whatever_is_given_is_read_or_refused(text in "[ a-z:=!<>~&|()'\\[\\],.*é]{0,60}") {
        if let Err(error) = Expression::parse(&text) {
            prop_assert!(error.position <= text.chars().count() + 1);
        }
    }
}
