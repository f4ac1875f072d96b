//! One saga: its state at any moment, its steps and its states; or, when retention removed it, what is left.

use super::super::address::{self, Params};
use super::super::command_line;
use super::super::failure::Failure;
use super::super::times;
use super::super::values::{int, list, or_null, text, with};
use super::super::visit::{Visit, target};
use super::steps;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

const PATH: &str = "/api/v1/sagas/{sagaId}";
const STEPS: &str = "/api/v1/sagas/{sagaId}/steps";
const HISTORY: &str = "/api/v1/sagas/{sagaId}/history";
const TIMELINE: &str = "/api/v1/sagas/{sagaId}/timeline";
const PURGED: &str = "/api/v1/purged/{sagaId}";
const HOLDS: &str = "/api/v1/holds";
/// Steps that are shown at once; fewer where they are large.
const SIZES: [&str; 4] = ["100", "20", "5", "1"];
/// States that are shown.
const SIZE: &str = "100";
/// Events of the timeline that are asked for: arcs and ghosts are told beside them.
const EVENTS: &str = "2000";
/// What lanes are made by, and how silences are drawn; the first of each unless the address says otherwise.
const LANES: [&str; 3] = ["service", "step", "partition"];
const GAPS: [&str; 2] = ["cut", "scale"];
/// A saga with more events is not read whole for its table: what only that tells is left to the plot.
const MOST_READ: i64 = 2_000;

pub(in super::super) async fn handle(visit: Visit) -> Result<Response, Failure> {
    let Some(id) = visit.param("id") else {
        return Ok(visit.go("/ui/search"));
    };
    let moment = visit.given(&["asOf", "knownAt", "archive"]);
    let saga = match visit.get(PATH, &[id], &moment).await {
        Ok(saga) => saga,
        Err(failure) if failure.status() == StatusCode::NOT_FOUND => {
            return purged(&visit, id, failure).await;
        }
        Err(failure) => return Err(failure),
    };
    show_calls(&visit, id, &moment);
    let of_steps = visit.given(&["asOf", "knownAt", "archive", "after"]);
    let is_read = int(&saga["stepCount"]) + int(&saga["duplicates"]) <= MOST_READ;
    let of_steps = with(of_steps, "include", if is_read { "deliveries" } else { "" });
    let of_states = with(moment.clone(), "size", SIZE);
    let of_timeline = with(moment.clone(), "max", EVENTS);
    let archived = visit.given(&["archive"]);
    let is_then = visit.param("asOf").is_some() || visit.param("knownAt").is_some();
    let ids = [id];
    let (steps, states, timeline, current, holds) = tokio::join!(
        steps(&visit, id, &of_steps),
        unless_too_much(&visit, HISTORY, &ids, &of_states),
        async {
            if is_read {
                unless_too_much(&visit, TIMELINE, &ids, &of_timeline).await
            } else {
                Ok(Value::Null)
            }
        },
        async {
            if is_then {
                visit.find(PATH, &[id], &archived).await
            } else {
                Ok(None)
            }
        },
        holds(&visit, id),
    );
    let (timeline, holds) = (timeline?, holds?);
    let current =
        current?.map(|now| json!({"currentStatus": now["currentStatus"], "stepCount": now["stepCount"]}));
    let links = links(&visit, &saga, None);
    let one = |after: Option<&str>| {
        let asked = with(moment.clone(), "after", after.unwrap_or_default());
        target(STEPS, &ids, &with(asked, "size", "1"))
    };
    let steps = steps::rows(steps?, &timeline, visit.param("after"), one, |step| {
        self::links(&visit, &saga, Some(step))
    });
    let data = json!({
        "tookMillis": times::between(text(&saga["startedAt"]), text(&saga["updatedAt"])),
        "readUpTo": (!is_read).then_some(MOST_READ),
        "moment": {"asOf": or_null(visit.param("asOf")), "knownAt": or_null(visit.param("knownAt"))},
        "current": current,
        "shown": {
            "from": or_null(visit.param("from")),
            "to": or_null(visit.param("to")),
            "event": or_null(visit.param("event")),
            "lanes": one_of(&LANES, visit.param("lanes")),
            "gaps": one_of(&GAPS, visit.param("gaps")),
        },
        "steps": steps,
        "states": list(&states?["states"]),
        "notReached": not_reached(&timeline),
        "links": links,
        "holds": list(&holds["content"]),
        "incidents": incidents(&timeline),
        "topics": visit.topics(),
        "saga": saga,
    });
    visit.show("saga", "saga.html", data).await
}

/// The word that is asked for, the first one for any other.
fn one_of<'w>(words: &[&'w str], asked: Option<&str>) -> &'w str {
    let found = words.iter().find(|word| Some(**word) == asked);
    found.or(words.first()).copied().unwrap_or_default()
}

/// What is left of a saga that was removed; why there is nothing of any other.
async fn purged(visit: &Visit, id: &str, why: Failure) -> Result<Response, Failure> {
    let none = Params::new();
    let purged = match visit.find(PURGED, &[id], &none).await {
        Ok(Some(purged)) => purged,
        // Where nothing retains, nothing was removed.
        Ok(None) => return Err(why),
        Err(failure) if failure.status() == StatusCode::SERVICE_UNAVAILABLE => return Err(why),
        Err(failure) => return Err(failure),
    };
    visit.show_call(PURGED, &[id], &none, None);
    let data = json!({"purged": purged, "topics": visit.topics()});
    visit
        .answer(StatusCode::NOT_FOUND, "saga", "saga_purged.html", data)
        .await
}

/// The holds that keep it; none where nothing retains.
async fn holds(visit: &Visit, id: &str) -> Result<Value, Failure> {
    let of_saga = with(Params::new(), "sagaId", id);
    match unless_too_much(visit, HOLDS, &[], &of_saga).await {
        Err(failure) if failure.status() == StatusCode::SERVICE_UNAVAILABLE => Ok(Value::Null),
        answer => answer,
    }
}

fn show_calls(visit: &Visit, id: &str, moment: &Params) {
    let flags = [
        ("--as-of", visit.param("asOf")),
        ("--known-at", visit.param("knownAt")),
    ];
    for (path, command) in [(PATH, "get"), (STEPS, "steps"), (HISTORY, "history")] {
        let command = if visit.param("archive") == Some("true") {
            format!("{command} --archive")
        } else {
            command.to_owned()
        };
        visit.show_call(path, &[id], moment, command_line::command(&command, &[id], flags));
    }
}

/// A part of the steps, as many of them as fit.
async fn steps(visit: &Visit, id: &str, params: &Params) -> Result<steps::Part, Failure> {
    let [first, fewer @ ..] = SIZES.map(|size| with(params.clone(), "size", size));
    let ids = [id];
    let mut body = visit.body(STEPS, &ids, &first).await;
    for asked in &fewer {
        if !body.as_ref().is_err_and(Failure::is_too_large) {
            break;
        }
        body = visit.body(STEPS, &ids, asked).await;
    }
    steps::Part::read(&body?, |step| {
        visit.page.shapes().complete_part("TimelineStep", step);
    })
}

/// What tells more of a saga beside its steps; null where there is too much of it to be told.
async fn unless_too_much(visit: &Visit, path: &str, ids: &[&str], params: &Params) -> Result<Value, Failure> {
    match visit.get(path, ids, params).await {
        Ok(answer) => Ok(answer),
        Err(failure) if failure.status() == StatusCode::CONFLICT => Ok(Value::Null),
        Err(failure) => Err(failure),
    }
}

/// Steps that have not come and are still expected.
fn not_reached(timeline: &Value) -> Vec<Value> {
    let ghosts = list(&timeline["ghosts"]).iter();
    ghosts
        .map(|ghost| json!({"step": ghost["step"], "service": ghost["service"]}))
        .collect()
}

fn incidents(timeline: &Value) -> Vec<Value> {
    let found = list(&timeline["incidents"]).iter();
    found
        .map(|incident| {
            json!({
                "id": incident["id"],
                "name": incident["name"],
                "severity": incident["severity"],
                "from": incident["from"],
                "until": incident["until"],
            })
        })
        .collect()
}

/// The configured links of a saga, or of one of its steps: those of which all is known.
fn links(visit: &Visit, saga: &Value, step: Option<&Value>) -> Vec<Value> {
    let value = |name: &str| -> Option<String> {
        let found = match (name, step) {
            ("traceId", Some(step)) => &step["traceId"],
            ("step", Some(step)) => &step["step"],
            ("service", Some(step)) => &step["producerService"],
            ("traceId", None) => &saga["lastTraceId"],
            ("from", _) => &saga["startedAt"],
            ("to", _) => &saga["updatedAt"],
            ("sagaId" | "orderId" | "sagaType", _) => &saga[name],
            _ => return None,
        };
        found
            .as_str()
            .filter(|text| !text.is_empty())
            .map(address::percent)
    };
    let of_step = |template: &str| {
        ["{traceId}", "{step}", "{service}"]
            .iter()
            .any(|part| template.contains(part))
    };
    let configured = visit.page.settings().links.iter();
    configured
        // A step shows only what is about it.
        .filter(|(_, template)| step.is_none() || of_step(template))
        .filter_map(|(label, template)| {
            let href = filled(template, &value)?;
            Some(json!({"label": label, "href": href}))
        })
        .collect()
}

/// A link with its parts filled in; none where one stays empty, or where it leads to anything but a page.
fn filled(template: &str, value: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    let mut link = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, behind) = after.split_once('}')?;
        link.push_str(before);
        link.push_str(&value(name)?);
        rest = behind;
    }
    link.push_str(rest);
    let is_page = link.starts_with("https://") || link.starts_with("http://");
    is_page.then_some(link)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_shown_when_all_of_it_is_known_and_it_leads_to_a_page() {
        let value = |name: &str| (name == "traceId").then(|| "a%2Fb".to_owned());
        let link = |template: &str| filled(template, &value);
        assert_eq!(
            link("https://j/trace/{traceId}?x").as_deref(),
            Some("https://j/trace/a%2Fb?x")
        );
        assert_eq!(link("https://j/{sagaId}"), None);
        assert_eq!(link("javascript:alert({traceId})"), None);
    }

    #[test]
    fn a_plot_is_laid_out_as_the_address_says_if_it_can_be() {
        assert_eq!(one_of(&LANES, Some("step")), "step");
        assert_eq!(one_of(&LANES, Some("colour")), "service");
        assert_eq!(one_of(&GAPS, None), "cut");
    }
}
