//! Whose pages may ask: what a browser on an operator's machine must not be talked into.
//!
//! A page of somebody else can have that browser send requests here. What changes something is refused
//! when the browser says that another site caused it, and when its body is of a kind that a plain form
//! can send. A name that somebody else points at our address (DNS rebinding) is refused as well. Clients
//! that are no browsers send none of this and are not affected. Who somebody is, is not asked here.

use super::error::{ApiError, ErrorKind};
use super::settings::ServerSettings;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, Method, header};
use std::net::IpAddr;

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
/// The kinds of body that a form can send.
const FORM_KINDS: [&str; 3] = [
    "application/x-www-form-urlencoded",
    "multipart/form-data",
    "text/plain",
];
/// Accepts every name.
const ANY: &str = "*";

/// A request, as far as it shows who caused it.
#[derive(Clone, Copy)]
pub(super) struct Asked<'r> {
    pub(super) method: &'r Method,
    /// The host in its target, if there is one.
    pub(super) uri_host: Option<&'r str>,
    pub(super) headers: &'r HeaderMap,
    pub(super) has_body: bool,
    /// Whether it asks how the tracker is: whoever asks that by whatever name learns nothing else.
    pub(super) is_probe: bool,
    /// Whether it asks for a view of the page, which asks much in its turn.
    pub(super) is_view: bool,
}

/// Refuses a request that a page of another site may have caused.
pub(super) fn check(asked: Asked<'_>, settings: &ServerSettings) -> Result<(), ApiError> {
    let headers = asked.headers;
    if !asked.is_probe {
        check_host(asked.uri_host.or_else(|| text(headers, &header::HOST)), settings)?;
    }
    if matches!(*asked.method, Method::GET | Method::HEAD | Method::OPTIONS) {
        return check_view(asked);
    }
    check_site(headers, settings)?;
    // `curl -d ''` says that it sends a form. No page of another site gets here.
    if asked.has_body {
        check_kind(headers)?;
    }
    Ok(())
}

fn check_host(host: Option<&str>, settings: &ServerSettings) -> Result<(), ApiError> {
    // Browsers always send one.
    let Some(host) = host else { return Ok(()) };
    let name = name_of(host);
    let allowed: Vec<&str> = settings.allowed_hosts().collect();
    let named = allowed
        .iter()
        .any(|allowed| *allowed == ANY || name_of(allowed).eq_ignore_ascii_case(name));
    let open = allowed.is_empty() && !settings.bind.is_loopback();
    // Somebody else can point a name at us, but not an address.
    if named || open || is_address(name) || is_localhost(name) {
        return Ok(());
    }
    let accepted = if allowed.is_empty() {
        "localhost or an IP address".to_owned()
    } else {
        format!("{}, localhost or an IP address", allowed.join(", "))
    };
    let found = super::params::shown(host);
    Err(forbidden(format!(
        "Host: found {found}, accepted: {accepted}; server.allowed_hosts takes further names"
    )))
}

fn check_site(headers: &HeaderMap, settings: &ServerSettings) -> Result<(), ApiError> {
    let origin = headers.get(header::ORIGIN);
    let host = text(headers, &header::HOST);
    let found = match (origin.map(|origin| origin.to_str()), text(headers, &FETCH_SITE)) {
        // Only the browser can say so, and it knows better than Host behind a proxy that rewrites it.
        (_, Some("same-origin")) => return Ok(()),
        (Some(Ok(origin)), _) if is_ours(origin, host) || is_allowed(origin, settings) => return Ok(()),
        (Some(origin), _) => format!(
            "Origin: found {}",
            super::params::shown(origin.unwrap_or("no text"))
        ),
        (None, None | Some("none")) => return Ok(()),
        (None, Some(site)) => format!("Sec-Fetch-Site: found {}", super::params::shown(site)),
    };
    Err(forbidden(format!(
        "{found}, accepted: this tracker's own pages, and clients that are not pages of another site; \
         server.allowed_origins takes further origins"
    )))
}

/// Whether a request is caused by a page of another site, as its browser says.
pub fn is_cross_site(headers: &HeaderMap) -> bool {
    text(headers, &FETCH_SITE) == Some("cross-site")
}

/// A link may lead from another site to a view; an image or a script there may not ask for one unseen.
fn check_view(asked: Asked<'_>) -> Result<(), ApiError> {
    let is_followed = text(asked.headers, &FETCH_MODE) == Some("navigate");
    if asked.is_view && is_cross_site(asked.headers) && !is_followed {
        return Err(forbidden(
            "Sec-Fetch-Site: found cross-site, accepted: a view of the page is asked for by who goes to it, not by \
             parts of another site's page"
                .to_owned(),
        ));
    }
    Ok(())
}

fn check_kind(headers: &HeaderMap) -> Result<(), ApiError> {
    let kind = text(headers, &header::CONTENT_TYPE).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    if FORM_KINDS.iter().any(|form| form.eq_ignore_ascii_case(essence)) {
        let found = super::params::shown(kind);
        let message = format!(
            "Content-Type: found {found}, accepted: application/json; without a body, no Content-Type either"
        );
        return Err(ApiError::new(ErrorKind::UnsupportedMediaType, message));
    }
    Ok(())
}

/// Whether an origin is the address that the request was sent to. The scheme is not compared: a proxy may
/// have taken TLS off.
fn is_ours(origin: &str, host: Option<&str>) -> bool {
    let authority = origin.split_once("://").map(|(_, authority)| authority);
    matches!((authority, host), (Some(authority), Some(host)) if authority.eq_ignore_ascii_case(host))
}

fn is_allowed(origin: &str, settings: &ServerSettings) -> bool {
    let mut allowed = settings.allowed_origins();
    allowed.any(|allowed| allowed.eq_ignore_ascii_case(origin))
}

/// A host without its port; IPv6 addresses without brackets.
fn name_of(host: &str) -> &str {
    let name = match host.parse::<Authority>() {
        // What lies before an @ is no part of the name.
        Ok(_) if host.contains('@') => host,
        Ok(authority) => &host[..authority.host().len().min(host.len())],
        Err(_) => host,
    };
    name.trim_start_matches('[')
        .trim_end_matches(']')
        .trim_end_matches('.')
}

fn is_address(name: &str) -> bool {
    name.parse::<IpAddr>().is_ok()
}

fn is_localhost(name: &str) -> bool {
    let subdomain = name.len() > ".localhost".len()
        && name.is_char_boundary(name.len() - ".localhost".len())
        && name[name.len() - ".localhost".len()..].eq_ignore_ascii_case(".localhost");
    name.eq_ignore_ascii_case("localhost") || subdomain
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name).map(|value| value.to_str().unwrap_or("no text"))
}

fn forbidden(message: String) -> ApiError {
    ApiError::new(ErrorKind::Forbidden, message)
}

#[cfg(test)]
mod tests;
