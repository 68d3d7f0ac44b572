//! The layer that finds out which region a call is in.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use berth_model::error::ApiError;
use berth_process::region::METADATA;

use super::error::IntoStatus;
use crate::region::{Chosen, Regions};

/// Puts the region that a call names into its extensions. A call that has one there already was told so by whoever put
/// it there, and a call that names none is in the deployment's own.
pub(crate) async fn choose(State(regions): State<Regions>, mut request: Request, next: Next) -> Response {
    let named = request.headers().get(METADATA).filter(|_| request.extensions().get::<Chosen>().is_none());
    let Some(named) = named.map(|name| name.to_str().unwrap_or_default().to_owned()) else {
        return next.run(request).await;
    };
    match regions.choose(&named) {
        Some(chosen) => {
            request.extensions_mut().insert(chosen);
            next.run(request).await
        }
        None => {
            let text = format!("Region {named:?} is not served here; these are: {}.", regions.names());
            ApiError::invalid(text).into_status().into_http()
        }
    }
}
