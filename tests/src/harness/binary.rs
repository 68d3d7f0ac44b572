//! Where the programs under test are.

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};

/// The path of a program of the workspace: in `BERTH_BIN_DIR`, else in the profile folder this test was built into.
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
    // target/debug/deps/e2e-0123456789abcdef
    let test = std::env::current_exe().context("find this test's own file")?;
    let folder =
        test.parent().and_then(|deps| deps.parent()).context("this test lies outside a target folder")?;
    Ok(folder.to_owned())
}
