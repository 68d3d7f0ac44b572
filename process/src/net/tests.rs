//! The server and the channels against each other.

use std::pin::Pin;
use std::sync::Arc;

use futures::FutureExt;
use tokio::sync::mpsc;
use tonic::service::Routes;
use tonic::{Code, Status};
use tonic_health::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use super::*;
use crate::shutdown::{OnError, Shutdown};
use crate::tls::{Authority, Certificate};

const PATIENCE: Duration = Duration::from_secs(10);

type Client = HealthClient<tonic::transport::Channel>;

/// Serves a health service, which has a unary call and a stream that never ends.
fn start(listen: impl Listen, certificate: Option<Certificate>, shutdown: &Shutdown) -> String {
    let address = listen.local_addr().unwrap().to_string();
    let (reporter, service) = tonic_health::server::health_reporter();
    let scope = shutdown.clone();
    shutdown.spawn("server", OnError::Shutdown, async move {
        reporter.set_service_status("", ServingStatus::Serving).await;
        serve(Routes::new(service), listen, certificate.as_ref(), &scope).await
    });
    address
}

fn tcp() -> TcpListen {
    bind("127.0.0.1:0".parse().unwrap()).unwrap()
}

async fn check(client: &mut Client) -> Result<HealthCheckResponse, Status> {
    let call = client.check(HealthCheckRequest { service: String::new() });
    tokio::time::timeout(PATIENCE, call).await.unwrap().map(tonic::Response::into_inner)
}

#[tokio::test]
async fn calls_go_over_plain_tcp() {
    let shutdown = Shutdown::new();
    let address = start(tcp(), None, &shutdown);
    let mut client = HealthClient::new(Connector::tcp(None).channel(&address));
    check(&mut client).await.unwrap();
    shutdown.drain(PATIENCE).await.unwrap();
}

#[tokio::test]
async fn calls_go_over_tls_by_any_address() {
    let shutdown = Shutdown::new();
    let authority = Authority::generate("berth test").unwrap();
    let certificate = authority.issue(&["controller.example.org".to_owned()]).unwrap();
    let address = start(tcp(), Some(certificate), &shutdown);
    let connector = Connector::tcp(Some(authority.certificate_pem));
    check(&mut HealthClient::new(connector.channel(&address))).await.unwrap();
    shutdown.drain(PATIENCE).await.unwrap();
}

#[tokio::test]
async fn another_clusters_server_is_not_trusted() {
    let shutdown = Shutdown::new();
    let (ours, theirs) = (Authority::generate("ours").unwrap(), Authority::generate("theirs").unwrap());
    let address = start(tcp(), Some(theirs.issue(&[]).unwrap()), &shutdown);
    let connector = Connector::tcp(Some(ours.certificate_pem));
    let status = check(&mut HealthClient::new(connector.channel(&address))).await.unwrap_err();
    let told = crate::telemetry::chain(&status).to_string();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(told.contains("certificate") && told.contains(&address), "{told}");
    shutdown.drain(PATIENCE).await.unwrap();
}

#[tokio::test]
async fn a_plain_client_does_not_hold_up_a_tls_server() {
    let shutdown = Shutdown::new();
    let authority = Authority::generate("berth test").unwrap();
    let address = start(tcp(), Some(authority.issue(&[]).unwrap()), &shutdown);
    let silent = tokio::net::TcpStream::connect(&address).await.unwrap();
    let connector = Connector::tcp(Some(authority.certificate_pem));
    check(&mut HealthClient::new(connector.channel(&address))).await.unwrap();
    shutdown.drain(PATIENCE).await.unwrap();
    drop(silent);
}

#[tokio::test]
async fn a_bad_authority_shows_as_the_failure_to_connect() {
    let connector = Connector::tcp(Some("not a certificate".to_owned()));
    let status = check(&mut HealthClient::new(connector.channel("127.0.0.1:1"))).await.unwrap_err();
    let told = crate::telemetry::chain(&status).to_string();
    assert!(told.contains("the cluster's authority is not valid PEM"), "{told}");
}

#[tokio::test]
async fn a_channel_connects_again_when_the_server_is_back() {
    let first = Shutdown::new();
    let address = start(tcp(), None, &first);
    let mut client = HealthClient::new(Connector::tcp(None).channel(&address));
    check(&mut client).await.unwrap();
    first.drain(PATIENCE).await.unwrap();
    assert_eq!(check(&mut client).await.unwrap_err().code(), Code::Unavailable);
    let second = Shutdown::new();
    start(bind(address.parse().unwrap()).unwrap(), None, &second);
    check(&mut client).await.unwrap();
    second.drain(PATIENCE).await.unwrap();
}

#[tokio::test]
async fn a_shutdown_ends_streams_that_would_not_end() {
    let shutdown = Shutdown::new();
    let address = start(tcp(), None, &shutdown);
    let mut client = HealthClient::new(Connector::tcp(None).channel(&address));
    let mut stream = client.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
    assert!(stream.message().await.unwrap().is_some());
    shutdown.drain(PATIENCE).await.unwrap();
    let ended = tokio::time::timeout(PATIENCE, stream.message()).await.unwrap();
    assert!(!matches!(ended, Ok(Some(_))), "{ended:?}");
}

/// A network of in-memory pipes: what is dialled is accepted.
struct Pipes(mpsc::UnboundedReceiver<BoxedIo>);

impl Listen for Pipes {
    async fn accept(&mut self) -> io::Result<(BoxedIo, SocketAddr)> {
        let io = self.0.recv().await.ok_or(io::ErrorKind::BrokenPipe)?;
        Ok((io, "192.0.2.1:9".parse().unwrap()))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok("192.0.2.2:7400".parse().unwrap())
    }
}

#[tokio::test(start_paused = true)]
async fn a_simulated_network_takes_the_place_of_tcp() {
    let shutdown = Shutdown::new();
    let (dialled, accepted) = mpsc::unbounded_channel::<BoxedIo>();
    start(Pipes(accepted), None, &shutdown);
    let connector = Connector::custom(Arc::new(move |address| {
        let (near, far) = tokio::io::duplex(64 << 10);
        let connected = match (address.as_str(), dialled.send(Box::new(far))) {
            ("controller-1:7400", Ok(())) => Ok(Box::new(near) as BoxedIo),
            _ => Err(io::ErrorKind::HostUnreachable.into()),
        };
        std::future::ready(connected).boxed()
    }));
    check(&mut HealthClient::new(connector.channel("controller-1:7400"))).await.unwrap();
    let lost = check(&mut HealthClient::new(connector.channel("controller-2:7400"))).await;
    assert_eq!(lost.unwrap_err().code(), Code::Unavailable);
    shutdown.drain(PATIENCE).await.unwrap();
}

/// A peer that takes bytes and never answers once `cut`: a cable that was pulled.
struct Mute(Pin<Box<tokio::io::DuplexStream>>);

#[tokio::test(start_paused = true)]
async fn a_peer_that_vanished_is_noticed_by_pings() {
    let shutdown = Shutdown::new();
    let (dialled, accepted) = mpsc::unbounded_channel::<BoxedIo>();
    start(Pipes(accepted), None, &shutdown);
    // The pipe of the client ends in `mute`, which is read by nobody after the stream is open.
    let (near, mute) = tokio::io::duplex(64 << 10);
    let (inner, far) = tokio::io::duplex(64 << 10);
    dialled.send(Box::new(far)).unwrap();
    let cable = shutdown.child();
    let (cut, mut mute, mut inner) = (cable.token().clone(), Mute(Box::pin(mute)), inner);
    shutdown.spawn("cable", OnError::Log, async move {
        tokio::select! {
            biased;
            // Cancel-safe: the token stays cancelled.
            () = cut.cancelled() => {}
            // Not cancel-safe, which is the point.
            copied = tokio::io::copy_bidirectional(&mut mute.0, &mut inner) => return copied.map(|_| ()),
        }
        tokio::time::sleep(Duration::from_secs(60)).await;
        drop((mute, inner));
        Ok(())
    });
    let near = parking_lot::Mutex::new(Some(near));
    let connector = Connector::custom(Arc::new(move |_address| {
        let near = near.lock().take().map(|near| Box::new(near) as BoxedIo);
        std::future::ready(near.ok_or_else(|| io::ErrorKind::HostUnreachable.into())).boxed()
    }));
    let mut client = HealthClient::new(connector.channel("controller-1:7400"));
    let mut stream = client.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
    assert!(stream.message().await.unwrap().is_some());
    let started = tokio::time::Instant::now();
    cable.trigger();
    assert!(stream.message().await.is_err());
    assert!(started.elapsed() <= Duration::from_secs(11), "{:?}", started.elapsed());
    shutdown.drain(Duration::from_secs(120)).await.unwrap();
}
