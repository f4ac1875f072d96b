//! What the tracker knows of saga types.

mod show;

use super::route::Route;
use utoipa_axum::routes;

pub(super) fn routes() -> Vec<Route> {
    vec![Route::of(routes!(show::handle))]
}
