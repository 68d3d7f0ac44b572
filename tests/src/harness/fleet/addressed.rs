//! Tasks with addresses of their own: what a test starts, and what it does and sees inside of their networks.

use anyhow::{Context as _, Result, ensure};
use berth_proto::ecs::v1 as ecs;

use super::deploy::container;
use super::{Fleet, Member};
use crate::harness::api::id_of;
use crate::harness::command::output;

// === impl Fleet ===

impl Fleet {
    /// Registers a family of tasks with an address each: the test application at port 8080, and a second one at 8081
    /// that the first knows as `NEIGHBOUR`.
    ///
    /// # Errors
    /// When the call fails.
    pub async fn register_addressed(&self, family: &str, environment: &[(&str, &str)]) -> Result<()> {
        let neighbour = [("NEIGHBOUR", "http://127.0.0.1:8081")];
        let first = container("1", &[environment, &neighbour].concat());
        let mut second = container("1", &[("PORT", "8081"), ("REVISION", "second")]);
        second.name = Some("second".to_owned());
        second.port_mappings.clear();
        let request = ecs::RegisterTaskDefinitionRequest {
            family: Some(family.to_owned()),
            network_mode: Some(ecs::NetworkMode::Awsvpc.into()),
            container_definitions: vec![first, second],
            ..Default::default()
        };
        let reply = self.api().task_definitions.register_task_definition(request).await;
        reply.context("RegisterTaskDefinition").map(drop)
    }

    /// Starts a task with an address on the instance of an agent; returns its ARN.
    ///
    /// # Errors
    /// When the call fails or the task does not fit there.
    pub async fn start_addressed(&self, family: &str, agent: usize, groups: &[&str]) -> Result<String> {
        let network = ecs::AwsVpcConfiguration {
            subnets: vec!["subnet-1".to_owned()],
            security_groups: groups.iter().map(|group| (*group).to_owned()).collect(),
            ..Default::default()
        };
        let request = ecs::StartTaskRequest {
            task_definition: Some(family.to_owned()),
            container_instances: vec![self.instance(agent).to_owned()],
            network_configuration: Some(ecs::NetworkConfiguration { awsvpc_configuration: Some(network) }),
            ..Default::default()
        };
        let reply = self.api().tasks.start_task(request).await.context("StartTask")?.into_inner();
        let task = reply.tasks.first().with_context(|| format!("not placed: {:?}", reply.failures))?;
        Ok(task.task_arn().to_owned())
    }

    /// A task that runs, and its address.
    ///
    /// # Errors
    /// When it does not run.
    pub async fn addressed(&self, arn: &str) -> Result<(ecs::Task, String)> {
        let task = self.api().describe_tasks(vec![arn.to_owned()]).await?.remove(0);
        let reasons: Vec<&str> = task.containers.iter().map(ecs::Container::reason).collect();
        ensure!(
            task.last_status() == "RUNNING",
            "{} {} {reasons:?}",
            task.last_status(),
            task.stopped_reason()
        );
        let interface = task.containers[0].network_interfaces.first().context("it has no interface")?;
        let address = interface.private_ipv4_address().to_owned();
        Ok((task, address))
    }

    /// The address of a member's host.
    ///
    /// # Panics
    /// On loopback.
    #[must_use]
    pub fn address(&self, member: Member) -> String {
        let host = self.seat(member).host.expect("the fleet is on hosts");
        self.hosts.as_ref().expect("the fleet is on hosts").address(host).to_string()
    }

    /// Runs a program on the host of a member; what it printed.
    ///
    /// # Errors
    /// When it fails, or the fleet is not on hosts.
    pub fn on_host(&self, member: Member, line: &[&str]) -> Result<String> {
        output(self.place(member)?.command().args(line))
    }

    /// Runs a program of the host in the network of one of its tasks; what it printed.
    ///
    /// # Errors
    /// When it fails, or the task has no network of its own.
    pub fn in_task(&self, task: &ecs::Task, line: &[&str]) -> Result<String> {
        let agent = self.agent_of(task)?;
        let label = format!("label=berth.pause={}", id_of(task.task_arn()));
        let engine = self.engine(agent);
        let id = engine.docker(&["ps", "--quiet", "--filter", &label])?;
        let pid = engine.docker(&["inspect", "--format", "{{.State.Pid}}", id.trim()])?;
        let namespace = format!("--net=/proc/{}/ns/net", pid.trim());
        self.on_host(Member::Agent(agent), &[&["nsenter", &namespace, "--"], line].concat())
    }
}
