use super::*;
use axum::http::HeaderValue;

fn refused(method: &Method, headers: &[(&str, &str)], settings: &ServerSettings) -> Option<ErrorKind> {
    asked(method, headers, settings, |_| ())
}

fn asked(
    method: &Method,
    headers: &[(&str, &str)],
    settings: &ServerSettings,
    change: impl FnOnce(&mut Asked<'_>),
) -> Option<ErrorKind> {
    let headers = headers
        .iter()
        .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_str(value).unwrap()))
        .collect();
    let mut asked = Asked {
        method,
        uri_host: None,
        headers: &headers,
        has_body: true,
        is_probe: false,
        is_view: false,
    };
    change(&mut asked);
    check(asked, settings).err().map(|error| error.kind())
}

fn on(address: &str) -> ServerSettings {
    ServerSettings {
        bind: address.parse().unwrap(),
        allowed_origins: Some("https://ops.example".to_owned()),
        ..ServerSettings::default()
    }
}

#[test]
fn what_another_sites_page_causes_is_refused() {
    let settings = on("0.0.0.0");
    for headers in [
        &[("origin", "https://evil.example"), ("host", "tracker:8086")][..],
        &[("origin", "null"), ("host", "tracker:8086")],
        &[("origin", "http://tracker:9999"), ("host", "tracker:8086")],
        &[("origin", "http://tracker:8086")],
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site")],
    ] {
        for method in [Method::POST, Method::PATCH, Method::DELETE] {
            assert_eq!(
                refused(&method, headers, &settings),
                Some(ErrorKind::Forbidden),
                "{headers:?}"
            );
        }
        assert_eq!(refused(&Method::GET, headers, &settings), None);
    }
}

#[test]
fn our_own_pages_and_clients_that_are_no_pages_may() {
    for headers in [
        &[][..],
        &[("host", "tracker:8086")],
        &[("origin", "https://tracker:8086"), ("host", "Tracker:8086")],
        &[
            ("origin", "https://ops.example"),
            ("sec-fetch-site", "cross-site"),
        ],
        &[
            ("sec-fetch-site", "same-origin"),
            ("content-type", "application/json"),
        ],
        &[("sec-fetch-site", "none")],
        // Behind a proxy that rewrites Host.
        &[
            ("origin", "https://tracker.example"),
            ("host", "10.0.0.7:8086"),
            ("sec-fetch-site", "same-origin"),
        ],
    ] {
        assert_eq!(
            refused(&Method::POST, headers, &on("0.0.0.0")),
            None,
            "{headers:?}"
        );
    }
}

#[test]
fn what_a_plain_form_can_send_is_refused() {
    for kind in [
        "text/plain",
        "Text/Plain; charset=utf-8",
        "multipart/form-data; boundary=x",
        FORM_KINDS[0],
    ] {
        let headers = [("content-type", kind)];
        assert_eq!(
            refused(&Method::POST, &headers, &on("0.0.0.0")),
            Some(ErrorKind::UnsupportedMediaType)
        );
        assert_eq!(refused(&Method::GET, &headers, &on("0.0.0.0")), None);
        let empty = |headers: &[(&str, &str)]| {
            asked(&Method::POST, headers, &on("0.0.0.0"), |asked| {
                asked.has_body = false;
            })
        };
        assert_eq!(empty(&headers), None, "a script that sends nothing");
        for other in [
            ("origin", "https://evil.example"),
            ("sec-fetch-site", "cross-site"),
        ] {
            assert_eq!(empty(&[headers[0], other]), Some(ErrorKind::Forbidden));
        }
    }
}

#[test]
fn on_a_loopback_address_only_localhost_addresses_and_configured_names_are_served() {
    let mut settings = on("127.0.0.1");
    let served =
        |host: &str, settings: &ServerSettings| refused(&Method::GET, &[("host", host)], settings).is_none();
    for host in [
        "localhost",
        "LocalHost:8086",
        "localhost.",
        "a.localhost:1",
        "127.0.0.1",
        "127.3.2.1:80",
        "10.1.2.3:8086",
        "[fd00::1]:8086",
        "[::1]:8086",
        "[::1]",
    ] {
        assert!(served(host, &settings), "{host}");
    }
    for host in [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example:80",
        "10.0.0.1.evil.example",
        "localhost@evil",
        "",
    ] {
        assert!(!served(host, &settings), "{host}");
    }
    assert!(
        served("evil.example", &on("0.0.0.0")),
        "only a loopback address is private"
    );
    settings.allowed_hosts = Some("tracker.internal:443".to_owned());
    assert!(served("Tracker.Internal:8086", &settings) && served("localhost", &settings));
    assert!(!served("evil.example", &settings));
    settings.bind = "0.0.0.0".parse().unwrap();
    assert!(
        !served("evil.example", &settings),
        "names that are configured are all there are"
    );
    assert!(served("10.1.2.3:8086", &settings), "what scrapes asks by address");
    let probe = asked(&Method::GET, &[("host", "evil.example")], &settings, |asked| {
        asked.is_probe = true;
    });
    assert_eq!(probe, None);
    settings.allowed_hosts = Some("*".to_owned());
    assert!(served("evil.example", &settings));
}

#[test]
fn views_are_gone_to_and_not_asked_for_by_parts_of_another_sites_page() {
    let settings = on("0.0.0.0");
    let view = |site: &str, mode: &str| {
        let headers = [("sec-fetch-site", site), ("sec-fetch-mode", mode)];
        asked(&Method::GET, &headers, &settings, |asked| asked.is_view = true)
    };
    assert_eq!(view("cross-site", "no-cors"), Some(ErrorKind::Forbidden));
    assert_eq!(view("cross-site", "cors"), Some(ErrorKind::Forbidden));
    assert_eq!(view("cross-site", "navigate"), None);
    assert_eq!(view("same-origin", "cors"), None);
    assert_eq!(view("none", "navigate"), None);
    let image = [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors")];
    assert_eq!(refused(&Method::GET, &image, &settings), None, "of data");
    assert_eq!(
        asked(&Method::GET, &[], &settings, |asked| asked.is_view = true),
        None
    );
}
