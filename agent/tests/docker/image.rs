//! An image of nothing but a static busybox.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// What every container here runs.
pub(crate) const IMAGE: &str = "berth-test/busybox:1";

const BUSYBOX: &str = "/bin/busybox";

static READY: OnceLock<Option<String>> = OnceLock::new();

/// The address of a Docker that has [`IMAGE`]; none, said aloud, when there is no Docker.
pub(crate) fn docker(test: &str) -> Option<String> {
    let ready = READY.get_or_init(|| {
        let host = std::env::var("BERTH_TEST_DOCKER_HOST")
            .unwrap_or_else(|_| "unix:///var/run/docker.sock".to_owned());
        let answers = run(&host, &["version"]).is_some() && Path::new(BUSYBOX).exists();
        (answers && make_image(&host)).then_some(host)
    });
    if ready.is_none() {
        let _ = writeln!(std::io::stderr(), "{test}: skipped: no Docker");
    }
    ready.clone()
}

/// Runs the Docker client; its output when it succeeds.
pub(crate) fn run(host: &str, args: &[&str]) -> Option<String> {
    let output = Command::new("docker").args(["-H", host]).args(args).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

pub(crate) fn make_image(host: &str) -> bool {
    if run(host, &["image", "inspect", IMAGE]).is_some() {
        return true;
    }
    let dir = tempfile::tempdir().expect("a directory");
    let bin = dir.path().join("bin");
    std::fs::create_dir_all(&bin).expect("a directory");
    std::fs::create_dir_all(dir.path().join("tmp")).expect("a directory");
    std::fs::copy(BUSYBOX, bin.join("busybox")).expect("busybox is there");
    for applet in
        ["sh", "sleep", "echo", "env", "id", "pwd", "httpd", "tail", "test", "true", "false", "wget", "cat"]
    {
        std::os::unix::fs::symlink("busybox", bin.join(applet)).expect("a link");
    }
    let tar = dir.path().join("image.tar");
    let packed =
        Command::new("tar").arg("-cf").arg(&tar).arg("-C").arg(dir.path()).args(["bin", "tmp"]).status();
    packed.is_ok_and(|status| status.success())
        && run(host, &["import", "--change", "ENV PATH=/bin", &tar.display().to_string(), IMAGE]).is_some()
}
