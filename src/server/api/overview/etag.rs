//! Answers that a client need not be sent again: it says which one it has, and is told when that is still right.

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// It may be kept, and is not used without asking.
const KEPT: (HeaderName, HeaderValue) = (header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));

/// An answer of JSON, or that the client has it: it is the same when what it is told apart by is, which may leave out
/// what changes all the time and nobody waits for. A browser may keep it, and asks whether it is still right.
pub(super) fn answer(headers: &HeaderMap, body: Vec<u8>, told_apart_by: &[u8]) -> Response {
    // Weak: the answer may travel compressed.
    let tag = format!("W/\"{}\"", &blake3::hash(told_apart_by).to_hex()[..32]);
    let is_known = headers
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|known| matches(known.trim(), &tag));
    // Hexadecimal digits are a header's value.
    let tag = HeaderValue::from_str(&tag).unwrap_or(HeaderValue::from_static("W/\"\""));
    if is_known {
        return (StatusCode::NOT_MODIFIED, [(header::ETAG, tag), KEPT]).into_response();
    }
    let kind = HeaderValue::from_static("application/json");
    ([(header::ETAG, tag), (header::CONTENT_TYPE, kind), KEPT], body).into_response()
}

fn matches(known: &str, tag: &str) -> bool {
    let opaque = |tag: &'_ str| tag.strip_prefix("W/").unwrap_or(tag).to_owned();
    known == "*" || opaque(known) == opaque(tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(known: &[&str]) -> u16 {
        let mut headers = HeaderMap::new();
        for value in known {
            headers.append(header::IF_NONE_MATCH, value.parse().unwrap());
        }
        answer(&headers, b"{}".to_vec(), b"{}").status().as_u16()
    }

    #[test]
    fn a_client_that_has_the_answer_is_told_so() {
        let tag = answer(&HeaderMap::new(), b"{}".to_vec(), b"{}").headers()[header::ETAG].clone();
        let tag = tag.to_str().unwrap();
        assert_eq!(status(&[]), 200);
        assert_eq!(status(&[tag]), 304);
        assert_eq!(status(&[tag.strip_prefix("W/").unwrap()]), 304);
        assert_eq!(status(&["\"a\", W/\"b\"", &format!("\"c\", {tag}")]), 304);
        assert_eq!(status(&["*"]), 304);
        assert_eq!(status(&["\"another\""]), 200);
    }
    #[test]
    fn an_answer_that_differs_only_in_what_nobody_waits_for_is_the_same_and_may_be_kept() {
        let first = answer(&HeaderMap::new(), b"{\"free\":1}".to_vec(), b"{}");
        let second = answer(&HeaderMap::new(), b"{\"free\":2}".to_vec(), b"{}");
        assert_eq!(first.headers()[header::ETAG], second.headers()[header::ETAG]);
        assert_eq!(first.headers()[header::CACHE_CONTROL], "no-cache");
        let mut known = HeaderMap::new();
        known.insert(header::IF_NONE_MATCH, first.headers()[header::ETAG].clone());
        let same = answer(&known, b"{\"free\":3}".to_vec(), b"{}");
        assert_eq!(
            (same.status(), &same.headers()[header::CACHE_CONTROL]),
            (StatusCode::NOT_MODIFIED, &KEPT.1)
        );
    }
}
