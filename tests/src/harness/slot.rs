//! A numbered place on this machine for one fleet: a folder, a range of addresses and ports, names of interfaces.
//!
//! A slot belongs to whoever holds the lock on its lock file, and the kernel gives the lock back with the process. So
//! a folder whose lock is free was left behind by a run that was killed, and the next run takes away what it finds:
//! several runs at a time and runs that were killed need nothing else.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tokio::sync::{Mutex, MutexGuard};

use super::command::signal;
use super::engine::Engine;
use super::hosts;
use super::watchdog::{LIMIT, Watchdog};

/// See [`turn`].
static TURN: Mutex<()> = Mutex::const_new(());

const SLOTS: u8 = 100;
const PORTS_A_SLOT: u16 = 40;
/// Below the kernel's range for outgoing connections and for published container ports.
const FIRST_PORT: u16 = 20_000;
const INSTANCES_FILE: &str = "container-instances";
/// Lists of instances whose containers are the slot's: a fleet's, and that of the demo's script.
const INSTANCES_FILES: [&str; 2] = [INSTANCES_FILE, "demo/instances"];

/// See the module. Swept when dropped, as far as that works.
#[derive(Debug)]
pub struct Slot {
    number: u8,
    dir: PathBuf,
    _lock: File,
    _watchdog: Watchdog,
}

/// The right to load the machine: one test at a time, so that no test sees another's load. Also what makes `cargo test`
/// run these tests one after the other without a flag.
pub async fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().await
}

// === impl Slot ===

impl Slot {
    /// Sweeps what dead runs left behind and takes the first free slot.
    ///
    /// # Errors
    /// When the folder of slots cannot be used, or every slot is taken.
    pub fn take() -> Result<Self> {
        Self::take_for(LIMIT)
    }

    /// As [`Slot::take`], for as long as `limit`: beyond it the process is ended.
    ///
    /// # Errors
    /// When the folder of slots cannot be used, or every slot is taken.
    pub fn take_for(limit: Duration) -> Result<Self> {
        let root = std::env::temp_dir().join("berth-e2e");
        std::fs::create_dir_all(&root).with_context(|| format!("create {}", root.display()))?;
        let mut taken = None;
        for number in 0..SLOTS {
            let lock_path = root.join(format!("{number}.lock"));
            if taken.is_some() && !lock_path.exists() {
                continue;
            }
            let lock = File::create(&lock_path).with_context(|| format!("create {}", lock_path.display()))?;
            match lock.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => continue,
                Err(TryLockError::Error(error)) => return Err(error).context("lock a slot"),
            }
            let dir = root.join(number.to_string());
            let slot = Self { number, _watchdog: Watchdog::over(dir.clone(), limit), dir, _lock: lock };
            slot.sweep();
            if taken.is_none() {
                taken = Some(slot);
            }
        }
        let Some(slot) = taken else { bail!("all {SLOTS} slots of {} are taken", root.display()) };
        std::fs::create_dir_all(&slot.dir).with_context(|| format!("create {}", slot.dir.display()))?;
        Ok(slot)
    }

    /// A small number, unique among the runs of this machine.
    #[must_use]
    pub fn number(&self) -> u8 {
        self.number
    }

    /// The slot's own folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The slot's port number `index` on loopback.
    #[must_use]
    pub fn port(&self, index: u16) -> u16 {
        assert!(index < PORTS_A_SLOT, "a slot has {PORTS_A_SLOT} ports");
        FIRST_PORT + u16::from(self.number) * PORTS_A_SLOT + index
    }

    /// Remembers container instances whose containers are to be swept from the machine's own engine.
    ///
    /// # Errors
    /// When the list cannot be written.
    pub fn remember_instances(&self, ids: &[String]) -> Result<()> {
        std::fs::write(self.dir.join(INSTANCES_FILE), ids.join("\n")).context("write the list of instances")
    }

    /// Takes away whatever is on the machine under this slot's number.
    pub fn sweep(&self) {
        kill_users_of(&self.dir);
        for file in INSTANCES_FILES {
            let instances = std::fs::read_to_string(self.dir.join(file)).unwrap_or_default();
            for instance in instances.lines() {
                Engine::local().remove_labelled(&format!("berth.container-instance={instance}"));
                remove_interface(instance);
                for folder in task_files(instance) {
                    let _ = std::fs::remove_dir_all(folder);
                }
            }
        }
        hosts::sweep(self.number);
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if std::env::var_os("BERTH_KEEP").is_none() {
            self.sweep();
        }
    }
}

/// Where the agent of an instance may have files for its tasks.
pub(super) fn task_files(instance: &str) -> impl Iterator<Item = PathBuf> {
    ["/run/berth", "/dev/shm/berth"].into_iter().map(move |folder| Path::new(folder).join(instance))
}

/// An agent that was killed leaves the interface of its task endpoint; one that ended has taken it away.
fn remove_interface(instance: &str) {
    let name = format!("berth-{}", instance.get(..8).unwrap_or(instance));
    let _ = Command::new("ip").args(["link", "delete", "dev", &name]).stderr(Stdio::null()).status();
}

/// Kills every process that has a path of the folder on its command line. A fleet's end with the test anyway; those of
/// the demo are made to outlive who started them.
fn kill_users_of(dir: &Path) {
    let inside = format!("{}/", dir.display());
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    for pid in processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok()) {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        if pid != std::process::id() && String::from_utf8_lossy(&line).contains(&inside) {
            signal(pid, "KILL");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_runs_never_share_a_slot_and_leave_nothing_behind() {
        let (one, two) = (Slot::take().unwrap(), Slot::take().unwrap());
        assert_ne!(one.number(), two.number());
        assert_ne!(one.port(0), two.port(0));
        let dir = two.dir().to_owned();
        std::fs::write(dir.join("something"), "left").unwrap();
        drop(two);
        assert!(!dir.exists());
    }
}
