//! Redrives and rehearsals: which there are, and what became of one, letter by letter.

use super::super::address::Params;
use super::super::command_line;
use super::super::failure::Failure;
use super::super::values::{int, list, params, text, with};
use super::super::visit::Visit;
use super::{published, rehearsal, turns};
use axum::response::Response;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

const ALL: &str = "/api/v1/dead-letters/redrives";
const ONE: &str = "/api/v1/dead-letters/redrives/{number}";
const LETTERS: &str = "/api/v1/dead-letters/redrives/{number}/letters";
const LETTER: &str = "/api/v1/dead-letters/{letterId}";
const COUNT: &str = "/api/v1/dead-letters/count";
/// Letters on one page.
const SIZE: &str = "100";
/// Letters that are looked at, for sums over all of a rehearsal, so many at a time.
const READ_AT_ONCE: &str = "1000";
const MOST_READ: usize = 10;
/// An order names at most so many letters, each of which is asked for.
const MOST_NAMED: i64 = 1_000;
const MOST_ASKED: usize = 100;

pub(in super::super) async fn all(visit: Visit) -> Result<Response, Failure> {
    let none = params(&[]);
    let found = visit.get(ALL, &[], &none).await?;
    visit.show_call(
        ALL,
        &[],
        &none,
        command_line::command("dead-letters redrives", &[], []),
    );
    let redrives = turns::marked(&visit, list(&found["redrives"])).await?;
    visit
        .show("letters", "redrives.html", json!({"redrives": redrives}))
        .await
}

pub(in super::super) async fn one(visit: Visit) -> Result<Response, Failure> {
    let (number, none) = (visit.part("number").to_owned(), params(&[]));
    let number = number.as_str();
    let (page, ids) = (with(visit.given(&["cursor"]), "size", SIZE), [number]);
    let (redrive, letters, jobs) = tokio::join!(
        visit.get(ONE, &ids, &none),
        visit.get(LETTERS, &ids, &page),
        turns::jobs(&visit)
    );
    let (redrive, letters, jobs) = (redrive?, letters?, jobs?);
    visit.show_call(
        ONE,
        &[number],
        &none,
        command_line::command("dead-letters redrives", &[number], []),
    );
    let is_rehearsal = redrive["dryRun"] == true;
    let pages = if is_rehearsal { MOST_READ } else { 1 };
    let (every, is_whole) = first_letters(&visit, number, pages).await?;
    let choice = choice(&visit, &redrive, &every).await?;
    let mut data = json!({
        "letters": letters,
        "order": choice.order,
        "openNow": choice.open_now,
        "cli": choice.line,
        "topics": visit.topics(),
        "waits": turns::waits(&jobs, &redrive["number"]),
        "behind": turns::running(&jobs),
        "error": turns::error(&jobs, &redrive["number"]),
    });
    let template = if is_rehearsal {
        // What the sums are over, where that is not all letters.
        data["summed"] = (!is_whole).then_some(every.len()).into();
        data["summary"] = sums(every.iter().filter_map(|letter| outcome(&letter["forecast"])));
        data["turns"] = rehearsal::turns(&every);
        data["samples"] = rehearsal::samples(&visit, &every).await?;
        "redrive_rehearsal.html"
    } else {
        let (became, back) = became(&redrive["outcomes"]);
        data["became"] = became;
        data["cameBack"] = back.into();
        "redrive.html"
    };
    data["publishes"] = published::told(&visit, &redrive, &every).await?;
    data["redrive"] = redrive;
    visit.show("letters", template, data).await
}

fn outcome(of: &Value) -> Option<&str> {
    of["outcome"].as_str()
}

/// What the letters of a redrive came to, the most frequent first; and how many of them that is known of. Conflicts are
/// counted among the duplicates.
fn became(outcomes: &Value) -> (Value, i64) {
    let of = |name: &str| int(&outcomes[name]);
    let conflicts = of("conflicts");
    let mut counts = [
        ("APPLIED", of("applied")),
        ("DUPLICATE", of("duplicates") - conflicts),
        ("CONFLICT", conflicts),
        ("DEAD_LETTER", of("deadLetters")),
        ("REMOVED", of("removed")),
    ];
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let told = counts.iter().filter(|(_, count)| *count > 0);
    let became = told.map(|(outcome, count)| json!({"outcome": outcome, "count": count}));
    (became.collect(), counts.iter().map(|(_, count)| count).sum())
}

/// How often each outcome, the most frequent first.
fn sums<'v>(outcomes: impl Iterator<Item = &'v str>) -> Value {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for outcome in outcomes {
        *counts.entry(outcome).or_default() += 1;
    }
    let mut sums: Vec<_> = counts.into_iter().collect();
    sums.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    sums.into_iter()
        .map(|(outcome, count)| json!({"outcome": outcome, "count": count}))
        .collect()
}

/// The first letters of a redrive, so many pages of them; and whether these are all.
async fn first_letters(visit: &Visit, number: &str, pages: usize) -> Result<(Vec<Value>, bool), Failure> {
    let mut every = Vec::new();
    let mut asked = params(&[("size", READ_AT_ONCE)]);
    for _ in 0..pages {
        let mut page = visit.get(LETTERS, &[number], &asked).await?;
        if let Value::Array(letters) = page["content"].take() {
            every.extend(letters);
        }
        let Some(cursor) = page["nextCursor"].as_str() else {
            return Ok((every, true));
        };
        asked = with(asked, "cursor", cursor);
    }
    Ok((every, false))
}

/// What publishes the letters of a redrive, or those that are left of them.
struct Choice {
    /// The body of the call; null where it cannot be told.
    order: Value,
    open_now: i64,
    /// The command line that publishes the same.
    line: String,
}

async fn choice(visit: &Visit, redrive: &Value, every: &[Value]) -> Result<Choice, Failure> {
    let filter = redrive["chosenBy"]["filter"].as_object();
    let change = redrive["change"].clone();
    let mut choice = match filter {
        Some(filter) => by_filter(visit, filter).await?,
        None if int(&redrive["letters"]) <= MOST_NAMED && !redrive["chosenBy"]["ids"].is_null() => {
            by_name(visit, every).await?
        }
        None => Choice {
            order: Value::Null,
            open_now: 0,
            line: "saga-tracker dead-letters redrives".to_owned(),
        },
    };
    if choice.order.is_object() && change.is_object() {
        choice.line.push_str(&flags_of(&change));
        choice.order["change"] = change;
    }
    if choice.order.is_object() {
        choice.order = choice.order.to_string().into();
    }
    Ok(choice)
}

/// A change on the command line; bytes in place of the value come from a file there.
fn flags_of(change: &Value) -> String {
    let mut flags = String::new();
    if let Some(id) = change["schemaId"].as_u64() {
        flags.push_str(&format!(" --schema-id {id}"));
    }
    for (field, value) in change["event"].as_object().into_iter().flatten() {
        let said = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let word = command_line::word(&format!("{field}={said}")).unwrap_or_default();
        flags.push_str(&format!(" --set {word}"));
    }
    if change["valueBase64"].is_string() {
        flags.push_str(" --value FILE");
    }
    flags
}

async fn by_filter(visit: &Visit, filter: &Map<String, Value>) -> Result<Choice, Failure> {
    let asked: Params = filter
        .iter()
        .map(|(name, value)| (name.clone(), vec![text(value).to_owned()]))
        .collect();
    let open = with(asked, "state", "open");
    let count = visit.get(COUNT, &[], &open).await?;
    let flags = [
        ("--reason", "reason"),
        ("--from-topic", "topic"),
        ("--step", "step"),
        ("--saga", "sagaId"),
        ("--event", "eventId"),
        ("--from", "fromDate"),
        ("--to", "toDate"),
    ];
    let given = |name: &str| filter.get(name).and_then(Value::as_str);
    let flags = flags.map(|(flag, name)| (flag, given(name)));
    let all = flags.iter().all(|(_, value)| value.is_none());
    let command = if all {
        "dead-letters redrive --all"
    } else {
        "dead-letters redrive"
    };
    Ok(Choice {
        order: json!({"filter": filter}),
        open_now: int(&count["open"]),
        line: command_line::command(command, &[], flags).unwrap_or_default(),
    })
}

/// Whether a redrive left a letter open, or a rehearsal found it so.
fn is_left(letter: &Value) -> bool {
    let is_settled = ["ALREADY_REDRIVEN", "DISCARDED"].contains(&text(&letter["forecast"]["outcome"]));
    !is_settled && !["PUBLISHED", "CAME_BACK", "SKIPPED"].contains(&text(&letter["result"]))
}

async fn by_name(visit: &Visit, every: &[Value]) -> Result<Choice, Failure> {
    let ids: Vec<&str> = every.iter().map(|letter| text(&letter["id"])).collect();
    let none = params(&[]);
    // Of many it is told by what came of each here; that more was done since, the call finds out.
    let mut open_now = every.iter().filter(|letter| is_left(letter)).count();
    if ids.len() <= MOST_ASKED {
        open_now = 0;
        for id in &ids {
            let letter = visit.find(LETTER, &[id], &none).await?;
            open_now += usize::from(letter.is_some_and(|letter| letter["state"] == "open"));
        }
    }
    Ok(Choice {
        line: command_line::command("dead-letters redrive", &ids, []).unwrap_or_default(),
        order: json!({"ids": ids}),
        open_now: i64::try_from(open_now).unwrap_or(i64::MAX),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_told_on_the_command_line() {
        let flags = flags_of(&json!({"schemaId": 9, "event": {"status": "FAILED", "step": "A B"}}));
        assert_eq!(flags, " --schema-id 9 --set status=FAILED --set 'step=A B'");
    }

    #[test]
    fn what_was_published_is_left_no_longer() {
        let letters = [
            json!({"result": "CAME_BACK", "forecast": null}),
            json!({"result": "PUBLISHED"}),
            json!({"result": "SKIPPED"}),
            json!({"result": "LEFT", "forecast": null}),
            json!({"result": "WAITING"}),
            json!({"result": "REFUSED"}),
            json!({"result": "FORECAST", "forecast": {"outcome": "APPLIED"}}),
            json!({"result": "FORECAST", "forecast": {"outcome": "ALREADY_REDRIVEN"}}),
        ];
        let left: Vec<bool> = letters.iter().map(is_left).collect();
        assert_eq!(left, [false, false, false, true, true, true, true, false]);
    }

    #[test]
    fn a_conflict_is_told_once() {
        let outcomes =
            json!({"applied": 3, "duplicates": 2, "conflicts": 1, "deadLetters": 0, "removed": 0, "open": 9});
        let (became, back) = became(&outcomes);
        assert_eq!(
            became,
            json!([
                {"outcome": "APPLIED", "count": 3},
                {"outcome": "DUPLICATE", "count": 1},
                {"outcome": "CONFLICT", "count": 1},
            ])
        );
        assert_eq!(back, 5);
    }

    #[test]
    fn sums_stand_with_the_most_frequent_first() {
        let sums = sums(["DUPLICATE", "APPLIED", "APPLIED"].into_iter());
        assert_eq!(
            sums,
            json!([{"outcome": "APPLIED", "count": 2}, {"outcome": "DUPLICATE", "count": 1}])
        );
    }
}
