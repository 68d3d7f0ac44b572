//! Whether a condition holds of an instance.
//!
//! What is not there equals nothing: it fulfils `!=`, `not_in`, `!~` and `not_exists`, and nothing else. A subject with
//! several values (the groups of the tasks on an instance) fulfils a condition when any of them does, and a negated
//! condition when none fulfils its opposite.

use super::value::{compare_versions, compare_words, version};
use super::{Comparison, Condition, Instance, Predicate, Subject, Value};

// === impl Predicate ===

impl Predicate {
    pub(super) fn holds(&self, of: &dyn Instance) -> bool {
        let instance = of.instance();
        match &self.subject {
            Subject::AgentConnected => self.of_word(Some(if instance.connected { "true" } else { "false" })),
            Subject::Attribute(name) => match &self.condition {
                // An attribute may be there without a value.
                Condition::Exists => instance.has_attribute(name),
                Condition::NotExists => !instance.has_attribute(name),
                Condition::Compares(..)
                | Condition::In(_)
                | Condition::NotIn(_)
                | Condition::Matches(_)
                | Condition::NotMatches(_) => self.of_word(instance.attribute(name)),
            },
            Subject::Ec2InstanceId => self.of_word(instance.spec.ec2_instance_id.as_deref()),
            Subject::AgentVersion => {
                let versions = instance.spec.version_info.as_ref();
                let known = versions.and_then(|versions| versions.agent_version.as_deref());
                self.of_version(known.and_then(version).as_deref())
            }
            Subject::RegisteredAt => {
                let Condition::Compares(comparison, Value::Time(at)) = &self.condition else { return false };
                // To the second, which is what is written and what is shown.
                let seconds = |unix_ms: i64| unix_ms.div_euclid(1000);
                let ours = seconds(instance.registered_at.unix_ms());
                comparison.admits(ours.cmp(&seconds(at.unix_ms())))
            }
            Subject::RunningTasksCount => {
                let Condition::Compares(comparison, Value::Count(count)) = &self.condition else {
                    return false;
                };
                comparison.admits(u64::from(instance.running_count).cmp(count))
            }
            Subject::TaskGroup => self.of_groups(of),
        }
    }

    fn of_word(&self, word: Option<&str>) -> bool {
        match &self.condition {
            Condition::Exists => word.is_some(),
            Condition::NotExists => word.is_none(),
            Condition::Compares(comparison, Value::Text(value)) => match word {
                Some(word) => comparison.admits(compare_words(word, value)),
                None => *comparison == Comparison::NotEqual,
            },
            Condition::Compares(..) => false,
            Condition::In(values) => word.is_some_and(|word| values.iter().any(|value| value == word)),
            Condition::NotIn(values) => !word.is_some_and(|word| values.iter().any(|value| value == word)),
            Condition::Matches(pattern) => word.is_some_and(|word| pattern.matches(word)),
            Condition::NotMatches(pattern) => !word.is_some_and(|word| pattern.matches(word)),
        }
    }

    fn of_version(&self, known: Option<&[u64]>) -> bool {
        match (&self.condition, known) {
            (Condition::Compares(comparison, Value::Version(value)), Some(known)) => {
                comparison.admits(compare_versions(known, value))
            }
            (Condition::Compares(comparison, _), None) => *comparison == Comparison::NotEqual,
            _ => false,
        }
    }

    fn of_groups(&self, of: &dyn Instance) -> bool {
        match &self.condition {
            Condition::Exists => of.has_group(&|_| true),
            Condition::NotExists => !of.has_group(&|_| true),
            Condition::Compares(Comparison::Equal, Value::Text(value)) => {
                of.has_group(&|group| group == value)
            }
            Condition::Compares(Comparison::NotEqual, Value::Text(value)) => {
                !of.has_group(&|group| group == value)
            }
            Condition::Compares(..) => false,
            Condition::In(values) => of.has_group(&|group| values.iter().any(|value| value == group)),
            Condition::NotIn(values) => !of.has_group(&|group| values.iter().any(|value| value == group)),
            Condition::Matches(pattern) => of.has_group(&|group| pattern.matches(group)),
            Condition::NotMatches(pattern) => !of.has_group(&|group| pattern.matches(group)),
        }
    }
}
