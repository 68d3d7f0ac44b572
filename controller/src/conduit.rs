//! Conduits through this controller: what comes from a caller goes to an agent and the other way round, as fast as the
//! slower side takes it. Nothing gathers here but a few chunks in each direction.

use std::sync::Arc;
use std::time::Duration;

use berth_proto::agent::v1::{ConduitInput, ConduitOutput};
use futures::FutureExt;
use futures::stream::{BoxStream, Stream, StreamExt};
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tonic::Status;

/// What comes from a container.
pub(crate) type Outputs = BoxStream<'static, Result<ConduitOutput, Status>>;

/// Carries `inputs` to `sender`, and gives what comes from the other side. Both end with the answer. With a limit, it ends
/// when nothing was carried for so long.
pub(crate) fn join(
    inputs: impl Stream<Item = ConduitInput> + Send + 'static,
    sender: mpsc::Sender<ConduitInput>,
    mut outputs: Outputs,
    idle_max: Option<Duration>,
) -> Outputs {
    let carried_at = Arc::new(Mutex::new(Instant::now()));
    let fed_at = Arc::clone(&carried_at);
    let feed = async move {
        let mut inputs = std::pin::pin!(inputs);
        while let Some(input) = inputs.next().await {
            // The agent takes no more; what it has to say still comes.
            if sender.send(input).await.is_err() {
                break;
            }
            *fed_at.lock() = Instant::now();
        }
    };
    let joined = async_stream::stream! {
        let mut feed = std::pin::pin!(feed.fuse());
        loop {
            let output = tokio::select! {
                // Cancel-safe: an output that was not taken stays in its stream.
                output = outputs.next() => output,
                // Cancel-safe: it is polled in place.
                () = &mut feed => continue,
                // Cancel-safe: the moment is kept outside.
                () = silence(idle_max, &carried_at) => {
                    let minutes = idle_max.unwrap_or_default().as_secs() / 60;
                    Some(Ok(over(format!("Nothing was typed or printed for {minutes} minutes."))))
                }
            };
            *carried_at.lock() = Instant::now();
            let Some(output) = output else { break };
            let is_last = is_last(&output);
            yield output;
            if is_last {
                break;
            }
        }
    };
    joined.boxed()
}

/// Whether nothing comes after it.
pub(crate) fn is_last(output: &Result<ConduitOutput, Status>) -> bool {
    output.as_ref().map_or(true, |output| output.exit_code.is_some() || !output.error.is_empty())
}

/// The last word of who ended it for a reason.
pub(crate) fn over(error: impl Into<String>) -> ConduitOutput {
    ConduitOutput { error: error.into(), ..ConduitOutput::default() }
}

async fn silence(idle_max: Option<Duration>, since: &Mutex<Instant>) {
    let Some(idle_max) = idle_max else { return std::future::pending().await };
    loop {
        let until = *since.lock() + idle_max;
        if until <= Instant::now() {
            return;
        }
        tokio::time::sleep_until(until).await;
    }
}

#[cfg(test)]
mod tests {
    use berth_proto::agent::v1::conduit_input::Input;

    use super::*;

    fn input(byte: u8) -> ConduitInput {
        ConduitInput { input: Some(Input::Bytes(vec![byte])) }
    }

    #[tokio::test]
    async fn no_more_is_taken_from_a_caller_than_the_other_side_takes() {
        let taken = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let count = std::sync::Arc::clone(&taken);
        let inputs = futures::stream::iter(0..200_u8).map(move |byte| {
            count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            input(byte)
        });
        let (sender, mut receiver) = mpsc::channel(4);
        let outputs = futures::stream::pending().boxed();
        let mut joined = join(inputs, sender, outputs, None);
        assert!(futures::poll!(joined.next()).is_pending());
        assert_eq!(
            taken.load(std::sync::atomic::Ordering::Relaxed),
            5,
            "four in the channel, and one in hand"
        );
        assert_eq!(receiver.recv().await, Some(input(0)));
        assert!(futures::poll!(joined.next()).is_pending());
        assert_eq!(taken.load(std::sync::atomic::Ordering::Relaxed), 6);
    }

    #[tokio::test(start_paused = true)]
    async fn silence_ends_it_and_a_word_does_not() {
        let (sender, _receiver) = mpsc::channel(4);
        let began = Instant::now();
        let minute = Duration::from_secs(60);
        let outputs = futures::stream::once(async move {
            tokio::time::sleep(minute).await;
            Ok(ConduitOutput { bytes: vec![1], ..ConduitOutput::default() })
        });
        let outputs = outputs.chain(futures::stream::pending()).boxed();
        let mut joined = join(futures::stream::pending(), sender, outputs, Some(2 * minute));
        assert_eq!(joined.next().await.unwrap().unwrap().bytes, [1]);
        let last = joined.next().await.unwrap().unwrap();
        assert_eq!(last.error, "Nothing was typed or printed for 2 minutes.");
        assert_eq!(began.elapsed(), 3 * minute);
        assert!(joined.next().await.is_none());
    }
}
