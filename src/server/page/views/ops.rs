//! Operations: what every offset came to, what runs beside serving, what goes and what is kept, who did what.

use super::super::command_line;
use super::super::failure::Failure;
use super::super::values::{list, or_null, params, text, with};
use super::super::visit::Visit;
use super::turns;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

const SIZE: &str = "50";
const VIEW: &str = "ops";

pub(in super::super) async fn ledger(visit: Visit) -> Result<Response, Failure> {
    const PATH: &str = "/api/v1/ledger";
    const FILTERS: [&str; 3] = ["partition", "fromDay", "toDay"];
    let asked = visit.given(&FILTERS);
    let ledger = match visit.get(PATH, &[], &asked).await {
        Ok(ledger) => ledger,
        // Switched off.
        Err(failure) if failure.status() == StatusCode::CONFLICT => Value::Null,
        Err(failure) => return Err(failure),
    };
    let flags = [
        ("--partition", visit.param("partition")),
        ("--from-day", visit.param("fromDay")),
        ("--to-day", visit.param("toDay")),
    ];
    if !ledger.is_null() {
        visit.show_call(PATH, &[], &asked, command_line::command("ledger", &[], flags));
    }
    let partition = visit.param("partition").and_then(|text| text.parse::<u32>().ok());
    let filter = json!({
        "partition": partition,
        "fromDay": or_null(visit.param("fromDay")),
        "toDay": or_null(visit.param("toDay")),
    });
    let data = json!({"tab": "ledger", "ledger": ledger, "filter": filter});
    visit.show(VIEW, "ops_ledger.html", data).await
}

pub(in super::super) async fn jobs(visit: Visit) -> Result<Response, Failure> {
    const PATH: &str = "/internal/v1/jobs";
    let none = params(&[]);
    let found = turns::jobs(&visit).await?;
    visit.show_call(PATH, &[], &none, None);
    let data = json!({"tab": "jobs", "jobs": turns::with_turns(&found)});
    visit.show(VIEW, "ops_jobs.html", data).await
}

pub(in super::super) async fn retention(visit: Visit) -> Result<Response, Failure> {
    const PATH: &str = "/api/v1/retention";
    const HOLDS: &str = "/api/v1/holds";
    let none = params(&[]);
    let (plan, holds) = tokio::join!(visit.get(PATH, &[], &none), visit.get(HOLDS, &[], &none));
    let (plan, problem) = match plan {
        Ok(plan) => (plan, Value::Null),
        Err(failure) => (Value::Null, failure.message().into()),
    };
    if !plan.is_null() {
        visit.show_call(
            PATH,
            &[],
            &none,
            command_line::command("retention --dry-run", &[], []),
        );
    }
    visit.show_call(HOLDS, &[], &none, command_line::command("hold list", &[], []));
    let mut holds = list(&holds?["content"]).to_vec();
    holds.sort_by_key(|hold| hold["active"] != true);
    let data = json!({
        "tab": "retention",
        "enabled": visit.page.deployment().retention,
        "plan": plan,
        "problem": problem,
        "holds": holds,
        "topics": visit.topics(),
    });
    visit.show(VIEW, "ops_retention.html", data).await
}

pub(in super::super) async fn snapshots(visit: Visit) -> Result<Response, Failure> {
    const PATH: &str = "/internal/v1/snapshots";
    const STATUS: &str = "/internal/v1/snapshots/status";
    let none = params(&[]);
    let mut data =
        json!({"tab": "snapshots", "configured": false, "status": null, "snapshots": null, "problem": null});
    if visit.page.deployment().objects {
        let (status, snapshots) = tokio::join!(visit.get(STATUS, &[], &none), visit.get(PATH, &[], &none));
        data["configured"] = true.into();
        data["status"] = status?;
        match snapshots {
            Ok(mut found) => {
                visit.show_call(PATH, &[], &none, None);
                data["snapshots"] = found["snapshots"].take();
            }
            Err(failure) => data["problem"] = failure.message().into(),
        }
    }
    visit.show(VIEW, "ops_snapshots.html", data).await
}

pub(in super::super) async fn archive(visit: Visit) -> Result<Response, Failure> {
    const PATH: &str = "/api/v1/archive";
    let asked = with(visit.given(&["cursor"]), "size", SIZE);
    let objects = if visit.page.deployment().objects {
        let found = visit.get(PATH, &[], &asked).await?;
        let flags = [("--size", Some(SIZE)), ("--cursor", visit.param("cursor"))];
        visit.show_call(
            PATH,
            &[],
            &asked,
            command_line::command("archive list", &[], flags),
        );
        found
    } else {
        Value::Null
    };
    visit
        .show(
            VIEW,
            "ops_archive.html",
            json!({"tab": "archive", "objects": objects}),
        )
        .await
}

pub(in super::super) async fn audit(visit: Visit) -> Result<Response, Failure> {
    const PATH: &str = "/api/v1/audit";
    const VERIFICATION: &str = "/api/v1/audit/verification";
    const FILTERS: [&str; 6] = ["who", "action", "target", "result", "fromDate", "toDate"];
    let none = params(&[]);
    let asked = visit.given(&[
        "who", "action", "target", "result", "fromDate", "toDate", "cursor",
    ]);
    let asked = with(asked, "size", SIZE);
    let audit = visit.get(PATH, &[], &asked).await?;
    let flags = [
        ("--who", visit.param("who")),
        ("--action", visit.param("action")),
        ("--target", visit.param("target")),
        ("--result", visit.param("result")),
        ("--size", Some(SIZE)),
        ("--cursor", visit.param("cursor")),
    ];
    // The command asks for no days, and works on a store of its own unless it is told of a server.
    let has_days = visit.param("fromDate").is_some() || visit.param("toDate").is_some();
    let told = command_line::command("audit --url \"$SAGA_TRACKER_URL\"", &[], flags).filter(|_| !has_days);
    visit.show_call(PATH, &[], &asked, told);
    let verification = if visit.param("verify") == Some("1") {
        visit.show_call(
            VERIFICATION,
            &[],
            &none,
            command_line::command("audit --url \"$SAGA_TRACKER_URL\" --verify", &[], []),
        );
        visit.get(VERIFICATION, &[], &none).await?
    } else {
        Value::Null
    };
    let filter: serde_json::Map<String, Value> = FILTERS
        .iter()
        .map(|name| ((*name).to_owned(), or_null(visit.param(name))))
        .collect();
    let data = json!({"tab": "audit", "filter": filter, "audit": audit, "verification": verification});
    visit.show(VIEW, "ops_audit.html", data).await
}

pub(in super::super) async fn config(visit: Visit) -> Result<Response, Failure> {
    const PATH: &str = "/internal/v1/config";
    let none = params(&[]);
    let found = visit.get(PATH, &[], &none).await?;
    visit.show_call(PATH, &[], &none, None);
    let data = json!({
        "tab": "config",
        "sections": found["sections"],
        "changed": visit.param("changed") == Some("1"),
    });
    visit.show(VIEW, "ops_config.html", data).await
}

pub(in super::super) async fn health(visit: Visit) -> Result<Response, Failure> {
    const PATH: &str = "/actuator/health";
    const PROGRESS: &str = "/internal/v1/progress";
    let none = params(&[]);
    let (health, progress) = tokio::join!(visit.health(), visit.get(PROGRESS, &[], &none));
    let health = health?;
    visit.show_call(PATH, &[], &none, None);
    visit.show_call(PROGRESS, &[], &none, None);
    let disk = &health["components"]["diskSpace"]["details"];
    let disk = disk["free"]
        .as_u64()
        .zip(disk["total"].as_u64())
        .map(|(free, total)| json!({"free": free, "total": total, "threshold": disk["threshold"]}));
    let data = json!({
        "tab": "health",
        "health": {"status": health["status"], "components": components(&health)},
        "disk": disk,
        "progress": progress?,
    });
    visit.show(VIEW, "ops_health.html", data).await
}

/// The components of health as rows. Those that have no words have numbers, which the template says in its language.
fn components(health: &Value) -> Vec<Value> {
    let components = health["components"].as_object().into_iter().flatten();
    components
        .map(|(name, of)| {
            let message = text(&of["details"]["message"]);
            json!({"name": name, "status": of["status"], "message": message})
        })
        .collect()
}
