//! Parameters and secrets: nobody's value is lost, and what is deleted can be had back for a while.

use std::time::Duration;

use crate::command::{ChangeSecret, Command, Deletion, PutParameter, Rejection};
use crate::fixture::Machine;
use crate::limits::PARAMETER_VERSIONS;
use crate::parameter::{ParameterType, ParameterVersion};
use crate::plan::{Policy, reaper};
use crate::secret::{CURRENT, SecretVersion};

fn put(machine: &Machine, version: u64) -> Command {
    Command::PutParameter(Box::new(PutParameter {
        name: "/db".to_owned(),
        version: ParameterVersion {
            version,
            kind: ParameterType::SecureString,
            sealed_value: version.to_le_bytes().to_vec(),
            description: String::new(),
            key_id: String::new(),
            tier: "Standard".to_owned(),
            data_type: "text".to_owned(),
            written_at: machine.now,
            written_by: "somebody".to_owned(),
        },
    }))
}

fn change(machine: &Machine, seen: u64, deletion: Option<Deletion>) -> Command {
    let version = SecretVersion {
        id: seen.to_string(),
        sealed_value: vec![1],
        is_binary: false,
        stages: vec![CURRENT.to_owned()],
        created_at: machine.now,
    };
    Command::ChangeSecret(Box::new(ChangeSecret {
        name: "db".to_owned(),
        seen,
        suffix: "AbCdEf".to_owned(),
        description: None,
        key_id: None,
        version: deletion.is_none().then_some(version),
        deletion,
    }))
}

#[test]
fn of_two_who_write_the_same_version_the_second_writes_again() {
    let mut machine = Machine::new();
    machine.must(put(&machine, 1));
    let again = machine.apply(put(&machine, 1));
    assert_eq!(again, Err(Rejection::Stale { seen: 0, current: 1 }));
    for version in 2..=2 + PARAMETER_VERSIONS as u64 {
        machine.must(put(&machine, version));
    }
    let kept = machine.state.parameter("/db").expect("it was put");
    assert_eq!(kept.versions.len(), PARAMETER_VERSIONS);
    assert_eq!((kept.version(1), kept.latest().version), (None, 2 + PARAMETER_VERSIONS as u64));
    machine.must(Command::DeleteParameters(vec!["/db".to_owned()]));
    assert!(machine.apply(Command::DeleteParameters(vec!["/db".to_owned()])).is_err());
}

#[test]
fn a_deleted_secret_is_forgotten_when_its_window_is_over_and_not_when_it_was_restored() {
    let mut machine = Machine::new();
    machine.must(change(&machine, 0, None));
    assert_eq!(machine.apply(change(&machine, 0, None)), Err(Rejection::Stale { seen: 0, current: 1 }));
    let at = machine.now.plus(Duration::from_secs(7 * 86_400));
    machine.must(change(&machine, 1, Some(Deletion::At(at))));
    machine.now = at.plus(Duration::from_secs(1));
    let plan = reaper::plan(&machine.state, machine.now, &Policy::default());
    assert_eq!(plan.commands.len(), 1, "{plan:?}");
    machine.must(change(&machine, 2, Some(Deletion::Never)));
    machine.must(plan.commands[0].clone());
    assert!(machine.state.secret("db").is_some(), "it was restored before it was forgotten");
    machine.must(change(&machine, 3, Some(Deletion::At(machine.now))));
    assert!(machine.state.secret("db").is_none(), "without a window it goes at once");
}
