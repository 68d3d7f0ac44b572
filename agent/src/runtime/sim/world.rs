//! The containers of a simulated runtime, and what is to happen to them.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use berth_model::port_range::PortRange;
use berth_model::task::step::Health;
use berth_process::clock::Clock;
use berth_proto::ecs::v1 as ecs;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::script::Script;
use crate::runtime::{Container, Error, Event, Launch, Status, label};

/// Labels worth their memory: an agent knows its containers by them.
const KEPT_LABELS: [&str; 7] = [
    label::CLUSTER,
    label::CONTAINER_NAME,
    label::TASK_ARN,
    label::FAMILY,
    label::REVISION,
    label::CONTAINER_INSTANCE,
    label::TASK,
];
/// Where simulated dynamic ports begin, as on a Linux host.
const FIRST_DYNAMIC_PORT: i32 = 49_153;
const DYNAMIC_PORTS: i32 = 16_000;

#[derive(Default)]
pub(super) struct World {
    pub(super) state: Mutex<State>,
    pub(super) changed: Notify,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) containers: HashMap<String, Simulated>,
    pub(super) names: HashMap<String, String>,
    /// By moment, then by the order in which they were scheduled.
    schedule: BTreeMap<(Instant, u64), Happening>,
    scheduled: u64,
    next_port: i32,
    /// How often the start of a container of this name was refused for its ports.
    refused: BTreeMap<Box<str>, u32>,
    pub(super) is_down: bool,
    pub(super) launches: u64,
}

pub(super) struct Simulated {
    pub(super) labels: Box<[(&'static str, Box<str>)]>,
    pub(super) name: Box<str>,
    pub(super) script: Script,
    has_health_check: bool,
    ports: Box<[ecs::NetworkBinding]>,
    pub(super) status: Status,
    /// Tells one run from the next: what was scheduled for an earlier one is void.
    pub(super) run: u32,
    exit_code: Option<i32>,
    out_of_memory: bool,
    health: Health,
    started_at_ms: Option<i64>,
    finished_at_ms: Option<i64>,
    pub(super) stop_timeout: Duration,
}

#[derive(Clone, Debug)]
struct Happening {
    runtime_id: String,
    pub(super) run: u32,
    kind: Kind,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Exit {
        code: i32,
        out_of_memory: bool,
    },
    Health(Health),
    /// Told already by a state change; only the event is due.
    Announce {
        code: i32,
    },
}

// === impl World ===

impl World {
    pub(super) async fn next_event(&self, clock: &Clock) -> Event {
        loop {
            let changed = self.changed.notified();
            let due = {
                let mut state = self.state.lock();
                match state.due(clock.unix_ms()) {
                    Ok(event) => return event,
                    Err(next) => next,
                }
            };
            match due {
                Some(due) => {
                    // Either may be dropped half-way: what is due stays in the list.
                    tokio::select! {
                        () = tokio::time::sleep_until(due) => {}
                        () = changed => {}
                    }
                }
                None => changed.await,
            }
        }
    }
}

// === impl State ===

impl State {
    pub(super) fn find(&self, runtime_id: &str) -> Result<&Simulated, Error> {
        self.containers
            .get(runtime_id)
            .ok_or_else(|| Error::NotFound(format!("No such container: {runtime_id}")))
    }

    pub(super) fn simulate(&mut self, launch: &Launch, script: Script) -> Simulated {
        let label = |key: &'static str| launch.labels.get(key).map(|value| (key, value.as_str().into()));
        let ports = match launch.network_mode {
            ecs::NetworkMode::Bridge => {
                launch.definition.port_mappings.iter().map(|mapping| self.publish(mapping)).collect()
            }
            _ => Box::default(),
        };
        Simulated {
            labels: KEPT_LABELS.into_iter().filter_map(label).collect(),
            name: launch.name.as_str().into(),
            script,
            has_health_check: launch.definition.health_check.is_some(),
            ports,
            status: Status::Created,
            run: 0,
            exit_code: None,
            out_of_memory: false,
            health: Health::Unknown,
            started_at_ms: None,
            finished_at_ms: None,
            stop_timeout: launch.stop_timeout,
        }
    }

    fn publish(&mut self, mapping: &ecs::PortMapping) -> ecs::NetworkBinding {
        let inside =
            mapping.container_port_range.as_deref().and_then(|range| range.parse::<PortRange>().ok());
        let further = inside.map_or(0, |range| i32::from(range.further()));
        let host_port = match mapping.host_port() {
            0 => {
                // Not past the last port there is.
                let next = self.next_port + 1;
                let next = if next + further < DYNAMIC_PORTS { next } else { 0 };
                self.next_port = next + further;
                FIRST_DYNAMIC_PORT + next
            }
            port => port,
        };
        let host = inside.and_then(|inside| PortRange::new(u16::try_from(host_port).ok()?, inside.further()));
        let protocol = match mapping.protocol() {
            ecs::TransportProtocol::Unspecified => ecs::TransportProtocol::Tcp,
            protocol => protocol,
        };
        ecs::NetworkBinding {
            bind_ip: Some("0.0.0.0".to_owned()),
            container_port: mapping.container_port,
            host_port: host.is_none().then_some(host_port),
            protocol: Some(protocol.into()),
            container_port_range: inside.map(|range| range.to_string()),
            host_port_range: host.map(|range| range.to_string()),
        }
    }

    pub(super) fn start(&mut self, runtime_id: &str, now_ms: i64) -> Result<(), Error> {
        let found = self.find(runtime_id)?;
        let (script, name) = (found.script, found.name.clone());
        if script.ports_taken > 0 {
            let refused = self.refused.entry(name).or_default();
            if *refused < script.ports_taken {
                *refused += 1;
                return Err(Error::PortTaken("the script says so".to_owned()));
            }
        }
        if script.start_fails {
            return Err(Error::Refused("the script says so".to_owned()));
        }
        let Some(container) = self.containers.get_mut(runtime_id) else { return Ok(()) };
        if container.status == Status::Running {
            return Ok(());
        }
        container.status = Status::Running;
        container.run += 1;
        container.exit_code = None;
        container.health = Health::Unknown;
        container.started_at_ms = Some(now_ms);
        let (run, has_health_check) = (container.run, container.has_health_check);
        if let Some((after, code)) = script.exit {
            self.schedule(after, runtime_id, run, Kind::Exit { code, out_of_memory: script.out_of_memory });
        }
        if has_health_check {
            self.schedule(script.health_latency, runtime_id, run, Kind::Health(script.health));
        }
        Ok(())
    }

    fn schedule(&mut self, after: Duration, runtime_id: &str, run: u32, kind: Kind) {
        self.scheduled += 1;
        let happening = Happening { runtime_id: runtime_id.to_owned(), run, kind };
        self.schedule.insert((Instant::now() + after, self.scheduled), happening);
    }

    pub(super) fn announce(&mut self, runtime_id: &str, code: i32) {
        let run = self.containers.get(runtime_id).map_or(0, |container| container.run);
        self.schedule(Duration::ZERO, runtime_id, run, Kind::Announce { code });
    }

    pub(super) fn end(&mut self, runtime_id: &str, code: i32, out_of_memory: bool, now_ms: i64) -> bool {
        let Some(container) = self.containers.get_mut(runtime_id) else { return false };
        if container.status != Status::Running {
            return false;
        }
        container.status = Status::Exited;
        container.exit_code = Some(code);
        container.out_of_memory = out_of_memory;
        container.finished_at_ms = Some(now_ms);
        true
    }

    /// The event that is due, or when the next one is.
    fn due(&mut self, now_ms: i64) -> Result<Event, Option<Instant>> {
        loop {
            let Some(entry) = self.schedule.first_entry() else { return Err(None) };
            if self.is_down || entry.key().0 > Instant::now() {
                return Err((!self.is_down).then_some(entry.key().0));
            }
            let happening = entry.remove();
            let is_void =
                self.containers.get(&happening.runtime_id).is_none_or(|found| found.run != happening.run);
            if is_void {
                continue;
            }
            if let Some(event) = self.happen(happening, now_ms) {
                return Ok(event);
            }
        }
    }

    fn happen(&mut self, happening: Happening, now_ms: i64) -> Option<Event> {
        let Happening { runtime_id, kind, .. } = happening;
        match kind {
            Kind::Exit { code, out_of_memory } => {
                let has_ended = self.end(&runtime_id, code, out_of_memory, now_ms);
                has_ended.then_some(Event::Exited { runtime_id, exit_code: code, at_ms: now_ms })
            }
            Kind::Announce { code } => Some(Event::Exited { runtime_id, exit_code: code, at_ms: now_ms }),
            Kind::Health(health) => {
                let container = self.containers.get_mut(&runtime_id)?;
                container.health = health;
                (container.status == Status::Running).then_some(Event::Health { runtime_id, health })
            }
        }
    }
}

// === impl Simulated ===

impl Simulated {
    pub(super) fn labels(&self) -> BTreeMap<String, String> {
        self.labels.iter().map(|(key, value)| ((*key).to_owned(), value.to_string())).collect()
    }

    pub(super) fn describe(&self, runtime_id: &str) -> Container {
        Container {
            runtime_id: runtime_id.to_owned(),
            labels: self.labels(),
            status: self.status,
            exit_code: self.exit_code,
            out_of_memory: self.out_of_memory,
            health: self.health,
            started_at_ms: self.started_at_ms,
            finished_at_ms: self.finished_at_ms,
            network_bindings: self.ports.to_vec(),
            pid: None,
        }
    }
}
