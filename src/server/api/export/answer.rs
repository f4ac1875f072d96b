//! An export as the answer to a request: a file, sent while it is written.

use super::super::caller::Caller;
use super::super::chunked::{self, Parts};
use super::super::context::Context;
use super::super::error::{ApiError, ErrorKind};
use super::format::{Format, Wanted};
use super::reads::Reads;
use axum::extract::FromRequestParts;
use axum::http::request::Parts as RequestParts;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use std::convert::Infallible;

/// A call of an export.
pub(super) struct Call {
    pub(super) context: Context,
    pub(super) caller: Caller,
    headers: HeaderMap,
    query: Option<String>,
}

impl FromRequestParts<Context> for Call {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut RequestParts, context: &Context) -> Result<Self, Infallible> {
        Ok(Self {
            context: context.clone(),
            caller: Caller::of(parts),
            headers: parts.headers.clone(),
            query: parts.uri.query().map(str::to_owned),
        })
    }
}

impl Call {
    /// Its parameters.
    pub(super) fn query(&self) -> Option<&str> {
        self.query.as_deref()
    }

    /// How the export is wanted, of the formats that there are.
    pub(super) fn wanted(&self, formats: &[Format]) -> Result<Wanted, ApiError> {
        Wanted::parse(self.query(), &self.headers, formats)
    }

    /// Answers with the file of that name that `write` writes, on a thread of the exports' share.
    pub(super) async fn answer(
        self,
        (name, format): (&'static str, Format),
        write: impl FnOnce(&Reads, Parts) -> Result<(), ApiError> + Send + 'static,
    ) -> Result<Response, ApiError> {
        let Self { context, caller, .. } = self;
        let work = move |parts| async move {
            let asked = context.clone();
            let done = context.export(caller.peer(), move |stop| write(&Reads::of(asked, stop), parts));
            done.await?
                .inspect_err(|error| tracing::info!(name, %error, "an export ended early"))
        };
        let response = chunked::sent(format!("the export of {name}"), work).await?;
        as_file(response, name, format)
    }
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
