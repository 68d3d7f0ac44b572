//! Conduits into containers, as commands of this command line use them.

use berth_process::entropy::Entropy;
use berth_proto::admin::v1::{ConduitRequest, ConduitStart, conduit_request};
use berth_proto::agent::v1::conduit_input::Input;
use berth_proto::agent::v1::conduit_target::Target;
use berth_proto::agent::v1::{ConduitInput, ConduitOutput, ConduitTarget};
use clap::Args;
use tokio::sync::mpsc;

use crate::api;
use crate::context::Session;
use crate::failure::{Failure, from_status, is_loss};

/// Read from a terminal, a file or a connection at a time.
pub(crate) const CHUNK_BYTES: usize = 32 << 10;

/// How ECS's refusal of a task without `enableExecuteCommand` begins.
const NOT_ENABLED: &str = "The execute command failed because execute command was not enabled";

/// Which container, and whether its task has to agree.
#[derive(Clone, Debug, Args)]
pub(crate) struct Of {
    /// The container; not needed when the task has one
    #[arg(short, long, value_name = "NAME")]
    container: Option<String>,
    /// Also in a task that was not run with enableExecuteCommand
    #[arg(long)]
    force: bool,
}

/// What goes into a container.
#[derive(Clone)]
pub(crate) struct Inlet(mpsc::Sender<ConduitRequest>);

/// What comes out of it.
pub(crate) struct Outlet(tonic::Streaming<ConduitOutput>);

// === impl Of ===

impl Of {
    /// The whole id of a task of which the beginning may be given.
    pub(crate) async fn task(session: &Session, given: &str) -> Result<String, Failure> {
        let ids = api::whole_task_ids(session, &[given.to_owned()]).await?;
        Ok(ids.into_iter().next().unwrap_or_default())
    }

    /// Opens a conduit to what is wanted of a task.
    pub(crate) async fn open(
        &self,
        session: &Session,
        task: String,
        target: Target,
    ) -> Result<(Inlet, Outlet), Failure> {
        let start = ConduitStart {
            cluster: session.cluster.clone(),
            task,
            container: self.container.clone().unwrap_or_default(),
            target: Some(ConduitTarget { target: Some(target) }),
            force: self.force,
            session_id: format!("{:032x}", Entropy::system().u128()),
        };
        let (sender, outputs) = session.client.conduit(start).await.map_err(explained)?;
        Ok((Inlet(sender), Outlet(outputs)))
    }
}

// === impl Inlet ===

impl Inlet {
    /// Waits until it is taken; whether there is still somebody who takes it.
    pub(crate) async fn send(&self, input: Input) -> bool {
        let message = conduit_request::Message::Input(ConduitInput { input: Some(input) });
        self.0.send(ConduitRequest { message: Some(message) }).await.is_ok()
    }
}

// === impl Outlet ===

impl Outlet {
    /// What comes next. That it broke, and that the other side says what went wrong, are failures.
    pub(crate) async fn next(&mut self) -> Result<ConduitOutput, Failure> {
        let output = self.0.message().await.map_err(|status| {
            let lost = || Failure::unreachable("the connection to the controller broke");
            if is_loss(&status) { lost() } else { from_status(&status) }
        })?;
        match output {
            None => Err(Failure::unreachable("the connection ended before the container had")),
            Some(output) if !output.error.is_empty() => Err(Failure::refused(output.error)),
            Some(output) => Ok(output),
        }
    }
}

fn explained(failure: Failure) -> Failure {
    if !failure.message.contains(NOT_ENABLED) {
        return failure;
    }
    failure.hint("run it with enableExecuteCommand, wait until its container runs, or insist with --force")
}
