//! The audit log, to read: nothing here changes it.

pub(super) mod list;
mod verification;

use super::route::Route;
use utoipa_axum::routes;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::of(routes!(list::handle)),
        Route::of(routes!(verification::handle)).unbounded(),
    ]
}
