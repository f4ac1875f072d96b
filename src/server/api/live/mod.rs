//! How things stand, second by second, for as long as somebody watches.

mod frame;
mod show;
mod stream;

use super::route::Route;
use utoipa_axum::routes;

pub(super) fn routes() -> Vec<Route> {
    vec![Route::of(routes!(show::handle))]
}
