//! How somebody wants to see the page, put into their cookie. A link on another site chooses nothing for them.

use super::super::failure::Failure;
use super::super::visit::Visit;
use crate::server::api::is_cross_site;
use axum::http::{HeaderMap, header};
use axum::response::Response;

pub(in super::super) async fn handle(headers: HeaderMap, visit: Visit) -> Result<Response, Failure> {
    let base = visit.page.base().to_owned();
    let mut response = visit.go(&back(visit.param("back"), &base));
    if let Some(cookie) = visit.look.cookie(&base)
        && !is_cross_site(&headers)
    {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

/// A path of this page, without what stands in front of every path; the overview for anything else.
fn back(asked: Option<&str>, base: &str) -> String {
    let path = asked.and_then(|asked| asked.strip_prefix(base)).unwrap_or("/");
    // Two slashes would be another host, and some take a backslash for one.
    let is_ours = path == "/" || path.starts_with("/?") || path.starts_with("/ui/") || path == "/ui";
    let is_plain = path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if is_ours && is_plain {
        path.to_owned()
    } else {
        "/".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_led_back_to_a_page_of_ours_and_nowhere_else() {
        assert_eq!(
            back(Some("/ui/search?status=FAILED"), ""),
            "/ui/search?status=FAILED"
        );
        assert_eq!(
            back(Some("/tracker/ui/saga?id=%2F"), "/tracker"),
            "/ui/saga?id=%2F"
        );
        for bad in [
            Some("//evil.example"),
            Some("https://evil.example"),
            Some("/\\evil.example"),
            Some("/api/v1/sagas"),
            None,
        ] {
            assert_eq!(back(bad, ""), "/");
        }
        assert_eq!(back(Some("/ui/search"), "/tracker"), "/");
    }
}
