//! What a test does to the processes, the cables and the power of a fleet.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::{Fleet, Member, TERMINATE_DEADLINE};
use crate::harness::hosts::Hosts;
use crate::harness::wait::until;

const LEADER_DEADLINE: Duration = Duration::from_secs(20);

// === impl Fleet ===

impl Fleet {
    /// Starts a member that is down, and waits until it serves. Its data are what they were.
    ///
    /// # Panics
    /// When it does not come up.
    pub async fn start(&mut self, member: Member) {
        if let Err(error) = self.try_start(member).await {
            panic!("{member:?} does not start: {error:#}");
        }
    }

    pub(super) async fn try_start(&mut self, member: Member) -> Result<()> {
        let place = self.place(member)?;
        let daemon = &mut self.seat_mut(member).daemon;
        daemon.spawn(&place)?;
        daemon.ready().await.map(drop)
    }

    /// Whether the process of a member that was started is still there.
    #[must_use]
    pub fn is_running(&self, member: Member) -> bool {
        self.seat(member).daemon.is_running()
    }

    /// `kill -9`.
    pub fn kill(&mut self, member: Member) {
        self.seat_mut(member).daemon.kill();
    }

    /// SIGTERM, and waits for the end.
    ///
    /// # Panics
    /// When it does not end well.
    pub async fn stop(&mut self, member: Member) {
        match self.seat_mut(member).daemon.terminate(TERMINATE_DEADLINE).await {
            Ok(status) => assert!(status.success(), "{member:?} ended with {status}"),
            Err(error) => panic!("{member:?}: {error:#}"),
        }
    }

    /// Packets from and to the member's host vanish. Needs a fleet on hosts.
    ///
    /// # Panics
    /// On loopback.
    pub fn cut_off(&mut self, member: Member) {
        let (hosts, host) = self.host(member);
        hosts.cut_off(host).expect("cut a host off");
        self.seat_mut(member).cut_off = true;
    }

    /// Undoes [`Self::cut_off`].
    ///
    /// # Panics
    /// On loopback.
    pub fn heal(&mut self, member: Member) {
        let (hosts, host) = self.host(member);
        hosts.heal(host).expect("heal a host");
        self.seat_mut(member).cut_off = false;
    }

    /// A power cut on the member's host: it, its engine and all containers end at once.
    ///
    /// # Panics
    /// On loopback.
    pub fn power_off(&mut self, member: Member) {
        let (hosts, host) = self.host(member);
        hosts.power_off(host);
        self.seat_mut(member).daemon.kill();
    }

    /// The power is back: the host boots, then the member starts.
    ///
    /// # Panics
    /// When they do not come up.
    pub async fn power_on(&mut self, member: Member) {
        let (hosts, host) = self.host(member);
        hosts.power_on(host).await.expect("boot a host");
        hosts.wait_for_engines().await.expect("start a host's engine");
        self.start(member).await;
    }

    /// Kills the engine of the agent's host; its containers run on.
    ///
    /// # Panics
    /// On loopback.
    pub fn kill_engine(&mut self, agent: usize) {
        let (hosts, host) = self.host(Member::Agent(agent));
        hosts.kill_engine(host).expect("kill an engine");
    }

    /// Starts it again, and waits until it answers.
    ///
    /// # Panics
    /// When it does not.
    pub async fn restart_engine(&mut self, agent: usize) {
        let (hosts, host) = self.host(Member::Agent(agent));
        hosts.restart_engine(host).await.expect("start an engine again");
    }

    /// The controller that leads, in the eyes of those that can be reached.
    pub async fn leader(&self) -> usize {
        until("one controller leads", LEADER_DEADLINE, async || self.find_leader().await).await
    }

    /// The same, now.
    ///
    /// # Errors
    /// When nobody leads.
    pub async fn find_leader(&self) -> Result<usize> {
        let controllers = self.api().controllers().await?;
        let leaders: Vec<_> = controllers.iter().filter(|controller| controller.leader).collect();
        ensure!(leaders.len() == 1, "{} controllers lead", leaders.len());
        let index = self.controllers.iter().position(|seat| seat.address == leaders[0].address);
        let index = index.with_context(|| format!("nobody here is {}", leaders[0].address))?;
        ensure!(self.controllers[index].is_reachable(), "the leader of before is still taken for it");
        Ok(index)
    }

    fn host(&mut self, member: Member) -> (&mut Hosts, usize) {
        let host = self.seat(member).host;
        (self.hosts.as_mut().expect("the fleet is on hosts"), host.expect("the fleet is on hosts"))
    }
}
