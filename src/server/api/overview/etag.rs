//! Answers that a client need not be sent again: it says which one it has, and is told when that is still right.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// An answer of JSON, or that the client has it.
pub(super) fn answer(headers: &HeaderMap, body: Vec<u8>) -> Response {
    // Weak: the answer may travel compressed.
    let tag = format!("W/\"{}\"", &blake3::hash(&body).to_hex()[..32]);
    let is_known = headers
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|known| matches(known.trim(), &tag));
    // Hexadecimal digits are a header's value.
    let tag = HeaderValue::from_str(&tag).unwrap_or(HeaderValue::from_static("W/\"\""));
    if is_known {
        return (StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response();
    }
    let kind = HeaderValue::from_static("application/json");
    ([(header::ETAG, tag), (header::CONTENT_TYPE, kind)], body).into_response()
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
        answer(&headers, b"{}".to_vec()).status().as_u16()
    }

    #[test]
    fn a_client_that_has_the_answer_is_told_so() {
        let tag = answer(&HeaderMap::new(), b"{}".to_vec()).headers()[header::ETAG].clone();
        let tag = tag.to_str().unwrap();
        assert_eq!(status(&[]), 200);
        assert_eq!(status(&[tag]), 304);
        assert_eq!(status(&[tag.strip_prefix("W/").unwrap()]), 304);
        assert_eq!(status(&["\"a\", W/\"b\"", &format!("\"c\", {tag}")]), 304);
        assert_eq!(status(&["*"]), 304);
        assert_eq!(status(&["\"another\""]), 200);
    }
}
