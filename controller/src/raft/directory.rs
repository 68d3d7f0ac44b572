//! Where the controllers are, as this one sees it.

use std::sync::Arc;

use openraft::{BasicNode, RaftMetrics};
use tokio::sync::watch;

use super::ControllerId;

/// Addresses of the controllers that take part, as `host:port`, in the order of their ids.
pub type Directory = Arc<[String]>;

/// Keeps `directory` up to date until openraft ends.
pub(super) async fn follow(
    mut metrics: watch::Receiver<RaftMetrics<ControllerId, BasicNode>>,
    directory: watch::Sender<Directory>,
) {
    loop {
        {
            let metrics = metrics.borrow_and_update();
            let now = || metrics.membership_config.nodes().map(|(_id, place)| &place.addr);
            directory.send_if_modified(|before| {
                let has_changed = !now().eq(before.iter());
                if has_changed {
                    *before = now().cloned().collect();
                }
                has_changed
            });
        }
        // Cancel-safe; an error means that openraft is gone.
        if metrics.changed().await.is_err() {
            return;
        }
    }
}
