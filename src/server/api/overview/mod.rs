//! What goes on, in one answer: all that somebody who looks first wants to see.

mod etag;
mod flow;
mod range;
mod show;

use super::route::Route;
pub(super) use flow::per_second;
pub(super) use show::SealBody;
use utoipa_axum::routes;

pub(super) fn routes() -> Vec<Route> {
    vec![Route::of(routes!(show::handle))]
}
