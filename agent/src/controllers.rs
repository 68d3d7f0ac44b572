//! The controller that the session is with, for whoever has something to ask on behalf of a task.
//!
//! Nobody here chooses a controller: the session does, and while it has none there is nobody to ask.

use std::time::Duration;

use berth_process::token::Signer;
use berth_proto::agent::v1::task_endpoints_client::TaskEndpointsClient;
use tokio::sync::watch;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Code, Response, Status};

/// How long a controller may take to answer.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Asks a controller on behalf of a task.
pub type Client = TaskEndpointsClient<InterceptedService<Channel, Signer>>;

/// Whoever can be asked now.
#[derive(Debug)]
pub struct Controllers {
    current: watch::Sender<Option<Client>>,
}

/// A controller can be asked for as long as this lives.
pub struct Connected<'a>(&'a Controllers);

// === impl Controllers ===

impl Default for Controllers {
    fn default() -> Self {
        Self { current: watch::Sender::new(None) }
    }
}

impl Controllers {
    /// Whoever can be asked now.
    #[must_use]
    pub fn client(&self) -> Option<Client> {
        self.current.borrow().clone()
    }

    /// Whoever can be asked, as soon as there is somebody.
    pub async fn connected(&self) -> Client {
        let mut current = self.current.subscribe();
        loop {
            if let Some(client) = current.borrow_and_update().clone() {
                return client;
            }
            if current.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// There is a session over this channel.
    pub(crate) fn connect(&self, channel: Channel, signer: Signer) -> Connected<'_> {
        self.current.send_replace(Some(TaskEndpointsClient::with_interceptor(channel, signer)));
        Connected(self)
    }
}

// === impl Connected ===

impl Drop for Connected<'_> {
    fn drop(&mut self) {
        self.0.current.send_replace(None);
    }
}

/// Between two attempts while controllers cannot answer.
const PAUSE: Duration = Duration::from_millis(500);

/// Asks whichever controller can be asked until one answers, for so long; none when none did.
pub(crate) async fn patiently<T, F>(
    controllers: &Controllers,
    patience: Duration,
    ask: impl Fn(Client) -> F,
) -> Option<Result<T, Status>>
where
    F: Future<Output = Result<Response<T>, Status>>,
{
    let asking = async {
        loop {
            match ask(controllers.connected().await).await {
                Err(status) if is_passing(status.code()) => tokio::time::sleep(PAUSE).await,
                answer => return answer.map(Response::into_inner),
            }
        }
    };
    tokio::time::timeout(patience, asking).await.ok()
}

/// Whether another controller, or the same one later, may answer.
fn is_passing(code: Code) -> bool {
    matches!(
        code,
        Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled | Code::Unknown | Code::Aborted
    )
}

/// A request that is given up when nobody answers.
pub fn request<M>(message: M) -> tonic::Request<M> {
    let mut request = tonic::Request::new(message);
    request.set_timeout(ANSWER_TIMEOUT);
    request
}
