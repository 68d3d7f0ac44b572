//! One session, from its hello to its end.

use super::*;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::watch;
use tokio::time::Instant;

use super::manifest::{Sent, confirm_stops};
use super::reports::{Batch, Gathering};
use crate::proposer::ProposeError;
use crate::raft::directory::Directory;

/// A message that cannot be handed over for this long ends the session: the agent does not read.
const SEND_TIMEOUT: Duration = Duration::from_secs(5);

/// Heartbeats that may be missed in a row.
const MISSED_HEARTBEATS: u32 = 3;

type InFlight = BoxFuture<'static, (u64, Result<(), ProposeError>)>;

/// Whose session it is.
pub(super) struct Place {
    /// The region of the instance, unless it is the deployment's own.
    pub(super) region: Option<Region>,
    /// The instance.
    pub(super) instance: InstanceId,
}

/// The owner of one session's state.
pub(super) struct Connection {
    sessions: Sessions,
    region: Option<Region>,
    instance: InstanceId,
    end: CancellationToken,
    manifest_changed: Arc<Notify>,
    directory: watch::Receiver<Directory>,
    fleet: watch::Receiver<Arc<Fleet>>,
    /// What was said of the network last, but for its generation.
    network: Option<pb::FleetNetwork>,
    outbound: mpsc::Sender<pb::ControllerMessage>,
    sent: Sent,
    gathering: Gathering,
    in_flight: Option<InFlight>,
}

/// Why a session ends.
type End = &'static str;

// === impl Connection ===

impl Connection {
    pub(super) fn new(
        sessions: Sessions,
        Place { region, instance }: Place,
        end: CancellationToken,
        manifest_changed: Arc<Notify>,
        outbound: mpsc::Sender<pb::ControllerMessage>,
    ) -> Self {
        let (sent, gathering) = (Sent::default(), Gathering::default());
        let directory = sessions.consensus.directory();
        let fleet = sessions.fleet.subscribe();
        Self {
            sessions,
            region,
            instance,
            end,
            manifest_changed,
            directory,
            fleet,
            network: None,
            outbound,
            sent,
            gathering,
            in_flight: None,
        }
    }

    fn view(&self) -> View {
        self.sessions.view(self.region.as_ref())
    }

    /// Runs the session; says why it ended.
    pub(super) async fn run(mut self, mut inbound: Streaming<pb::AgentMessage>, hello: pb::Hello) -> End {
        let greeted = self.greet(&hello).await;
        if let Err(end) = greeted {
            return end;
        }
        let mut heard = Instant::now();
        loop {
            self.propose_gathered();
            let silence = heard + HEARTBEAT_INTERVAL * MISSED_HEARTBEATS;
            let step = tokio::select! {
                biased;
                // Cancel-safe: a token stays cancelled.
                () = self.end.cancelled() => Err("a newer session took its place, or this controller let it go"),
                // Cancel-safe: the future stays in `in_flight` and goes on where it was.
                (sequence, result) = pending_or(&mut self.in_flight) => self.proposed(sequence, result).await,
                // Cancel-safe: `notified` keeps a permit that was not consumed.
                () = self.manifest_changed.notified() => self.send_difference().await,
                // Cancel-safe: a version that was not seen stays unseen.
                Ok(()) = self.directory.changed() => self.send_directory().await,
                // Cancel-safe: a version that was not seen stays unseen.
                Ok(()) = self.fleet.changed() => self.send_network().await,
                // Cancel-safe: a message that was not returned stays in the stream.
                message = inbound.message() => {
                    heard = Instant::now();
                    match message {
                        Ok(Some(message)) => self.receive(message).await,
                        Ok(None) => Err("the agent closed it"),
                        Err(_) => Err("the connection broke"),
                    }
                }
                () = tokio::time::sleep_until(silence) => Err("the agent was silent for too long"),
            };
            if let Err(end) = step {
                return end;
            }
        }
    }

    async fn greet(&mut self, hello: &pb::Hello) -> Result<(), End> {
        let view = self.view();
        let cluster = view.instance(self.instance).map(|instance| instance.cluster.clone());
        let cluster = cluster.ok_or("the instance was forgotten meanwhile")?;
        tracing::info!(container_instance = %self.instance, %cluster, host = hello.host_name, "an agent's session began");
        let welcome = pb::Welcome {
            controller_id: self.sessions.consensus.id().to_string(),
            container_instance_arn: view.scope().container_instance(&cluster, self.instance),
            heartbeat_interval_ms: u32::try_from(HEARTBEAT_INTERVAL.as_millis()).unwrap_or(u32::MAX),
        };
        self.gathering.add(0, &hello.tasks);
        self.send(controller_message::Message::Welcome(welcome)).await?;
        self.send_directory().await?;
        // Tasks that are to start need to know what their address can be.
        self.send_network().await?;
        self.send_whole().await
    }

    async fn receive(&mut self, message: pb::AgentMessage) -> Result<(), End> {
        use agent_message::Message;
        match message.message {
            Some(Message::Reports(reports)) => {
                self.gathering.add(reports.sequence, &reports.tasks);
                Ok(())
            }
            Some(Message::ManifestReply(reply)) => self.replied(&reply).await,
            Some(Message::StopCandidates(candidates)) => self.confirm(&candidates).await,
            Some(Message::Heartbeat(_)) => {
                self.send(controller_message::Message::Heartbeat(pb::Heartbeat {})).await
            }
            Some(Message::Usage(answer)) => {
                self.sessions.usage.answered(answer);
                Ok(())
            }
            Some(Message::Hello(_)) => Err("the agent said hello twice"),
            // A newer agent may say what this controller does not know.
            None => Ok(()),
        }
    }

    async fn replied(&mut self, reply: &pb::ManifestReply) -> Result<(), End> {
        match reply.verdict() {
            pb::manifest_reply::Verdict::Gap => self.send_whole().await,
            pb::manifest_reply::Verdict::Refused => {
                // This replica is behind what the agent has; the next change brings a newer one.
                tracing::info!(container_instance = %self.instance, generation = reply.generation, reason = reply.reason, "an agent refused a manifest");
                Ok(())
            }
            pb::manifest_reply::Verdict::Accepted | pb::manifest_reply::Verdict::Unspecified => Ok(()),
        }
    }

    async fn confirm(&mut self, candidates: &pb::StopCandidates) -> Result<(), End> {
        // Only a state that is proven current may say that something is not wanted.
        let Ok(view) = self.sessions.consensus.linearize().await else { return Ok(()) };
        match confirm_stops(&view.in_region(self.region.as_ref()), self.instance, candidates) {
            Some(confirmation) => {
                self.send(controller_message::Message::StopConfirmation(confirmation)).await
            }
            None => self.send_difference().await,
        }
    }

    async fn send_whole(&mut self) -> Result<(), End> {
        let view = self.view();
        let manifest = self.sent.whole(&view, self.instance);
        self.send(controller_message::Message::Manifest(manifest)).await
    }

    async fn send_directory(&mut self) -> Result<(), End> {
        let addresses = self.directory.borrow_and_update().to_vec();
        self.send(controller_message::Message::Controllers(pb::Controllers { addresses })).await
    }

    async fn send_network(&mut self) -> Result<(), End> {
        let fleet = Arc::clone(&self.fleet.borrow_and_update());
        let Some(message) = fleet.message(self.region.as_ref(), self.instance) else { return Ok(()) };
        let bare = pb::FleetNetwork { generation: 0, ..message.clone() };
        if self.network.as_ref() == Some(&bare) {
            return Ok(());
        }
        self.network = Some(bare);
        self.send(controller_message::Message::Network(message)).await
    }

    async fn send_difference(&mut self) -> Result<(), End> {
        let view = self.view();
        match self.sent.difference(&view, self.instance) {
            Some(delta) => self.send(controller_message::Message::ManifestDelta(delta)).await,
            None => Ok(()),
        }
    }

    fn propose_gathered(&mut self) {
        if self.in_flight.is_some() || self.gathering.is_empty() {
            return;
        }
        let view = self.view();
        let Batch { command, sequence } = self.gathering.take(self.instance, &view);
        let command = command.map(|command| view.addressed(command));
        let proposer = self.sessions.proposer.clone();
        self.in_flight = Some(
            async move {
                let result = match command {
                    Some(command) => proposer.propose(command).await.map(|_| ()),
                    None => Ok(()),
                };
                (sequence, result)
            }
            .boxed(),
        );
    }

    async fn proposed(&mut self, sequence: u64, result: Result<(), ProposeError>) -> Result<(), End> {
        self.in_flight = None;
        match result {
            Ok(()) if sequence > 0 => {
                self.send(controller_message::Message::ReportsAck(pb::ReportsAck { sequence })).await
            }
            Ok(()) => Ok(()),
            // Not acknowledged, so the agent sends it again, here or to another controller.
            Err(error) => {
                tracing::info!(container_instance = %self.instance, %error, "reports did not reach the log");
                Err("its reports could not be recorded")
            }
        }
    }

    async fn send(&mut self, message: controller_message::Message) -> Result<(), End> {
        let message = pb::ControllerMessage { message: Some(message) };
        self.outbound.send_timeout(message, SEND_TIMEOUT).await.map_err(|_| "the agent does not read")
    }
}

/// The proposal under way; never, if there is none.
async fn pending_or(in_flight: &mut Option<InFlight>) -> (u64, Result<(), ProposeError>) {
    match in_flight {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}
