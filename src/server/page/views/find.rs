//! What somebody typed, led to what it is.

use super::super::address::query;
use super::super::failure::Failure;
use super::super::values::params;
use super::super::visit::Visit;
use axum::http::StatusCode;
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
    let is_letter = text
        .split_once('-')
        .is_some_and(|(partition, offset)| [partition, offset].iter().all(|part| is_number(part)));
    if is_letter
        && there(
            visit
                .find("/api/v1/dead-letters/{letterId}", &[text], &none)
                .await,
        )?
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

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.len() <= 19 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// What cannot be the id of a letter is none.
fn there(found: Result<Option<serde_json::Value>, Failure>) -> Result<bool, Failure> {
    match found {
        Ok(found) => Ok(found.is_some()),
        Err(failure) if failure.status() == StatusCode::BAD_REQUEST => Ok(false),
        Err(failure) => Err(failure),
    }
}
