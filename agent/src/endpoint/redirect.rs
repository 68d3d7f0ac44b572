//! The standard port of the endpoint leads to the one that it listens on.
//!
//! Listening on port 80 of one address keeps everybody else from port 80 of all addresses, and that is the one that
//! containers publish most. The rules come before the container engine's own, which would lead there what is meant for us.

use std::time::Duration;

use super::address::{ADDRESS, STANDARD_PORT};
use crate::network::program::run;

/// A table of our own, so that it can be replaced and taken away as a whole.
const TABLE: &str = "berth-endpoint";
/// How often it is looked whether somebody wiped it.
const LOOK_PERIOD: Duration = Duration::from_secs(5);

/// Packets to the standard port go to another one.
#[derive(Debug)]
pub(super) struct Redirect {
    port: u16,
}

// === impl Redirect ===

impl Redirect {
    /// Makes it, or takes over the one that an earlier run left.
    pub(super) async fn add(port: u16) -> Result<Self, String> {
        run("nft", &["-f", "-"], &script(port)).await?;
        Ok(Self { port })
    }

    /// Makes it again whenever it is gone, for ever.
    pub(super) async fn keep(&self) {
        let mut ticks = tokio::time::interval(LOOK_PERIOD);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let listing = run("nft", &["list", "table", "ip", TABLE], "").await;
            if listing.is_ok_and(|listing| is_whole(&listing, self.port)) {
                continue;
            }
            match run("nft", &["-f", "-"], &script(self.port)).await {
                Ok(_) => {
                    tracing::info!("somebody removed the rules of the tasks' endpoint; they are as they were")
                }
                Err(error) => tracing::info!(error, "the tasks' endpoint is not on its standard port now"),
            }
        }
    }
}

/// Takes it away; it is no error when it is not there.
pub(super) async fn remove() {
    let _ = run("nft", &["delete", "table", "ip", TABLE], "").await;
}

/// Whether both rules are in the table as it is listed.
fn is_whole(listing: &str, port: u16) -> bool {
    listing.matches(&format!("dnat to {ADDRESS}:{port}")).count() == 2
}

/// The table, whatever was there before.
fn script(port: u16) -> String {
    let chain = |hook: &str| {
        format!(
            "  chain {hook} {{\n    type nat hook {hook} priority -110; policy accept;\n    \
             ip daddr {ADDRESS} tcp dport {STANDARD_PORT} dnat to {ADDRESS}:{port}\n  }}\n"
        )
    };
    let (prerouting, output) = (chain("prerouting"), chain("output"));
    format!("table ip {TABLE}\ndelete table ip {TABLE}\ntable ip {TABLE} {{\n{prerouting}{output}}}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_from_containers_and_from_the_host_itself_is_led_there() {
        let expected = "\
table ip berth-endpoint
delete table ip berth-endpoint
table ip berth-endpoint {
  chain prerouting {
    type nat hook prerouting priority -110; policy accept;
    ip daddr 169.254.170.2 tcp dport 80 dnat to 169.254.170.2:51679
  }
  chain output {
    type nat hook output priority -110; policy accept;
    ip daddr 169.254.170.2 tcp dport 80 dnat to 169.254.170.2:51679
  }
}
";
        assert_eq!(script(51_679), expected);
        assert!(is_whole(expected, 51_679), "as it is listed, too");
        assert!(!is_whole(expected, 40_000));
        assert!(!is_whole("table ip berth-endpoint {\n}\n", 51_679), "its rules were flushed");
    }
}
