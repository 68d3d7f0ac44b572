//! What makes a disk whole: it copies from others what it may lack, in the background, until it has all of it.
//!
//! How far each copy is stands on the disk, so that a controller that starts again goes on. One who has everything copies
//! nothing; the first controller of a cluster has everything.

use std::collections::BTreeMap;
use std::time::Duration;

use berth_process::backoff::Backoff;
use berth_process::entropy::Entropy;
use berth_proto::peer::v1 as pb;
use pb::{LogArchiveMark as Mark, LogCopyProgress as Progress};
use tonic::async_trait;

use super::copy::{self, Page};
use super::writer::{Change, WriteError};
use super::{Disk, whole};
use crate::api::Unavailable;

/// How often is looked at who votes.
const PERIOD: Duration = Duration::from_secs(1);
/// The longest pause after another controller gave no page.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Who votes, as one membership says.
#[derive(Clone, Debug, Default)]
pub struct Voters {
    /// The number of the membership; a later one has a greater number.
    pub number: u64,
    /// Whether this controller is one of them.
    pub has_this: bool,
    /// The others: id and address.
    pub others: BTreeMap<u64, String>,
}

/// The other controllers, as whoever copies from them sees them.
#[async_trait]
pub trait Others: Send + Sync {
    /// Who votes now.
    fn voters(&self) -> Voters;
    /// A page of what the one at this address has.
    async fn page(
        &self,
        address: &str,
        request: pb::CopyLogsRequest,
    ) -> Result<pb::CopyLogsResponse, Unavailable>;
}

/// Why copying stopped.
#[derive(Debug, thiserror::Error)]
enum Stopped {
    #[error("another controller gives no logs")]
    Source(#[source] Unavailable),
    #[error(transparent)]
    Disk(#[from] WriteError),
    /// Who votes has changed.
    #[error("who votes has changed")]
    Changed,
}

/// Fills a disk, whenever it may lack something, until it is dropped.
pub async fn fill(disk: Disk, others: impl Others, entropy: Entropy) {
    let mut backoff = Backoff::new(PERIOD, LONGEST_PAUSE, entropy);
    loop {
        match round(&disk, &others).await {
            Ok(()) => {
                backoff.reset();
                tokio::time::sleep(PERIOD).await;
            }
            Err(Stopped::Changed) => {}
            Err(error) => {
                tracing::info!(error = %berth_process::telemetry::chain(&error), "logs of other controllers are not copied yet");
                tokio::time::sleep(PERIOD + backoff.next_delay()).await;
            }
        }
    }
}

/// Copies what this disk may lack, if that is so.
async fn round(disk: &Disk, others: &impl Others) -> Result<(), Stopped> {
    let voters = others.voters();
    let mark = disk.mark();
    if !voters.has_this {
        // What is written now is not for this one. Before it has heard of any voter, it knows nothing.
        if mark.is_whole && !voters.others.is_empty() {
            disk.order(Change::Mark(Mark::default())).await?;
        }
        return Ok(());
    }
    let count = voters.others.len() + 1;
    if let Some(seen) = whole::seen(&mark, count) {
        disk.order(Change::Mark(seen)).await?;
    }
    if !whole::is_behind(&disk.mark(), count) {
        return Ok(());
    }
    if disk.mark().voters_since == 0 {
        let voters_since = u32::try_from(count).unwrap_or(u32::MAX);
        disk.order(Change::Mark(Mark { voters_since, ..disk.mark() })).await?;
    }
    copy(disk, others, &voters).await
}

/// Copies from one after the other until that is enough. Those that may lack something themselves come last.
async fn copy(disk: &Disk, others: &impl Others, voters: &Voters) -> Result<(), Stopped> {
    let mut failure = None;
    for only_whole in [true, false] {
        for (id, address) in &voters.others {
            if is_done(disk, voters) {
                break;
            }
            match copy_one(disk, others, voters, (*id, address), only_whole).await {
                Err(error @ Stopped::Source(_)) => failure = Some(error),
                ended => ended?,
            }
        }
    }
    if is_done(disk, voters) {
        let voters = disk.mark().voters_since;
        disk.order(Change::Mark(Mark { is_whole: true, voters, voters_since: 0 })).await?;
        tracing::info!(voters, "this controller has all logs");
        return Ok(());
    }
    failure.map_or(Ok(()), Err)
}

/// Whether enough was copied to have everything.
fn is_done(disk: &Disk, voters: &Voters) -> bool {
    let copied = disk.copied();
    let complete = |id: &u64| copied.get(id).filter(|progress| progress.next.is_none())?.mark;
    let marks: Vec<Mark> = voters.others.keys().filter_map(complete).collect();
    whole::is_enough(&marks, voters.others.len() + 1, voters.others.len() - marks.len())
}

async fn copy_one(
    disk: &Disk,
    others: &impl Others,
    voters: &Voters,
    (source, address): (u64, &str),
    only_whole: bool,
) -> Result<(), Stopped> {
    let mut before: Option<Progress> = disk.copied().remove(&source);
    while before.as_ref().is_none_or(|progress| progress.next.is_some()) {
        if others.voters().number != voters.number {
            return Err(Stopped::Changed);
        }
        let from = before.as_ref().and_then(|progress| progress.next.clone());
        let request = pb::CopyLogsRequest { membership: voters.number, from };
        let answer = others.page(address, request).await.map_err(Stopped::Source)?;
        if only_whole && !answer.mark.is_some_and(|mark| mark.is_whole) {
            return Ok(());
        }
        let progress = copy::progress(before.as_ref(), &answer);
        let page = Page { source, streams: answer.streams, progress: progress.clone() };
        disk.order(Change::Copy(page)).await?;
        before = Some(progress);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
