//! Where tasks with addresses of their own are, and who may talk to whom: computed once for all sessions of this
//! controller, and sent to an agent when what it needs of it is another.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::Arc;

use berth_model::change::Change;
use berth_model::container_instance::InstanceStatus;
use berth_model::id::{InstanceId, Region, Revision};
use berth_model::network::security_group::SecurityGroup;
use berth_model::network::{Addressing, Place};
use berth_model::state::State;
use berth_model::validate::security_group::render;
use berth_proto::agent::v1 as pb;

use super::Sessions;
use crate::feed::{Event, Feed};
use crate::limits::NETWORK_PAUSE;

/// The network of all tasks, as one replica has it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Fleet {
    revision: Revision,
    addressing: Addressing,
    places: BTreeMap<InstanceId, Place>,
    regions: BTreeMap<Option<Region>, Groups>,
}

/// The security groups of a region.
#[derive(Clone, Debug, Default, PartialEq)]
struct Groups {
    groups: BTreeMap<String, SecurityGroup>,
    /// Addresses of the tasks in each.
    members: BTreeMap<String, BTreeSet<Ipv4Addr>>,
    /// Those that tasks of each instance are in.
    used: BTreeMap<InstanceId, BTreeSet<String>>,
}

// === impl Fleet ===

impl Fleet {
    /// Nobody yet.
    pub(super) fn new(addressing: Addressing) -> Self {
        Self { revision: 0, addressing, places: BTreeMap::new(), regions: BTreeMap::new() }
    }

    /// As it is in this state, which is that of all regions.
    fn of(state: &State, addressing: Addressing) -> Self {
        let mut fleet = Self { revision: state.revision(), ..Self::new(addressing) };
        for region in state.every_region() {
            // One that is lost may be so to the controllers only: its tasks are reached as long as they can be.
            let there = region.instances().filter(|instance| instance.status != InstanceStatus::Inactive);
            fleet.places.extend(there.filter_map(|instance| Some((instance.id, instance.network?))));
            let groups = Groups::of(region);
            if groups != Groups::default() {
                fleet.regions.insert(region.region().cloned(), groups);
            }
        }
        fleet
    }

    /// Whether it says the same, as of whatever revision.
    fn is_same(&self, other: &Self) -> bool {
        (self.addressing, &self.places, &self.regions) == (other.addressing, &other.places, &other.regions)
    }

    /// What the agent of an instance needs of it; none when its tasks have no addresses.
    pub(super) fn message(&self, region: Option<&Region>, instance: InstanceId) -> Option<pb::FleetNetwork> {
        let own = self.places.get(&instance)?;
        let peer = |place: &Place| pb::NetworkPeer {
            block: place.block.to_string(),
            address: place.address.to_string(),
        };
        let peers = self.places.iter().filter(|(id, _)| **id != instance).map(|(_, place)| peer(place));
        let groups = self.regions.get(&region.cloned());
        Some(pb::FleetNetwork {
            generation: self.revision,
            range: self.addressing.range.to_string(),
            overlay_only: self.addressing.overlay_only,
            block: own.block.to_string(),
            peers: peers.collect(),
            security_groups: groups.map(|groups| groups.rules(instance)).unwrap_or_default(),
        })
    }
}

// === impl Groups ===

impl Groups {
    fn of(region: &State) -> Self {
        let all = region.security_groups().map(|group| (group.id.clone(), group.clone()));
        let mut groups = Self { groups: all.collect(), ..Self::default() };
        if groups.groups.is_empty() {
            return groups;
        }
        for task in region.tasks().filter(|task| !task.is_stopped()) {
            let Some(network) = &task.network else { continue };
            for group in network.security_groups.iter().filter_map(|name| region.security_group(name)) {
                groups.used.entry(task.instance).or_default().insert(group.id.clone());
                groups.members.entry(group.id.clone()).or_default().extend(task.observed.address);
            }
        }
        groups
    }

    /// The groups that tasks of the instance are in, and those that their rules name.
    fn rules(&self, instance: InstanceId) -> Vec<pb::SecurityGroupRules> {
        let used: Vec<&SecurityGroup> =
            self.used.get(&instance).into_iter().flatten().filter_map(|id| self.groups.get(id)).collect();
        let named: BTreeSet<&str> = used.iter().flat_map(|group| group.named_groups()).collect();
        let beside = named.iter().filter_map(|id| self.groups.get(*id));
        let mut all: BTreeMap<&str, &SecurityGroup> =
            beside.map(|group| (group.id.as_str(), group)).collect();
        all.extend(used.iter().map(|group| (group.id.as_str(), *group)));
        let message = |group: &SecurityGroup| pb::SecurityGroupRules {
            group_id: group.id.clone(),
            name: group.name.clone(),
            ingress: group.ingress.iter().map(render).collect(),
            egress: group.egress.iter().map(render).collect(),
            members: if named.contains(group.id.as_str()) { self.addresses(&group.id) } else { Vec::new() },
        };
        all.into_values().map(message).collect()
    }

    fn addresses(&self, group: &str) -> Vec<String> {
        self.members.get(group).into_iter().flatten().map(ToString::to_string).collect()
    }
}

// === impl Sessions ===

impl Sessions {
    /// Keeps what sessions send of the network up to date until the feed ends.
    pub async fn follow_network(self, feed: Feed) {
        let (view, mut changes) = feed.subscribe();
        self.publish(&view);
        while let Ok(event) = changes.next().await {
            let is_touched = match event {
                Event::Changed(changes) => changes.changes.iter().any(touches),
                Event::Missed { .. } => true,
            };
            if !is_touched {
                continue;
            }
            // Changes come in bursts: those of the pause are in the view after it, and told by then.
            tokio::time::sleep(NETWORK_PAUSE).await;
            self.publish(&feed.view());
        }
    }

    fn publish(&self, view: &State) {
        let fleet = Fleet::of(view, self.addressing);
        self.fleet.send_if_modified(|known| {
            let is_other = !known.is_same(&fleet);
            if is_other {
                *known = Arc::new(fleet);
            }
            is_other
        });
    }
}

fn touches(change: &Change) -> bool {
    match change {
        Change::Instance { .. } | Change::Task { .. } | Change::SecurityGroup(_) => true,
        Change::Cluster(_)
        | Change::TaskDefinition(_)
        | Change::Service(_)
        | Change::Manifest(_)
        | Change::AccessKey(_)
        | Change::History => false,
    }
}

#[cfg(test)]
mod tests {
    use berth_model::command::{Command, Envelope};
    use berth_model::time::Timestamp;
    use berth_model::validate::container_instance::{from_hello, place};
    use berth_model::validate::{Admission, cluster, security_group};
    use berth_proto::admin::v1 as admin;
    use berth_proto::ecs::v1 as ecs;

    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_ms(1_000);

    struct World(State);

    impl World {
        fn apply(&mut self, command: Command) {
            let envelope = Envelope { command, issued_at: NOW, traceparent: None };
            self.0.apply(self.0.revision() + 1, &envelope).reply.expect("applied");
        }

        fn admission() -> Admission {
            let ids = berth_model::id::Ids::from_seed(7);
            Admission { now: NOW, ids, principal: String::new(), traceparent: None }
        }

        /// An instance that is at this address, if its agent can give tasks addresses.
        fn instance(&mut self, number: u8, is_able: bool) -> InstanceId {
            let amount = |name: &str| ecs::Resource {
                name: Some(name.to_owned()),
                integer_value: Some(1024),
                ..ecs::Resource::default()
            };
            let able = ecs::Attribute {
                name: Some(berth_model::network::TASK_ENI.to_owned()),
                ..ecs::Attribute::default()
            };
            let hello = pb::Hello {
                container_instance_id: format!("{number:032x}"),
                cluster: "default".to_owned(),
                total_resources: ["CPU", "MEMORY"].map(amount).to_vec(),
                attributes: if is_able { vec![able] } else { Vec::new() },
                address: format!("10.0.0.{number}"),
                ..pb::Hello::default()
            };
            let place = place(&hello, &self.0, &Addressing::DEFAULT).expect("placed");
            let (id, command) = from_hello(&hello, place, &self.0, NOW).expect("admitted");
            self.apply(command);
            id
        }
    }

    fn world() -> World {
        let mut world = World(State::default());
        let request = ecs::CreateClusterRequest::default();
        let (_, create) = cluster::create(&request, &world.0, &World::admission()).expect("admitted");
        world.apply(create);
        world
    }

    #[test]
    fn an_agent_hears_of_the_others_that_have_blocks() {
        let mut world = world();
        let (one, other, unable) =
            (world.instance(1, true), world.instance(2, true), world.instance(3, false));
        let fleet = Fleet::of(&world.0, Addressing::DEFAULT);
        let told = fleet.message(None, one).expect("it has a block");
        assert_eq!((told.range.as_str(), told.block.as_str()), ("100.64.0.0/10", "100.64.1.0/24"));
        let peers: Vec<_> = told.peers.iter().map(|peer| (&*peer.block, &*peer.address)).collect();
        assert_eq!(peers, [("100.64.2.0/24", "10.0.0.2")]);
        assert!(fleet.message(None, unable).is_none());
        assert!(!world.0.instance(unable).expect("there").has_attribute(berth_model::network::TASK_ENI));
        world.apply(Command::DeregisterInstance { id: other, force: false });
        let fewer = Fleet::of(&world.0, Addressing::DEFAULT);
        assert!(!fewer.is_same(&fleet));
        assert!(fewer.message(None, one).expect("it has a block").peers.is_empty());
    }

    #[test]
    fn what_changes_nothing_of_the_network_is_not_told() {
        let mut world = world();
        let one = world.instance(1, true);
        let before = Fleet::of(&world.0, Addressing::DEFAULT);
        world.apply(Command::SetInstanceConnected { id: one, connected: false });
        let after = Fleet::of(&world.0, Addressing::DEFAULT);
        assert!(after.is_same(&before), "it may be lost to the controllers only");
        let request = admin::CreateSecurityGroupRequest { name: "web".into(), ..Default::default() };
        let (_, create) =
            security_group::create(&request, &world.0, &mut World::admission()).expect("admitted");
        world.apply(create);
        let after = Fleet::of(&world.0, Addressing::DEFAULT);
        assert!(
            after.message(None, one).expect("it has a block").security_groups.is_empty(),
            "nobody is in it"
        );
    }
}
