//! Which processes a dev cluster has, and what each is told: pure functions of what was asked for and of the host.

use std::path::Path;

use berth_process::identity::{AGENT_FILE, CONTROLLER_FILE};

use super::state::{Kind, Member, State};
use crate::failure::Failure;
use crate::profile::DEFAULT_PORT;

/// What was asked for; what was not, is as it was, or the default.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    pub(crate) controllers: Option<usize>,
    pub(crate) agents: Option<usize>,
    pub(crate) zones: Vec<String>,
    pub(crate) runtime: Option<String>,
    pub(crate) docker_host: Option<String>,
}

/// What the host has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Host {
    pub(crate) cpu_units: u64,
    pub(crate) memory_mib: u64,
}

/// Ports of one controller are this far from those of the next.
const PORT_STEP: u16 = 10;

// === impl Host ===

impl Host {
    /// Looks at this machine.
    pub(crate) fn look() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
        Self {
            cpu_units: u64::try_from(cores).unwrap_or(1) * 1024,
            memory_mib: memory_total_mib(&memory).unwrap_or(FALLBACK_MEMORY_MIB),
        }
    }
}

/// What a host is taken to have where the kernel does not say.
const FALLBACK_MEMORY_MIB: u64 = 2048;

fn memory_total_mib(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().trim_end_matches("kB").trim().parse::<u64>().ok().map(|kib| kib / 1024)
}

/// The state of a new cluster. `free_port` returns the port it is given when nobody has it, another otherwise.
pub(super) fn new_state(wanted: &Wanted, host: Host, mut free_port: impl FnMut(u16) -> u16) -> State {
    let controllers = wanted.controllers.unwrap_or(1);
    let agents = wanted.agents.unwrap_or(1);
    let default_zones = ["a", "b", "c"].map(str::to_owned);
    let zones = if wanted.zones.is_empty() { &default_zones[..] } else { &wanted.zones };
    let mut members = Vec::new();
    let mut port = DEFAULT_PORT;
    for number in 1..=controllers {
        let kind = Kind::Controller {
            port: free_port(port),
            ops_port: free_port(port + 1),
            aws_port: free_port(port + 2),
        };
        members.push(Member { name: format!("controller-{number}"), kind, pid: None });
        port += PORT_STEP;
    }
    let share = u64::try_from(agents.max(1)).unwrap_or(1);
    for number in 1..=agents {
        let kind = Kind::Agent {
            zone: zones[(number - 1) % zones.len()].clone(),
            cpu_units: host.cpu_units / share,
            memory_mib: host.memory_mib / share,
        };
        members.push(Member { name: format!("agent-{number}"), kind, pid: None });
    }
    State {
        members,
        runtime: wanted.runtime.clone().unwrap_or_else(|| "docker".to_owned()),
        docker_host: wanted.docker_host.clone(),
        ..State::default()
    }
}

/// An existing cluster keeps its shape; asking for another is a mistake worth naming.
pub(super) fn check_same(state: &State, wanted: &Wanted) -> Result<(), Failure> {
    let differs = |asked: Option<usize>, has: usize, what: &str| match asked {
        Some(asked) if asked != has => Some(format!("it has {}, not {asked}", counted(has, what))),
        _ => None,
    };
    let zones: Vec<&String> = state
        .agents()
        .filter_map(|agent| match &agent.kind {
            Kind::Agent { zone, .. } => Some(zone),
            Kind::Controller { .. } => None,
        })
        .collect();
    let other_zone = wanted.zones.iter().zip(&zones).find(|(asked, has)| asked != *has);
    let difference = differs(wanted.controllers, state.controllers().count(), "controller")
        .or_else(|| differs(wanted.agents, state.agents().count(), "agent"))
        .or_else(|| other_zone.map(|(asked, has)| format!("an agent is in zone {has}, not {asked}")))
        .or_else(|| {
            let asked = wanted.runtime.as_ref().filter(|runtime| **runtime != state.runtime)?;
            Some(format!("its runtime is {}, not {asked}", state.runtime))
        });
    match difference {
        Some(difference) => Err(Failure::usage(format!("there is a dev cluster already, and {difference}"))
            .hint("`berth dev` starts it as it is, `berth dev down` removes it")),
        None => Ok(()),
    }
}

/// `1 agent`, `2 agents`.
pub(super) fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// The binary of a process, and its arguments.
pub(super) fn command(state: &State, member: &Member, dir: &Path) -> (&'static str, Vec<String>) {
    let path = |path: &Path| path.display().to_string();
    let common = |identity: &str| {
        vec![
            "--identity".to_owned(),
            path(&dir.join(identity)),
            "--data-dir".to_owned(),
            path(&member.data_dir(dir)),
            "--ready-file".to_owned(),
            path(&member.ready_file(dir)),
        ]
    };
    let mut pairs: Vec<(&str, String)> = Vec::new();
    match &member.kind {
        Kind::Controller { port, ops_port, aws_port } => {
            let address = format!("127.0.0.1:{port}");
            pairs.push(("--listen", address.clone()));
            pairs.push(("--advertise", address.clone()));
            pairs.push(("--ops-listen", format!("127.0.0.1:{ops_port}")));
            pairs.push(("--aws-listen", format!("127.0.0.1:{aws_port}")));
            let endpoints = state.endpoints();
            let mut arguments = common(CONTROLLER_FILE);
            if endpoints.first() == Some(&address) {
                arguments.push("--bootstrap".to_owned());
            } else {
                let others = endpoints.into_iter().filter(|other| *other != address).collect::<Vec<_>>();
                pairs.push(("--join", others.join(",")));
            }
            arguments.extend(flat(pairs));
            ("berth-controller", arguments)
        }
        Kind::Agent { zone, cpu_units, memory_mib } => {
            pairs.push(("--controllers", state.endpoints().join(",")));
            pairs.push(("--zone", zone.clone()));
            pairs.push(("--host-name", member.name.clone()));
            pairs.push(("--cpu-units", cpu_units.to_string()));
            pairs.push(("--memory-mib", memory_mib.to_string()));
            pairs.push(("--runtime", state.runtime.clone()));
            pairs.push(("--ops-listen", "127.0.0.1:0".to_owned()));
            if let Some(host) = &state.docker_host {
                pairs.push(("--docker-host", host.clone()));
            }
            let mut arguments = common(AGENT_FILE);
            arguments.extend(flat(pairs));
            ("berth-agent", arguments)
        }
    }
}

fn flat(pairs: Vec<(&str, String)>) -> impl Iterator<Item = String> {
    pairs.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value])
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: Host = Host { cpu_units: 4096, memory_mib: 9000 };

    fn wanted(controllers: usize, agents: usize) -> Wanted {
        Wanted { controllers: Some(controllers), agents: Some(agents), ..Wanted::default() }
    }

    #[test]
    fn agents_share_the_host_and_go_round_the_zones() {
        let state =
            new_state(&Wanted { zones: vec!["x".into(), "y".into()], ..wanted(1, 3) }, HOST, |port| port);
        let agents: Vec<_> = state.agents().map(|agent| (agent.name.clone(), agent.kind.clone())).collect();
        let agent = |zone: &str| Kind::Agent { zone: zone.to_owned(), cpu_units: 1365, memory_mib: 3000 };
        assert_eq!(
            agents,
            [
                ("agent-1".to_owned(), agent("x")),
                ("agent-2".to_owned(), agent("y")),
                ("agent-3".to_owned(), agent("x"))
            ]
        );
    }

    #[test]
    fn ports_that_are_taken_are_not_used() {
        let state = new_state(&wanted(3, 0), HOST, |port| if port == 7410 { 50_000 } else { port });
        assert_eq!(state.endpoints(), ["127.0.0.1:7400", "127.0.0.1:50000", "127.0.0.1:7420"]);
    }

    #[test]
    fn the_first_controller_bootstraps_and_the_others_join() {
        let state = new_state(&wanted(3, 1), HOST, |port| port);
        let line = |index: usize| {
            let (binary, arguments) = command(&state, &state.members[index], Path::new("/d"));
            format!("{binary} {}", arguments.join(" "))
        };
        assert_eq!(
            line(0),
            "berth-controller --identity /d/controller.json --data-dir /d/controller-1 --ready-file \
             /d/controller-1.ready.json --bootstrap --listen 127.0.0.1:7400 --advertise 127.0.0.1:7400 \
             --ops-listen 127.0.0.1:7401 --aws-listen 127.0.0.1:7402"
        );
        assert!(line(1).ends_with("--join 127.0.0.1:7400,127.0.0.1:7420"), "{}", line(1));
        assert_eq!(
            line(3),
            "berth-agent --identity /d/agent.json --data-dir /d/agent-1 --ready-file /d/agent-1.ready.json \
             --controllers 127.0.0.1:7400,127.0.0.1:7410,127.0.0.1:7420 --zone a --host-name agent-1 --cpu-units 4096 --memory-mib 9000 \
             --runtime docker --ops-listen 127.0.0.1:0"
        );
    }

    #[test]
    fn an_existing_cluster_is_not_reshaped() {
        let state = new_state(&wanted(1, 2), HOST, |port| port);
        assert!(check_same(&state, &Wanted::default()).is_ok());
        assert!(check_same(&state, &wanted(1, 2)).is_ok());
        let failure = check_same(&state, &wanted(3, 2)).expect_err("another shape");
        assert_eq!(failure.message, "there is a dev cluster already, and it has 1 controller, not 3");
    }

    #[test]
    fn reads_how_much_memory_there_is() {
        assert_eq!(memory_total_mib("MemTotal:       24689652 kB\nMemFree: 1 kB\n"), Some(24_110));
        assert_eq!(memory_total_mib(""), None);
    }
}
