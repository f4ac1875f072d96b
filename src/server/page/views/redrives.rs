//! Redrives and rehearsals: which there are, and what became of one, letter by letter.

use super::super::address::Params;
use super::super::command_line;
use super::super::failure::Failure;
use super::super::values::{int, list, params, text, with};
use super::super::visit::Visit;
use super::{published, rehearsal, turns};
use axum::response::Response;
use serde_json::{Map, Value, json};

const ALL: &str = "/api/v1/dead-letters/redrives";
const ONE: &str = "/api/v1/dead-letters/redrives/{number}";
const LETTERS: &str = "/api/v1/dead-letters/redrives/{number}/letters";
const COUNT: &str = "/api/v1/dead-letters/count";
/// Letters on one page.
const SIZE: &str = "100";

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
    let choice = choice(&visit, &redrive).await?;
    let (shown, outcomes) = (list(&letters["content"]), &redrive["outcomes"]);
    let publishes = published::told(&visit, &redrive, shown).await?;
    let mut data = json!({
        "letters": letters,
        "order": choice.order,
        "openNow": choice.open_now,
        "cli": choice.line,
        "topics": visit.topics(),
        "waits": turns::waits(&jobs, &redrive["number"]),
        "behind": turns::running(&jobs),
        "error": turns::error(&jobs, &redrive["number"]),
        "publishes": publishes,
    });
    let template = if redrive["dryRun"] == true {
        let open = int(&outcomes["open"]);
        // What the sums are over, where that is not all letters.
        data["summed"] = (open > 0).then(|| int(&redrive["letters"]) - open).into();
        data["summary"] = outcomes["forecasts"].clone();
        data["turns"] = outcomes["turns"].clone();
        data["samples"] = rehearsal::samples(&visit, shown).await?;
        "redrive_rehearsal.html"
    } else {
        let (became, back) = became(outcomes);
        data["became"] = became;
        data["cameBack"] = back.into();
        "redrive.html"
    };
    data["redrive"] = redrive;
    visit.show("letters", template, data).await
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
        ("FORGOTTEN", of("forgotten")),
    ];
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let told = counts.iter().filter(|(_, count)| *count > 0);
    let became = told.map(|(outcome, count)| json!({"outcome": outcome, "count": count}));
    (became.collect(), counts.iter().map(|(_, count)| count).sum())
}

/// What publishes the letters of a redrive, or those that are left of them.
struct Choice {
    /// The body of the call; null where it cannot be told.
    order: Value,
    open_now: i64,
    /// The command line that publishes the same.
    line: String,
}

async fn choice(visit: &Visit, redrive: &Value) -> Result<Choice, Failure> {
    let chosen_by = &redrive["chosenBy"];
    let change = redrive["change"].clone();
    let mut choice = match (chosen_by["filter"].as_object(), chosen_by["named"].as_array()) {
        (Some(filter), _) => by_filter(visit, filter).await?,
        (None, Some(named)) => by_name(named, int(&redrive["namedOpen"])),
        (None, None) => Choice {
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

/// All that were named, whether or not a limit left some of them out.
fn by_name(named: &[Value], open_now: i64) -> Choice {
    let ids: Vec<&str> = named.iter().map(text).collect();
    Choice {
        line: command_line::command("dead-letters redrive", &ids, []).unwrap_or_default(),
        order: json!({"ids": ids}),
        open_now,
    }
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
    fn a_conflict_is_told_once_and_what_is_forgotten_came_back() {
        let outcomes = json!({"applied": 3, "duplicates": 2, "conflicts": 1, "deadLetters": 0, "removed": 0, "forgotten": 4});
        let (became, back) = became(&outcomes);
        assert_eq!(
            became,
            json!([
                {"outcome": "FORGOTTEN", "count": 4},
                {"outcome": "APPLIED", "count": 3},
                {"outcome": "DUPLICATE", "count": 1},
                {"outcome": "CONFLICT", "count": 1},
            ])
        );
        assert_eq!(back, 9);
    }
}
