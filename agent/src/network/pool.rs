//! Which address a task gets.
//!
//! The one after the last that was given, round the block: whoever still knows an address of a task that is gone, a
//! client or a table of connections, does not find another task behind it soon.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use berth_model::network::Block;
use tokio::time::Instant;

use crate::limits::ADDRESS_REST;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Pool {
    last: Option<Ipv4Addr>,
    freed: BTreeMap<Ipv4Addr, Instant>,
}

// === impl Pool ===

impl Pool {
    /// The next address that nobody has or had a moment ago.
    pub(super) fn take(&mut self, block: Block, used: &BTreeSet<Ipv4Addr>, now: Instant) -> Option<Ipv4Addr> {
        self.freed.retain(|_, at| now.duration_since(*at) < ADDRESS_REST);
        let is_free = |address: &Ipv4Addr| !used.contains(address) && !self.freed.contains_key(address);
        let after = block.task_addresses().filter(|address| Some(*address) > self.last);
        let address = after.chain(block.task_addresses()).find(is_free)?;
        self.last = Some(address);
        Some(address)
    }

    /// Nobody has this address any more.
    pub(super) fn give_back(&mut self, address: Ipv4Addr, now: Instant) {
        self.freed.insert(address, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_rests_before_it_is_given_again() {
        let block: Block = "10.0.0.0/29".parse().unwrap();
        let (mut pool, mut used, now) = (Pool::default(), BTreeSet::new(), Instant::now());
        let mut take = |used: &mut BTreeSet<_>, now| {
            let address = pool.take(block, used, now)?;
            used.insert(address);
            Some(address.octets()[3])
        };
        let given: Vec<_> = (0..6).map_while(|_| take(&mut used, now)).collect();
        assert_eq!(given, [1, 2, 3, 4, 5, 6]);
        assert_eq!(take(&mut used, now), None);
        used.remove(&Ipv4Addr::new(10, 0, 0, 2));
        pool.give_back(Ipv4Addr::new(10, 0, 0, 2), now);
        assert_eq!(pool.take(block, &used, now), None);
        assert_eq!(pool.take(block, &used, now + ADDRESS_REST), Some(Ipv4Addr::new(10, 0, 0, 2)));
    }

    #[test]
    fn the_next_address_is_not_the_one_that_was_just_used() {
        let block: Block = "10.0.0.0/24".parse().unwrap();
        let (mut pool, now) = (Pool::default(), Instant::now());
        let first = pool.take(block, &BTreeSet::new(), now).unwrap();
        pool.give_back(first, now);
        let second = pool.take(block, &BTreeSet::new(), now + ADDRESS_REST).unwrap();
        assert_ne!(first, second);
    }
}
