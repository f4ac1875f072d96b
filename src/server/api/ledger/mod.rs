//! The ledger: what every offset of the topic came to.

mod show;

use super::route::Route;
use utoipa_axum::routes;

pub(super) fn routes() -> Vec<Route> {
    vec![Route::of(routes!(show::handle))]
}
