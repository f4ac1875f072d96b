//! The ledger: what every offset of the topic came to.

mod show;

use super::params::{Params, parse_number};
use super::route::Route;
use utoipa_axum::routes;

pub(super) fn routes() -> Vec<Route> {
    vec![Route::of(routes!(show::handle))]
}

/// The partition that is asked for.
pub(super) fn partition(params: &mut Params<'_>) -> Option<u32> {
    let highest = u64::from(u32::MAX >> 1);
    params.take(&["partition"], "a whole number from 0", |text| {
        u32::try_from(parse_number(text, 0, highest)?).ok()
    })
}
