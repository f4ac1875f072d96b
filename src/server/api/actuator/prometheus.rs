//! Metrics, for Prometheus to scrape.

use super::super::context::Context;
use super::super::error::{ApiError, ErrorKind};
use crate::server::metrics::{Asked, CONTENT_TYPE};
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use std::time::Instant;

/// Metrics in the Prometheus text format
#[utoipa::path(
    get,
    path = "/actuator/prometheus",
    operation_id = "scrape",
    tag = "actuator",
    responses((
        status = 200,
        body = String,
        content_type = "text/plain; version=0.0.4; charset=utf-8",
        description = "Every metric."
    ))
)]
pub(super) async fn handle(State(context): State<Context>) -> Result<impl IntoResponse, ApiError> {
    let metrics = context.metrics().clone();
    let text = context
        .scrape(move || {
            let started = Instant::now();
            let text = metrics.render();
            metrics.asked(Asked::Totals, started.elapsed());
            text
        })
        .await?
        .map_err(|error| ApiError::new(ErrorKind::InternalError, error.to_string()))?;
    Ok(([(header::CONTENT_TYPE, CONTENT_TYPE)], text))
}
