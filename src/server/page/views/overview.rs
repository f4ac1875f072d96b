//! What goes on, and where to look first.

use super::super::failure::Failure;
use super::super::graph;
use super::super::line;
use super::super::values::{add_took, int, list, or_null, params, with};
use super::super::visit::Visit;
use super::ops::components;
use axum::http::StatusCode;
use axum::response::Response;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

/// What "newest", "steps" and "flow" may be about, with the length in seconds.
const RANGES: [(&str, i64); 3] = [("5m", 300), ("1h", 3_600), ("24h", 86_400)];
const OVERVIEW: &str = "/api/v1/overview";
const DAY_SECONDS: i64 = 86_400;
const FAILED: &str = "8";
const WORST: usize = 8;

pub(in super::super) async fn handle(visit: Visit) -> Result<Response, Failure> {
    let none = params(&[]);
    let all = visit.get("/api/v1/sagas/statistics", &[], &none).await?;
    if all["total"] == 0 {
        return empty(&visit).await;
    }
    let (range, seconds) = RANGES
        .into_iter()
        .find(|(name, _)| visit.param("range") == Some(name))
        .unwrap_or(RANGES[0]);
    let overview = if visit.page.shapes().knows(OVERVIEW) {
        of_call(&visit, range).await?
    } else {
        asked(&visit, (range, seconds), &all).await?
    };
    visit
        .show("overview", "overview.html", json!({"overview": overview}))
        .await
}

/// The one call that tells all of it, at one moment.
async fn of_call(visit: &Visit, range: &str) -> Result<Value, Failure> {
    let asked = with(visit.given(&["type"]), "range", range);
    let none = params(&[]);
    let (overview, definitions) = tokio::join!(
        visit.get(OVERVIEW, &[], &asked),
        visit.get("/api/v1/definitions", &[], &none)
    );
    let (mut overview, definitions) = (overview?, definitions?);
    let flags = [("--type", visit.param("type"))];
    visit.show_call(OVERVIEW, &[], &asked, line::command("stats", &[], flags));
    add_took(&mut overview["newestFailed"]);
    overview["ranges"] = RANGES.map(|(name, _)| name).into_iter().collect();
    let flow = &overview["flow"];
    if list(&flow["edges"]).is_empty() {
        overview["flow"] = Value::Null;
    } else {
        let saga_type = flow["sagaType"].as_str().unwrap_or_default().to_owned();
        overview["flow"] = graph::drawn(flow, &definitions, &saga_type, &flow["period"]);
    }
    Ok(overview)
}

/// How to point a producer here.
async fn empty(visit: &Visit) -> Result<Response, Failure> {
    let progress = visit.get("/internal/v1/progress", &[], &params(&[])).await?;
    let of = visit.page.deployment();
    let data = json!({
        "kafka": {"bootstrapServers": of.brokers, "topic": of.topic, "groupId": of.group},
        "registry": of.registry,
        "progress": progress,
    });
    visit.show("overview", "empty.html", data).await
}

async fn asked(visit: &Visit, (range, seconds): (&str, i64), all: &Value) -> Result<Value, Failure> {
    let saga_type = visit.param("type");
    let of_type = params(&[("sagaType", saga_type.unwrap_or_default())]);
    let now: Timestamp = visit
        .now()
        .parse()
        .map_err(|error: jiff::Error| Failure::of_page(&error))?;
    let before = |seconds: i64| {
        let at = now.checked_sub(SignedDuration::from_secs(seconds)).unwrap_or(now);
        at.to_string()
    };
    let (from, a_day_ago) = (before(seconds), before(DAY_SECONDS));
    let of_series = with(with(of_type.clone(), "every", "hour"), "from", &a_day_ago);
    let of_failed = with(
        with(
            with(of_type.clone(), "status", "FAILED"),
            "sort",
            "updatedAt,desc",
        ),
        "size",
        FAILED,
    );
    let one = with(of_type.clone(), "size", "1");
    let open = params(&[("state", "open")]);
    let none = params(&[]);
    let (statistics, series, failed, stuck, count) = tokio::join!(
        visit.get("/api/v1/sagas/statistics", &[], &of_type),
        visit.get("/api/v1/census/series", &[], &of_series),
        visit.get("/api/v1/sagas", &[], &of_failed),
        visit.get("/api/v1/sagas/stuck", &[], &one),
        visit.get("/api/v1/dead-letters/count", &[], &open),
    );
    let (ledger, progress, snapshots, health) = tokio::join!(
        visit.get("/api/v1/ledger", &[], &none),
        visit.get("/internal/v1/progress", &[], &none),
        visit.get("/internal/v1/snapshots/status", &[], &none),
        visit.health(),
    );
    let (flow, worst) = flow(
        visit,
        busiest(saga_type, all),
        (&from, &before(0), seconds),
        &before(DAY_SECONDS),
    )
    .await?;
    let flags = [("--type", saga_type)];
    visit.show_call(
        "/api/v1/sagas/statistics",
        &[],
        &of_type,
        line::command("stats", &[], flags),
    );
    visit.show_call(
        "/api/v1/sagas",
        &[],
        &of_failed,
        line::command(
            "search --status FAILED --sort updatedAt,desc --size 8",
            &[],
            flags,
        ),
    );
    let (statistics, mut failed, series, health) = (statistics?, failed?, series?, health?);
    add_took(&mut failed["content"]);
    let points = list(&series["points"]);
    let snapshot = snapshots
        .ok()
        .and_then(|status| status["last"]["at"].as_str().map(str::to_owned));
    Ok(json!({
        "sagaType": or_null(saga_type),
        "period": {"from": from, "to": visit.now()},
        "ranges": RANGES.map(|(name, _)| name),
        "range": range,
        "ledger": switched_on(ledger)?.map(|ledger| json!({
            "complete": ledger["complete"],
            "unexplained": ledger["unexplained"],
            "offsets": ledger["total"]["offsets"],
            "accounted": int(&ledger["total"]["offsets"]) - int(&ledger["total"]["pending"]) - int(&ledger["unexplained"]),
        })),
        "lag": lag(&progress?),
        "total": statistics["total"],
        "byStatus": statistics["byStatus"],
        "failedPerHour": null,
        "stuck": stuck?["page"]["totalElements"],
        "deadLetters": {"open": count?["open"]},
        "incidents": 0,
        "snapshot": snapshot.map(|at| json!({"at": at})),
        "series": {"everySeconds": 3_600, "points": points},
        "flow": flow,
        "steps": worst,
        "newestFailed": failed["content"],
        "health": {"status": health["status"], "components": components(&health)},
        "incidentList": [],
    }))
}

/// None for what is switched off.
fn switched_on(answer: Result<Value, Failure>) -> Result<Option<Value>, Failure> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(failure) if failure.status() == StatusCode::CONFLICT => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// Records that answers do not show yet; none while the end of a partition is not known.
fn lag(progress: &Value) -> Option<i64> {
    let partitions = list(&progress["partitions"]).iter();
    partitions
        .map(|of| Some(of["end"].as_i64()? - int(&of["projected"])))
        .sum()
}

/// The type that is asked for, else the one of most sagas.
fn busiest<'v>(asked: Option<&'v str>, all: &'v Value) -> Option<&'v str> {
    let types = all["byType"].as_object().into_iter().flatten();
    asked.or(types
        .max_by_key(|(_, sagas)| int(sagas))
        .map(|(name, _)| name.as_str()))
}

/// The drawing of what flowed in the period, and its steps that took longest, beside those of a day before.
async fn flow(
    visit: &Visit,
    saga_type: Option<&str>,
    (from, to, seconds): (&str, &str, i64),
    yesterday: &str,
) -> Result<(Value, Vec<Value>), Failure> {
    let Some(saga_type) = saga_type else {
        return Ok((Value::Null, Vec::new()));
    };
    let (now, then) = (
        params(&[("sagaType", saga_type), ("fromDate", from), ("toDate", to)]),
        params(&[
            ("sagaType", saga_type),
            ("fromDate", yesterday),
            ("toDate", &shifted(yesterday, seconds)),
        ]),
    );
    let none = params(&[]);
    let (flow, before, definitions) = tokio::join!(
        visit.get("/api/v1/flow", &[], &now),
        visit.get("/api/v1/flow", &[], &then),
        visit.get("/api/v1/definitions", &[], &none),
    );
    // More sagas than are looked at one by one.
    let Some(flow) = in_bounds(flow)? else {
        return Ok((Value::Null, Vec::new()));
    };
    let before = in_bounds(before)?.unwrap_or_default();
    if list(&flow["edges"]).is_empty() {
        return Ok((Value::Null, Vec::new()));
    }
    let drawn = graph::drawn(&flow, &definitions?, saga_type, &json!({"from": from, "to": to}));
    let mut edges = list(&flow["edges"]).to_vec();
    let p95 = |edge: &Value| edge["p95Seconds"].as_f64().unwrap_or_default();
    edges.sort_by(|a, b| p95(b).total_cmp(&p95(a)));
    let worst = edges.iter().take(WORST).map(|edge| {
        let same = list(&before["edges"])
            .iter()
            .find(|of| of["from"] == edge["from"] && of["to"] == edge["to"]);
        json!({
            "from": edge["from"],
            "to": edge["to"],
            "count": edge["count"],
            "perSecond": int(&edge["count"]) as f64 / seconds as f64,
            "p95Seconds": edge["p95Seconds"],
            "p95SecondsBefore": same.map(|of| of["p95Seconds"].clone()),
        })
    });
    Ok((drawn, worst.collect()))
}

fn in_bounds(answer: Result<Value, Failure>) -> Result<Option<Value>, Failure> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(failure) if failure.status() == StatusCode::BAD_REQUEST => Ok(None),
        Err(failure) => Err(failure),
    }
}

fn shifted(at: &str, seconds: i64) -> String {
    let at: Option<Timestamp> = at.parse().ok();
    let later = at.and_then(|at| at.checked_add(SignedDuration::from_secs(seconds)).ok());
    later.map_or_else(String::new, |later| later.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lag_is_not_known_while_an_end_is_not() {
        let partition = |projected: i64, end: Value| json!({"projected": projected, "end": end});
        assert_eq!(
            lag(&json!({"partitions": [partition(5, 7.into()), partition(3, 3.into())]})),
            Some(2)
        );
        assert_eq!(
            lag(&json!({"partitions": [partition(5, 7.into()), partition(3, Value::Null)]})),
            None
        );
    }

    #[test]
    fn the_busiest_type_is_shown_unless_another_is_asked_for() {
        let all = json!({"byType": {"A": 3, "B": 9}});
        assert_eq!(
            (busiest(None, &all), busiest(Some("A"), &all)),
            (Some("B"), Some("A"))
        );
    }
}
