//! Events as they come, for who follows them.

mod cut;
mod follow;
mod reader;

use super::route::Route;
use utoipa_axum::routes;

pub(super) fn routes() -> Vec<Route> {
    vec![Route::of(routes!(follow::handle)).unbounded()]
}
