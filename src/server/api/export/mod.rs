//! Results and event logs to take away: as tables (CSV, NDJSON, Parquet), or as a log that process-mining tools read.
//!
//! What is in a result is decided by the noun that it is of; here it is only read part by part and written out.
//! An export holds no snapshot of the store while a client takes it: each part is a read of its own.

mod answer;
mod audit;
mod census;
mod columns;
mod csv;
mod dead_letters;
mod events;
mod format;
mod ledger;
mod ledger_offsets;
mod log;
mod ocel;
mod parquet_rows;
mod reads;
mod rows;
mod sagas;
mod steps;
mod xes;
mod xml;

pub(super) use format::PARQUET_TYPE;

use super::route::Route;
use utoipa_axum::routes;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::of(routes!(sagas::handle)).unbounded(),
        Route::of(routes!(steps::handle)).unbounded(),
        Route::of(routes!(events::handle)).unbounded(),
        Route::of(routes!(census::handle)),
        Route::of(routes!(ledger::handle)).unbounded(),
        Route::of(routes!(audit::handle)).unbounded(),
        Route::of(routes!(dead_letters::handle)).unbounded(),
    ]
}
