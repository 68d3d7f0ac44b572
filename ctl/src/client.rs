//! Calls to the controllers: any of them serves, so a call goes to the next one when one does not answer.
//!
//! A request that surely was not sent is always tried elsewhere. One that may have been received is sent again only
//! when doing it twice is the same as doing it once; otherwise the caller is told that its fate is not known.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use berth_process::backoff::Backoff;
use berth_process::clock::Clock;
use berth_process::entropy::Entropy;
use berth_process::net::Connector;
use berth_process::token::Signer;
use berth_proto::admin::v1::admin_client::AdminClient;
use berth_proto::admin::v1::{ConduitRequest, ConduitStart, conduit_request};
use berth_proto::agent::v1::ConduitOutput;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

use crate::failure::{Failure, from_status, was_not_sent};
use crate::profile::Connection;

mod operations;

pub(crate) use operations::{Operation, StreamOperation};

/// A channel on which every call is signed.
pub(crate) type Signed = InterceptedService<Channel, Signature>;

/// Longer than any call takes that does not wait; a controller that needs more is not well.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a call is repeated while controllers answer that they cannot serve, as during an election.
const ELECTION_PATIENCE: Duration = Duration::from_secs(5);

/// What a wait endures without any controller answering: it outlives a restart of all of them.
const WAIT_PATIENCE: Duration = Duration::from_secs(30);

/// The largest answer that is accepted: 100 tasks with every detail are far below it.
pub(crate) const MAX_ANSWER_BYTES: usize = 64 * 1024 * 1024;

/// Chunks for a container that the connection has not taken; whoever sends waits.
const CONDUIT_CHUNKS: usize = 16;

/// Whether sending a request twice is the same as sending it once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeat {
    Safe,
    Unsafe,
}

/// A connection to all controllers of a profile.
#[derive(Clone)]
pub(crate) struct Client {
    controllers: Arc<[Controller]>,
    /// The one that answered last.
    preferred: Arc<AtomicUsize>,
    /// Makes a connection that nobody else uses.
    connect: Connect,
    patient: bool,
}

type Connect = Arc<dyn Fn(&str) -> Signed + Send + Sync>;

#[derive(Clone)]
struct Controller {
    address: String,
    channel: Signed,
}

/// Puts the token on a call, when the profile has an access key.
#[derive(Clone)]
pub(crate) struct Signature(Option<Signer>);

/// Why one controller did not serve a call.
enum Refusal {
    /// The next one may.
    Elsewhere {
        reason: String,
        unreachable: bool,
    },
    Final(Failure),
}

// === impl Signature ===

impl Interceptor for Signature {
    fn call(&mut self, request: Request<()>) -> Result<Request<()>, Status> {
        match &mut self.0 {
            Some(signer) => signer.call(request),
            None => Ok(request),
        }
    }
}

// === impl Client ===

impl Client {
    /// Nothing is connected until the first call.
    pub(crate) fn new(connection: &Connection, clock: &Clock) -> Self {
        let connector = Connector::tcp(connection.ca_pem.clone());
        let signature = Signature(
            connection
                .access_key
                .as_ref()
                .map(|(id, secret)| Signer::new(id.clone(), secret.clone(), clock.clone()))
                .map(|signer| signer.in_region(connection.region.as_deref())),
        );
        let connect: Connect =
            Arc::new(move |address| InterceptedService::new(connector.channel(address), signature.clone()));
        let controllers = connection
            .endpoints
            .iter()
            .map(|address| Controller { address: address.clone(), channel: connect(address) });
        Self { controllers: controllers.collect(), preferred: Arc::default(), connect, patient: false }
    }

    /// The same client, for waits: it endures controllers that are away for a while.
    pub(crate) fn patient(&self) -> Self {
        Self { patient: true, ..self.clone() }
    }

    /// Calls one operation.
    pub(crate) async fn call<R: Operation>(&self, request: R) -> Result<R::Response, Failure> {
        self.attempt(request.repeat(), |controller| R::send(controller.channel.clone(), request.clone()))
            .await
    }

    /// Opens a stream; an end of it is the caller's to handle.
    pub(crate) async fn open<R: StreamOperation>(
        &self,
        request: R,
    ) -> Result<tonic::Streaming<R::Item>, Failure> {
        self.attempt(Repeat::Safe, |controller| R::open(controller.channel.clone(), request.clone())).await
    }

    /// Opens a conduit into a container: what goes in, and what comes out. It has a connection of its own, so that none that
    /// is read slowly holds up another. Asking twice does not open two: the start has an id.
    pub(crate) async fn conduit(
        &self,
        start: ConduitStart,
    ) -> Result<(mpsc::Sender<ConduitRequest>, tonic::Streaming<ConduitOutput>), Failure> {
        self.attempt(Repeat::Safe, |controller| {
            let channel = (self.connect)(&controller.address);
            let start = start.clone();
            async move {
                let (sender, requests) = mpsc::channel(CONDUIT_CHUNKS);
                let first = ConduitRequest { message: Some(conduit_request::Message::Start(start)) };
                // There is room: it is the first.
                let _ = sender.try_send(first);
                let mut client = AdminClient::new(channel).max_decoding_message_size(MAX_ANSWER_BYTES);
                let outputs = client.open_conduit(ReceiverStream::new(requests)).await?.into_inner();
                Ok((sender, outputs))
            }
        })
        .await
    }

    async fn attempt<T, F>(&self, repeat: Repeat, send: impl Fn(&Controller) -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Status>>,
    {
        let started = Instant::now();
        let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(1), Entropy::system());
        loop {
            let mut refusals = Vec::new();
            let mut any_reached = false;
            let first = self.preferred.load(Ordering::Relaxed);
            for step in 0..self.controllers.len() {
                let index = (first + step) % self.controllers.len();
                let controller = &self.controllers[index];
                match outcome(repeat, timeout(CALL_TIMEOUT, send(controller)).await) {
                    Ok(answer) => {
                        self.preferred.store(index, Ordering::Relaxed);
                        return Ok(answer);
                    }
                    Err(Refusal::Final(failure)) => return Err(failure),
                    Err(Refusal::Elsewhere { reason, unreachable }) => {
                        any_reached |= !unreachable;
                        refusals.push((controller.address.as_str(), reason));
                    }
                }
            }
            let patience = match (self.patient, any_reached) {
                (true, _) => WAIT_PATIENCE,
                (false, true) => ELECTION_PATIENCE,
                (false, false) => Duration::ZERO,
            };
            if started.elapsed() >= patience {
                return Err(nobody(&refusals, any_reached));
            }
            tokio::time::sleep(backoff.next_delay()).await;
        }
    }
}

/// The failure when no controller served.
fn nobody(refusals: &[(&str, String)], any_reached: bool) -> Failure {
    let detail = told(refusals);
    if any_reached {
        return Failure::unreachable(format!("no controller can serve the request now: {detail}"))
            .hint("is a majority of the controllers running? `berth controller list` shows them");
    }
    let failure = Failure::unreachable(format!("cannot reach any controller at {detail}"));
    if detail.to_lowercase().contains("certificate") {
        return failure.hint(
            "something answers there, but not with a certificate of this profile's authority: \
             `berth profile show` tells which is expected",
        );
    }
    failure.hint("is it running? try `berth dev`, or choose another cluster with `--profile`")
}

/// `a:7400, b:7400: connection refused` when all say the same, `a:7400 (…), b:7400 (…)` otherwise.
fn told(refusals: &[(&str, String)]) -> String {
    let all_same = refusals.windows(2).all(|pair| pair[0].1 == pair[1].1);
    if let (true, Some((_, reason))) = (all_same, refusals.first()) {
        let addresses: Vec<&str> = refusals.iter().map(|(address, _)| *address).collect();
        return format!("{}: {reason}", addresses.join(", "));
    }
    refusals.iter().map(|(address, reason)| format!("{address} ({reason})")).collect::<Vec<_>>().join(", ")
}

fn outcome<T>(
    repeat: Repeat,
    answer: Result<Result<T, Status>, tokio::time::error::Elapsed>,
) -> Result<T, Refusal> {
    match answer {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(status)) if was_not_sent(&status) => {
            Err(Refusal::Elsewhere { reason: cause(&status), unreachable: true })
        }
        Ok(Err(status)) if repeat == Repeat::Safe && is_passing(&status) => {
            Err(Refusal::Elsewhere { reason: cause(&status), unreachable: false })
        }
        Ok(Err(status)) => Err(Refusal::Final(from_status(&status))),
        Err(_) if repeat == Repeat::Safe => {
            Err(Refusal::Elsewhere { reason: format!("no answer in {CALL_TIMEOUT:?}"), unreachable: true })
        }
        Err(_) => Err(Refusal::Final(
            Failure::timed_out(format!("the controller gave no answer in {CALL_TIMEOUT:?}"))
                .hint("whether the request took effect is not known: look before you repeat it"),
        )),
    }
}

/// True for what another controller, or the same one in a moment, may not answer: a connection that broke (only a
/// status made on this side has a source), or a controller that cannot serve now.
fn is_passing(status: &Status) -> bool {
    status.code() == Code::Unavailable || std::error::Error::source(status).is_some()
}

/// What happened, without where: the last error of the chain, less the address and the number of the error.
fn cause(status: &Status) -> String {
    let mut text = status.message().to_owned();
    let mut source = std::error::Error::source(status);
    while let Some(error) = source {
        text = error.to_string();
        source = error.source();
    }
    if let Some((_, rest)) = text.strip_prefix("cannot connect to ").and_then(|rest| rest.split_once(": ")) {
        text = rest.to_owned();
    }
    text.split(" (os error").next().unwrap_or_default().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_all_controllers_say_is_said_once() {
        let refusal = |address, reason: &str| (address, reason.to_owned());
        let same = [refusal("a:1", "connection refused"), refusal("b:1", "connection refused")];
        assert_eq!(told(&same), "a:1, b:1: connection refused");
        let different = [refusal("a:1", "connection refused"), refusal("b:1", "timed out")];
        assert_eq!(told(&different), "a:1 (connection refused), b:1 (timed out)");
    }
}
