//! What a container definition says, as the container finds it: a test for each group of members.

use berth_proto::ecs::v1 as ecs;

use crate::host::{Host, shell, task};

/// Runs a container to its end; what it printed, and what Docker says of it by a template.
async fn printed(host: &mut Host, container: ecs::ContainerDefinition, template: &str) -> (String, String) {
    let id = host.want(task(vec![container])).await;
    let stopped = host.until_status(&id, "STOPPED").await;
    let container = &stopped.containers[0];
    assert_eq!(container.reason, "", "it started");
    (host.logs(&container.runtime_id), host.inspect(&container.runtime_id, template))
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn list<const N: usize>(texts: [&str; N]) -> Vec<String> {
    texts.map(str::to_owned).to_vec()
}

fn ulimit(name: ecs::UlimitName, soft: i32, hard: i32) -> ecs::Ulimit {
    ecs::Ulimit { name: Some(name.into()), soft_limit: Some(soft), hard_limit: Some(hard) }
}

#[tokio::test]
async fn limits_hold_inside() {
    let Some(mut host) = Host::start("limits_hold_inside").await else { return };
    let mut app =
        shell("app", "ulimit -n; ulimit -Hn; ulimit -c; cat /sys/fs/cgroup/memory.max; free -m | tail -0");
    app.memory = Some(48);
    app.memory_reservation = Some(24);
    app.cpu = Some(512);
    app.ulimits = vec![ulimit(ecs::UlimitName::Nofile, 1_234, 2_345), ulimit(ecs::UlimitName::Core, 0, 0)];
    app.linux_parameters =
        Some(ecs::LinuxParameters { max_swap: Some(16), swappiness: Some(30), ..Default::default() });
    let template = "{{.HostConfig.MemoryReservation}} {{.HostConfig.MemorySwap}} {{.HostConfig.CpuShares}} \
                    {{.HostConfig.MemorySwappiness}}";
    let (seen, told) = printed(&mut host, app, template).await;
    let mut lines = seen.lines();
    assert_eq!(lines.by_ref().take(3).collect::<Vec<_>>(), ["1234", "2345", "0"], "{seen}");
    // Where the kernel has one hierarchy of control groups, the container sees its own limit.
    let limit = lines.next();
    assert!(limit.is_none_or(|limit| limit == (48_u64 << 20).to_string()), "{seen}");
    assert!(told.starts_with(&format!("{} {} 512 ", 24 << 20, 64 << 20)), "{told}");
}

#[tokio::test]
async fn linux_parameters_hold_inside() {
    let Some(mut host) = Host::start("linux_parameters_hold_inside").await else { return };
    let script = "grep CapEff /proc/self/status; df -k /dev/shm | tail -1; df -k /scratch | tail -1; \
                  grep ' /scratch ' /proc/mounts; ls -l /dev/zilch; cat /proc/1/comm";
    let mut app = shell("app", script);
    app.linux_parameters = Some(ecs::LinuxParameters {
        capabilities: Some(ecs::KernelCapabilities { add: list(["NET_ADMIN"]), drop: list(["CHOWN"]) }),
        shared_memory_size: Some(7),
        tmpfs: vec![ecs::Tmpfs {
            container_path: some("/scratch"),
            size: Some(3),
            mount_options: list(["noexec", "mode=1777"]),
        }],
        devices: vec![ecs::Device {
            host_path: some("/dev/null"),
            container_path: some("/dev/zilch"),
            permissions: vec![ecs::DeviceCgroupPermission::Read.into()],
        }],
        init_process_enabled: Some(true),
        ..Default::default()
    });
    let (seen, told) = printed(&mut host, app, "{{json .HostConfig.Devices}}").await;
    let lines: Vec<&str> = seen.lines().collect();
    let capabilities = u64::from_str_radix(lines[0].split_whitespace().last().unwrap(), 16).unwrap();
    let (chown, net_admin) = (1, 1 << 12);
    assert_eq!(capabilities & (chown | net_admin), net_admin, "{seen}");
    let size = |line: &str| line.split_whitespace().nth(1).unwrap().to_owned();
    assert_eq!((size(lines[1]).as_str(), size(lines[2]).as_str()), ("7168", "3072"), "{seen}");
    assert!(lines[3].contains("noexec"), "{seen}");
    assert!(lines[4].starts_with('c') && lines[4].contains("1,   3"), "the null device: {seen}");
    assert!(lines[5].contains("init"), "another process is the first: {seen}");
    assert!(told.contains(r#""CgroupPermissions":"r""#), "{told}");
}

#[tokio::test]
async fn names_and_addresses_hold_inside() {
    let Some(mut host) = Host::start("names_and_addresses_hold_inside").await else { return };
    let mut app = shell("app", "hostname; cat /etc/resolv.conf; grep elsewhere /etc/hosts");
    app.hostname = some("anchor");
    app.dns_servers = list(["192.0.2.53"]);
    app.dns_search_domains = list(["corp.example"]);
    app.extra_hosts = vec![ecs::HostEntry { hostname: some("elsewhere"), ip_address: some("192.0.2.7") }];
    let (seen, _) = printed(&mut host, app, "{{.Id}}").await;
    for expected in ["anchor\n", "nameserver 192.0.2.53", "search corp.example", "192.0.2.7\telsewhere"] {
        assert!(seen.contains(expected), "{expected:?} in {seen}");
    }
    let mut alone = shell("alone", "ls /sys/class/net; ip route");
    alone.disable_networking = Some(true);
    let (seen, _) = printed(&mut host, alone, "{{.Id}}").await;
    assert!(!seen.contains("eth0") && !seen.contains("default"), "{seen}");
}

#[tokio::test]
async fn kernel_settings_and_protection_hold_inside() {
    let Some(mut host) = Host::start("kernel_settings_and_protection_hold_inside").await else { return };
    let script = "cat /proc/sys/net/ipv4/ip_unprivileged_port_start; cat /proc/sys/kernel/msgmax; \
                  (touch /here 2>&1 || true); grep NoNewPrivs /proc/self/status";
    let mut app = shell("app", script);
    let control =
        |namespace: &str, value: &str| ecs::SystemControl { namespace: some(namespace), value: some(value) };
    app.system_controls =
        vec![control("net.ipv4.ip_unprivileged_port_start", "80"), control("kernel.msgmax", "4096")];
    app.readonly_root_filesystem = Some(true);
    app.docker_security_options = list(["no-new-privileges"]);
    let (seen, _) = printed(&mut host, app, "{{.Id}}").await;
    let lines: Vec<&str> = seen.lines().collect();
    assert_eq!(lines[..2], ["80", "4096"], "{seen}");
    assert!(lines[2].contains("Read-only file system"), "{seen}");
    assert_eq!(lines[3].split_whitespace().last(), Some("1"), "{seen}");

    let mut mighty = shell("mighty", "true");
    mighty.privileged = Some(true);
    // Where the engine itself may not do everything, such a container does not start: what counts is what it was told.
    let id = host.want(task(vec![mighty])).await;
    let stopped = host.until_status(&id, "STOPPED").await;
    assert_eq!(host.inspect(&stopped.containers[0].runtime_id, "{{.HostConfig.Privileged}}"), "true");
}

#[tokio::test]
async fn a_terminal_and_an_open_input_are_there_when_asked_for() {
    let Some(mut host) = Host::start("a_terminal_and_an_open_input_are_there").await else { return };
    let script = "if [ -t 1 ]; then echo terminal; else echo none; fi; read -t 1 line; echo $?";
    let mut app = shell("app", script);
    app.pseudo_terminal = Some(true);
    app.interactive = Some(true);
    app.docker_labels = [("owner".to_owned(), "me".to_owned())].into();
    let template = "{{.Config.Tty}} {{.Config.OpenStdin}} {{index .Config.Labels \"owner\"}}";
    let (seen, told) = printed(&mut host, app, template).await;
    assert_eq!(told, "true true me");
    assert!(seen.starts_with("terminal"), "{seen}");
    let (seen, told) = printed(&mut host, shell("app", script), template).await;
    assert_eq!(told.trim(), "false false");
    assert_eq!(seen, "none\n1", "the input of one that is not interactive is at its end");
}

#[tokio::test]
async fn entry_point_command_user_and_folder_are_those_of_the_definition() {
    let Some(mut host) = Host::start("entry_point_command_user_and_folder").await else { return };
    let mut app = shell("app", "");
    app.entry_point = list(["sh", "-c", "echo \"$0 $1 $NAME\"; id -u; id -g; pwd"]);
    app.command = list(["zero", "one"]);
    app.user = some("1000:1001");
    app.working_directory = some("/tmp");
    app.environment = vec![ecs::KeyValuePair { name: some("NAME"), value: some("a b=c") }];
    let (seen, _) = printed(&mut host, app, "{{.Id}}").await;
    assert_eq!(seen, "zero one a b=c\n1000\n1001\n/tmp");
}

#[tokio::test]
async fn log_drivers_are_the_engines_with_their_options() {
    let Some(mut host) = Host::start("log_drivers_are_the_engines_with_their_options").await else { return };
    let log = |driver: ecs::LogDriver, options: &[(&str, &str)]| {
        Some(ecs::LogConfiguration {
            log_driver: Some(driver.into()),
            options: options.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
            ..Default::default()
        })
    };
    let listener = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port");
    listener.set_read_timeout(Some(std::time::Duration::from_secs(20))).expect("it can wait");
    let address = format!("udp://{}", listener.local_addr().expect("it is bound"));
    let mut app = shell("app", "echo over the wire");
    app.log_configuration =
        log(ecs::LogDriver::Syslog, &[("syslog-address", &address), ("tag", "berth-test")]);
    let template = "{{.HostConfig.LogConfig.Type}} {{index .HostConfig.LogConfig.Config \"tag\"}}";
    let id = host.want(task(vec![app])).await;
    let stopped = host.until_status(&id, "STOPPED").await;
    assert_eq!(host.inspect(&stopped.containers[0].runtime_id, template), "syslog berth-test");
    let mut packet = [0; 2_048];
    let length = listener.recv(&mut packet).expect("the engine sends it");
    let seen = String::from_utf8_lossy(&packet[..length]);
    assert!(seen.contains("berth-test") && seen.contains("over the wire"), "{seen}");

    let mut app = shell("app", "echo kept");
    app.log_configuration = log(ecs::LogDriver::JsonFile, &[("max-size", "1m"), ("max-file", "2")]);
    let (seen, told) =
        printed(&mut host, app, "{{.HostConfig.LogConfig.Type}} {{json .HostConfig.LogConfig.Config}}").await;
    assert_eq!((seen.as_str(), told.as_str()), ("kept", r#"json-file {"max-file":"2","max-size":"1m"}"#));
}
