//! The past of a saga as tables: the states that it went through, and how two moments differ.

use super::output::table;
use super::show::{list, text};
use serde_json::Value;

/// The states, then what is worth a look.
pub(super) fn history(answer: &Value) -> String {
    let states = list(&answer["states"]);
    let rows = states.iter().map(|state| {
        let cell = |name: &str| text(&state[name]);
        [
            cell("number"),
            cell("status"),
            cell("from"),
            cell("until"),
            lasted(&state["durationMillis"]),
            text(&state["cause"]["step"]),
            text(&state["cause"]["producerService"]),
            cell("events"),
        ]
    });
    let head = [
        "#", "STATUS", "FROM", "UNTIL", "LASTED", "BY STEP", "SERVICE", "EVENTS",
    ];
    let states_told = table(head, rows);
    match remarks(states) {
        remarks if remarks.is_empty() => states_told,
        remarks => {
            let head = ["DURING", "RECORDED AT", "ARRIVED AT", "STEP", "STATUS", "REMARK"];
            format!("{states_told}\n{}", table(head, remarks))
        }
    }
}

/// A line for each event that is worth a look, and one where more are counted than told.
fn remarks(states: &[Value]) -> Vec<[String; 6]> {
    let mut rows = Vec::new();
    for state in states {
        let number = text(&state["number"]);
        let told = list(&state["remarkable"]);
        let events = std::iter::once(&state["cause"]).chain(told);
        for (event, remark) in events.map(|event| (event, remark(event))) {
            if !remark.is_empty() {
                let cell = |name: &str| text(&event[name]);
                let [recorded, arrived] = ["recordedAt", "arrivedAt"].map(cell);
                rows.push([
                    number.clone(),
                    recorded,
                    arrived,
                    cell("step"),
                    cell("status"),
                    remark,
                ]);
            }
        }
        let more = state["remarkableCount"]
            .as_u64()
            .unwrap_or(0)
            .saturating_sub(told.len() as u64);
        if more > 0 {
            let none = String::new;
            rows.push([number, none(), none(), none(), none(), format!("and {more} more")]);
        }
    }
    rows
}

/// What is worth knowing about an event; empty when nothing is.
fn remark(event: &Value) -> String {
    let mut told = Vec::new();
    if event["lateMillis"].is_u64() {
        told.push(format!("late by {}", lasted(&event["lateMillis"])));
    }
    if event["duplicate"] == true {
        told.push("duplicate".to_owned());
    }
    let change = &event["operatorChange"];
    if change.is_object() {
        let refused = if change["refused"] == true {
            ", refused"
        } else {
            ""
        };
        let (who, why) = (text(&change["operator"]), text(&change["reason"]));
        told.push(format!("by operator {who}{refused}: {why}"));
    }
    told.extend(list(&event["anomalies"]).iter().map(text));
    told.join("; ")
}

/// Milliseconds as seconds.
fn lasted(millis: &Value) -> String {
    millis
        .as_f64()
        .map_or("-".to_owned(), |millis| format!("{:.3} s", millis / 1000.0))
}

/// The fields that differ, then the events that stand on one side alone.
pub(super) fn diff(answer: &Value) -> String {
    let fields = list(&answer["fields"]);
    let rows = fields
        .iter()
        .map(|field| [text(&field["field"]), text(&field["from"]), text(&field["to"])]);
    let mut told = if fields.is_empty() {
        "nothing differs\n".to_owned()
    } else {
        table(["FIELD", "FROM", "TO"], rows)
    };
    let sides = ["from", "to"].into_iter();
    let events: Vec<[String; 7]> = sides.flat_map(|side| one_sided(side, &answer[side])).collect();
    if !events.is_empty() {
        let head = [
            "ONLY",
            "RECORDED AT",
            "ARRIVED AT",
            "STEP",
            "STATUS",
            "SERVICE",
            "EVENT",
        ];
        told = format!("{told}\n{}", table(head, events));
    }
    told
}

fn one_sided(name: &str, side: &Value) -> Vec<[String; 7]> {
    let told = list(&side["onlyHere"]);
    let mut rows: Vec<[String; 7]> = told
        .iter()
        .map(|event| {
            let cell = |name: &str| text(&event[name]);
            let [recorded, arrived] = ["recordedAt", "arrivedAt"].map(cell);
            let [step, status] = ["step", "status"].map(cell);
            let [service, event_id] = ["producerService", "eventId"].map(cell);
            [
                name.to_owned(),
                recorded,
                arrived,
                step,
                status,
                service,
                event_id,
            ]
        })
        .collect();
    let more = side["onlyHereCount"]
        .as_u64()
        .unwrap_or(0)
        .saturating_sub(told.len() as u64);
    if more > 0 {
        let none = String::new;
        let more = format!("and {more} more");
        rows.push([name.to_owned(), none(), none(), more, none(), none(), none()]);
    }
    rows
}
