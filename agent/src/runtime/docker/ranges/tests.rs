//! Which ranges are chosen.

use super::*;

const DYNAMIC: (u16, u16) = (40_000, 40_019);

fn launch(name: &str, ranges: &[&str]) -> Launch {
    let mapping =
        |range: &&str| ecs::PortMapping { container_port_range: Some((*range).into()), ..Default::default() };
    let port_mappings = ranges.iter().map(mapping).collect();
    let definition = ecs::ContainerDefinition { port_mappings, ..Default::default() };
    let network_mode = ecs::NetworkMode::Bridge;
    Launch { name: name.into(), definition, network_mode, ..Default::default() }
}

fn choose(ranges: &Arc<Ranges>, launch: &Launch, taken: &[u16], busy: &[u16]) -> Result<Promise, Error> {
    let taken = Requirements { tcp_ports: taken.iter().copied().collect(), ..Default::default() };
    let is_free = |udp: bool, port| udp || !busy.contains(&port);
    ranges.choose(launch, &Choice { dynamic: DYNAMIC, taken: &taken, is_free: &is_free })
}

fn hosts(promise: &Promise) -> Vec<String> {
    promise.published.iter().map(|published| published.host.to_string()).collect()
}

#[test]
fn a_range_has_no_port_that_somebody_has_or_will_have() {
    let ranges = Arc::default();
    let chosen = choose(&ranges, &launch("a", &["8000-8004"]), &[40_002], &[40_008]).unwrap();
    assert_eq!(hosts(&chosen), ["40003-40007"]);
}

#[test]
fn what_is_promised_to_one_container_is_not_given_to_another() {
    let ranges = Arc::default();
    let first = choose(&ranges, &launch("a", &["8000-8004", "9000-9001"]), &[], &[]).unwrap();
    assert_eq!(hosts(&first), ["40000-40004", "40005-40006"]);
    first.keep_for("id-a");
    let second = choose(&ranges, &launch("b", &["8000-8009"]), &[], &[]).unwrap();
    assert_eq!(hosts(&second), ["40007-40016"]);
    assert!(choose(&ranges, &launch("c", &["8000-8004"]), &[], &[]).is_err());
    ranges.release("id-a");
    let third = choose(&ranges, &launch("c", &["8000-8004"]), &[], &[]).unwrap();
    assert_eq!(hosts(&third), ["40000-40004"]);
}

#[test]
fn a_container_that_is_not_made_holds_nothing() {
    let ranges = Arc::default();
    drop(choose(&ranges, &launch("a", &["8000-8019"]), &[], &[]).unwrap());
    assert!(choose(&ranges, &launch("b", &["8000-8019"]), &[], &[]).is_ok());
}

#[test]
fn the_error_says_how_many_ports_were_looked_for_and_where() {
    let refused = choose(&Arc::default(), &launch("a", &["8000-8020"]), &[], &[]).err();
    let text = "21 contiguous host ports unavailable for protocol tcp, dynamic port range 40000-40019";
    assert_eq!(refused, Some(Error::Refused(text.into())));
}

#[test]
fn a_port_on_which_somebody_listens_is_not_free() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    assert!(!is_free(false, listener.local_addr().unwrap().port()));
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    assert!(!is_free(true, socket.local_addr().unwrap().port()));
}

#[test]
fn a_label_tells_what_was_written_into_it() {
    let published = [
        Published {
            inside: PortRange::new(8000, 10).unwrap(),
            host: PortRange::new(49_200, 10).unwrap(),
            udp: false,
        },
        Published {
            inside: PortRange::new(53, 1).unwrap(),
            host: PortRange::new(49_300, 1).unwrap(),
            udp: true,
        },
    ];
    let label = Published::to_label(&published);
    assert_eq!(label, "8000-8010:49200-49210/tcp,53-54:49300-49301/udp");
    assert_eq!(Published::of_label(&label), published);
    assert!(Published::of_label("nonsense,1-2:3-9/tcp").is_empty());
}
