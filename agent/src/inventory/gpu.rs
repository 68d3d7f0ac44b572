//! The NVIDIA GPUs of a host, as their driver lists them.

use std::path::Path;

/// Where the driver lists them, a folder each.
pub(super) const FOLDER: &str = "/proc/driver/nvidia/gpus";

/// The ids of the GPUs, sorted; none on a host without the driver.
pub(super) fn ids(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut ids: Vec<String> = entries.filter_map(|entry| id(&entry.path().join("information"))).collect();
    ids.sort();
    ids
}

fn id(information: &Path) -> Option<String> {
    let text = std::fs::read_to_string(information).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("GPU UUID:"))?;
    Some(line.trim().to_owned()).filter(|id| !id.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_driver_says_of_each_gpu() {
        let folder = tempfile::tempdir().unwrap();
        for (slot, id) in [("0000:01:00.0", "GPU-b"), ("0000:02:00.0", "GPU-a")] {
            let gpu = folder.path().join(slot);
            std::fs::create_dir(&gpu).unwrap();
            let text =
                format!("Model: \t\t Tesla T4\nIRQ:   \t\t 10\nGPU UUID: \t {id}\nVideo BIOS: \t 90.04\n");
            std::fs::write(gpu.join("information"), text).unwrap();
        }
        assert_eq!(ids(folder.path()), ["GPU-a", "GPU-b"]);
        assert_eq!(ids(&folder.path().join("none")), Vec::<String>::new());
    }
}
