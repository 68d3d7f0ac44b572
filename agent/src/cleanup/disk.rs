//! How full a file system is.

use std::path::Path;

use crate::runtime::DiskUse;

/// The file system that holds this path; none when there is no such path here.
#[must_use]
pub fn of_path(path: &Path) -> Option<DiskUse> {
    let use_ = rustix::fs::statvfs(path).ok()?;
    Some(DiskUse {
        total_bytes: use_.f_blocks.saturating_mul(use_.f_frsize),
        available_bytes: use_.f_bavail.saturating_mul(use_.f_frsize),
    })
}

// === impl DiskUse ===

impl DiskUse {
    /// How much of it is used, in percent.
    #[must_use]
    pub fn percent(&self) -> u64 {
        let used = self.total_bytes.saturating_sub(self.available_bytes);
        used.saturating_mul(100).checked_div(self.total_bytes).unwrap_or(0)
    }
}
