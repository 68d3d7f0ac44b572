//! What is done in one region is as if there were no other.

use proptest::prelude::*;

use super::arbitrary::command;
use crate::command::{ChangeSecret, Command, Envelope, Outcome, PutParameter, Rejection};
use crate::error::Exception;
use crate::fixture::{self, Dice, Machine, START};
use crate::id::Region;
use crate::limits::REGIONS;
use crate::parameter::{ParameterType, ParameterVersion};
use crate::state::State;
use crate::state::invariant::check;
use crate::state::snapshot::DecodeError;

fn europe() -> Region {
    Region::new("eu-west-1")
}

fn there(command: Command) -> Command {
    command.in_region(Some(&europe()))
}

/// A state without what tells in which region of what it is, and without the revisions that others had meanwhile.
fn alone(state: &State) -> State {
    let mut state = state.clone();
    (state.region, state.regions, state.revision) = (None, imbl::OrdMap::new(), 0);
    state.scope = crate::arn::Scope::default();
    state
}

fn instance(number: u64) -> Command {
    let instance = fixture::instance(u128::from(number), "a", 1024, 1024);
    Command::RegisterInstance(Box::new(instance))
}

/// Whether it registers an instance that another region has, or with addresses of one there.
fn is_taken(other: &State, command: &Command) -> bool {
    let Command::RegisterInstance(offer) = command else { return false };
    let wanted = offer.network.map(|place| place.block);
    other.instance(offer.id).is_some()
        || other.blocks_in_use().any(|(_, block)| wanted.is_some_and(|wanted| wanted.overlaps(block)))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn regions_are_as_if_each_were_alone(seeds in proptest::collection::vec(any::<u64>(), 1..150)) {
        let mut whole = State::default();
        let (mut here, mut over_there) = (State::default(), State::default());
        for (revision, seed) in (1..).zip(seeds) {
            let mut dice = Dice::new(seed);
            let is_here = dice.percent(50);
            let (twin, other) =
                if is_here { (&mut here, &over_there) } else { (&mut over_there, &here) };
            let command = command(twin, START, &mut dice);
            let is_for_neither = is_taken(other, &command) || (!is_here && command.is_of_deployment());
            let addressed = if is_here { command.clone() } else { there(command.clone()) };
            let envelope = |command| Envelope { command, issued_at: START, traceparent: None };
            let applied = whole.apply(revision, &envelope(addressed));
            let violations = check(&whole);
            prop_assert!(violations.is_empty(), "{violations:?} after {command:?}");
            if is_for_neither {
                prop_assert!(applied.reply.is_err() && applied.changes.is_empty(), "{command:?}");
                continue;
            }
            let expected = twin.apply(revision, &envelope(command));
            prop_assert_eq!((&applied.reply, &applied.changes), (&expected.reply, &expected.changes));
            if !is_here && over_there.is_vacant() {
                over_there = State::default();
            }
            prop_assert!(alone(&whole) == alone(&here), "the deployment's own region is another");
            let europe = std::sync::Arc::new(whole.clone()).in_region(Some(&europe()));
            prop_assert!(alone(&europe) == alone(&over_there), "the other region is another");
        }
        let bytes = whole.encode_snapshot();
        prop_assert!(State::decode_snapshot(&bytes).expect("it was written by this build") == whole);
    }
}

#[test]
fn arns_and_changes_name_the_region() {
    let mut machine = Machine::new();
    machine.must(there(Command::CreateCluster(fixture::cluster())));
    let envelope = Envelope { command: there(instance(1)), issued_at: START, traceparent: None };
    let applied = machine.state.apply(9, &envelope);
    assert_eq!((applied.region, applied.reply), (Some(europe()), Ok(Outcome::Applied)));
    let view = std::sync::Arc::new(machine.state);
    let there = view.in_region(Some(&europe()));
    let arn = there.scope().cluster(&fixture::cluster().name);
    assert_eq!(arn, format!("arn:aws:ecs:eu-west-1:000000000000:cluster/{}", fixture::CLUSTER));
    assert_eq!((view.instances().count(), there.instances().count()), (0, 1));
    assert!(
        there.addressed(instance(2)).is_of_deployment(),
        "it is addressed, which a region has no part in"
    );
    assert_eq!(view.addressed(instance(2)), instance(2));
}

#[test]
fn the_name_of_the_deployments_own_region_means_what_no_name_means() {
    let mut machine = Machine::new();
    let own = Region::new(&machine.state.scope().region);
    machine.must(instance(1).in_region(Some(&own)));
    assert_eq!(machine.state.instances().count(), 1);
    assert_eq!(machine.state.every_region().count(), 1);
}

#[test]
fn an_instance_is_in_one_region() {
    let mut machine = Machine::new();
    machine.must(there(Command::CreateCluster(fixture::cluster())));
    machine.must(instance(1));
    let Err(Rejection::Refused(refusal)) = machine.apply(there(instance(1))) else { panic!("accepted") };
    assert!(refusal.message.ends_with("belongs to region us-east-1."), "{}", refusal.message);
    machine.must(there(instance(2)));
    assert!(machine.apply(instance(2)).is_err());
}

#[test]
fn a_region_is_there_while_something_is_in_it() {
    let mut machine = Machine::new();
    let setting = |value: Option<&str>| {
        there(Command::PutAccountSetting(crate::command::AccountSetting {
            principal: None,
            name: "containerInsights".into(),
            value: value.map(str::to_owned),
        }))
    };
    assert!(machine.apply(there(instance(1))).is_err(), "there is no cluster");
    assert_eq!(machine.state.every_region().count(), 1);
    machine.must(setting(Some("enabled")));
    assert_eq!(machine.state.every_region().count(), 2);
    machine.must(setting(None));
    assert_eq!(machine.state.every_region().count(), 1);
}

#[test]
fn a_region_of_nothing_but_a_value_keeps_it() {
    let parameter = PutParameter {
        name: "/db".to_owned(),
        version: ParameterVersion {
            version: 1,
            kind: ParameterType::String,
            sealed_value: vec![1],
            description: String::new(),
            key_id: String::new(),
            tier: "Standard".to_owned(),
            data_type: "text".to_owned(),
            written_at: START,
            written_by: "somebody".to_owned(),
        },
    };
    let secret = ChangeSecret {
        name: "db".to_owned(),
        seen: 0,
        suffix: "AbCdEf".to_owned(),
        description: None,
        key_id: None,
        version: None,
        deletion: None,
    };
    let rows = [
        (Command::PutParameter(Box::new(parameter)), (true, false)),
        (Command::ChangeSecret(Box::new(secret)), (false, true)),
    ];
    for (command, kept) in rows {
        let mut machine = Machine::new();
        machine.must(there(command));
        let view = std::sync::Arc::new(machine.state).in_region(Some(&europe()));
        assert_eq!((view.parameter("/db").is_some(), view.secret("db").is_some()), kept);
    }
}

#[test]
fn there_are_only_so_many_regions() {
    let mut machine = Machine::new();
    for number in 0..REGIONS {
        let region = Region::new(&format!("r{number}"));
        machine.must(Command::CreateCluster(fixture::cluster()).in_region(Some(&region)));
    }
    let one_more = there(Command::CreateCluster(fixture::cluster()));
    let Err(Rejection::Refused(refusal)) = machine.apply(one_more) else { panic!("accepted") };
    assert_eq!(refusal.exception, Exception::LimitExceeded);
    let known = Command::CreateCluster(fixture::cluster()).in_region(Some(&Region::new("r7")));
    assert_eq!(machine.apply(known), Ok(Outcome::Unchanged));
}

#[test]
fn builds_that_know_of_one_region_read_states_of_one_and_no_others() {
    let mut machine = Machine::new();
    assert_eq!(machine.state.encode_snapshot()[0], 1);
    machine.must(there(Command::CreateCluster(fixture::cluster())));
    let mut bytes = machine.state.encode_snapshot();
    assert_eq!(bytes[0], 2);
    assert_eq!(State::decode_snapshot(&bytes).expect("written by this build"), machine.state);
    bytes[0] = 3;
    assert!(matches!(State::decode_snapshot(&bytes), Err(DecodeError::Version { found: 3 })));
}
