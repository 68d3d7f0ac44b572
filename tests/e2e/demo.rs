//! What the first page of the README promises.

use std::path::Path;
use std::process::Command;

use berth_tests::harness::engine::Engine;
use berth_tests::harness::slot::{Slot, turn};
use berth_tests::harness::{binary, command, require_docker};

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_runs_twice_and_leaves_no_trace() {
    if !require_docker() {
        return;
    }
    let _turn = turn().await;
    let slot = Slot::take().unwrap();
    let dir = slot.dir().join("demo");
    let before = Engine::local().docker(&["ps", "--all", "--quiet"]).unwrap();
    for _ in 0..2 {
        let printed = demo(&slot, &dir, "up");
        assert!(printed.contains("9 tasks running after"), "{printed}");
    }
    demo(&slot, &dir, "down");
    assert!(!dir.exists());
    let after = Engine::local().docker(&["ps", "--all", "--quiet"]).unwrap();
    assert_eq!(after, before, "a container is left");
    let left = command::output(Command::new("ps").args(["-eo", "args"])).unwrap();
    let dir = dir.display().to_string();
    assert!(!left.lines().any(|line| line.contains(&dir)), "a process is left");
}

fn demo(slot: &Slot, dir: &Path, what: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package is in a folder");
    let programs = binary::path("berth").expect("it is built");
    let mut demo = Command::new(root.join("deploy/demo.sh"));
    demo.arg(what).env("BERTH_DEMO_DIR", dir).env("BERTH_DEMO_PORT", slot.port(0).to_string());
    demo.env("BERTH_BIN_DIR", programs.parent().expect("it is in a folder"));
    command::output(&mut demo).expect("the demo works")
}
