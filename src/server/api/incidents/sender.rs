//! Whether whoever sends alerts may: asked before anything of the body is read. The file of the token may lie on a volume
//! that does not answer, so it is read where neither probes nor searches wait.

use super::super::context::Context;
use super::super::error::{ApiError, ErrorKind};
use axum::extract::FromRequestParts;
use axum::http::header;
use axum::http::request::Parts;

/// Somebody who may send alerts.
pub(super) struct AlertSender;

impl FromRequestParts<Context> for AlertSender {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, context: &Context) -> Result<Self, ApiError> {
        let given = parts.headers.get(header::AUTHORIZATION);
        let given = given.and_then(|value| value.to_str().ok()).and_then(bearer);
        let (asked, given) = (context.clone(), given.map(str::to_owned));
        let trusted = context
            .elsewhere(move |_| asked.parts().incidents.trusts(given.as_deref()))
            .await?;
        match trusted {
            Ok(true) => Ok(Self),
            Ok(false) => Err(ApiError::new(
                ErrorKind::Unauthorized,
                "Authorization: accepted is Bearer with the token that stands in the file of incidents.token_file",
            )),
            Err(error) => {
                tracing::error!(%error, "alerts are refused");
                Err(ApiError::new(
                    ErrorKind::ServiceUnavailable,
                    "the file of incidents.token_file holds no token now; the tracker's log says why",
                )
                .nothing_changed())
            }
        }
    }
}

/// The token of a header.
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_stands_behind_its_scheme() {
        assert_eq!(bearer("Bearer abc"), Some("abc"));
        assert_eq!(bearer("bearer  abc "), Some("abc"));
        assert_eq!([bearer("Basic abc"), bearer("abc"), bearer("")], [None; 3]);
    }
}
