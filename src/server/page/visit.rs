//! One request to the page: who asks, how they want to see it, and the calls that answer it.

use super::address::{self, Params};
use super::app::Page;
use super::failure::Failure;
use super::preferences::Preferences;
use super::shell::{Asking, Facts};
use super::templates::Bound;
use crate::server::api::{Asker, Detail, OwnBody};
use axum::Extension;
use axum::body::Bytes;
use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};

/// Saga types that are offered as choices.
const MAX_TYPES: usize = 100;

const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");

/// One request to the page.
pub(super) struct Visit {
    pub(super) page: Page,
    pub(super) params: Params,
    pub(super) look: Preferences,
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
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, page: &Page) -> Result<Self, Failure> {
        let found = address::count_of(parts.uri.query().unwrap_or_default());
        if found > address::MAX_PARAMS {
            return Err(Failure::asked(vec![Detail {
                parameter: "query".to_owned(),
                found: format!("{found} parameters"),
                accepted: format!("up to {} parameters", address::MAX_PARAMS),
            }]));
        }
        Ok(Self::of(parts, page).await)
    }
}

impl Visit {
    /// Of a request, whatever is wrong with it.
    pub(super) async fn of(parts: &mut Parts, page: &Page) -> Self {
        let mut params = address::params_of(parts.uri.query().unwrap_or_default());
        count_from_nought(&mut params);
        let in_path = Path::<HashMap<String, String>>::from_request_parts(parts, page).await;
        let now = Timestamp::from_millisecond(page.api().now().0).unwrap_or_default();
        let Ok(asker) = Asker::from_request_parts(parts, page).await;
        Self {
            page: page.clone(),
            look: Preferences::of(&parts.headers, &params),
            params,
            path: parts.uri.path().to_owned(),
            parts: in_path.map(|Path(parts)| parts).unwrap_or_default(),
            asker,
            now: now.to_string(),
            calls: Mutex::default(),
        }
    }

    /// The same visitor, for calls that this visit does not wait for.
    pub(super) fn aside(&self) -> Self {
        Self {
            page: self.page.clone(),
            look: self.look.clone(),
            params: Params::new(),
            path: self.path.clone(),
            parts: HashMap::new(),
            asker: self.asker.clone(),
            now: self.now.clone(),
            calls: Mutex::default(),
        }
    }

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

    /// The same, as it was sent.
    pub(super) async fn body(&self, path: &str, ids: &[&str], params: &Params) -> Result<Bytes, Failure> {
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

    /// The same, and what is more than the page holds is none, too.
    pub(super) async fn find_held(
        &self,
        path: &str,
        ids: &[&str],
        params: &Params,
    ) -> Result<Option<Value>, Failure> {
        match self.find(path, ids, params).await {
            Err(failure) if failure.is_too_large() => Ok(None),
            found => found,
        }
    }

    /// Health, whatever it says: DOWN is an answer too, but none that says nothing of it.
    ///
    /// # Errors
    /// Such an answer.
    pub(super) async fn health(&self) -> Result<Value, Failure> {
        const PATH: &str = "/actuator/health";
        let answer = self.page.api().get(&self.asker, PATH).await;
        match self.read(PATH, &answer.body) {
            Ok(health) if health["status"].is_string() => Ok(health),
            _ => Err(Failure::of(answer, PATH.to_owned())),
        }
    }

    /// An answer of a call, with what it left out.
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
    pub(super) async fn show(
        &self,
        view: &str,
        template: &'static str,
        data: Value,
    ) -> Result<Response, Failure> {
        self.answer(StatusCode::OK, view, template, data).await
    }

    /// The same with another status.
    pub(super) async fn answer(
        &self,
        status: StatusCode,
        view: &str,
        template: &'static str,
        data: Value,
    ) -> Result<Response, Failure> {
        let visit = self.aside();
        let ask = |asking| async move { visit.ask_facts(asking).await };
        let facts = self.page.shell().facts(ask).await;
        self.framed(status, view, template, (data, &facts)).await
    }

    /// Asks what the frame tells, and tells each fact as soon as it is known.
    async fn ask_facts(&self, asking: Asking) {
        let (health, rebuild, types) = tokio::join!(
            async { asking.tell_health(self.health().await.ok().as_ref()) },
            async {
                let status = self.get("/internal/v1/rebuild", &[], &Params::new()).await;
                asking.tell(status.ok(), |facts, status| {
                    let is_told = status["running"] == true || !status["waiting"].is_null();
                    facts.rebuild = is_told.then_some(status);
                })
            },
            async { asking.tell(self.types().await, |facts, types| facts.types = types) },
        );
        if health && rebuild && types {
            asking.is_complete();
        }
    }

    /// The types, if all are known.
    async fn types(&self) -> Option<Vec<String>> {
        let none = Params::new();
        let (defined, counted) = tokio::join!(
            self.get("/api/v1/definitions", &[], &none),
            self.get("/api/v1/sagas/statistics", &[], &none),
        );
        let (defined, counted) = (defined.ok()?, counted.ok()?);
        let names = [&defined["types"], &counted["byType"]];
        let names = names.iter().filter_map(|types| types.as_object()).flatten();
        let types: BTreeSet<String> = names.map(|(name, _)| name.clone()).collect();
        Some(types.into_iter().take(MAX_TYPES).collect())
    }

    /// An error, in a frame for which nothing is asked.
    pub(super) async fn error(
        &self,
        status: StatusCode,
        template: &'static str,
        data: Value,
    ) -> Result<Response, Failure> {
        let none = Facts::default();
        self.framed(status, "other", template, (data, &none)).await
    }

    async fn framed(
        &self,
        status: StatusCode,
        view: &str,
        template: &'static str,
        (mut data, facts): (Value, &Facts),
    ) -> Result<Response, Failure> {
        data["page"] = self.shell(view, facts);
        let (page, bound) = (self.page.clone(), self.bound());
        let rendered = self
            .draw(move || page.templates().render(template, &bound, &data))
            .await?;
        let html = rendered.map_err(|error| Failure::of_page(&format!("{error:#}")))?;
        Ok(answer(status, html))
    }

    /// What was refused before anybody worked on it, without a frame: drawn at once, for it is small.
    pub(super) fn refusal(&self, status: StatusCode, mut data: Value) -> Result<Response, Failure> {
        data["lang"] = self.look.lang.into();
        data["base"] = self.page.base().into();
        let templates = self.page.templates();
        let rendered = templates.render("refusal.html", &self.bound(), &data);
        let html = rendered.map_err(|error| Failure::of_page(&format!("{error:#}")))?;
        Ok(answer(status, html))
    }

    /// Runs what takes a while where it keeps nobody else from being answered.
    ///
    /// # Errors
    /// When too many views are drawn at once.
    pub(super) async fn draw<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Failure> {
        Ok(self.page.api().draw(&self.asker, work).await?)
    }

    fn bound(&self) -> Bound {
        Bound {
            look: self.look.clone(),
            path: self.path.clone(),
            params: self.params.clone(),
            now: self.now.clone(),
        }
    }

    /// Another address of the page.
    pub(super) fn go(&self, address: &str) -> Response {
        let to = format!("{}{address}", self.page.base());
        match HeaderValue::from_str(&to) {
            Ok(to) => (StatusCode::SEE_OTHER, [(header::LOCATION, to)]).into_response(),
            Err(error) => Failure::of_page(&error).into_response(),
        }
    }

    /// What every template is given.
    fn shell(&self, view: &str, facts: &Facts) -> Value {
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
            "health": facts.health.word(),
            "down": facts.health.down(),
            "rebuild": facts.rebuild,
            "types": facts.types,
            "calls": calls,
        })
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
pub(super) fn target(path: &str, ids: &[&str], params: &Params) -> String {
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

/// An answer for people. Without the mark, the standard body of errors would take the place of one with their status.
fn answer(status: StatusCode, html: String) -> Response {
    (status, Extension(OwnBody), [(header::CONTENT_TYPE, HTML)], html).into_response()
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
