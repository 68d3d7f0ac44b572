//! The log as older builds wrote it: every recording in `recorded/` is read and replayed by this build.
//!
//! Members of stored types may be added and never renamed or removed, which no compiler checks. So each recording must be
//! read without a member that nothing takes, and its replay must be a state that holds.
//! `BERTH_RECORD=3 cargo test --workspace --test sim recorded` writes `recorded/3.log` with the types as they are now: do
//! that when they have grown, and keep the older ones.

use std::path::{Path, PathBuf};

use berth_model::command::{Command, Envelope};
use berth_model::state::{State, invariant};

use crate::fixture::{START, cluster};
use crate::world::World;

/// This seed gets to nearly every command within its first hundreds.
const SEED: u64 = 3;
const COMMANDS: usize = 400;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sim/recorded")
}

fn record() -> Vec<u8> {
    let mut world = World::new(SEED);
    world.suffer();
    let birth = Envelope { command: Command::CreateCluster(cluster()), issued_at: START, traceparent: None };
    let entries = std::iter::once(birth).chain(world.log.into_iter().take(COMMANDS));
    entries.flat_map(|entry| rmp_serde::to_vec_named(&entry).expect("a command always encodes")).collect()
}

/// The entries of a recording, and every member of them that this build does not know.
fn read(mut bytes: &[u8]) -> (Vec<Envelope>, Vec<String>) {
    let (mut entries, mut unknown) = (Vec::new(), Vec::new());
    while !bytes.is_empty() {
        // Reading moves the slice on.
        let mut decoder = rmp_serde::Deserializer::new(&mut bytes);
        let entry = serde_ignored::deserialize(&mut decoder, |path| unknown.push(path.to_string()));
        entries.push(entry.expect("this build reads what older ones wrote"));
    }
    (entries, unknown)
}

#[test]
fn recorded_logs_of_older_builds_are_replayed() {
    if let Some(name) = std::env::var_os("BERTH_RECORD") {
        let path = folder().join(name).with_extension("log");
        std::fs::create_dir_all(folder()).unwrap();
        std::fs::write(path, record()).unwrap();
    }
    let recordings = std::fs::read_dir(folder()).unwrap().map(|file| file.unwrap().path());
    let mut count = 0;
    for path in recordings {
        count += 1;
        let (entries, unknown) = read(&std::fs::read(&path).unwrap());
        assert!(unknown.is_empty(), "{}: nothing takes {unknown:?}", path.display());
        let mut state = State::default();
        let mut applied = 0;
        for (revision, entry) in (1..).zip(&entries) {
            applied += usize::from(state.apply(revision, entry).reply.is_ok());
            let violations = invariant::check(&state);
            assert!(violations.is_empty(), "{} at {revision}: {violations:?}", path.display());
        }
        assert!(applied > entries.len() / 2, "{}: only {applied} of {} apply", path.display(), entries.len());
        assert!(state.tasks().count() > 0, "{}", path.display());
    }
    assert!(count > 0, "there are no recordings");
}

#[test]
fn a_member_that_nothing_takes_is_found() {
    let entry = Envelope { command: Command::CreateCluster(cluster()), issued_at: START, traceparent: None };
    let mut bytes = rmp_serde::to_vec_named(&entry).unwrap();
    let name = b"issued_at";
    let at = bytes.windows(name.len()).position(|window| window == name).unwrap();
    bytes[at + name.len() - 1] = b'_';
    let unknown = std::panic::catch_unwind(|| read(&bytes).1);
    assert!(unknown.is_err() || unknown.is_ok_and(|unknown| unknown == ["issued_a_"]));
}
