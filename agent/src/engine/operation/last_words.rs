//! What a container wrote last, for the report of its failure.

use futures::StreamExt as _;

use crate::limits::{LAST_LOG_LINE_BYTES, LAST_LOG_LINES, LAST_LOG_LINES_TIMEOUT};
use crate::runtime::{LogOptions, Runtime};

/// The last lines; none when they cannot be read in time, for the failure itself is not to wait for them.
pub(super) async fn read(runtime: &dyn Runtime, runtime_id: &str) -> Vec<String> {
    let options = LogOptions { follow: false, tail: Some(LAST_LOG_LINES), since_ns: None };
    let most = usize::try_from(LAST_LOG_LINES).unwrap_or(usize::MAX);
    let records = runtime.logs(runtime_id, options).take(most);
    let lines =
        records.filter_map(|record| std::future::ready(record.ok().map(|record| line(&record.bytes))));
    tokio::time::timeout(LAST_LOG_LINES_TIMEOUT, lines.collect()).await.unwrap_or_default()
}

fn line(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim_end();
    let mut end = text.len().min(LAST_LOG_LINE_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_cut_between_two_characters_and_loses_its_end() {
        assert_eq!(line(b"cannot connect\r\n"), "cannot connect");
        assert_eq!(line("\u{e4}".repeat(LAST_LOG_LINE_BYTES).as_bytes()).len(), LAST_LOG_LINE_BYTES);
    }
}
