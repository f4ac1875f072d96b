use super::super::route::{Kind, LogLevel, Time};
use super::*;
use std::collections::BTreeSet;

#[test]
fn every_route_is_described_once_or_is_a_page() {
    let document: serde_json::Value = serde_json::from_str(openapi_json()).unwrap();
    for route in ROUTES.iter() {
        let described = route.handlers.1.paths.keys().cloned().collect::<Vec<_>>();
        if route.terms.kind == Kind::Page {
            assert!(described.is_empty(), "{}", route.path);
        } else {
            assert_eq!(
                described,
                std::slice::from_ref(&route.path),
                "its handlers stand under one path"
            );
        }
        let listed = document["paths"].get(&route.path).is_some();
        assert_eq!(listed, route.terms.kind != Kind::Page, "{}", route.path);
    }
}

#[test]
fn no_two_routes_and_no_two_operations_are_the_same() {
    let mut paths = BTreeSet::new();
    for path in ROUTES.iter().flat_map(Route::paths) {
        let shape = path
            .split('/')
            .map(|part| if part.starts_with('{') { "{}" } else { part });
        assert!(paths.insert(shape.collect::<Vec<_>>()), "{path} stands twice");
    }
    let document: serde_json::Value = serde_json::from_str(openapi_json()).unwrap();
    let mut ids = BTreeSet::new();
    for operations in document["paths"].as_object().unwrap().values() {
        for operation in operations.as_object().unwrap().values() {
            let id = operation["operationId"].as_str().unwrap().to_owned();
            assert!(ids.insert(id.clone()), "{id} names two operations");
        }
    }
}

#[test]
fn probes_and_scrapes_are_quiet_and_bounded_and_questions_are_not_quiet() {
    for route in ROUTES.iter() {
        let (path, terms) = (&route.path, route.terms);
        assert!(
            !path.starts_with("/api/v1") || terms.log_level == LogLevel::Normal,
            "{path}"
        );
        assert!(
            !path.starts_with("/actuator") || terms.log_level == LogLevel::Quiet,
            "{path}"
        );
        assert_eq!(
            path.starts_with("/actuator/health"),
            terms.kind == Kind::Probe,
            "{path}"
        );
        assert!(
            terms.log_level == LogLevel::Normal || terms.time == Time::Bounded,
            "{path}"
        );
    }
}
