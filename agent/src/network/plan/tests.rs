//! Steps from what is to what should be, and what is left to do after them: nothing.

use super::*;

const TASK: &str = "berth0123456789";

fn block(text: &str) -> Block {
    text.parse().expect("a block")
}

fn address(text: &str) -> Ipv4Addr {
    text.parse().expect("an address")
}

fn task() -> TaskLink {
    TaskLink::new("0123456789abcdef", address("100.64.0.1"), 42)
}

fn peer(block_text: &str, at: &str) -> Peer {
    Peer { block: block(block_text), address: address(at) }
}

fn wanted(tasks: Vec<TaskLink>, peers: Vec<Peer>) -> Wanted {
    Wanted { tasks, block: Some(block("100.64.0.0/24")), peers: Some(peers), overlay_only: false }
}

/// A host that is 10.0.0.1 in 10.0.0.0/24, and has nothing of ours.
fn host() -> Observed {
    let own = address("10.0.0.1");
    let subnet = Subnet { block: block("10.0.0.0/24"), own, link: "eth0".to_owned() };
    Observed { subnets: vec![subnet], ..Observed::default() }
}

/// What is after these steps were carried out.
fn after(mut observed: Observed, steps: &[Step]) -> Observed {
    let link = |address| Link { index: 7, is_up: true, address };
    for step in steps.iter().cloned() {
        match step {
            Step::RemoveLink(name) => {
                observed.links.remove(&name);
                observed.routes.retain(|route| route.link != name);
                observed.neighbours.retain(|one| one.link != name);
                if name == OVERLAY {
                    observed.forwarding.clear();
                }
            }
            Step::AddTaskLink(task) => {
                observed.links.insert(task.name, link(None));
            }
            Step::AddOverlay(own) | Step::AddressOverlay(own) => {
                observed.links.insert(OVERLAY.to_owned(), link(Some(own)));
            }
            Step::RaiseLink(name) => observed.links.get_mut(&name).expect("it is there").is_up = true,
            Step::RemoveRoute(route) => assert!(observed.routes.remove(&route), "{route:?}"),
            Step::RemoveNeighbour(one) => assert!(observed.neighbours.remove(&one), "{one:?}"),
            Step::RemoveForwarding(one) => assert!(observed.forwarding.remove(&one), "{one:?}"),
            Step::PutNeighbour(one) => assert!(observed.neighbours.insert(one)),
            Step::PutForwarding(one) => assert!(observed.forwarding.insert(one)),
            Step::PutRoute(route) => {
                observed.routes.retain(|other| other.to != route.to);
                observed.routes.insert(route);
            }
        }
    }
    observed
}

/// Carries out the plan, and makes sure that nothing is left to do.
fn settle(wanted: &Wanted, observed: Observed) -> Observed {
    let steps = plan(wanted, &observed);
    let settled = after(observed, &steps);
    assert_eq!(plan(wanted, &settled), [], "after {steps:?}");
    settled
}

#[test]
fn a_task_has_a_link_a_neighbour_and_a_route() {
    let steps = plan(&wanted(vec![task()], Vec::new()), &host());
    let neighbour = Neighbour { link: TASK.to_owned(), address: task().address, hardware: task().hardware() };
    let route = Route { to: block("100.64.0.1/32"), via: None, link: TASK.to_owned() };
    assert_eq!(steps, [Step::AddTaskLink(task()), Step::PutNeighbour(neighbour), Step::PutRoute(route)]);
}

#[test]
fn a_peer_of_the_same_network_is_a_plain_route_and_another_is_reached_over_the_overlay() {
    let settled = settle(
        &wanted(Vec::new(), vec![peer("100.64.1.0/24", "10.0.0.2"), peer("100.64.2.0/24", "10.9.0.2")]),
        host(),
    );
    let routes: Vec<_> = settled.routes.iter().map(|route| (route.link.as_str(), route.via)).collect();
    assert_eq!(routes, [("eth0", Some(address("10.0.0.2"))), (OVERLAY, Some(address("100.64.2.0")))]);
    assert_eq!(settled.links[OVERLAY].address, Some(address("100.64.0.0")));
    let hosts: Vec<_> = settled.forwarding.iter().map(|one| one.host).collect();
    assert_eq!(hosts, [address("10.9.0.2")]);
}

#[test]
fn without_a_peer_elsewhere_there_is_no_overlay() {
    let settled = settle(&wanted(Vec::new(), vec![peer("100.64.1.0/24", "10.9.0.2")]), host());
    assert!(settled.links.contains_key(OVERLAY));
    let settled = settle(&wanted(Vec::new(), vec![peer("100.64.1.0/24", "10.0.0.2")]), settled);
    assert!(settled.links.is_empty() && settled.forwarding.is_empty());
    assert_eq!(settled.routes.len(), 1);
}

#[test]
fn a_peer_that_is_this_host_needs_nothing() {
    for at in ["10.0.0.1", "127.0.0.1"] {
        assert_eq!(plan(&wanted(Vec::new(), vec![peer("100.64.1.0/24", at)]), &host()), []);
    }
}

#[test]
fn what_others_took_away_is_put_back() {
    let wanted =
        wanted(vec![task()], vec![peer("100.64.1.0/24", "10.0.0.2"), peer("100.64.2.0/24", "10.9.0.2")]);
    let whole = settle(&wanted, host());
    let broken: [fn(&mut Observed); 6] = [
        |it| it.routes.clear(),
        |it| it.neighbours.clear(),
        |it| it.forwarding.clear(),
        |it| it.links.retain(|name, _| name != OVERLAY),
        |it| it.links.get_mut(TASK).expect("there").is_up = false,
        |it| it.links.get_mut(OVERLAY).expect("there").address = None,
    ];
    for break_it in broken {
        let mut observed = whole.clone();
        break_it(&mut observed);
        let repaired = settle(&wanted, observed);
        assert_eq!((&repaired.routes, &repaired.neighbours), (&whole.routes, &whole.neighbours));
        assert_eq!(repaired.links.keys().collect::<Vec<_>>(), whole.links.keys().collect::<Vec<_>>());
    }
}

#[test]
fn what_nobody_needs_goes() {
    let whole = settle(&wanted(vec![task()], vec![peer("100.64.2.0/24", "10.9.0.2")]), host());
    let settled = settle(&wanted(Vec::new(), Vec::new()), whole);
    assert!(settled.links.is_empty() && settled.routes.is_empty() && settled.neighbours.is_empty());
}

#[test]
fn before_a_controller_has_spoken_the_ways_to_others_stay() {
    let peers = vec![peer("100.64.1.0/24", "10.0.0.2"), peer("100.64.2.0/24", "10.9.0.2")];
    let whole = settle(&wanted(vec![task()], peers), host());
    let unknown = Wanted { tasks: vec![task()], ..Wanted::default() };
    assert_eq!(plan(&unknown, &whole), []);
    let bare = Wanted::default();
    assert_eq!(plan(&bare, &whole), [Step::RemoveLink(TASK.to_owned())]);
}

#[test]
fn a_peer_that_moved_is_found_at_its_new_address() {
    let settled = settle(&wanted(Vec::new(), vec![peer("100.64.1.0/24", "10.0.0.2")]), host());
    let settled = settle(&wanted(Vec::new(), vec![peer("100.64.1.0/24", "10.0.0.3")]), settled);
    let ways: Vec<_> = settled.routes.iter().map(|route| route.via).collect();
    assert_eq!(ways, [Some(address("10.0.0.3"))]);
}

#[test]
fn where_the_network_drops_foreign_addresses_the_overlay_is_used_within_it_too() {
    let peers = vec![peer("100.64.1.0/24", "10.0.0.2")];
    let wanted = Wanted { overlay_only: true, ..wanted(Vec::new(), peers) };
    let settled = settle(&wanted, host());
    assert!(settled.routes.iter().all(|route| route.link == OVERLAY) && settled.routes.len() == 1);
}
