//! What a test needs from the machine. A test that cannot run says so, and is counted; under `CI=true` it fails.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::command::output;

/// Whether a container engine answers and the test image is there.
pub fn require_docker() -> bool {
    met("a container engine with the image berth-app:2 (`make images`)", || {
        output(Command::new("docker").args(["image", "inspect", "berth-app:2"])).is_ok()
    })
}

/// Whether this process may make hosts: network, mount and process namespaces with an engine in each.
pub fn require_hosts() -> bool {
    met("root, to make hosts of network namespaces", || {
        let unshare = Command::new("unshare")
            .args(["--net", "--mount", "--pid", "--fork", "--mount-proc", "true"])
            .output();
        unshare.is_ok_and(|output| output.status.success())
    }) && require_docker()
}

/// Whether hosts can have a file system with quotas: [`require_hosts`], and a kernel with btrfs and loop devices.
/// The kernel is the machine's own and nothing that a setup could bring, so that this may be skipped everywhere.
pub fn require_quotas() -> bool {
    let known = std::fs::read_to_string("/proc/filesystems").unwrap_or_default();
    if !known.contains("btrfs") || !Path::new("/dev/loop-control").exists() {
        record("skipped: limits of disks need a kernel with btrfs and loop devices");
        return false;
    }
    require_hosts()
        && met("mkfs.btrfs (`make setup`)", || output(Command::new("mkfs.btrfs").arg("--version")).is_ok())
}

/// Whether the engine has the image `berth-shell:1`, which has a shell. It is made when it is missing.
pub fn require_shell_image() -> bool {
    require_docker()
        && met("an image with a shell (`deploy/images.sh shell`)", || {
            script("images.sh", &["shell"]).is_some()
        })
}

/// The program of an image registry. It is fetched when it is missing.
pub fn require_registry() -> Option<PathBuf> {
    let program = script("fetch.sh", &["docker-registry", "docker-registry"]);
    met("an image registry (`make setup`)", || program.is_some()).then_some(program)?
}

/// A shell and the usual programs in one static file. It is fetched when it is missing.
pub fn require_busybox() -> Option<PathBuf> {
    let program = script("fetch.sh", &["busybox-static", "busybox"]);
    met("a static busybox (`make setup`)", || program.is_some()).then_some(program)?
}

/// The Python that has the AWS clients of `tests/api/clients/requirements.txt`. They are installed when they are missing.
pub fn require_aws_clients() -> Option<PathBuf> {
    static PYTHON: std::sync::OnceLock<Option<PathBuf>> = std::sync::OnceLock::new();
    let python = PYTHON.get_or_init(|| Some(script("aws-clients.sh", &[])?.join("bin/python")));
    met("the AWS clients (`make setup`)", || python.is_some()).then(|| python.clone())?
}

/// A folder with AWS's session-manager-plugin. It is built when it is missing.
pub fn require_session_plugin() -> Option<PathBuf> {
    let folder = script("session-manager-plugin.sh", &[]);
    met("AWS's session-manager-plugin (needs Go)", || folder.is_some()).then_some(folder)?
}

/// The path that a script of `deploy/` prints, once it has brought what is there.
fn script(name: &str, arguments: &[&str]) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy").join(name);
    let printed = output(Command::new(path).args(arguments)).ok()?;
    Some(PathBuf::from(printed.trim()))
}

fn met(what: &str, check: impl FnOnce() -> bool) -> bool {
    if check() {
        return true;
    }
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    assert!(
        std::env::var("CI").as_deref() != Ok("true"),
        "{test} may not be skipped under CI; it needs {what}"
    );
    record(&format!("skipped: {test} needs {what}"));
    false
}

/// The run's list of skipped tests, for the closing line of `make test`.
#[expect(clippy::print_stderr, reason = "a skipped test has to be seen")]
fn record(line: &str) {
    eprintln!("{line}");
    let Some(list) = std::env::var_os("BERTH_SKIP_LIST").map(PathBuf::from) else { return };
    let appended = std::fs::OpenOptions::new().create(true).append(true).open(&list);
    if let Err(error) = appended.and_then(|mut file| writeln!(file, "{line}")) {
        eprintln!("cannot write to {}: {error}", list.display());
    }
}
