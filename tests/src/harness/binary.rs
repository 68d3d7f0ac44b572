//! Where the programs under test are.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

/// The path of a program of the workspace: in `BERTH_BIN_DIR`, else in the folder that this program was built into.
///
/// # Errors
/// When it is not there: `cargo test` builds the programs of the test's own package only, `make test` all of them.
pub fn path(name: &str) -> Result<PathBuf> {
    let path = folder()?.join(name);
    ensure!(
        path.is_file(),
        "{} is missing: run `cargo build --workspace` first, or `make test`",
        path.display()
    );
    Ok(path)
}

fn folder() -> Result<PathBuf> {
    if let Some(folder) = std::env::var_os("BERTH_BIN_DIR") {
        return Ok(folder.into());
    }
    let own = std::env::current_exe().context("find the file of this program")?;
    let folder = profile_folder(&own).context("this program lies outside a target folder")?;
    Ok(folder.to_owned())
}

/// The folder that cargo puts programs into: a test is one deeper, a program such as `berth-bench` is among them.
fn profile_folder(own: &Path) -> Option<&Path> {
    let folder = own.parent()?;
    if folder.file_name()? == "deps" { folder.parent() } else { Some(folder) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_and_programs_of_each_profile_find_the_folder_of_the_programs() {
        let rows = [
            ("/a/target/debug/deps/e2e-0123456789abcdef", "/a/target/debug"),
            ("/a/target/release/deps/api-0123456789abcdef", "/a/target/release"),
            ("/a/target/debug/berth-soak", "/a/target/debug"),
            ("/a/target/release/berth-bench", "/a/target/release"),
        ];
        for (own, folder) in rows {
            assert_eq!(profile_folder(Path::new(own)), Some(Path::new(folder)), "{own}");
        }
    }
}
