//! An image of nothing but a static busybox.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// What every container here runs.
pub(crate) const IMAGE: &str = "berth-test/busybox:1";

static READY: OnceLock<Option<String>> = OnceLock::new();

/// The address of a Docker that has [`IMAGE`]; none, said aloud and counted, when there is no Docker.
///
/// # Panics
/// When there is none under CI, where nothing may be skipped.
pub(crate) fn docker(test: &str) -> Option<String> {
    let ready = READY.get_or_init(|| {
        let host = std::env::var("BERTH_TEST_DOCKER_HOST")
            .unwrap_or_else(|_| "unix:///var/run/docker.sock".to_owned());
        let answers = run(&host, &["version"]).is_some();
        (answers && make_image(&host)).then_some(host)
    });
    if ready.is_none() {
        let line = format!("skipped: {test} needs a container engine, and busybox (`make setup`)");
        assert!(std::env::var("CI").as_deref() != Ok("true"), "under CI nothing may be {line}");
        let _ = writeln!(std::io::stderr(), "{line}");
        // The run's list of skipped tests, for the closing line of `make test`.
        if let Some(list) = std::env::var_os("BERTH_SKIP_LIST") {
            let file = OpenOptions::new().create(true).append(true).open(list);
            let _ = file.and_then(|mut file| writeln!(file, "{line}"));
        }
    }
    ready.clone()
}

/// Runs the Docker client; its output when it succeeds.
pub(crate) fn run(host: &str, args: &[&str]) -> Option<String> {
    let output = Command::new("docker").args(["-H", host]).args(args).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// A static one: the image has no libraries.
fn busybox() -> Option<PathBuf> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/fetch.sh");
    let output = Command::new(script).args(["busybox-static", "busybox"]).output().ok()?;
    let path = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    output.status.success().then(|| PathBuf::from(path))
}

pub(crate) fn make_image(host: &str) -> bool {
    if run(host, &["image", "inspect", IMAGE]).is_some() {
        return true;
    }
    let dir = tempfile::tempdir().expect("a directory");
    let bin = dir.path().join("bin");
    std::fs::create_dir_all(&bin).expect("a directory");
    std::fs::create_dir_all(dir.path().join("tmp")).expect("a directory");
    let Some(busybox) = busybox() else { return false };
    std::fs::copy(busybox, bin.join("busybox")).expect("busybox is there");
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
