//! Three controllers over a simulated network: partitions, crashes and restarts from a seed, and what must hold all the
//! same.
//!
//! The controllers are the real ones, with their log in memory that outlives a crash. Each is its own client: it
//! writes, it reads, and the [`ledger`] compares. Then the faults stop, and everything has to be there and go on.
//!
//! `BERTH_SEEDS=50` runs more seeds than the default, `BERTH_SEEDS=17..18` one of them; a failing seed says how.

mod controller;
mod ledger;
mod network;

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use berth_process::clock::Clock;
use berth_process::entropy::Entropy;
use berth_process::identity::{self, AccessKey};

use controller::Shared;
use ledger::Ledger;

use super::MemoryDisk;

const CONTROLLERS: usize = 3;
const DEFAULT_SEEDS: u64 = 3;

/// How far the simulation goes at once.
const TICK: Duration = Duration::from_millis(2);
/// Until three controllers vote, without faults.
const BIRTH: Duration = Duration::from_secs(10);
/// How long things go wrong.
const SUFFERING: Duration = Duration::from_secs(30);
/// How long it may take until all is well again: a proposal that waits for a leader gives up after ten seconds.
const RECOVERY: Duration = Duration::from_secs(15);
/// Between two faults.
const FAULT_EVERY: Duration = Duration::from_millis(700);

/// What clients call a read.
#[derive(Clone, Copy)]
enum Reads {
    /// A state that is proven to be current.
    Linearized,
    /// Whatever state there is. A bug, to see whether it is found.
    Whatever,
}

/// A cluster and its faults.
struct World {
    sim: turmoil::Sim<'static>,
    dice: Entropy,
    ledger: Ledger,
    crashed: [bool; CONTROLLERS],
    now: berth_process::clock::ManualClock,
}

fn seeds() -> Range<u64> {
    let asked = std::env::var_os("BERTH_SEEDS").and_then(|text| text.into_string().ok()).unwrap_or_default();
    match asked.split_once("..") {
        Some((from, to)) => from.parse().unwrap()..to.parse().unwrap(),
        None if asked.is_empty() => 0..DEFAULT_SEEDS,
        None => 0..asked.parse().unwrap(),
    }
}

fn name(controller: usize) -> String {
    format!("controller-{controller}")
}

// === impl World ===

impl World {
    fn new(seed: u64, reads: Reads) -> Self {
        let mut sim = turmoil::Builder::new()
            .rng_seed(seed)
            .tick_duration(TICK)
            .simulation_duration(BIRTH + SUFFERING + RECOVERY * 2)
            .min_message_latency(Duration::from_millis(1))
            .max_message_latency(Duration::from_millis(20))
            .tcp_capacity(4_096)
            .build();
        let dice = Entropy::seeded(seed);
        let (clock, now) = Clock::manual(1_000_000);
        let key = AccessKey::generate(identity::Role::Peer, &dice);
        let ledger = Ledger::default();
        for number in 0..CONTROLLERS {
            let shared = Shared {
                number,
                disk: MemoryDisk::default(),
                clock: clock.clone(),
                entropy: Entropy::seeded(dice.u64()),
                key: key.clone(),
                ledger: ledger.clone(),
                reads,
            };
            let shared = Arc::new(shared);
            sim.host(name(number), move || controller::run(Arc::clone(&shared)));
        }
        Self { sim, dice, ledger, crashed: [false; CONTROLLERS], now }
    }

    /// Lets time pass; nothing that must hold may stop holding.
    fn pass(&mut self, time: Duration) {
        let end = self.sim.elapsed() + time;
        while self.sim.elapsed() < end {
            self.sim.step().expect("no controller ends by itself");
            self.now.advance(TICK);
            self.ledger.check();
        }
    }

    fn suffer(&mut self) {
        let end = self.sim.elapsed() + SUFFERING;
        while self.sim.elapsed() < end {
            self.misfortune();
            self.pass(FAULT_EVERY);
        }
    }

    fn misfortune(&mut self) {
        let one = self.any();
        let other = (one + 1 + self.any() % (CONTROLLERS - 1)) % CONTROLLERS;
        match self.dice.below(10) {
            0 | 1 => self.sim.partition(name(one), name(other)),
            2 => {
                for other in (0..CONTROLLERS).filter(|other| *other != one) {
                    self.sim.partition(name(one), name(other));
                }
            }
            3 => self.sim.partition_oneway(name(one), name(other)),
            4 | 5 => self.repair(),
            6 | 7 if !self.crashed[one] => {
                self.sim.crash(name(one));
                self.crashed[one] = true;
            }
            _ => self.restart(one),
        }
    }

    fn any(&self) -> usize {
        usize::try_from(self.dice.below(CONTROLLERS as u64)).unwrap()
    }

    fn repair(&mut self) {
        for one in 0..CONTROLLERS {
            for other in (0..CONTROLLERS).filter(|other| *other != one) {
                self.sim.repair(name(one), name(other));
            }
        }
    }

    fn restart(&mut self, controller: usize) {
        if std::mem::take(&mut self.crashed[controller]) {
            self.sim.bounce(name(controller));
        }
    }

    fn recover(&mut self) {
        self.repair();
        (0..CONTROLLERS).for_each(|controller| self.restart(controller));
        self.pass(RECOVERY);
    }
}

fn run(seed: u64) {
    let mut world = World::new(seed, Reads::Linearized);
    world.pass(BIRTH);
    let born = world.ledger.acknowledged();
    assert!(born > 100, "a cluster without faults hardly wrote: {born}");
    world.suffer();
    world.recover();
    let recovered = world.ledger.acknowledged();
    world.pass(RECOVERY);
    assert!(world.ledger.acknowledged() > recovered + 100, "writes go on once the faults are over");
    world.ledger.check_everything_arrived(CONTROLLERS);
}

#[test]
fn what_was_acknowledged_survives_partitions_and_crashes() {
    for seed in seeds() {
        let outcome = catch_unwind(AssertUnwindSafe(|| run(seed)));
        let next = seed + 1;
        assert!(
            outcome.is_ok(),
            "reproduce with: BERTH_SEEDS={seed}..{next} cargo test --workspace --lib raft::tests::simulated"
        );
    }
}

#[test]
fn a_read_of_whatever_is_there_is_found() {
    let found = catch_unwind(AssertUnwindSafe(|| {
        let mut world = World::new(1, Reads::Whatever);
        world.pass(BIRTH);
        world.suffer();
    }));
    let panic = found.expect_err("such reads miss what was acknowledged elsewhere");
    let text = panic.downcast_ref::<String>().expect("the ledger's own words");
    assert!(text.contains("acknowledged before"), "{text}");
}
