//! The container that holds a task's namespaces: it does nothing, for as long as it takes. As the first process of a
//! task with `pidMode` task it leaves the burial of orphans to the kernel.
//!
//! Its image is made here, from a program of a few instructions, so that no registry is needed for it.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use berth_model::network::host_name;
use berth_proto::ecs::v1 as ecs;

use crate::manifest::DesiredTask;
use crate::runtime::{Launch, label};

/// The name that it has among the containers of its task. Source: ECS agent.
pub const NAME: &str = "~internal~ecs~pause";
/// The number changes with the program.
pub(super) const IMAGE: &str = "berth-pause:2";
/// The program in the image.
pub(super) const PROGRAM: &str = "/pause";

/// Where the program is loaded; a multiple of every size of a page.
const BASE: u64 = 0x0040_0000;
const HEADER_BYTES: u16 = 64;
const SEGMENT_BYTES: u16 = 56;
/// Source: the ELF specification, `e_machine`.
const X86_64: u16 = 62;
/// See [`X86_64`].
const AARCH64: u16 = 183;

/// The launch of the container of a task.
pub(super) fn launch(task: &DesiredTask, instance_id: &str, address: Ipv4Addr) -> Launch {
    let message = &task.definition.message;
    let short = task.id.get(..12).unwrap_or(&task.id);
    let name = host_name(address);
    let labels = [
        (label::CLUSTER, task.cluster.clone()),
        (label::CONTAINER_NAME, NAME.to_owned()),
        (label::TASK_ARN, task.arn.clone()),
        (label::FAMILY, message.family().to_owned()),
        (label::REVISION, message.revision().to_string()),
        (label::CONTAINER_INSTANCE, instance_id.to_owned()),
        (label::PAUSE, task.id.clone()),
        (label::ADDRESS, address.to_string()),
    ];
    let own = ecs::HostEntry { hostname: Some(name.clone()), ip_address: Some(address.to_string()) };
    Launch {
        name: format!("berth-pause-{short}"),
        labels: labels.map(|(key, value)| (key.to_owned(), value)).into_iter().collect::<BTreeMap<_, _>>(),
        definition: ecs::ContainerDefinition {
            name: Some(NAME.to_owned()),
            image: Some(IMAGE.to_owned()),
            // What its task's containers see as their name and their hosts.
            hostname: Some(name),
            extra_hosts: vec![own],
            ..ecs::ContainerDefinition::default()
        },
        network_mode: ecs::NetworkMode::None,
        ipc_mode: match message.ipc_mode() {
            ecs::IpcMode::Task => ecs::IpcMode::Task,
            _ => ecs::IpcMode::Unspecified,
        },
        cpu_shares: 2,
        stop_timeout: Duration::ZERO,
        ..Launch::default()
    }
}

/// The image's one file, as an archive; none for a processor that the program is not written for.
pub(super) fn archive(architecture: &str) -> Option<Vec<u8>> {
    let program = match architecture {
        "x86_64" => program(X86_64, &x86_64()),
        "arm64" => program(AARCH64, &aarch64()),
        _ => return None,
    };
    let mut header = tar::Header::new_ustar();
    header.set_mode(0o755);
    header.set_size(u64::try_from(program.len()).unwrap_or(u64::MAX));
    header.set_cksum();
    let mut archive = tar::Builder::new(Vec::new());
    archive.append_data(&mut header, PROGRAM.trim_start_matches('/'), program.as_slice()).ok()?;
    archive.into_inner().ok()
}

/// What `rt_sigaction` reads: SIG_IGN, no flags, no restorer, no mask. Children of whoever ignores SIGCHLD leave no
/// trace when they end.
const IGNORE: [u8; 32] = {
    let mut action = [0; 32];
    action[0] = 1;
    action
};

/// `rt_sigaction(SIGCHLD, IGNORE, NULL, 8)`, then `pause()` again and again.
fn x86_64() -> Vec<u8> {
    let mut program = vec![
        0xb8, 0x0d, 0x00, 0x00, 0x00, // mov eax, 13 (rt_sigaction)
        0xbf, 0x11, 0x00, 0x00, 0x00, // mov edi, 17
        0x48, 0x8d, 0x35, 0x13, 0x00, 0x00, 0x00, // lea rsi, [rip + 19]
        0x31, 0xd2, // xor edx, edx
        0x41, 0xba, 0x08, 0x00, 0x00, 0x00, // mov r10d, 8
        0x0f, 0x05, // syscall
        0xb8, 0x22, 0x00, 0x00, 0x00, // mov eax, 34 (pause)
        0x0f, 0x05, // syscall
        0xeb, 0xf7, // jmp -9
    ];
    program.extend(IGNORE);
    program
}

/// The same; `ppoll(NULL, 0, NULL, NULL, 0)` again and again, for this processor's kernel has no `pause`.
fn aarch64() -> Vec<u8> {
    let instructions: [u32; 14] = [
        0xd280_0220, // mov x0, 17
        0x1000_01a1, // adr x1, 52
        0xd280_0002, // mov x2, 0
        0xd280_0103, // mov x3, 8
        0xd280_10c8, // mov x8, 134 (rt_sigaction)
        0xd400_0001, // svc 0
        0xd280_0000, // mov x0, 0
        0xd280_0001, // mov x1, 0
        0xd280_0002, // mov x2, 0
        0xd280_0003, // mov x3, 0
        0xd280_0004, // mov x4, 0
        0xd280_0928, // mov x8, 73 (ppoll)
        0xd400_0001, // svc 0
        0x17ff_fff9, // b -28
    ];
    instructions.into_iter().flat_map(u32::to_le_bytes).chain(IGNORE).collect()
}

/// An executable of one segment: a header, the segment's header, the instructions.
fn program(machine: u16, instructions: &[u8]) -> Vec<u8> {
    const READ_AND_EXECUTE: u32 = 5;
    let begin = u64::from(HEADER_BYTES) + u64::from(SEGMENT_BYTES);
    let size = begin + u64::try_from(instructions.len()).unwrap_or(0);
    let mut file = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let halves = |values: &[u16]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
    let words = |values: &[u32]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
    let longs = |values: &[u64]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
    // Executable, machine; version; entry, segments, sections; flags; sizes and counts.
    file.extend(halves(&[2, machine]));
    file.extend(words(&[1]));
    file.extend(longs(&[BASE + begin, u64::from(HEADER_BYTES), 0]));
    file.extend(words(&[0]));
    file.extend(halves(&[HEADER_BYTES, SEGMENT_BYTES, 1, 0, 0, 0]));
    // To be loaded, how; offset, addresses, sizes in the file and in memory, alignment.
    file.extend(words(&[1, READ_AND_EXECUTE]));
    file.extend(longs(&[0, BASE, BASE, size, size, 0x1_0000]));
    file.extend_from_slice(instructions);
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_has_the_size_that_its_headers_tell() {
        for (machine, instructions) in [(X86_64, x86_64()), (AARCH64, aarch64())] {
            let file = program(machine, &instructions);
            let long = |at: usize| u64::from_le_bytes(file[at..at + 8].try_into().unwrap());
            assert_eq!(u16::from_le_bytes([file[18], file[19]]), machine);
            assert_eq!(long(24), BASE + 120, "it begins behind the headers");
            assert_eq!(long(96), u64::try_from(file.len()).unwrap());
            assert_eq!(file[120..], instructions[..]);
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn the_program_runs_until_it_is_killed() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pause");
        std::fs::write(&path, program(X86_64, &x86_64())).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        let mut child = std::process::Command::new(&path).spawn().unwrap();
        // It is in its system call, and not gone: a program that faults is.
        let is_paused = || std::fs::read_to_string(format!("/proc/{}/syscall", child.id()));
        let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
        while !is_paused().unwrap().starts_with("34 ") {
            assert!(tokio::time::Instant::now() < deadline, "{:?}", is_paused());
            std::thread::yield_now();
        }
        let ignored = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
        let ignored =
            ignored.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap().trim().to_owned();
        assert_eq!(u64::from_str_radix(&ignored, 16).unwrap() & (1 << 16), 1 << 16, "SIGCHLD of {ignored}");
        child.kill().unwrap();
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&child.wait().unwrap()), Some(9));
    }

    #[test]
    fn the_archive_has_the_program_and_nothing_else() {
        let bytes = archive("arm64").unwrap();
        let mut archive = tar::Archive::new(bytes.as_slice());
        let names: Vec<_> =
            archive.entries().unwrap().map(|one| one.unwrap().path().unwrap().into_owned()).collect();
        assert_eq!(names, [std::path::Path::new("pause")]);
        assert!(super::archive("riscv64").is_none());
    }
}
