//! Blocks: how they are written, which are free, and that no two instances have the same.

use super::*;
use crate::command::Command;
use crate::fixture::{self, Machine};

fn block(text: &str) -> Block {
    text.parse().expect("a block")
}

fn placed(number: u128, place: &str) -> Command {
    let mut instance = fixture::instance(number, "a", 1024, 1024);
    instance.network = Some(Place { address: Ipv4Addr::new(10, 0, 0, 1), block: block(place) });
    Command::RegisterInstance(Box::new(instance))
}

#[test]
fn a_block_is_read_as_it_is_written() {
    for text in ["100.64.0.0/10", "10.1.2.0/24", "0.0.0.0/0", "10.0.0.7/32"] {
        assert_eq!(block(text).to_string(), text);
    }
    for text in ["10.0.0.1/24", "10.0.0.0", "10.0.0.0/33", "ten/8", ""] {
        assert!(text.parse::<Block>().is_err(), "{text}");
    }
}

#[test]
fn blocks_overlap_when_one_holds_the_other() {
    let rows = [
        ("10.0.0.0/8", "10.1.0.0/16", true),
        ("10.1.0.0/16", "10.0.0.0/8", true),
        ("10.1.0.0/24", "10.1.1.0/24", false),
        ("0.0.0.0/0", "10.1.1.0/24", true),
    ];
    for (one, other, expected) in rows {
        assert_eq!(block(one).overlaps(block(other)), expected, "{one} and {other}");
    }
}

#[test]
fn tasks_get_neither_the_first_address_nor_the_last() {
    let addresses: Vec<String> = block("10.0.0.8/30").task_addresses().map(|one| one.to_string()).collect();
    assert_eq!(addresses, ["10.0.0.9", "10.0.0.10"]);
    assert_eq!(block("10.0.0.0/24").task_addresses().count(), 254);
}

#[test]
fn a_block_is_not_given_twice_while_it_is_in_use() {
    let mut machine = Machine::new();
    let addressing = Addressing { range: block("10.0.0.0/22"), block_prefix: 24, ..Addressing::DEFAULT };
    let mut given = BTreeSet::new();
    for number in 1..=4 {
        let free = addressing.choose(&machine.state, InstanceId::new(number)).expect("there are four");
        assert!(given.insert(free), "{free} is given twice");
        machine.must(placed(number, &free.to_string()));
    }
    assert_eq!(addressing.choose(&machine.state, InstanceId::new(9)), None);
    assert!(addressing.choose(&machine.state, InstanceId::new(2)).is_some(), "it keeps its own");
    let freed = machine.state.instance(InstanceId::new(3)).and_then(|it| it.network).expect("placed").block;
    machine.must(Command::DeregisterInstance { id: InstanceId::new(3), force: false });
    assert_eq!(addressing.choose(&machine.state, InstanceId::new(9)), Some(freed));
}

#[test]
fn a_block_of_another_size_is_in_the_way_as_well() {
    let mut machine = Machine::new();
    machine.must(placed(1, "10.0.0.0/23"));
    let addressing = Addressing { range: block("10.0.0.0/22"), block_prefix: 24, ..Addressing::DEFAULT };
    let free = addressing.choose(&machine.state, InstanceId::new(4)).expect("half is free");
    assert!(!free.overlaps(block("10.0.0.0/23")), "{free}");
}

#[test]
fn apply_refuses_a_block_that_somebody_has_also_in_another_region() {
    let mut machine = Machine::new();
    machine.must(placed(1, "10.0.0.0/24"));
    assert!(machine.apply(placed(2, "10.0.0.128/25")).is_err());
    let europe = crate::id::Region::new("eu-west-1");
    machine.must(Command::CreateCluster(fixture::cluster()).in_region(Some(&europe)));
    assert!(machine.apply(placed(2, "10.0.0.0/24").in_region(Some(&europe))).is_err());
    machine.must(placed(2, "10.0.1.0/24").in_region(Some(&europe)));
    assert!(machine.apply(placed(3, "10.0.1.0/24")).is_err());
    machine.must(placed(1, "10.0.0.0/24"));
}

#[test]
fn ids_follow_from_the_task() {
    let task = TaskId::new(0xabc);
    assert_eq!(attachment_id(task), "00000000-0000-0000-0000-000000000abc");
    assert_eq!(interface_id(TaskId::new(u128::MAX)), "eni-fffffffffffffffff");
    assert_eq!(hardware_text(hardware_address(Ipv4Addr::new(100, 64, 1, 2))), "0a:58:64:40:01:02");
    assert_eq!(host_name(Ipv4Addr::new(100, 64, 1, 2)), "ip-100-64-1-2");
}
