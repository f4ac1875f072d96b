//! Incidents: alerts in, and what is known of them.

mod body;
mod list;
mod sender;
mod take;

use super::route::Route;
use utoipa_axum::routes;

pub(super) fn routes() -> Vec<Route> {
    vec![Route::of(routes!(list::handle)), Route::of(routes!(take::handle))]
}
