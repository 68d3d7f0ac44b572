//! An open session: what comes down is followed, what is in the outbox goes up.

use std::time::Duration;

use berth_proto::agent::v1 as wire;
use berth_proto::agent::v1::agent_message::Message as Up;
use berth_proto::agent::v1::controller_message::Message as Down;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::directory::Directory;
use super::logs::Logs;
use super::prefetch::Prefetch;
use super::{Client, Error, Parts, usage};
use crate::ledger::Verdict;
use crate::limits;

/// A controller that names no interval.
const DEFAULT_HEARTBEAT: Duration = Duration::from_secs(1);
/// An interval that would only burn the processor.
const SHORTEST_HEARTBEAT: Duration = Duration::from_millis(50);
/// Intervals without a word after which the other side is gone; the controller counts the same.
const SILENT_INTERVALS: u32 = 3;
/// Room that reports leave for heartbeats and replies.
const RESERVED_SLOTS: usize = 4;

pub(super) struct Stream<'a> {
    parts: &'a Parts,
    directory: &'a mut Directory,
    sender: mpsc::Sender<Box<wire::AgentMessage>>,
    logs: Logs,
    /// Where the session is with.
    controller: &'a str,
    prefetch: Prefetch,
    heartbeat_interval: Duration,
    heard_at: Instant,
    /// The controller sends heartbeats, so their absence means something.
    hears_heartbeats: bool,
    /// When the reports that are gathering are sent.
    send_at: Option<Instant>,
    /// When reports without an acknowledgement are sent again.
    resend_at: Option<Instant>,
}

// === impl Stream ===

impl<'a> Stream<'a> {
    pub(super) fn new(
        parts: &'a Parts,
        directory: &'a mut Directory,
        (controller, client): (&'a str, Client),
        sender: mpsc::Sender<Box<wire::AgentMessage>>,
        welcome: &wire::Welcome,
    ) -> Self {
        let interval = match welcome.heartbeat_interval_ms {
            0 => DEFAULT_HEARTBEAT,
            ms => Duration::from_millis(ms.into()).max(SHORTEST_HEARTBEAT),
        };
        let now = Instant::now();
        Self {
            parts,
            directory,
            sender,
            controller,
            logs: Logs::new(client, parts.engine.clone(), parts.runtime.clone(), parts.shutdown.child()),
            prefetch: Prefetch::new(parts.images.clone(), parts.shutdown.child()),
            heartbeat_interval: interval,
            heard_at: now,
            hears_heartbeats: false,
            send_at: Some(now),
            resend_at: None,
        }
    }

    pub(super) async fn run(
        mut self,
        mut inbound: tonic::Streaming<wire::ControllerMessage>,
        token: &CancellationToken,
    ) -> Result<(), Error> {
        let mut heartbeat = tokio::time::interval(self.heartbeat_interval);
        heartbeat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                // Cancel-safe: the token stays cancelled.
                () = token.cancelled() => return Ok(()),
                // Cancel-safe: a message that is half-read stays in the stream's buffer.
                message = inbound.message() => match message? {
                    Some(message) => self.receive(message).await?,
                    None => return Err(Error::Ended),
                },
                // Cancel-safe: a tick that is not taken is due at once the next time.
                _ = heartbeat.tick() => self.beat()?,
                // Cancel-safe: a notification that is not taken is kept for the next wait.
                () = self.parts.outbox.changed(), if self.send_at.is_none() => {
                    self.send_at = Some(Instant::now() + self.parts.report_delay);
                }
                // Cancel-safe: the moment is kept outside.
                () = sleep_until(self.send_at) => self.send(),
                // Cancel-safe: the moment is kept outside.
                () = sleep_until(self.resend_at) => {
                    tracing::info!(reports = self.parts.outbox.backlog(), "reports are not acknowledged; sending them again");
                    self.resend_at = None;
                    self.parts.outbox.resend();
                }
            }
        }
    }

    async fn receive(&mut self, message: wire::ControllerMessage) -> Result<(), Error> {
        self.heard_at = Instant::now();
        match message.message {
            Some(Down::Manifest(manifest)) => {
                let verdict = self.parts.ledger.accept(manifest).await?;
                self.follow(verdict).await
            }
            Some(Down::ManifestDelta(delta)) => {
                let verdict = self.parts.ledger.accept_delta(delta).await?;
                self.follow(verdict).await
            }
            Some(Down::ReportsAck(ack)) => {
                let acknowledged = self.parts.outbox.acknowledge(ack.sequence);
                self.parts.metrics.acknowledged(acknowledged.len());
                self.parts.engine.acknowledge(acknowledged).await;
                self.expect_acknowledgement(true);
                Ok(())
            }
            Some(Down::StopConfirmation(confirmation)) => {
                self.parts.engine.confirm(confirmation).await;
                Ok(())
            }
            Some(Down::OpenLogs(request)) => {
                self.logs.open(request);
                Ok(())
            }
            Some(Down::OpenConduit(request)) => {
                self.parts.conduits.open(self.controller, request);
                Ok(())
            }
            Some(Down::CloseLogs(request)) => {
                self.logs.close(&request.request_id);
                Ok(())
            }
            Some(Down::Prefetch(wanted)) => {
                self.prefetch.want(wanted.images);
                Ok(())
            }
            Some(Down::ReadUsage(question)) => {
                let answer = usage::answer(self.parts, question).await;
                match self.push(Up::Usage(answer)) {
                    // Whoever asked asks again.
                    Err(Error::Stuck) => Ok(()),
                    result => result,
                }
            }
            Some(Down::Controllers(controllers)) => match self.directory.learn(controllers.addresses) {
                Some(told) => Ok(self.parts.ledger.record_controllers(told).await?),
                None => Ok(()),
            },
            Some(Down::Network(fleet)) => {
                if let Some(network) = &self.parts.network {
                    network.follow(&fleet);
                }
                Ok(())
            }
            Some(Down::Heartbeat(_)) => {
                self.hears_heartbeats = true;
                Ok(())
            }
            // A second welcome says nothing new; a message without content is of a version to come.
            Some(Down::Welcome(_)) | None => Ok(()),
        }
    }

    async fn follow(&mut self, verdict: Verdict) -> Result<(), Error> {
        let reply = verdict.reply;
        if reply.verdict() == wire::manifest_reply::Verdict::Refused {
            self.parts.metrics.manifest_refused();
            tracing::warn!(generation = reply.generation, reason = reply.reason, "manifest refused");
        }
        self.push(Up::ManifestReply(reply))?;
        if let Some(set) = verdict.set {
            self.parts.engine.follow(set).await;
        }
        Ok(())
    }

    fn beat(&mut self) -> Result<(), Error> {
        let silent = self.heard_at.elapsed();
        if self.hears_heartbeats && silent > self.heartbeat_interval * SILENT_INTERVALS {
            return Err(Error::Silent { silent_ms: silent.as_millis() });
        }
        if self.send_at.is_none() && self.sender.capacity() > RESERVED_SLOTS {
            // Whatever a full channel has kept back.
            self.send_at = Some(Instant::now());
        }
        match self.push(Up::Heartbeat(wire::Heartbeat {})) {
            // The connection's own pings find out whether anybody is there.
            Err(Error::Stuck) => Ok(()),
            result => result,
        }
    }

    fn send(&mut self) {
        self.send_at = None;
        let mut has_sent = false;
        while self.sender.capacity() > RESERVED_SLOTS {
            let Some(message) = self.parts.outbox.next_message() else { break };
            has_sent = true;
            // There is room: only an ended session can refuse, and the next one takes everything back.
            let _ = self.push(message);
        }
        self.expect_acknowledgement(has_sent);
    }

    fn expect_acknowledgement(&mut self, anew: bool) {
        if !self.parts.outbox.is_unacknowledged() {
            self.resend_at = None;
        } else if anew || self.resend_at.is_none() {
            self.resend_at = Some(Instant::now() + limits::ACKNOWLEDGEMENT_TIMEOUT);
        }
    }

    fn push(&self, message: Up) -> Result<(), Error> {
        match self.sender.try_send(Box::new(wire::AgentMessage { message: Some(message) })) {
            Ok(()) => Ok(()),
            Err(mpsc::error::TrySendError::Full(_)) => Err(Error::Stuck),
            Err(mpsc::error::TrySendError::Closed(_)) => Err(Error::Ended),
        }
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
