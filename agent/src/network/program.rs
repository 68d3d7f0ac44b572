//! Programs of the host that speak for a part of the kernel.

use std::process::Stdio;

use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::limits;

/// Runs a program on this input; what it printed, or why it failed.
pub(crate) async fn run(program: &str, arguments: &[&str], input: &str) -> Result<String, String> {
    let told = || format!("{program} {}", arguments.join(" "));
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.kill_on_drop(true).spawn().map_err(|error| format!("{}: {error}", told()))?;
    let talk = async {
        if let Some(mut stdin) = child.stdin.take() {
            // One that ends without reading says why on its own.
            let _ = stdin.write_all(input.as_bytes()).await;
        }
        child.wait_with_output().await
    };
    let output = tokio::time::timeout(limits::QUESTION_TIMEOUT, talk).await;
    let output = output.map_err(|_| format!("{}: it does not end", told()))?;
    let output = output.map_err(|error| format!("{}: {error}", told()))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(format!("{}: {}", told(), String::from_utf8_lossy(&output.stderr).trim()))
}
