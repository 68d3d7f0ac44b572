//! Why a task was placed where it was. Kept with the task, so that it can be told when its instance and the others are
//! not what they were.

use serde::{Deserialize, Serialize};

use super::{PackField, SpreadField, Strategy};

/// What the placer found when it chose an instance for a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// Who chose.
    pub how: How,
    /// The zone of the instance; empty when it has none.
    pub zone: String,
    /// Instances that were asked: those of the cluster that are not deregistered.
    pub asked: u32,
    /// Those among them that could take the task.
    pub fitting: u32,
    /// What kept the others out first, and how many of them; the most frequent first. At most
    /// [`crate::limits::DECISION_FILTERS`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub filtered: Vec<(String, u32)>,
    /// What the strategies in force counted on the instance that was chosen, in their order: tasks for spread, what was
    /// free for binpack.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub terms: Vec<(Strategy, u64)>,
}

/// Who chose the instance of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum How {
    /// The strategies.
    Ranked,
    /// Whoever started it.
    Named,
    /// Its DAEMON service, which has a task on every instance.
    Daemon,
}

// === impl Decision ===

impl Decision {
    /// An instance that was not chosen among others.
    pub fn given(how: How, zone: &str) -> Self {
        Self { how, zone: zone.to_owned(), asked: 1, fitting: 1, filtered: Vec::new(), terms: Vec::new() }
    }

    /// In one sentence.
    pub fn text(&self) -> String {
        match self.how {
            How::Named => return "The instance was named by whoever started it.".to_owned(),
            How::Daemon => return "A DAEMON service has a task on every instance.".to_owned(),
            How::Ranked => {}
        }
        let mut text = format!("{} of {} instances could take it", self.fitting, self.asked);
        if !self.filtered.is_empty() {
            let others: Vec<String> =
                self.filtered.iter().map(|(reason, count)| format!("{count}: {reason}")).collect();
            text.push_str(&format!(" (of the others {})", others.join("; ")));
        }
        let terms: Vec<String> =
            self.terms.iter().map(|(strategy, value)| self.term(strategy, *value)).collect();
        if self.fitting > 1 && !terms.is_empty() {
            text.push_str(&format!("; chosen by {}", terms.join(", then ")));
        }
        text.push('.');
        text
    }

    /// `spread over attribute:ecs.availability-zone (2 tasks in b)`.
    fn term(&self, strategy: &Strategy, value: u64) -> String {
        let tasks = if value == 1 { "task" } else { "tasks" };
        match strategy {
            Strategy::Spread(SpreadField::Instance) => format!("{strategy} ({value} {tasks} on it)"),
            Strategy::Spread(SpreadField::Attribute(name)) if name == crate::attribute::AVAILABILITY_ZONE => {
                let zone = if self.zone.is_empty() { "no zone" } else { &self.zone };
                format!("{strategy} ({value} {tasks} in {zone})")
            }
            Strategy::Spread(SpreadField::Attribute(_)) => {
                format!("{strategy} ({value} {tasks} with its value)")
            }
            Strategy::Binpack(PackField::Cpu) => format!("{strategy} ({value} units free on it)"),
            Strategy::Binpack(PackField::Memory) => format!("{strategy} ({value} MiB free on it)"),
            Strategy::Random => strategy.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decision_is_told_in_a_sentence() {
        let zones = SpreadField::Attribute(crate::attribute::AVAILABILITY_ZONE.into());
        let chosen = Decision {
            how: How::Ranked,
            zone: "b".into(),
            asked: 10,
            fitting: 7,
            filtered: vec![("memory".into(), 2), ("agent not connected".into(), 1)],
            terms: vec![(Strategy::Spread(zones), 2), (Strategy::Spread(SpreadField::Instance), 1)],
        };
        assert_eq!(
            chosen.text(),
            "7 of 10 instances could take it (of the others 2: memory; 1: agent not connected); chosen by \
             spread:attribute:ecs.availability-zone (2 tasks in b), then spread:instanceId (1 task on it)."
        );
        let packed = Decision { terms: vec![(Strategy::Binpack(PackField::Memory), 512)], ..chosen.clone() };
        assert!(
            packed.text().ends_with("chosen by binpack:memory (512 MiB free on it)."),
            "{}",
            packed.text()
        );
        let only = Decision { asked: 1, fitting: 1, filtered: Vec::new(), ..chosen };
        assert_eq!(only.text(), "1 of 1 instances could take it.");
        assert!(Decision::given(How::Daemon, "a").text().contains("DAEMON"));
        assert!(Decision::given(How::Named, "").text().contains("named"));
    }
}
