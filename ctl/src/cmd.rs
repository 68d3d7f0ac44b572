//! The commands, one file a noun or verb.

use crate::args::Command;
use crate::context::Context;
use crate::failure::{Exit, Failure};

pub(crate) mod attribute;
pub(crate) mod cluster;
pub(crate) mod completion;
pub(crate) mod controller;
pub(crate) mod cp;
pub(crate) mod dev;
pub(crate) mod events;
pub(crate) mod exec;
pub(crate) mod explain;
pub(crate) mod init;
pub(crate) mod instance;
pub(crate) mod key;
pub(crate) mod logs;
pub(crate) mod parameter;
pub(crate) mod port_forward;
pub(crate) mod profile;
pub(crate) mod ps;
pub(crate) mod reconciler;
pub(crate) mod run;
pub(crate) mod secret;
pub(crate) mod security_group;
pub(crate) mod service;
pub(crate) mod task;
pub(crate) mod task_definition;

/// Runs one command. The futures are boxed: together they would be as large as the largest of them.
pub(crate) async fn run(command: Command, context: &Context) -> Result<Exit, Failure> {
    match command {
        Command::Init(init) => init.run(context),
        Command::Dev(dev) => Box::pin(dev.run(context)).await,
        Command::Run(run) => Box::pin(run.run(context)).await,
        Command::Ps(ps) => Box::pin(ps.run(context)).await,
        Command::Exec(exec) => Box::pin(exec.run(context)).await,
        Command::Cp(cp) => Box::pin(cp.run(context)).await,
        Command::PortForward(forward) => Box::pin(forward.run(context)).await,
        Command::Logs(logs) => Box::pin(logs.run(context)).await,
        Command::Events(events) => Box::pin(events.run(context)).await,
        Command::Cluster(cluster) => Box::pin(cluster.run(context)).await,
        Command::TaskDefinition(task_definition) => Box::pin(task_definition.run(context)).await,
        Command::Task(task) => Box::pin(task.run(context)).await,
        Command::Service(service) => Box::pin(service.run(context)).await,
        Command::Instance(instance) => Box::pin(instance.run(context)).await,
        Command::Controller(controller) => Box::pin(controller.run(context)).await,
        Command::Key(key) => Box::pin(key.run(context)).await,
        Command::Parameter(parameter) => Box::pin(parameter.run(context)).await,
        Command::Secret(secret) => Box::pin(secret.run(context)).await,
        Command::SecurityGroup(group) => Box::pin(group.run(context)).await,
        Command::Reconciler(reconciler) => Box::pin(reconciler.run(context)).await,
        Command::Profile(profile) => profile.run(context),
        Command::Completion(completion) => completion.run(context),
    }
}
