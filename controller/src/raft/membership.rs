//! Who takes part: bootstrap, join, remove, list.
//!
//! A new controller first learns the log without a vote and is given one when it has caught up, so a slow disk or a
//! wrong address never costs the others their majority. One that is removed first loses its vote, while it still
//! hears of it, and then its place: it does not stand for election against those who removed it.
//!
//! Everything here is safe to repeat. Changes are made by the leader, one after the other.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use berth_process::backoff::Backoff;
use berth_proto::peer::v1 as proto;
use openraft::error::{ChangeMembershipError, ClientWriteError, InitializeError, RaftError};
use openraft::{BasicNode, ChangeMembers, Membership, RaftMetrics};
use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::consensus::Consensus;
use super::peers::request_for;
use super::{ControllerId, LogId};

/// A controller that takes part, as the asked one knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its id.
    pub id: ControllerId,
    /// Where the others and clients reach it, as `host:port`.
    pub address: String,
    /// Whether it counts towards the majority.
    pub voter: bool,
    /// Whether it leads.
    pub leader: bool,
    /// The newest log entry known to be on its disk. A follower only knows its own.
    pub log_index: Option<u64>,
    /// Whether the asked controller heard of it lately. A follower only hears of the leader.
    pub reachable: bool,
}

/// Why who takes part was not changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MembershipError {
    /// Only the leader can, and this is not it.
    #[error("this controller does not lead")]
    NotLeader,
    /// There is no such controller.
    #[error("there is no controller {0}")]
    Unknown(ControllerId),
    /// Without it too few would be left.
    #[error("cannot remove controller {id}: {reason}")]
    NoMajority {
        /// Which was to go.
        id: ControllerId,
        /// What would be left.
        reason: String,
    },
    /// Another change is not finished. Ask again.
    #[error("another change of the members is under way")]
    InProgress,
    /// It has not caught up yet. Ask again.
    #[error("controller {0} has not caught up with the log yet")]
    CatchingUp(ControllerId),
    /// Nobody took it in.
    #[error("no controller took this one in: {0}")]
    Refused(String),
    /// This controller is stopping.
    #[error("this controller is stopping")]
    Stopping,
}

type WriteError = RaftError<ControllerId, ClientWriteError<ControllerId, BasicNode>>;
type Members = Membership<ControllerId, BasicNode>;

/// Entries that a new controller may be behind when it gets its vote; the rest takes milliseconds.
const CAUGHT_UP_WITHIN: u64 = 64;

/// How long a controller that lost its vote may take to hear of it, before it is taken out all the same.
const FAREWELL: Duration = Duration::from_secs(1);

/// Between two attempts to be taken in.
const JOIN_BACKOFF_BASE: Duration = Duration::from_millis(200);
const JOIN_BACKOFF_CAP: Duration = Duration::from_secs(5);

// === impl Member ===

impl From<Member> for berth_proto::admin::v1::Controller {
    fn from(member: Member) -> Self {
        Self {
            controller_id: member.id.to_string(),
            address: member.address,
            voter: member.voter,
            leader: member.leader,
            log_index: member.log_index,
            reachable: member.reachable,
        }
    }
}

// === impl Consensus ===

impl Consensus {
    /// Makes this controller the first member of a new cluster. Does nothing if it is a member of one already.
    pub async fn bootstrap(&self) -> Result<(), MembershipError> {
        let initialized = self.raft().is_initialized().await.map_err(|_fatal| MembershipError::Stopping)?;
        if initialized {
            return Ok(());
        }
        let first = BTreeMap::from([(self.id(), BasicNode::new(self.address()))]);
        match self.raft().initialize(first).await {
            Ok(()) => {
                info!(controller_id = %self.id(), address = self.address(), "bootstrapped a new cluster");
                Ok(())
            }
            // Somebody was faster; either way there is a cluster.
            Err(RaftError::APIError(InitializeError::NotAllowed(_))) => Ok(()),
            Err(RaftError::APIError(error @ InitializeError::NotInMembers(_))) => {
                Err(MembershipError::Refused(error.to_string()))
            }
            Err(RaftError::Fatal(_)) => Err(MembershipError::Stopping),
        }
    }

    /// Asks the controllers at `seeds` to be taken in, again and again until one of them does. Its own service has to be
    /// reachable by then. The caller sets the deadline, if there is to be one.
    pub async fn join(&self, seeds: &[String]) -> Vec<Member> {
        let mut backoff = Backoff::new(JOIN_BACKOFF_BASE, JOIN_BACKOFF_CAP, self.entropy().clone());
        loop {
            for seed in seeds {
                match self.ask_to_join(seed).await {
                    Ok(members) => {
                        info!(controller_id = %self.id(), seed, members = members.len(), "joined the cluster");
                        return members;
                    }
                    Err(error) => info!(seed, %error, "not taken in yet"),
                }
            }
            tokio::time::sleep(backoff.next_delay()).await;
        }
    }

    /// After a start at another address, tells the others where this controller is now: as long as they do not know,
    /// they cannot reach it. Done at once when nothing has changed; a new controller waits until it is taken in.
    pub(super) async fn announce(self) {
        let mut backoff = Backoff::new(JOIN_BACKOFF_BASE, JOIN_BACKOFF_CAP, self.entropy().clone());
        let mut metrics = self.raft().metrics();
        let known = |metrics: &RaftMetrics<ControllerId, BasicNode>| {
            metrics.membership_config.membership().get_node(&self.id()).map(|known| known.addr.clone())
        };
        // An error means that this controller is stopping.
        while let Ok(address) =
            metrics.wait_for(|metrics| known(metrics).is_some()).await.map(|found| known(&found))
        {
            if address.as_deref() == Some(self.address()) {
                break;
            }
            let leader = self.leadership().borrow().leader.clone();
            let told = match leader {
                Some(leader) if leader.id == self.id() => {
                    self.admit(self.id(), self.address()).await.map(drop)
                }
                Some(leader) => self.ask_to_join(&leader.address).await.map(drop),
                None => Err(MembershipError::NotLeader),
            };
            debug!(known = address, now = self.address(), ?told, "telling the others of a changed address");
            tokio::time::sleep(backoff.next_delay()).await;
        }
    }

    async fn ask_to_join(&self, seed: &str) -> Result<Vec<Member>, MembershipError> {
        let message =
            proto::JoinRequest { controller_id: self.id().get(), address: self.address().to_owned() };
        // For whoever is there: a seed is only known by its address.
        let call = self.peers().client(seed).join(message).await;
        let answer = call.map_err(|status| MembershipError::Refused(status.message().to_owned()))?;
        Ok(answer.into_inner().members.into_iter().map(Member::from).collect())
    }

    /// Takes a controller in, or makes its changed address known. On the leader.
    pub(super) async fn admit(
        &self,
        id: ControllerId,
        address: &str,
    ) -> Result<Vec<Member>, MembershipError> {
        let _alone = self.changing_members().lock().await;
        let place = BasicNode::new(address);
        let known = self.membership().get_node(&id).map(|known| known.addr.clone());
        self.tell_of_former(id, address);
        match known {
            None => self.change(ChangeMembers::AddNodes(BTreeMap::from([(id, place)])), true).await?,
            Some(known) if known != address => {
                info!(controller_id = %id, from = known, to = address, "a controller's address has changed");
                self.change(ChangeMembers::SetNodes(BTreeMap::from([(id, place)])), true).await?;
            }
            Some(_same) => {}
        }
        if !self.is_voter(id) {
            self.wait_until_caught_up(id).await?;
            self.change(ChangeMembers::AddVoterIds(BTreeSet::from([id])), true).await?;
            info!(controller_id = %id, address, "a controller was taken in");
        }
        Ok(self.members())
    }

    /// Passes a new controller's request on to the leader.
    pub(super) async fn pass_on_join(
        &self,
        request: proto::JoinRequest,
    ) -> Result<proto::JoinResponse, tonic::Status> {
        let leader = self.leadership().borrow().leader.clone();
        let leader = leader.filter(|leader| leader.id != self.id());
        let leader = leader.ok_or_else(|| tonic::Status::unavailable("there is no leader at the moment"))?;
        let call = self.peers().client(&leader.address).join(request_for(leader.id, request)).await;
        call.map(tonic::Response::into_inner)
    }

    /// Takes a controller out for good. Refused when those that are left could not form a majority. A leader may
    /// remove itself: another is elected. On the leader.
    pub async fn remove(&self, id: ControllerId) -> Result<(), MembershipError> {
        let _alone = self.changing_members().lock().await;
        if !self.leadership().borrow().is_led_by(self.id()) {
            return Err(MembershipError::NotLeader);
        }
        if self.membership().get_node(&id).is_none() {
            return Err(MembershipError::Unknown(id));
        }
        let ids = BTreeSet::from([id]);
        if self.is_voter(id) {
            self.check_majority_without(id)?;
            // A leader cannot take itself out in a second step: it leads no more after the first.
            let stays = id != self.id();
            self.change(ChangeMembers::RemoveVoters(ids.clone()), stays).await?;
        }
        if id != self.id() {
            self.say_farewell(id).await;
            self.change(ChangeMembers::RemoveNodes(ids), false).await?;
        }
        info!(controller_id = %id, "a controller was removed");
        Ok(())
    }

    /// Who takes part.
    pub fn members(&self) -> Vec<Member> {
        self.numbered_members().1
    }

    /// Who takes part, and a number that is greater the later that was decided; 0 before anything was.
    pub fn numbered_members(&self) -> (u64, Vec<Member>) {
        let metrics = self.raft().metrics().borrow().clone();
        let number = metrics.membership_config.log_id().map_or(0, |decided| decided.index + 1);
        let membership = metrics.membership_config.membership();
        let voters: BTreeSet<ControllerId> = membership.voter_ids().collect();
        let member = |(id, place): (&ControllerId, &BasicNode)| {
            let leader = metrics.current_leader == Some(*id);
            let replicated =
                metrics.replication.as_ref().and_then(|targets| targets.get(id).copied().flatten());
            let own = (*id == self.id()).then_some(metrics.last_log_index).flatten();
            Member {
                id: *id,
                address: place.addr.clone(),
                voter: voters.contains(id),
                leader,
                log_index: own.or_else(|| replicated.map(|log_id: LogId| log_id.index)),
                reachable: *id == self.id() || self.is_reachable(*id),
            }
        };
        (number, membership.nodes().map(member).collect())
    }

    /// A controller that lost its disk comes back with another id; its former one still counts towards the majority.
    fn tell_of_former(&self, id: ControllerId, address: &str) {
        for (former, _place) in
            self.membership().nodes().filter(|(other, place)| **other != id && place.addr == address)
        {
            warn!(controller_id = %id, %former, address, "a controller has the address of another; remove the former one if it is gone for good");
        }
    }

    fn membership(&self) -> Members {
        self.raft().metrics().borrow().membership_config.membership().clone()
    }

    fn is_voter(&self, id: ControllerId) -> bool {
        self.membership().voter_ids().any(|voter| voter == id)
    }

    /// The rest must not only be enough on paper: a majority of it has to answer.
    fn check_majority_without(&self, id: ControllerId) -> Result<(), MembershipError> {
        let rest: BTreeSet<ControllerId> =
            self.membership().voter_ids().filter(|voter| *voter != id).collect();
        let silent: Vec<String> = rest
            .iter()
            .filter(|voter| **voter != self.id() && !self.is_reachable(**voter))
            .map(ToString::to_string)
            .collect();
        let answering = rest.len() - silent.len();
        if rest.is_empty() {
            return Err(MembershipError::NoMajority { id, reason: "it is the only one".to_owned() });
        }
        if answering * 2 <= rest.len() {
            let reason = format!(
                "of the {} others only {answering} could be counted on; silent: {}",
                rest.len(),
                silent.join(", ")
            );
            return Err(MembershipError::NoMajority { id, reason });
        }
        Ok(())
    }

    async fn wait_until_caught_up(&self, id: ControllerId) -> Result<(), MembershipError> {
        let deadline = Instant::now() + self.config().join_timeout.get();
        self.wait_for_log(id, deadline, CAUGHT_UP_WITHIN).await.map_err(|()| MembershipError::CatchingUp(id))
    }

    async fn say_farewell(&self, id: ControllerId) {
        let heard = self.wait_for_log(id, Instant::now() + FAREWELL, 0).await;
        debug!(controller_id = %id, heard = heard.is_ok(), "a controller lost its vote");
    }

    /// Until the log of `id` is no more than `behind` entries behind what the log of this controller is now.
    async fn wait_for_log(&self, id: ControllerId, deadline: Instant, behind: u64) -> Result<(), ()> {
        let mut metrics = self.raft().metrics();
        let target = metrics.borrow().last_log_index.unwrap_or(0).saturating_sub(behind);
        let reached = metrics.wait_for(|metrics| {
            let logs = metrics.replication.as_ref();
            // Leading no more, this controller will never know; the change that follows tells the caller.
            logs.is_none_or(|logs| logs.get(&id).copied().flatten().is_some_and(|log| log.index >= target))
        });
        let reached = tokio::time::timeout_at(deadline, reached).await;
        reached.map(|_metrics| ()).map_err(|_elapsed| ())
    }

    async fn change(
        &self,
        changes: ChangeMembers<ControllerId, BasicNode>,
        retain: bool,
    ) -> Result<(), MembershipError> {
        let changed = self.raft().change_membership(changes, retain).await;
        changed.map(|_written| ()).map_err(|error| refusal(&error))
    }
}

fn refusal(error: &WriteError) -> MembershipError {
    match error {
        RaftError::APIError(ClientWriteError::ForwardToLeader(_)) => MembershipError::NotLeader,
        RaftError::APIError(ClientWriteError::ChangeMembershipError(error)) => match error {
            ChangeMembershipError::InProgress(_) => MembershipError::InProgress,
            ChangeMembershipError::EmptyMembership(_) | ChangeMembershipError::LearnerNotFound(_) => {
                MembershipError::Refused(error.to_string())
            }
        },
        RaftError::Fatal(_) => MembershipError::Stopping,
    }
}

// === impl Member ===

impl From<proto::Member> for Member {
    fn from(member: proto::Member) -> Self {
        Self {
            id: member.controller_id.into(),
            address: member.address,
            voter: member.voter,
            leader: false,
            log_index: None,
            reachable: true,
        }
    }
}

impl From<Member> for proto::Member {
    fn from(member: Member) -> Self {
        Self { controller_id: member.id.get(), address: member.address, voter: member.voter }
    }
}
