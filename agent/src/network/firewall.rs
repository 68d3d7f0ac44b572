//! The table of nftables, and the rules that let tasks' packets past those of the container engine.
//!
//! Whether somebody changed the table is told by its listing: it is read after the table was made, and whenever it reads
//! otherwise the table is made again.

use super::filter::{Filter, TABLE};
use super::program::run;

/// Where the kernel is told to pass packets on.
const FORWARDING: &str = "/proc/sys/net/ipv4/ip_forward";
/// The engine asks this chain before its own, which lets nothing through that it does not know. Where there is no such
/// chain, there is the one that is always there.
const CHAINS: [&str; 2] = ["DOCKER-USER", "FORWARD"];
/// From tasks, and to tasks.
const SIDES: [&str; 2] = ["-i", "-o"];

/// What was made last.
#[derive(Debug, Default)]
pub(super) struct Firewall {
    made: Option<Made>,
    /// Nothing is there, as far as this run knows.
    is_clean: bool,
}

#[derive(Debug)]
struct Made {
    script: String,
    listing: String,
}

/// Whether this process may have a table.
pub(super) async fn check() -> Result<(), String> {
    run("nft", &["list", "tables"], "").await.map(drop)
}

// === impl Firewall ===

impl Firewall {
    /// Makes everything as the filter says. One that nobody has told of yet says nothing.
    pub(super) async fn follow(&mut self, filter: &Filter) -> Result<(), String> {
        if filter.range.is_none() {
            return Ok(());
        }
        if filter.is_empty() {
            return self.remove().await;
        }
        self.is_clean = false;
        let script = filter.script();
        let listing = listing().await;
        let is_as_made = self
            .made
            .as_ref()
            .is_some_and(|made| made.script == script && Some(&made.listing) == listing.as_ref());
        if !is_as_made {
            let is_repair = self.made.as_ref().is_some_and(|made| made.script == script);
            self.made = None;
            run("nft", &["-f", "-"], &script).await?;
            let listing = self::listing().await.ok_or("the table is gone as soon as it is made")?;
            self.made = Some(Made { script, listing });
            if is_repair {
                tracing::info!("somebody changed the rules of the tasks' network; they are as they were");
            }
        }
        forward()?;
        open().await
    }

    /// Takes everything away; it is no error when nothing is there.
    pub(super) async fn remove(&mut self) -> Result<(), String> {
        self.made = None;
        if self.is_clean {
            return Ok(());
        }
        // Also where the table is gone already: whoever took that away left these.
        for chain in CHAINS {
            for side in SIDES {
                // As often as it is there.
                while iptables("-D", chain, side).await.is_ok() {}
            }
        }
        if listing().await.is_some() {
            run("nft", &["delete", "table", "ip", TABLE], "").await?;
        }
        self.is_clean = true;
        Ok(())
    }
}

/// The table as it is; none when it is not there.
async fn listing() -> Option<String> {
    run("nft", &["-s", "list", "table", "ip", TABLE], "").await.ok()
}

fn forward() -> Result<(), String> {
    let told = |error: std::io::Error| format!("{FORWARDING}: {error}");
    if std::fs::read_to_string(FORWARDING).map_err(told)?.trim() == "1" {
        return Ok(());
    }
    std::fs::write(FORWARDING, "1").map_err(told)
}

/// Lets packets of tasks past the container engine's rules. Where there are none of its kind, nothing is in the way.
async fn open() -> Result<(), String> {
    if run("iptables", &["--version"], "").await.is_err() {
        return Ok(());
    }
    for side in SIDES {
        let [first, second] = CHAINS;
        if iptables("-C", first, side).await.is_ok() || iptables("-I", first, side).await.is_ok() {
            continue;
        }
        if iptables("-C", second, side).await.is_err() {
            iptables("-I", second, side).await?;
        }
    }
    Ok(())
}

async fn iptables(what: &str, chain: &str, side: &str) -> Result<String, String> {
    let rule = [side, "berth+", "-m", "comment", "--comment", TABLE, "-j", "ACCEPT"];
    run("iptables", &[&["-w", "5", what, chain], rule.as_slice()].concat(), "").await
}
