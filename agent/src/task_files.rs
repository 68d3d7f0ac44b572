//! Files that the agent makes for containers: secrets, and what a log router needs.
//!
//! They are in memory, never on a disk, in a folder of their task that only root can enter; a container sees them through
//! bind mounts. What is written twice is there once, and a folder goes when its task has ended ([`TaskFiles::retain`]).

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// Whoever runs in the container may read what was put there for it.
const FILE_MODE: u32 = 0o444;
/// Only root, and whom root lets in.
const FOLDER_MODE: u32 = 0o700;
/// Whoever a container runs as may make files in a folder that is its own.
const OPEN_FOLDER_MODE: u32 = 0o777;
/// Where memory is expected, and the folder in it.
const PLACES: [(&str, &str); 2] = [("/run", "berth"), ("/dev/shm", "berth")];
/// What Linux calls a file system in memory (`TMPFS_MAGIC`).
const MEMORY: u64 = 0x0102_1994;

/// The files of the tasks of one instance.
#[derive(Debug)]
pub struct TaskFiles {
    folder: PathBuf,
}

// === impl TaskFiles ===

impl TaskFiles {
    /// Those of an instance; none on a host that has no memory to write files to.
    #[must_use]
    pub fn open(instance_id: &str) -> Option<Self> {
        let places = PLACES.iter().filter(|(place, _)| is_memory(Path::new(place)));
        let mut folders = places.map(|(place, name)| Path::new(place).join(name).join(instance_id));
        let folder = folders.find(|folder| make_folder(folder).is_ok())?;
        Some(Self { folder })
    }

    /// Where a file or a folder of a task is, once it was made.
    #[must_use]
    pub fn path(&self, task_id: &str, name: &str) -> PathBuf {
        self.folder.join(task_id).join(name)
    }

    /// Makes a file of a task.
    ///
    /// # Errors
    /// When it cannot be written: the memory may be full.
    pub fn write(&self, task_id: &str, name: &str, content: &[u8]) -> io::Result<PathBuf> {
        make_folder(&self.folder.join(task_id))?;
        let path = self.path(task_id, name);
        fs::write(&path, content)?;
        fs::set_permissions(&path, Permissions::from_mode(FILE_MODE))?;
        Ok(path)
    }

    /// Makes a folder that a container of the task may write to.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn make(&self, task_id: &str, name: &str) -> io::Result<PathBuf> {
        let path = self.path(task_id, name);
        make_folder(&path)?;
        fs::set_permissions(&path, Permissions::from_mode(OPEN_FOLDER_MODE))?;
        Ok(path)
    }

    /// Forgets the files of all tasks but these.
    ///
    /// # Errors
    /// When they cannot be listed. One that cannot be removed now is tried the next time.
    pub fn retain(&self, is_wanted: impl Fn(&str) -> bool) -> io::Result<()> {
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            if !is_wanted(&entry.file_name().to_string_lossy())
                && let Err(error) = fs::remove_dir_all(entry.path())
            {
                tracing::warn!(folder = %entry.path().display(), error = %error, "cannot remove the files of a task");
            }
        }
        Ok(())
    }
}

fn make_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(path)
}

fn is_memory(path: &Path) -> bool {
    rustix::fs::statfs(path).is_ok_and(|about| u64::try_from(about.f_type).is_ok_and(|kind| kind == MEMORY))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_for_their_container_and_go_with_their_task() {
        let scratch = tempfile::tempdir().unwrap();
        let files = TaskFiles { folder: scratch.path().join("instance") };
        let first = files.write("t1", "web-0", b"secret").unwrap();
        assert_eq!(files.write("t1", "web-0", b"again").unwrap(), first);
        assert_eq!(fs::read(&first).unwrap(), b"again");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&first), mode(first.parent().unwrap())), (FILE_MODE, FOLDER_MODE));
        let folder = files.make("t2", "log").unwrap();
        assert_eq!((mode(&folder), mode(folder.parent().unwrap())), (OPEN_FOLDER_MODE, FOLDER_MODE));

        files.retain(|task| task == "t2").unwrap();
        assert!(!first.exists() && folder.exists());
    }

    #[test]
    fn only_memory_is_taken_for_memory() {
        assert!(!is_memory(Path::new("/proc")));
        assert!(!is_memory(Path::new("/does-not-exist")));
    }
}
