//! Starting a dev cluster, or what of it does not run.

use std::path::Path;
use std::time::Duration;

use berth_process::clock::Clock;
use berth_process::entropy::Entropy;
use berth_process::identity::{ADMIN_FILE, ClusterIdentity};
use berth_proto::admin::v1::ListControllersRequest;
use tokio::time::Instant;

use super::layout::{self, Host, Wanted};
use super::process;
use super::state::{Kind, Member, State};
use crate::api;
use crate::client::Client;
use crate::context::{Context, Session};
use crate::failure::{Failure, OrUsage as _};
use crate::names::short;
use crate::profile::{Overrides, Profile, Profiles};
use crate::progress::Progress;

/// The profile that a dev cluster gets.
pub(crate) const PROFILE: &str = "dev";

/// Longer than a start takes on a slow and busy machine.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// How often a start is looked at.
const POLL: Duration = Duration::from_millis(50);

/// Lines of a log that explain why a process ended.
const LOG_LINES: usize = 5;

/// Starts whatever does not run, waits until the cluster works, and makes its profile the current one.
/// Returns the state; `begun` has the names of the processes that were started, also when it fails.
pub(crate) async fn up(
    context: &Context,
    dir: &Path,
    wanted: &Wanted,
    begun: &mut Vec<String>,
) -> Result<State, Failure> {
    let mut state = match State::load(dir)? {
        Some(state) => {
            layout::check_same(&state, wanted)?;
            state
        }
        None => layout::new_state(wanted, Host::look(), process::free_port),
    };
    let identity = ClusterIdentity::generate(&Entropy::system(), "us-east-1", "000000000000", "aws")
        .or_usage(|| "making the keys".to_owned())?;
    identity.write_all(dir).or_usage(|| format!("writing the keys into {}", dir.display()))?;
    state.store(dir)?;
    let mut progress = Progress::start(&context.output, "starting");
    for index in 0..state.members.len() {
        if !state.members[index].is_running(dir) {
            progress.update(&format!("starting {}", state.members[index].name));
            begun.push(state.members[index].name.clone());
            start(&mut state, index, dir).await?;
        }
    }
    let session = session(&state, dir)?;
    works(&session, &state, dir, &mut progress).await?;
    let instances = api::instance_arns(&session, None).await?;
    state.learn_instances(dir, instances.iter().map(|arn| short(arn).to_owned()));
    take_profile(context, &mut state, dir)?;
    state.store(dir)?;
    progress.done(&summary(&state));
    Ok(state)
}

/// A session with the dev cluster, whatever the profiles say.
pub(super) fn session(state: &State, dir: &Path) -> Result<Session, Failure> {
    let connection = profile(state, dir).into_connection(dir)?;
    Ok(Session { client: Client::new(&connection, &Clock::system()).patient(), cluster: connection.cluster })
}

fn profile(state: &State, dir: &Path) -> Profile {
    Profile { endpoints: state.endpoints(), identity: Some(dir.join(ADMIN_FILE)), ..Profile::default() }
}

impl Profile {
    fn into_connection(self, home: &Path) -> Result<crate::profile::Connection, Failure> {
        let mut profiles = Profiles { current: Some(PROFILE.to_owned()), ..Profiles::default() };
        profiles.profiles.insert(PROFILE.to_owned(), self);
        profiles.connection(&Overrides::default(), home)
    }
}

fn take_profile(context: &Context, state: &mut State, dir: &Path) -> Result<(), Failure> {
    let mut all = Profiles::load(&context.home)?;
    if all.current.as_deref() != Some(PROFILE) {
        state.previous_profile = all.current.replace(PROFILE.to_owned());
    }
    all.profiles.insert(PROFILE.to_owned(), profile(state, dir));
    all.store(&context.home)
}

async fn start(state: &mut State, index: usize, dir: &Path) -> Result<(), Failure> {
    let member = state.members[index].clone();
    let (binary, arguments) = layout::command(state, &member, dir);
    let binary = process::find(binary)?;
    let data_dir = member.data_dir(dir);
    std::fs::create_dir_all(&data_dir).or_usage(|| format!("making {}", data_dir.display()))?;
    let ready_file = member.ready_file(dir);
    // Left over from the last time, it would say "ready" of a process that is not.
    let _ = std::fs::remove_file(&ready_file);
    let pid = process::start(&binary, &arguments, &member.log_file(dir))?;
    state.members[index].pid = Some(pid);
    // Known before it is ready: whoever comes next finds it, whatever happens to this process.
    state.store(dir)?;
    let deadline = Instant::now() + START_TIMEOUT;
    while !ready_file.exists() {
        if !state.members[index].is_running(dir) {
            return Err(ended(&member, dir));
        }
        if Instant::now() >= deadline {
            return Err(late(&format!("{} is not ready", member.name), &member.log_file(dir)));
        }
        tokio::time::sleep(POLL).await;
    }
    Ok(())
}

/// The failure for the first process that ended by itself, when one has.
pub(crate) fn first_ended(state: &State, dir: &Path) -> Option<Failure> {
    state.members.iter().find(|member| !member.is_running(dir)).map(|member| ended(member, dir))
}

fn ended(member: &Member, dir: &Path) -> Failure {
    let log = member.log_file(dir);
    let last = process::tail(&log, LOG_LINES);
    let last = if last.is_empty() { String::new() } else { format!(":\n{last}") };
    Failure::wait_failed(format!("{} ended{last}", member.name))
        .hint(format!("its log is {}; `berth dev down` clears everything away", log.display()))
}

fn late(what: &str, log: &Path) -> Failure {
    Failure::timed_out(format!("{what} after {START_TIMEOUT:?}"))
        .hint(format!("its log is {}", log.display()))
}

/// Until there is a leader, all controllers vote and all agents are connected.
async fn works(session: &Session, state: &State, dir: &Path, progress: &mut Progress) -> Result<(), Failure> {
    let (controllers, agents) = (state.controllers().count(), state.agents().count());
    let deadline = Instant::now() + START_TIMEOUT;
    loop {
        if let Some(failure) = first_ended(state, dir) {
            return Err(failure);
        }
        let listed = session.client.call(ListControllersRequest {}).await?.controllers;
        let voting = listed.iter().filter(|one| one.voter && one.reachable).count();
        let has_leader = listed.iter().any(|one| one.leader);
        let connected = if has_leader { connected(session).await? } else { 0 };
        if has_leader && voting >= controllers && connected >= agents {
            return Ok(());
        }
        progress.update(&format!("{voting} of {controllers} controllers, {connected} of {agents} agents"));
        if Instant::now() >= deadline {
            let missing = if has_leader && voting >= controllers { "agent-1" } else { "controller-1" };
            return Err(late(
                &format!(
                    "only {voting} of {controllers} controllers and {connected} of {agents} agents are there"
                ),
                &dir.join(format!("{missing}.log")),
            ));
        }
        tokio::time::sleep(POLL).await;
    }
}

async fn connected(session: &Session) -> Result<usize, Failure> {
    let arns = api::instance_arns(session, None).await?;
    let instances = api::instances(session, &arns).await?.container_instances;
    Ok(instances.iter().filter(|instance| instance.agent_connected()).count())
}

fn summary(state: &State) -> String {
    let zones: Vec<&str> = state
        .agents()
        .filter_map(|agent| match &agent.kind {
            Kind::Agent { zone, .. } => Some(zone.as_str()),
            Kind::Controller { .. } => None,
        })
        .collect();
    format!(
        "{} at {}, {} in zones {}",
        layout::counted(state.controllers().count(), "controller"),
        state.endpoints().join(", "),
        layout::counted(state.agents().count(), "agent"),
        zones.join(", ")
    )
}
