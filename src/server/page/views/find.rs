//! What somebody typed, led to what it is.

use super::super::address::query;
use super::super::failure::Failure;
use super::super::values::params;
use super::super::visit::Visit;
use crate::server::api::DeadLetterId;
use axum::response::Response;

/// No id, order or trace is longer.
const MAX_CHARS: usize = 255;

pub(in super::super) async fn handle(visit: Visit) -> Result<Response, Failure> {
    let Some(text) = visit.param("q").map(str::trim).filter(|text| !text.is_empty()) else {
        return Ok(visit.go("/ui/search"));
    };
    let to = if text.chars().count() > MAX_CHARS {
        None
    } else {
        place(&visit, text).await?
    };
    // A search that finds none says so, and what to do next.
    let to = to.unwrap_or_else(|| format!("/ui/search{}", query([("orderId", text)])));
    Ok(visit.go(&to))
}

async fn place(visit: &Visit, text: &str) -> Result<Option<String>, Failure> {
    let none = params(&[]);
    for path in ["/api/v1/sagas/{sagaId}", "/api/v1/purged/{sagaId}"] {
        if visit.find(path, &[text], &none).await.ok().flatten().is_some() {
            return Ok(Some(format!("/ui/saga{}", query([("id", text)]))));
        }
    }
    if text.parse::<DeadLetterId>().is_ok()
        && visit
            .find("/api/v1/dead-letters/{letterId}", &[text], &none)
            .await?
            .is_some()
    {
        return Ok(Some(format!("/ui/dead-letters/{text}")));
    }
    for name in ["orderId", "traceId"] {
        let asked = params(&[(name, text), ("size", "1")]);
        if let Ok(found) = visit.get("/api/v1/sagas", &[], &asked).await
            && found["page"]["totalElements"] != 0
        {
            return Ok(Some(format!("/ui/search{}", query([(name, text)]))));
        }
    }
    Ok(None)
}
