//! Child processes that outlive this one: found, started, recognised, asked to stop.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use tokio::time::Instant;

use crate::failure::{Failure, OrUsage as _};

/// How often a process that is to end is looked at.
const POLL: Duration = Duration::from_millis(50);

/// A process is between its start and its command line for microseconds; looks at one that is unclear go on for longer.
const LOOKS: u32 = 10;
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// Where a sibling binary is: beside this one, else in the path.
pub(super) fn find(binary: &str) -> Result<PathBuf, Failure> {
    let beside = std::env::current_exe().ok().and_then(|own| Some(own.parent()?.join(binary)));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let in_path = std::env::split_paths(&path).map(|dir| dir.join(binary));
    beside.into_iter().chain(in_path).find(|path| path.is_file()).ok_or_else(|| {
        Failure::usage(format!("cannot find `{binary}`, neither beside `berth` nor in PATH"))
            .hint("put all of Berth's binaries into one directory; from source, `cargo build --workspace`")
    })
}

/// Has an agent take away what the network of tasks left on this host. It says no where another agent still needs it,
/// and to whoever could not have made it.
pub(super) fn remove_task_network() {
    if let Ok(agent) = find("berth-agent") {
        let _ = Command::new(agent).arg("--remove-task-network").stdin(Stdio::null()).output();
    }
}

/// Starts a process in a group of its own, so that Ctrl-C at the terminal does not reach it, and returns its id.
pub(super) fn start(binary: &Path, arguments: &[String], log: &Path) -> Result<u32, Failure> {
    let starting = || format!("starting {}", binary.display());
    let log = File::options().create(true).append(true).open(log).or_usage(starting)?;
    let errors = log.try_clone().or_usage(starting)?;
    let child = Command::new(binary)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(errors)
        .process_group(0)
        .spawn()
        .or_usage(starting)?;
    Ok(child.id())
}

/// True while `pid` is the process that was started with this data directory; ids are used again, directories not.
pub(super) fn is_running(pid: u32, data_dir: &Path) -> bool {
    for _ in 0..LOOKS {
        match look(pid, data_dir) {
            Seen::Running => return true,
            Seen::Ended => return false,
            Seen::Unclear => std::thread::sleep(LOOK_AGAIN),
        }
    }
    false
}

/// What a look at a process tells.
enum Seen {
    Running,
    Ended,
    /// It has no command line, or another: it is just starting or ending, or its id went to another process.
    Unclear,
}

fn look(pid: u32, data_dir: &Path) -> Seen {
    // `pid (name) state …`; the name may hold anything, so the last parenthesis counts. An ended process that was not
    // waited for is a zombie.
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    if stat.rsplit_once(')').is_none_or(|(_, rest)| rest.trim_start().starts_with(['Z', 'X'])) {
        return Seen::Ended;
    }
    let command_line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let data_dir = data_dir.as_os_str().as_encoded_bytes();
    let is_it = command_line.split(|byte| *byte == 0).any(|argument| argument == data_dir);
    if is_it { Seen::Running } else { Seen::Unclear }
}

/// Asks a process to end, and makes it when it has not in time.
pub(super) async fn stop(pid: u32, data_dir: &Path, patience: Duration) {
    if !is_running(pid, data_dir) {
        return;
    }
    signal(pid, "TERM");
    let deadline = Instant::now() + patience;
    while is_running(pid, data_dir) && Instant::now() < deadline {
        tokio::time::sleep(POLL).await;
    }
    if is_running(pid, data_dir) {
        signal(pid, "KILL");
    }
}

/// The shell has `kill` wherever there is a shell, and this needs no unsafe code.
fn signal(pid: u32, name: &str) {
    let _ = Command::new("/bin/sh")
        .args(["-c", "kill -s \"$1\" \"$2\"", "sh", name, &pid.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
}

/// The last lines of a log.
pub(super) fn tail(log: &Path, lines: usize) -> String {
    const ENOUGH_BYTES: u64 = 8 * 1024;
    let read = || -> std::io::Result<String> {
        let mut file = File::open(log)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(ENOUGH_BYTES)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    let text = read().unwrap_or_default();
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

/// The port itself when it is free on loopback, another free one otherwise.
pub(super) fn free_port(preferred: u16) -> u16 {
    use std::net::{Ipv4Addr, TcpListener};
    if TcpListener::bind((Ipv4Addr::LOCALHOST, preferred)).is_ok() {
        return preferred;
    }
    let any = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
    any.map_or(preferred, |address| address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_process_is_recognised_by_its_directory_and_stopped() {
        let dir = tempfile::tempdir().expect("a directory");
        let log = dir.path().join("log");
        let script = "echo up; exec sleep 600".to_owned();
        let arguments = ["-c".to_owned(), script, dir.path().display().to_string()];
        let pid = start(Path::new("/bin/sh"), &arguments, &log).expect("started");
        // `sleep` takes over the process and its arguments: only the shell carried the directory.
        let deadline = Instant::now() + Duration::from_secs(10);
        while tail(&log, 1) != "up" && Instant::now() < deadline {
            tokio::task::yield_now().await;
        }
        assert_eq!(tail(&log, 1), "up");
        assert!(!is_running(pid, Path::new("/somewhere/else")));
        signal(pid, "KILL");
    }

    #[test]
    fn a_process_runs_from_its_start_to_its_end() {
        let dir = tempfile::tempdir().expect("a directory");
        let waits = ["-c".to_owned(), "kill -STOP $$; :".to_owned(), dir.path().display().to_string()];
        // Its command line is there only a moment after it is.
        let pids = (0..100).map(|_| {
            let pid = start(Path::new("/bin/sh"), &waits, &dir.path().join("log")).expect("started");
            assert!(is_running(pid, dir.path()), "{pid} counts as ended");
            pid
        });
        for pid in pids.collect::<Vec<_>>() {
            signal(pid, "KILL");
            let deadline = Instant::now() + Duration::from_secs(10);
            while is_running(pid, dir.path()) && Instant::now() < deadline {
                std::thread::yield_now();
            }
            assert!(!is_running(pid, dir.path()), "{pid} counts as running");
        }
    }

    #[test]
    fn a_taken_port_is_replaced() {
        let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let port = taken.local_addr().expect("bound").port();
        assert_ne!(free_port(port), port);
    }
}
