//! An export as the answer to a request: a file, sent while it is written.

use super::super::caller::Caller;
use super::super::chunked::{self, Parts};
use super::super::context::Context;
use super::super::error::{ApiError, ErrorKind};
use super::format::Format;
use super::reads::Reads;
use axum::http::{HeaderValue, header};
use axum::response::Response;

/// The file of that name that `write` writes, on a thread of the exports' share.
pub(super) async fn sent(
    (context, caller): (Context, Caller),
    (name, format): (&'static str, Format),
    write: impl FnOnce(&Reads, Parts) -> Result<(), ApiError> + Send + 'static,
) -> Result<Response, ApiError> {
    let work = move |parts| async move {
        let asked = context.clone();
        let done = context.export(caller.peer(), move |stop| write(&Reads::of(asked, stop), parts));
        done.await?
            .inspect_err(|error| tracing::info!(name, %error, "an export ended early"))
    };
    let response = chunked::sent(format!("the export of {name}"), work).await?;
    as_file(response, name, format)
}

/// Says what the answer is, and how to call it.
pub(super) fn as_file(mut response: Response, name: &str, format: Format) -> Result<Response, ApiError> {
    let file = format!("attachment; filename=\"{name}.{}\"", format.extension());
    let file = HeaderValue::from_str(&file)
        .map_err(|error| ApiError::new(ErrorKind::InternalError, error.to_string()))?;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(format.content_type()),
    );
    headers.insert(header::CONTENT_DISPOSITION, file);
    Ok(response)
}
