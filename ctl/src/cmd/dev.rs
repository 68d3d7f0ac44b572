//! `berth dev`: a whole cluster on this machine.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};
use serde::Serialize;

use crate::context::Context;
use crate::dev::{self, Kind, Member, State, Wanted};
use crate::failure::{Exit, Failure, OrUsage as _};
use crate::table::{Cell, Keep, Table};

/// Run a whole cluster on this machine
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Starts controllers and agents as processes of their own, waits until they work together, and makes \
the profile `dev` the current one. Run again, it starts what does not run. Ctrl-C stops the processes; \
containers and state stay until `berth dev down`.

Examples:
  berth dev
  berth dev --controllers 3 --agents 3 --zones a,b,c --detach
  berth dev status
  berth dev down"
)]
pub(crate) struct Dev {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    up: Up,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Stop the cluster and remove all of it: containers, state and profile
    Down(Place),
    /// Show its processes; exits with 5 when one does not run
    Status(Place),
}

/// Where the state of the cluster is
#[derive(Clone, Debug, Args)]
struct Place {
    /// The directory of its state [default: ~/.config/berth/dev, or dev in $BERTH_HOME]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct Up {
    /// How many controllers: 1, or 3 to survive the loss of one [default: 1]
    #[arg(long, value_name = "1|3", value_parser = odd)]
    controllers: Option<usize>,
    /// How many agents; they share the host's CPU and memory equally [default: 1]
    #[arg(long, value_name = "COUNT")]
    agents: Option<usize>,
    /// The availability zones of the agents, in turn [default: a,b,c]
    #[arg(long, value_delimiter = ',', value_name = "NAME,...")]
    zones: Vec<String>,
    /// What runs the containers: docker, or sim, which only pretends to [default: docker]
    #[arg(long, value_name = "NAME", value_parser = ["docker", "sim"])]
    runtime: Option<String>,
    /// The engine's address, as unix:///var/run/docker.sock
    #[arg(long, value_name = "URL")]
    docker_host: Option<String>,
    /// Return when it works, and leave it running
    #[arg(short, long)]
    detach: bool,
    #[command(flatten)]
    place: Place,
}

fn odd(text: &str) -> Result<usize, String> {
    match text.parse::<usize>() {
        Ok(count @ (1 | 3 | 5)) => Ok(count),
        _ => Err("an odd number up to 5: a majority has to survive".to_owned()),
    }
}

/// How often a cluster in the foreground is looked at.
const WATCH: Duration = Duration::from_millis(500);

/// A process as it is shown.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown<'a> {
    #[serde(flatten)]
    member: &'a Member,
    running: bool,
    log_file: PathBuf,
}

// === impl Dev ===

impl Dev {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        match self.verb {
            None => self.up.run(context).await,
            Some(Verb::Down(place)) => {
                dev::down(context, &place.path(context)?).await?;
                Ok(Exit::Success)
            }
            Some(Verb::Status(place)) => status(context, &place.path(context)?),
        }
    }
}

// === impl Place ===

impl Place {
    fn path(&self, context: &Context) -> Result<PathBuf, Failure> {
        let dir = self.dir.clone().unwrap_or_else(|| context.home.join("dev"));
        std::path::absolute(&dir).or_usage(|| format!("finding {}", dir.display()))
    }
}

// === impl Up ===

impl Up {
    async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let dir = self.place.path(context)?;
        let wanted = Wanted {
            controllers: self.controllers,
            agents: self.agents,
            zones: self.zones,
            runtime: self.runtime,
            docker_host: self.docker_host,
        };
        let mut begun = Vec::new();
        let started = tokio::select! {
            started = dev::up(context, &dir, &wanted, &mut begun) => started,
            // Not cancel-safe, and need not be: what was started is in the state, and stopped from there.
            () = stop_signal() => Err(Failure::wait_failed("interrupted while starting")),
        };
        let mut state = match started {
            Ok(state) => state,
            Err(failure) => {
                // What ran before goes on running; only what was begun here is taken back.
                if let Ok(Some(mut state)) = State::load(&dir) {
                    dev::stop_processes(&mut state, &dir, |member| begun.contains(&member.name)).await?;
                }
                return Err(failure);
            }
        };
        if begun.is_empty() {
            context.output.note("It ran already; `berth dev down` removes it.");
            return Ok(Exit::Success);
        }
        context.output.note(NEXT_STEPS);
        if self.detach {
            context.output.note("It goes on running; `berth dev down` removes it.");
            return Ok(Exit::Success);
        }
        context.output.note("Ctrl-C stops it.");
        let ended = watch(&state, &dir).await;
        dev::stop_processes(&mut state, &dir, |_| true).await?;
        context.output.note("Stopped. Containers go on running: `berth dev` takes them up again, `berth dev down` removes all.");
        match ended {
            Some(failure) => Err(failure),
            None => Ok(Exit::Success),
        }
    }
}

const NEXT_STEPS: &str = "\
The profile `dev` is the current one. Try:
  berth run --image alpine -- echo hello
  berth instance list
  berth events -f";

/// Until somebody wants it to end, or a process has.
async fn watch(state: &State, dir: &Path) -> Option<Failure> {
    let mut look = tokio::time::interval(WATCH);
    loop {
        tokio::select! {
            // Cancel-safe: a signal that comes later is seen later.
            () = stop_signal() => return None,
            // Cancel-safe: a tick that was missed comes again.
            _ = look.tick() => {
                if let Some(failure) = dev::first_ended(state, dir) {
                    return Some(failure);
                }
            }
        }
    }
}

async fn stop_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}

fn status(context: &Context, dir: &Path) -> Result<Exit, Failure> {
    let Some(state) = State::load(dir)? else {
        return Err(Failure::refused("there is no dev cluster here").hint("`berth dev` starts one"));
    };
    let shown: Vec<Shown<'_>> = state
        .members
        .iter()
        .map(|member| Shown { member, running: member.is_running(dir), log_file: member.log_file(dir) })
        .collect();
    context.output.document(
        &shown,
        || shown.iter().map(|one| one.member.name.clone()).collect(),
        || context.output.table(&table(&shown), ""),
    )?;
    Ok(if shown.iter().all(|one| one.running) { Exit::Success } else { Exit::WaitFailed })
}

fn table(shown: &[Shown<'_>]) -> Table {
    let mut table = Table::new(&[
        ("PROCESS", Keep::Always),
        ("STATUS", Keep::Always),
        ("PID", Keep::Always),
        ("ADDRESS", Keep::IfRoom(1)),
        ("ZONE", Keep::IfRoom(2)),
        ("LOG", Keep::IfRoom(3)),
    ]);
    for Shown { member, running, log_file } in shown {
        let zone = match &member.kind {
            Kind::Agent { zone, .. } => zone.as_str(),
            Kind::Controller { .. } => "",
        };
        let pid = member.pid.filter(|_| *running).map(|pid| pid.to_string());
        table.row([
            member.name.as_str().into(),
            Cell::status(match (running, member.pid) {
                (true, _) => "running",
                (false, Some(_)) => "dead",
                (false, None) => "stopped",
            }),
            pid.unwrap_or_default().into(),
            member.address().unwrap_or_default().into(),
            zone.into(),
            log_file.display().to_string().into(),
        ]);
    }
    table
}
