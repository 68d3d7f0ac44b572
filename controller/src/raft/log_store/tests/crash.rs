//! Kills a process that appends, again and again, and checks that nothing is missing that it acknowledged.
//!
//! The process is this test binary, started again for the same test, which finds a directory in its environment and then
//! appends until it is killed. It prints a line for every entry, vote and purge that the log acknowledged.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::*;

const DIR: &str = "BERTH_CRASH_TEST_DIR";
const ROUNDS: u64 = 15;

/// Plays the process that is killed.
async fn append_until_killed(dir: &Path) {
    let (_disk, mut store) = open(dir);
    let mut next = store.get_log_state().await.unwrap().last_log_id.map_or(0, |last| last.index + 1);
    let mut out = std::io::stdout();
    loop {
        let count = 1 + next % 7;
        store.blocking_append(entries(next..next + count, 3_000)).await.unwrap();
        next += count;
        writeln!(out, "entry {}", next - 1).unwrap();
        if next.is_multiple_of(5) {
            store.save_vote(&Vote::new(next, ControllerId::from(1))).await.unwrap();
            writeln!(out, "vote {next}").unwrap();
        }
        if next.is_multiple_of(11) && next > 200 {
            store.purge(log_id(next - 200)).await.unwrap();
            writeln!(out, "cut {}", next - 200).unwrap();
        }
    }
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_by_a_killed_process() {
    if let Some(dir) = std::env::var_os(DIR) {
        return append_until_killed(dir.as_ref()).await;
    }
    let dir = tempfile::tempdir().unwrap();
    let entropy = berth_process::entropy::Entropy::seeded(15);
    let (mut entry_seen, mut vote_seen, mut cut_seen) = (None, 0, None);
    for round in 0..ROUNDS {
        for line in run_and_kill(&dir, 5 + entropy.below(60)) {
            let (kind, number) = line.split_once(' ').unwrap();
            let number: u64 = number.parse().unwrap();
            match kind {
                "entry" => entry_seen = Some(number),
                "vote" => vote_seen = number,
                _ => cut_seen = Some(number),
            }
        }
        let (_disk, mut store) = open(dir.path());
        let state = store.get_log_state().await.unwrap();
        assert!(
            state.last_log_id.map(|last| last.index) >= entry_seen,
            "round {round}: {state:?}, {entry_seen:?}"
        );
        assert!(
            state.last_purged_log_id.map(|cut| cut.index) >= cut_seen,
            "round {round}: {state:?}, {cut_seen:?}"
        );
        let vote = store.read_vote().await.unwrap().map_or(0, |vote| vote.leader_id.term);
        assert!(vote >= vote_seen, "round {round}: vote {vote}, acknowledged {vote_seen}");
        let first = state.last_purged_log_id.map_or(0, |cut| cut.index + 1);
        let last = state.last_log_id.map_or(0, |last| last.index);
        let read = store.try_get_log_entries(..).await.unwrap();
        assert_eq!(indexes(&read), (first..=last).collect::<Vec<_>>(), "round {round}");
        assert!(
            read.iter().all(|read| envelope(read) == envelope(&entry(read.log_id.index, 3_000))),
            "round {round}"
        );
    }
    assert!(entry_seen > Some(500), "the killed process hardly did anything: {entry_seen:?}");
}

/// Starts the process, kills it after it acknowledged `lines` things, and returns all that it acknowledged.
fn run_and_kill(dir: &TempDir, lines: u64) -> Vec<String> {
    let this_file = module_path!().split_once("::").unwrap().1;
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            &format!("{this_file}::nothing_acknowledged_is_lost_by_a_killed_process"),
            "--nocapture",
        ])
        .env(DIR, dir.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let out = BufReader::new(child.stdout.take().unwrap());
    let mut acknowledged = Vec::new();
    let mut is_killed = false;
    for line in out.lines().map_while(Result::ok) {
        if ["entry ", "vote ", "cut "].iter().any(|kind| line.starts_with(kind)) {
            acknowledged.push(line);
        }
        if !is_killed && u64::try_from(acknowledged.len()).unwrap() >= lines {
            child.kill().unwrap();
            is_killed = true;
        }
    }
    child.wait().unwrap();
    acknowledged
}
