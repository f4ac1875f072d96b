//! What probes and scrapers ask, under the paths that deployments know.

mod health;
mod info;
mod prometheus;

use super::route::Route;
use utoipa_axum::routes;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::of(routes!(health::health)).quiet().probe(),
        Route::of(routes!(health::liveness)).quiet().probe(),
        Route::of(routes!(health::readiness)).quiet().probe(),
        Route::of(routes!(prometheus::handle)).alias("/metrics").quiet(),
        Route::of(routes!(info::handle)).quiet(),
    ]
}
