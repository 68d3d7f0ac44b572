//! Ending a dev cluster: only its processes, or all that it ever made.

use std::path::Path;
use std::time::Duration;

use super::state::{Member, State};
use super::{containers, layout, process, up};
use crate::api;
use crate::context::Context;
use crate::failure::{Failure, OrUsage as _};
use crate::names::short;
use crate::profile::Profiles;
use crate::progress::Progress;

/// How long a process may take to end.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long the controllers are asked for what they know, before it goes.
const LAST_QUESTION: Duration = Duration::from_secs(3);

/// Stops the processes that are chosen: agents first, so that they can say goodbye. Containers and state stay.
pub(crate) async fn stop_processes(
    state: &mut State,
    dir: &Path,
    chosen: impl Fn(&Member) -> bool,
) -> Result<(), Failure> {
    let agents: Vec<Member> = state.agents().filter(|member| chosen(member)).cloned().collect();
    let controllers: Vec<Member> = state.controllers().filter(|member| chosen(member)).cloned().collect();
    for group in [agents, controllers] {
        let stops = group.iter().filter_map(|member| {
            let data_dir = member.data_dir(dir);
            member.pid.map(|pid| async move { process::stop(pid, &data_dir, PATIENCE).await })
        });
        futures::future::join_all(stops).await;
    }
    for member in state.members.iter_mut().filter(|member| chosen(member)) {
        member.pid = None;
    }
    state.store(dir)
}

/// Removes everything: processes, containers, state and profile.
pub(crate) async fn down(context: &Context, dir: &Path) -> Result<(), Failure> {
    let Some(mut state) = State::load(dir)? else {
        context.output.note("There is no dev cluster here: nothing to do.");
        return Ok(());
    };
    let mut progress = Progress::start(&context.output, "stopping the processes");
    learn_instances(&mut state, dir).await;
    stop_processes(&mut state, dir, |_| true).await?;
    let mut removed = 0;
    if state.runtime == "docker" && !state.instance_ids.is_empty() {
        progress.update("removing the containers");
        match containers::remove(&state.instance_ids, state.docker_host.as_deref()) {
            Ok(count) => removed = count,
            Err(failure) => progress.aside(|| context.output.failure(&failure)),
        }
        process::remove_task_network();
    }
    remove_files(&state, dir)?;
    give_back_profile(context, &state)?;
    progress.done(&match removed {
        0 => "the dev cluster is gone".to_owned(),
        _ => format!("the dev cluster is gone, and with it {}", layout::counted(removed, "container")),
    });
    Ok(())
}

/// Agents name their instances; any that joined from elsewhere are known to the controllers only.
async fn learn_instances(state: &mut State, dir: &Path) {
    state.learn_instances(dir, []);
    if !state.controllers().any(|member| member.is_running(dir)) {
        return;
    }
    let Ok(session) = up::session(state, dir) else {
        return;
    };
    // Not knowing more than was known at the start is no reason to keep the cluster.
    if let Ok(Ok(arns)) = tokio::time::timeout(LAST_QUESTION, api::instance_arns(&session, None)).await {
        state.learn_instances(dir, arns.iter().map(|arn| short(arn).to_owned()));
    }
}

/// Removes what a dev cluster writes and nothing else: the directory may be somebody's own.
fn remove_files(state: &State, dir: &Path) -> Result<(), Failure> {
    let removing = || format!("removing the state in {}", dir.display());
    let gone = |result: std::io::Result<()>| match result {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error).or_usage(removing),
        _ => Ok(()),
    };
    for member in &state.members {
        gone(std::fs::remove_dir_all(member.data_dir(dir)))?;
        gone(std::fs::remove_file(member.log_file(dir)))?;
        gone(std::fs::remove_file(member.ready_file(dir)))?;
    }
    for file in ["controller.json", "agent.json", "admin.json", "ca.pem", "state.json"] {
        gone(std::fs::remove_file(dir.join(file)))?;
    }
    // Not empty: then it holds something that is not ours.
    let _ = std::fs::remove_dir(dir);
    Ok(())
}

fn give_back_profile(context: &Context, state: &State) -> Result<(), Failure> {
    let mut all = Profiles::load(&context.home)?;
    all.profiles.remove(up::PROFILE);
    if all.current.as_deref() == Some(up::PROFILE) {
        all.current = state.previous_profile.clone().filter(|name| all.profiles.contains_key(name));
    }
    all.store(&context.home)
}
