//! Images that are fetched before their tasks arrive. The newest word of the controller is what counts.

use std::sync::Arc;

use berth_process::shutdown::{OnError, Shutdown};
use tokio::sync::watch;

use crate::limits::PREFETCHED_IMAGES;
use crate::task::hooks::image::Images;

/// Fetches as long as its session is open.
pub(super) struct Prefetch {
    wanted: watch::Sender<Vec<String>>,
    scope: Shutdown,
}

// === impl Prefetch ===

impl Prefetch {
    pub(super) fn new(images: Arc<Images>, scope: Shutdown) -> Self {
        let (wanted, mut changes) = watch::channel(Vec::new());
        let token = scope.token().clone();
        scope.spawn::<_, std::convert::Infallible>("prefetch", OnError::Log, async move {
            let fetch = async {
                while changes.changed().await.is_ok() {
                    let wanted = changes.borrow_and_update().clone();
                    images.fetch_ahead(&wanted).await;
                }
            };
            // Cancel-safe: a pull that is dropped goes on in Docker, or is begun again by the task that needs it.
            tokio::select! {
                () = token.cancelled() => {}
                () = fetch => {}
            }
            Ok(())
        });
        Self { wanted, scope }
    }

    /// What is not fetched yet of what was wanted before is left.
    pub(super) fn want(&self, mut images: Vec<String>) {
        images.truncate(PREFETCHED_IMAGES);
        self.wanted.send_replace(images);
    }
}

impl Drop for Prefetch {
    fn drop(&mut self) {
        self.scope.trigger();
    }
}
