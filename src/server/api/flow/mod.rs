//! What was observed in the sagas of a period: which step follows which, and which events there are.

mod catalogue;
mod drawing;
mod graph;
mod markdown;

use super::params::{Params, parse_number};
use super::route::Route;
use super::sagas::filter;
use crate::domain::SagaType;
use crate::pipeline::query::{FlowRequest, MAX_EVENT_KINDS, MAX_FLOW_SAGAS};
use utoipa_axum::routes;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::of(routes!(graph::handle)),
        Route::of(routes!(catalogue::handle)),
    ]
}

const _: () = assert!(MAX_FLOW_SAGAS == 20_000, "as documented");
const _: () = assert!(cfg!(test) || MAX_EVENT_KINDS == 5_000, "as documented");

/// Which sagas are looked at.
fn asked(params: &mut Params<'_>) -> FlowRequest {
    let saga_type = filter::saga_type(params).map(SagaType::from);
    let (from, to) = filter::period(params);
    let accepted = format!("a whole number from 1 to {MAX_FLOW_SAGAS}");
    let limit = params.take(&["limit"], &accepted, |text| {
        parse_number(text, 1, MAX_FLOW_SAGAS)
    });
    FlowRequest {
        saga_type,
        from,
        to,
        limit: limit.unwrap_or(MAX_FLOW_SAGAS),
    }
}
