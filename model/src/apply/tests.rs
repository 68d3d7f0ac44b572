//! Any sequence of commands keeps the invariants, is the same when replayed, and survives a snapshot; what is refused
//! changes nothing.

use proptest::prelude::*;

use self::arbitrary::command;
use crate::fixture::{Dice, Machine};
use crate::state::State;
use crate::state::invariant::check;

mod arbitrary;
mod instances;
mod regions;
mod reports;
mod secrets;
mod services;

/// The state as it would be had this revision not been.
fn at_revision(mut state: State, revision: u64) -> State {
    state.skip(revision);
    state
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_commands_keep_the_invariants(seeds in proptest::collection::vec(any::<u64>(), 1..150)) {
        let mut machine = Machine::new();
        machine.log = Some(Vec::new());
        for seed in seeds {
            let mut dice = Dice::new(seed);
            machine.now = machine.now.plus(std::time::Duration::from_millis(dice.below(20_000)));
            let before = machine.state.clone();
            let command = command(&machine.state, machine.now, &mut dice);
            let text = format!("{command:?}");
            if machine.apply(command).is_err() {
                prop_assert!(at_revision(before, machine.revision) == machine.state, "refused, and yet: {text}");
            }
            let violations = check(&machine.state);
            prop_assert!(violations.is_empty(), "{violations:?} after {text}");
        }
        let bytes = machine.state.encode_snapshot();
        let restored = State::decode_snapshot(&bytes).expect("it was written by this build");
        prop_assert!(restored == machine.state, "a snapshot lost something");

        let mut replayed = Machine::new().state;
        for (revision, envelope) in machine.log.iter().flatten() {
            replayed.apply(*revision, envelope);
        }
        prop_assert!(replayed.encode_snapshot() == bytes, "the same log gave another state");
    }
}
