//! Controllers, reconcilers and events, for people.

use berth_proto::admin::v1::{Controller, Event, Reconciler};

use crate::names::short_id;
use crate::table::{Cell, Keep, Table, Tone};
use crate::time::{age, time_of_day};

/// One line a controller.
pub(crate) fn controllers(controllers: &[Controller]) -> Table {
    let mut table = Table::new(&[
        ("CONTROLLER", Keep::Always),
        ("ADDRESS", Keep::Always),
        ("ROLE", Keep::Always),
        ("REACHABLE", Keep::Always),
        ("LOG INDEX", Keep::IfRoom(1)),
    ]);
    for controller in controllers {
        let role = match (controller.leader, controller.voter) {
            (true, _) => Cell::toned("leader", Tone::Good),
            (false, true) => Cell::from("follower"),
            (false, false) => Cell::toned("learner", Tone::Busy),
        };
        table.row([
            controller.controller_id.as_str().into(),
            controller.address.as_str().into(),
            role,
            Cell::status(if controller.reachable { "yes" } else { "no" }),
            controller.log_index.map(|index| index.to_string()).unwrap_or_default().into(),
        ]);
    }
    table
}

/// One line a reconciler.
pub(crate) fn reconcilers(reconcilers: &[Reconciler], now_unix_ms: i64) -> Table {
    let mut table = Table::new(&[
        ("NAME", Keep::Always),
        ("LAST RUN", Keep::Always),
        ("TOOK", Keep::IfRoom(2)),
        ("ROUNDS", Keep::IfRoom(3)),
        ("COMMANDS", Keep::Always),
        ("QUEUED", Keep::Always),
        ("RESTLESS", Keep::Always),
        ("LAST KEY", Keep::IfRoom(4)),
        ("LAST REASON", Keep::Sentence(5)),
    ]);
    for reconciler in reconcilers {
        let restless = match reconciler.restless_keys.as_slice() {
            [] => Cell::from(""),
            keys => Cell::toned(keys.join(", "), Tone::Bad),
        };
        table.row([
            reconciler.name.as_str().into(),
            age(reconciler.last_run_at.as_ref(), now_unix_ms).into(),
            microseconds(reconciler.last_duration_us).into(),
            reconciler.rounds.to_string().into(),
            reconciler.commands.to_string().into(),
            reconciler.queued.to_string().into(),
            restless,
            reconciler.last_key.as_str().into(),
            reconciler.last_reason.as_str().into(),
        ]);
    }
    table
}

fn microseconds(us: u64) -> String {
    match us {
        0..1_000 => format!("{us}µs"),
        1_000..1_000_000 => format!("{}.{}ms", us / 1_000, us % 1_000 / 100),
        _ => format!("{}.{}s", us / 1_000_000, us % 1_000_000 / 100_000),
    }
}

/// Time of day, what it is about, and what happened.
pub(crate) fn event(event: &Event) -> (String, String, String) {
    let time = event.time.as_ref().map(time_of_day).unwrap_or_default();
    let name = match event.resource_kind.as_str() {
        "task" | "container-instance" => short_id(&event.resource_id),
        _ => crate::names::short(&event.resource_id),
    };
    (time, format!("{}/{name}", event.resource_kind), event.message.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Surface;

    #[test]
    fn the_leader_stands_out() {
        let controller = |id: &str, leader, reachable| Controller {
            controller_id: id.to_owned(),
            address: format!("{id}:7400"),
            voter: true,
            leader,
            log_index: leader.then_some(42),
            reachable,
        };
        let expected = "\
CONTROLLER  ADDRESS  ROLE      REACHABLE  LOG INDEX
a1          a1:7400  leader    yes        42
b2          b2:7400  follower  no         -
";
        let text = controllers(&[controller("a1", true, true), controller("b2", false, false)]);
        assert_eq!(text.render(Surface::default()), expected);
    }

    #[test]
    fn durations_have_a_fitting_unit() {
        assert_eq!([850, 1_250, 2_500_000].map(microseconds), ["850µs", "1.2ms", "2.5s"]);
    }
}
