//! The rule, tried on every way in which a few controllers come, go, miss writes and copy.

use std::collections::{BTreeMap, BTreeSet};

use berth_process::entropy::Entropy;

use super::*;

fn whole(voters: u32) -> Mark {
    Mark { is_whole: true, voters, voters_since: 0 }
}

#[test]
fn as_many_are_asked_as_could_miss_it_and_one_more() {
    let new = Mark::default();
    let rows: [(&[Mark], usize, usize, bool); 8] = [
        (&[whole(3), whole(3)], 3, 1, true),
        (&[whole(3), new], 3, 1, false),
        (&[whole(3), new, new], 3, 0, true),
        (&[whole(1)], 1, 0, true),
        (&[whole(5), whole(3)], 3, 1, false),
        (&[whole(5), whole(3), whole(3)], 3, 0, true),
        (&[whole(5); 3], 5, 2, true),
        (&[whole(2)], 5, 4, false),
    ];
    for (heard, voters, silent, expected) in rows {
        assert_eq!(is_enough(heard, voters, silent), expected, "{heard:?} of {voters}");
    }
}

/// A controller's disk, without the disk.
#[derive(Clone, Default)]
struct Disk {
    mark: Mark,
    events: BTreeSet<u64>,
    copied: BTreeMap<u64, Mark>,
}

struct Simulation {
    entropy: Entropy,
    disks: BTreeMap<u64, Disk>,
    acknowledged: BTreeSet<u64>,
    next: u64,
    /// What is tried to be wrong.
    counts_everybody: bool,
}

impl Simulation {
    fn new(seed: u64, counts_everybody: bool) -> Self {
        let first = Disk { mark: whole(1), ..Disk::default() };
        Self {
            entropy: Entropy::seeded(seed),
            disks: BTreeMap::from([(0, first)]),
            acknowledged: BTreeSet::new(),
            next: 1,
            counts_everybody,
        }
    }

    fn any(&self, of: usize) -> usize {
        usize::try_from(self.entropy.below(u64::try_from(of).unwrap())).unwrap()
    }

    fn some(&self) -> u64 {
        *self.disks.keys().nth(self.any(self.disks.len())).unwrap()
    }

    fn step(&mut self) {
        match self.any(10) {
            0..4 => self.write(),
            4 if self.disks.len() < 5 => {
                self.next += 1;
                self.disks.insert(self.next, Disk::default());
            }
            5 if self.disks.len() > 1 => {
                let gone = self.some();
                self.disks.remove(&gone);
                self.disks.values_mut().for_each(|disk| disk.copied.retain(|id, _| *id != gone));
                // What nobody is left to have is lost, whatever the rule.
                let left: BTreeSet<u64> = self.disks.values().flat_map(|disk| disk.events.clone()).collect();
                self.acknowledged.retain(|event| left.contains(event));
            }
            _ => self.copy(),
        }
        let voters = self.disks.len();
        for disk in self.disks.values_mut() {
            disk.mark = seen(&disk.mark, voters).unwrap_or(disk.mark);
        }
    }

    fn write(&mut self) {
        self.next += 1;
        let majority = self.disks.len() / 2 + 1;
        let mut missing = self.any(self.disks.len() - majority + 1);
        let ids: Vec<u64> = self.disks.keys().copied().collect();
        for (at, id) in ids.iter().enumerate() {
            let left = ids.len() - at;
            if missing > 0 && (missing == left || self.any(2) == 0) {
                missing -= 1;
            } else {
                self.disks.get_mut(id).unwrap().events.insert(self.next);
            }
        }
        self.acknowledged.insert(self.next);
    }

    fn copy(&mut self) {
        let (to, from) = (self.some(), self.some());
        let voters = self.disks.len();
        let source = self.disks[&from].clone();
        let disk = self.disks.get_mut(&to).unwrap();
        if !is_behind(&disk.mark, voters) {
            return;
        }
        if disk.mark.voters_since == 0 {
            disk.mark.voters_since = u32::try_from(voters).unwrap();
        }
        if from != to {
            disk.events.extend(source.events);
            disk.copied.insert(from, source.mark);
        }
        if is_enough(disk.copied.values(), voters, voters - 1 - disk.copied.len()) {
            disk.mark = whole(disk.mark.voters_since);
            disk.copied.clear();
        }
    }

    /// An event that is not found by those who are enough.
    fn lost(&self) -> Option<u64> {
        let disks: Vec<&Disk> = self.disks.values().collect();
        let majority = disks.len() / 2 + 1;
        for chosen in 1_u32..1 << disks.len() {
            let heard: Vec<&Disk> =
                (0..disks.len()).filter(|at| chosen & 1 << at != 0).map(|at| disks[at]).collect();
            let marks = heard.iter().map(|disk| &disk.mark);
            let is_read = heard.len() >= majority
                && (self.counts_everybody || is_enough(marks, disks.len(), disks.len() - heard.len()));
            let lost = |event: &&u64| is_read && !heard.iter().any(|disk| disk.events.contains(event));
            if let Some(lost) = self.acknowledged.iter().find(lost) {
                return Some(*lost);
            }
        }
        None
    }
}

#[test]
fn whatever_controllers_come_and_go_those_who_are_enough_have_everything() {
    for seed in 0..400 {
        let mut simulation = Simulation::new(seed, false);
        for step in 0..120 {
            simulation.step();
            assert_eq!(simulation.lost(), None, "seed {seed}, step {step}");
        }
    }
}

#[test]
fn a_read_that_counts_everybody_is_found_out() {
    let is_found = |seed| {
        let mut simulation = Simulation::new(seed, true);
        (0..120).any(|_| {
            simulation.step();
            simulation.lost().is_some()
        })
    };
    assert!((0..5).any(is_found));
}
