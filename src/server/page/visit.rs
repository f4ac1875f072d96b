//! One request to the page: who asks, how they want to see it, and the calls that answer it.

use super::address::{self, Params};
use super::failure::Failure;
use super::look::Look;
use super::page::Page;
use super::templates::Bound;
use crate::server::api::Asker;
use axum::body::Bytes;
use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashMap};
use std::convert::Infallible;
use std::sync::{Mutex, PoisonError};

const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");
/// Saga types that are offered as choices.
const MAX_TYPES: usize = 100;

/// One request to the page.
pub(super) struct Visit {
    pub(super) page: Page,
    pub(super) params: Params,
    pub(super) look: Look,
    /// Its path, decoded no further than it was sent.
    path: String,
    /// What stands in the braces of its route, decoded.
    parts: HashMap<String, String>,
    asker: Asker,
    now: String,
    calls: Mutex<Vec<Shown>>,
}

/// A call that the page shows to whoever wants to ask it themselves.
struct Shown {
    path: String,
    line: Option<String>,
}

impl FromRequestParts<Page> for Visit {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, page: &Page) -> Result<Self, Infallible> {
        let mut params = address::params_of(parts.uri.query().unwrap_or_default());
        count_from_nought(&mut params);
        let in_path = Path::<HashMap<String, String>>::from_request_parts(parts, page).await;
        let now = Timestamp::from_millisecond(page.api().now().0).unwrap_or_default();
        Ok(Self {
            page: page.clone(),
            look: Look::of(&parts.headers, &params),
            params,
            path: parts.uri.path().to_owned(),
            parts: in_path.map(|Path(parts)| parts).unwrap_or_default(),
            asker: Asker::from_request_parts(parts, page).await?,
            now: now.to_string(),
            calls: Mutex::default(),
        })
    }
}

impl Visit {
    /// The first value of a parameter, if it is given.
    pub(super) fn param(&self, name: &str) -> Option<&str> {
        self.all(name).first().map(String::as_str)
    }

    /// All values of a parameter.
    pub(super) fn all(&self, name: &str) -> &[String] {
        let found = self.params.iter().find(|(known, _)| known == name);
        found.map_or(&[], |(_, values)| values.as_slice())
    }

    /// What stands in the route's braces.
    pub(super) fn part(&self, name: &str) -> &str {
        self.parts.get(name).map_or("", String::as_str)
    }

    /// The instant of the answer.
    pub(super) fn now(&self) -> &str {
        &self.now
    }

    /// The parameters by these names, as they were given.
    pub(super) fn given(&self, names: &[&str]) -> Params {
        let given = self.params.iter();
        let given = given.filter(|(name, _)| names.contains(&name.as_str()));
        given.cloned().collect()
    }

    /// Asks the API. The path is one of its description; what is in braces there is filled in order.
    ///
    /// # Errors
    /// Every answer that is no success.
    pub(super) async fn get(&self, path: &str, ids: &[&str], params: &Params) -> Result<Value, Failure> {
        self.read(path, &self.body(path, ids, params).await?)
    }

    /// The same, with the answer as it was sent beside it.
    pub(super) async fn get_with_body(
        &self,
        path: &str,
        ids: &[&str],
        params: &Params,
    ) -> Result<(Value, Bytes), Failure> {
        let body = self.body(path, ids, params).await?;
        Ok((self.read(path, &body)?, body))
    }

    async fn body(&self, path: &str, ids: &[&str], params: &Params) -> Result<Bytes, Failure> {
        let target = target(path, ids, params);
        let answer = self.page.api().get(&self.asker, &target).await;
        if !answer.status.is_success() {
            return Err(Failure::of(answer, target));
        }
        Ok(answer.body)
    }

    /// What acts publish to.
    pub(super) fn topics(&self) -> Value {
        let deployment = self.page.deployment();
        json!({"tracker": deployment.topic, "ops": deployment.ops_topic})
    }

    /// The same, and what is not there is none.
    pub(super) async fn find(
        &self,
        path: &str,
        ids: &[&str],
        params: &Params,
    ) -> Result<Option<Value>, Failure> {
        match self.get(path, ids, params).await {
            Ok(answer) => Ok(Some(answer)),
            Err(failure) if failure.status() == StatusCode::NOT_FOUND => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// Health, whatever it says: DOWN is an answer too.
    pub(super) async fn health(&self) -> Result<Value, Failure> {
        const PATH: &str = "/actuator/health";
        let answer = self.page.api().get(&self.asker, PATH).await;
        self.read(PATH, &answer.body)
    }

    fn read(&self, path: &str, body: &[u8]) -> Result<Value, Failure> {
        let mut read: Value = serde_json::from_slice(body).map_err(|error| Failure::of_page(&error))?;
        self.page.shapes().complete(path, &mut read);
        Ok(read)
    }

    /// Shows a call, and the command line that asks the same, at the foot of the page.
    pub(super) fn show_call(&self, path: &str, ids: &[&str], params: &Params, line: Option<String>) {
        let path = target(path, ids, params);
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        calls.push(Shown { path, line });
    }

    /// Shows a call that was made, by path and query.
    pub(super) fn show_asked(&self, path: &str) {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        calls.push(Shown {
            path: path.to_owned(),
            line: None,
        });
    }

    /// The view: its template, filled with this data beside what every view is given.
    ///
    /// # Errors
    /// When the data is not what the template is given.
    pub(super) async fn show(&self, view: &str, template: &str, data: Value) -> Result<Response, Failure> {
        self.answer(StatusCode::OK, view, template, data).await
    }

    /// The same with another status.
    pub(super) async fn answer(
        &self,
        status: StatusCode,
        view: &str,
        template: &str,
        data: Value,
    ) -> Result<Response, Failure> {
        let mut data = data;
        data["page"] = self.shell(view).await;
        let bound = Bound {
            look: self.look.clone(),
            path: self.path.clone(),
            params: self.params.clone(),
            now: self.now.clone(),
        };
        let rendered = self.page.templates().render(template, &bound, &data);
        let html = rendered.map_err(|error| Failure::of_page(&format!("{error:#}")))?;
        Ok((status, [(header::CONTENT_TYPE, HTML)], html).into_response())
    }

    /// Another address of the page.
    pub(super) fn go(&self, address: &str) -> Response {
        let to = format!("{}{address}", self.page.base());
        match HeaderValue::from_str(&to) {
            Ok(to) => (StatusCode::SEE_OTHER, [(header::LOCATION, to)]).into_response(),
            Err(error) => Failure::of_page(&error).into_response(),
        }
    }

    /// What every template is given. A part of it that cannot be asked for is left out: the view is more than its frame.
    async fn shell(&self, view: &str) -> Value {
        let none = Params::new();
        let (health, rebuild, types) = tokio::join!(
            self.health(),
            self.get("/internal/v1/rebuild", &[], &none),
            self.types(),
        );
        let health = health.unwrap_or_default();
        let down: Vec<&str> = health["components"]
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(_, part)| part["status"] == "DOWN")
            .map(|(name, _)| name.as_str())
            .collect();
        let rebuild = rebuild
            .ok()
            .filter(|status| status["running"] == true || !status["waiting"].is_null());
        let params: serde_json::Map<String, Value> = self
            .params
            .iter()
            .map(|(name, values)| (name.clone(), json!(values)))
            .collect();
        let calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        let calls: Vec<Value> = calls
            .iter()
            .map(|call| json!({"path": call.path, "cli": call.line}))
            .collect();
        json!({
            "lang": self.look.lang,
            "view": view,
            "base": self.page.base(),
            "here": format!("{}{}{}", self.page.base(), self.path, address::query_of(&self.params)),
            "params": params,
            "theme": self.look.theme,
            "density": self.look.density,
            "zone": self.look.zone,
            "keys": self.look.keys,
            "wall": self.param("wall") == Some("1"),
            "now": self.now,
            "version": env!("CARGO_PKG_VERSION"),
            "health": if health["status"] == "DOWN" { "DOWN" } else { "UP" },
            "down": down,
            "rebuild": rebuild,
            "types": types,
            "calls": calls,
        })
    }

    /// The types that are defined, and those of the sagas that there are.
    async fn types(&self) -> Vec<String> {
        let none = Params::new();
        let (defined, counted) = tokio::join!(
            self.get("/api/v1/definitions", &[], &none),
            self.get("/api/v1/sagas/statistics", &[], &none),
        );
        let mut types = BTreeSet::new();
        for names in [
            &defined.unwrap_or_default()["types"],
            &counted.unwrap_or_default()["byType"],
        ] {
            types.extend(
                names
                    .as_object()
                    .into_iter()
                    .flatten()
                    .map(|(name, _)| name.clone()),
            );
        }
        types.into_iter().take(MAX_TYPES).collect()
    }
}

/// `jump` is a page counted from one, as a form sends it; addresses count from nought.
fn count_from_nought(params: &mut Params) {
    let Some(at) = params.iter().position(|(name, _)| name == "jump") else {
        return;
    };
    let (_, values) = params.remove(at);
    if let Some(page) = values.first().and_then(|value| value.parse::<u64>().ok()) {
        params.retain(|(name, _)| name != "page" && name != "cursor");
        params.push(("page".to_owned(), vec![page.saturating_sub(1).to_string()]));
    }
}

/// Path and query of a call.
fn target(path: &str, ids: &[&str], params: &Params) -> String {
    let mut ids = ids.iter();
    let mut target = String::new();
    for (place, part) in path.split('/').enumerate() {
        if place > 0 {
            target.push('/');
        }
        match ids.as_slice().first().filter(|_| part.starts_with('{')) {
            Some(id) => {
                target.push_str(&segment(id));
                ids.next();
            }
            None => target.push_str(part),
        }
    }
    target + &address::query_of(params)
}

/// One part of a path; a name that a client would take for another part of the tree, or that the API uses itself, is
/// encoded too.
fn segment(id: &str) -> String {
    match id {
        "." | ".." => "%2E".repeat(id.len()),
        "statistics" | "stuck" => format!("%{:02X}{}", id.as_bytes()[0], &id[1..]),
        _ => address::percent(id),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_one_part_of_the_path_whatever_it_holds() {
        let call = |id: &str| target("/api/v1/sagas/{sagaId}/steps", &[id], &Params::new());
        assert_eq!(call("A/B?c"), "/api/v1/sagas/A%2FB%3Fc/steps");
        assert_eq!(call(".."), "/api/v1/sagas/%2E%2E/steps");
        assert_eq!(call("stuck"), "/api/v1/sagas/%73tuck/steps");
        assert_eq!(call("'"), "/api/v1/sagas/%27/steps");
    }
}
