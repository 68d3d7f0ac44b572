//! The command line as a whole: the binary against a small server that answers from a script.
//!
//! The server is reached as a real one is: over TLS with the certificate of `berth init`'s authority, and it refuses
//! calls that are not signed with the administrator's key.
#![forbid(unsafe_code)]

mod connection;
mod documents;
mod running;
mod scheduling;
mod server;
mod services;

use std::path::Path;
use std::process::{Output, Stdio};

use berth_process::identity::{CONTROLLER_FILE, ClusterIdentity};
use berth_process::net::{Listen as _, bind, serve};
use berth_process::shutdown::{OnError, Shutdown};
use tempfile::TempDir;
use tokio::process::Command;

pub(crate) use server::Script;

/// A server, and a home whose profile reaches it.
pub(crate) struct Stage {
    pub(crate) home: TempDir,
    pub(crate) address: String,
    shutdown: Shutdown,
}

/// What a run of the command line came to.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

// === impl Stage ===

impl Stage {
    /// Makes keys and profile as a user would, and serves the script with them.
    pub(crate) async fn new(script: Script) -> Self {
        let home = tempfile::tempdir().expect("a directory");
        let listen = bind(([127, 0, 0, 1], 0).into()).expect("a port");
        let address = listen.local_addr().expect("bound").to_string();
        let made = run_in(home.path(), &format!("init --endpoint {address}")).await;
        assert_eq!(made.code, 0, "{}", made.stderr);
        let identity = ClusterIdentity::load(&home.path().join(CONTROLLER_FILE)).expect("what init wrote");
        let certificate = identity.authority.issue(&["127.0.0.1".to_owned()]).expect("a certificate");
        let shutdown = Shutdown::new();
        let routes = server::routes(script, identity);
        let stop = shutdown.clone();
        shutdown.spawn("serve", OnError::Log, async move {
            serve(routes, listen, Some(&certificate), &stop).await
        });
        Self { home, address, shutdown }
    }

    /// Runs `berth` with these arguments, split at spaces.
    pub(crate) async fn berth(&self, line: &str) -> Ran {
        run_in(self.home.path(), line).await
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.shutdown.trigger();
    }
}

/// The binary with a home, and nothing else of the environment that it looks at.
pub(crate) fn berth(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_berth"));
    command
        .env_clear()
        .env("BERTH_HOME", home)
        .env("PATH", "/usr/bin:/bin")
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command
}

pub(crate) async fn run_in(home: &Path, line: &str) -> Ran {
    berth(home).args(line.split_whitespace()).output().await.expect("the binary runs").into()
}

// === impl Ran ===

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).expect("text"),
            stderr: String::from_utf8(output.stderr).expect("text"),
        }
    }
}
