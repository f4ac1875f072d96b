//! Errors of views, drawn: what the API said, under which request id, and how to ask again.

use super::super::app::Page;
use super::super::failure::{FailedCall, Failure};
use super::super::visit::Visit;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use serde_json::{Value, json};

/// No error says more.
const MAX_BYTES: usize = 1 << 20;

/// Answers to what nobody worked on: for these nothing is asked, and nothing waits.
const REFUSALS: [StatusCode; 6] = [
    StatusCode::FORBIDDEN,
    StatusCode::PAYLOAD_TOO_LARGE,
    StatusCode::URI_TOO_LONG,
    StatusCode::TOO_MANY_REQUESTS,
    StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
    StatusCode::SERVICE_UNAVAILABLE,
];

/// Whether a path is a view of the page, which answers people.
fn is_view(path: &str) -> bool {
    path == "/" || path == "/ui" || (path.starts_with("/ui/") && !path.starts_with("/ui/assets/"))
}

/// Draws errors of views, whoever made them.
pub(in super::super) async fn drawn(State(page): State<Page>, request: Request, next: Next) -> Response {
    if !is_view(request.uri().path()) {
        return next.run(request).await;
    }
    let (mut parts, body) = request.into_parts();
    let visit = Visit::of(&mut parts, &page).await;
    let response = next.run(Request::from_parts(parts, body)).await;
    let is_json = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind == "application/json");
    let is_error = response.status().is_client_error() || response.status().is_server_error();
    if is_error && is_json {
        draw(&visit, response).await
    } else {
        response
    }
}

async fn draw(visit: &Visit, response: Response) -> Response {
    let (mut head, body) = response.into_parts();
    let bytes = to_bytes(body, MAX_BYTES).await.unwrap_or_default();
    let error: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let drawn = match page(visit, &head, error).await {
        Ok(drawn) => drawn,
        // What cannot be drawn is told as it is.
        Err(_) => return Response::from_parts(head, bytes.into()),
    };
    let (of_page, body) = drawn.into_parts();
    head.headers.remove(header::CONTENT_LENGTH);
    head.headers.extend(of_page.headers);
    Response::from_parts(head, body)
}

async fn page(visit: &Visit, head: &axum::http::response::Parts, error: Value) -> Result<Response, Failure> {
    let of = |name: header::HeaderName| head.headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(FailedCall(call)) = head.extensions.get() {
        visit.show_asked(call);
    }
    let is_refused = REFUSALS.contains(&head.status) && head.extensions.get::<FailedCall>().is_none();
    let retry_after = of(header::RETRY_AFTER).and_then(|text| text.parse::<u64>().ok());
    let data = json!({
        "error": {
            "error": error["error"].as_str().unwrap_or(head.status.canonical_reason().unwrap_or("ERROR")),
            "message": error["message"].as_str().unwrap_or_default(),
            "timestamp": error["timestamp"].as_str().unwrap_or(visit.now()),
            "path": error["path"].as_str().unwrap_or_default(),
            "details": error["details"].as_array().cloned().unwrap_or_default(),
        },
        "status": head.status.as_u16(),
        "requestId": of(header::HeaderName::from_static("x-request-id")).unwrap_or("-"),
        "retryAfter": retry_after,
    });
    if is_refused {
        return visit.refusal(head.status, data);
    }
    match visit.error(head.status, "error.html", data.clone()).await {
        Ok(drawn) => Ok(drawn),
        // Too many are drawn already.
        Err(_) => visit.refusal(head.status, data),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_people_look_at_is_drawn() {
        for view in ["/", "/ui", "/ui/search", "/ui/nowhere"] {
            assert!(is_view(view), "{view}");
        }
        for other in ["/ui/assets/x/main.js", "/api/v1/sagas", "/uix", "/metrics"] {
            assert!(!is_view(other), "{other}");
        }
    }
}
