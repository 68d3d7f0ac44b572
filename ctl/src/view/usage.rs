//! What containers use, for people.

use berth_proto::agent::v1::{ContainerUsage, ImagePull, UsageSample};
use indicatif::BinaryBytes;

use crate::table::{Keep, Table};
use crate::time::age;

const UNITS_PER_CORE: u64 = 1_024;

/// One line a container.
pub(crate) fn containers(containers: &[ContainerUsage]) -> Table {
    let mut table = Table::new(&[
        ("CONTAINER", Keep::Always),
        ("CPU", Keep::Always),
        ("CPU AVG", Keep::IfRoom(1)),
        ("CPU MAX", Keep::IfRoom(2)),
        ("MEMORY", Keep::Always),
        ("MEMORY MAX", Keep::IfRoom(3)),
        ("RECEIVED", Keep::IfRoom(4)),
        ("SENT", Keep::IfRoom(5)),
        ("READ", Keep::IfRoom(6)),
        ("WRITTEN", Keep::IfRoom(7)),
    ]);
    for container in containers {
        let samples = &container.samples;
        let Some(last) = samples.last() else { continue };
        let sum = |of: fn(&UsageSample) -> u64| bytes(samples.iter().map(of).sum());
        let memory_max = samples.iter().map(|sample| sample.memory_bytes).max().unwrap_or(0);
        table.row([
            container.name.as_str().into(),
            cpu_units(std::slice::from_ref(last)).to_string().into(),
            cpu_units(samples).to_string().into(),
            samples
                .iter()
                .map(|sample| cpu_units(std::slice::from_ref(sample)))
                .max()
                .unwrap_or(0)
                .to_string()
                .into(),
            bytes(last.memory_bytes).into(),
            bytes(memory_max).into(),
            sum(|sample| sample.network_received_bytes).into(),
            sum(|sample| sample.network_sent_bytes).into(),
            sum(|sample| sample.block_read_bytes).into(),
            sum(|sample| sample.block_written_bytes).into(),
        ]);
    }
    table
}

/// One line an image that is on its way.
pub(crate) fn pulls(pulls: &[ImagePull], now_unix_ms: i64) -> Vec<String> {
    let line = |pull: &ImagePull| {
        let since = age(pull.started_at.as_ref(), now_unix_ms);
        let how_far = match (pull.layers, pull.total_bytes) {
            (0, _) => "waiting for its turn".to_owned(),
            (layers, 0) => format!("{} of {layers} layers", pull.layers_done),
            (layers, total) => {
                let (done, came, total) = (pull.layers_done, bytes(pull.bytes), bytes(total));
                format!("{came} of {total}, {done} of {layers} layers")
            }
        };
        format!("Pulling {} for {since}: {how_far}", pull.image)
    };
    pulls.iter().map(line).collect()
}

/// CPU units used on average over these samples.
fn cpu_units(samples: &[UsageSample]) -> u64 {
    let used_us: u64 = samples.iter().map(|sample| sample.cpu_us).sum();
    let over_us: u64 = samples.iter().map(|sample| u64::from(sample.period_ms) * 1_000).sum();
    (used_us * UNITS_PER_CORE).checked_div(over_us).unwrap_or(0)
}

fn bytes(count: u64) -> String {
    BinaryBytes(count).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_core_is_512_units_however_long_it_was_watched() {
        let sample = |period_ms, cpu_us| UsageSample { period_ms, cpu_us, ..Default::default() };
        assert_eq!(cpu_units(&[sample(5_000, 2_500_000), sample(1_000, 500_000)]), 512);
        assert_eq!(cpu_units(&[]), 0);
    }

    #[test]
    fn a_pull_says_how_far_it_is() {
        let pull = |layers, layers_done, bytes, total_bytes| ImagePull {
            image: "app:1".to_owned(),
            layers,
            layers_done,
            bytes,
            total_bytes,
            ..Default::default()
        };
        let told = pulls(&[pull(0, 0, 0, 0), pull(3, 1, 1 << 20, 4 << 20)], 0);
        assert!(told[0].ends_with("waiting for its turn"), "{}", told[0]);
        assert!(told[1].ends_with("1.00 MiB of 4.00 MiB, 1 of 3 layers"), "{}", told[1]);
    }
}
