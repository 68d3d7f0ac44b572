//! Whom to call: the controllers that the operator named, and those that controllers told of.
//!
//! A fleet outlives the controllers that its agents were configured with. What was told last is remembered in the ledger;
//! what was configured is tried as well, for ever, because what was told may be old or not reachable from here.

use crate::config::is_address;
use crate::limits;

/// Addresses of controllers, in the order in which they are tried, round and round.
#[derive(Debug)]
pub(super) struct Directory {
    configured: Vec<String>,
    told: Vec<String>,
    next: usize,
}

// === impl Directory ===

impl Directory {
    /// Begins anywhere: agents that begin at random places spread over the controllers.
    pub(super) fn new(configured: Vec<String>, told: Vec<String>, begin: u64) -> Self {
        let mut directory = Self { configured, told, next: 0 };
        let count = u64::try_from(directory.addresses().count().max(1)).unwrap_or(1);
        directory.next = usize::try_from(begin % count).unwrap_or(0);
        directory
    }

    /// The controller to try next; none when none was ever named.
    pub(super) fn next(&mut self) -> Option<String> {
        let count = self.addresses().count();
        let next = self.addresses().nth(self.next % count.max(1))?.to_owned();
        self.next = self.next.wrapping_add(1);
        Some(next)
    }

    /// Takes over what a controller told. Gives what is to be remembered; nothing when it was known.
    pub(super) fn learn(&mut self, addresses: Vec<String>) -> Option<Vec<String>> {
        let usable = addresses.into_iter().filter(|address| is_address(address));
        let told: Vec<_> = usable.take(limits::CONTROLLERS_TOLD).collect();
        // A controller that is not a member yet, or no more, knows of nobody.
        if told.is_empty() || told == self.told {
            return None;
        }
        self.told.clone_from(&told);
        Some(told)
    }

    fn addresses(&self) -> impl Iterator<Item = &str> {
        let configured = self.configured.iter().filter(|address| !self.told.contains(address));
        self.told.iter().chain(configured).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn round(directory: &mut Directory, count: usize) -> Vec<String> {
        (0..count).filter_map(|_| directory.next()).collect()
    }

    #[test]
    fn everybody_is_tried_once_a_round_whoever_named_them() {
        let mut directory = Directory::new(names(&["a:1", "b:1"]), names(&["b:1", "c:1"]), 0);
        assert_eq!(round(&mut directory, 4), ["b:1", "c:1", "a:1", "b:1"]);
    }

    #[test]
    fn the_first_one_depends_on_chance_only() {
        let first = |begin| Directory::new(names(&["a:1", "b:1", "c:1"]), Vec::new(), begin).next();
        assert_eq!([first(0), first(1), first(5)].map(Option::unwrap), ["a:1", "b:1", "c:1"]);
        assert_eq!(Directory::new(Vec::new(), Vec::new(), 7).next(), None);
    }

    #[test]
    fn what_is_told_is_remembered_once_and_nonsense_never() {
        let mut directory = Directory::new(names(&["a:1"]), Vec::new(), 0);
        assert_eq!(directory.learn(names(&["b:1", "nowhere", ":2"])), Some(names(&["b:1"])));
        assert_eq!(directory.learn(names(&["b:1"])), None);
        assert_eq!(directory.learn(Vec::new()), None, "nobody is never news");
        let many: Vec<_> = (1..=100).map(|port| format!("h:{port}")).collect();
        assert_eq!(directory.learn(many).map(|told| told.len()), Some(limits::CONTROLLERS_TOLD));
    }
}
