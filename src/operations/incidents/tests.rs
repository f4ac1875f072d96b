//! Alerts are taken once, ended once, bounded, and there again after a restart.

mod alerts;

use super::*;
use crate::domain::Millis;
use crate::operations::secret_file::SecretFileError;
use crate::store::SharedStore;
use crate::store::memory::MemoryStore;
use serde_json::{Map, Value, json};
use std::path::Path;
use std::sync::Arc;

const NOW: Millis = Millis(1_769_904_000_000);
const HOUR: i64 = 3_600_000;

fn store() -> SharedStore {
    Arc::new(MemoryStore::new())
}

fn fields(sent: Value) -> Map<String, Value> {
    match sent {
        Value::Object(fields) => fields,
        other => panic!("{other}"),
    }
}

fn alert(fingerprint: &str, began: &str) -> Value {
    json!({
        "status": "firing",
        "labels": {"alertname": "Spike", "severity": "warning", "saga_type": "ORDER_CREATION"},
        "annotations": {"summary": "many fail", "runbook_url": "https://runbooks.example/spike"},
        "startsAt": began,
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "https://prometheus.example/graph",
        "fingerprint": fingerprint,
    })
}

fn resolved(fingerprint: &str, began: &str, ended: &str) -> Value {
    let mut alert = alert(fingerprint, began);
    alert["status"] = json!("resolved");
    alert["endsAt"] = json!(ended);
    alert
}

fn sent(alerts: &[Value]) -> Alerts {
    let sent = json!({"version": "4", "receiver": "saga-tracker", "alerts": alerts});
    Alerts::read(&fields(sent), NOW).unwrap()
}

fn open(store: &SharedStore, settings: IncidentSettings) -> Incidents {
    Incidents::open(store.clone(), settings, None).unwrap()
}

fn ids(incidents: &Incidents, asked: &IncidentFilter, now: Millis) -> Vec<String> {
    let (found, _) = incidents.page(asked, (0, 100), now);
    found.iter().map(|told| told.incident.id()).collect()
}

#[test]
fn an_alert_that_is_told_again_is_one_incident_and_an_end_ends_it_for_good() {
    let store = store();
    let incidents = open(&store, IncidentSettings::default());
    let firing = sent(&[alert("a", "2026-01-31T20:00:00Z")]);
    let over = sent(&[resolved("a", "2026-01-31T20:00:00Z", "2026-01-31T21:00:00Z")]);
    let taken = |alerts: &Alerts| incidents.take(alerts, NOW).unwrap();
    assert_eq!(
        taken(&firing),
        Taken {
            new: 1,
            ..Taken::default()
        }
    );
    assert_eq!(
        taken(&firing),
        Taken {
            known: 1,
            ..Taken::default()
        }
    );
    assert_eq!(incidents.open_at(NOW).len(), 1);
    let ended = Taken {
        known: 1,
        ended: 1,
        ..Taken::default()
    };
    assert_eq!(taken(&over), ended);
    // Told again, and overtaken by an older message.
    assert_eq!(
        taken(&over),
        Taken {
            known: 1,
            ..Taken::default()
        }
    );
    assert_eq!(
        taken(&firing),
        Taken {
            known: 1,
            ..Taken::default()
        }
    );
    assert!(incidents.open_at(NOW).is_empty());
    let (found, total) = incidents.page(&IncidentFilter::default(), (0, 20), NOW);
    assert_eq!(total, 1);
    let until = "2026-01-31T21:00:00Z".parse::<jiff::Timestamp>().unwrap();
    assert_eq!(found[0].until, Some(Millis::from(until)));
    assert_eq!(found[0].incident.times, 5);
    // The same labels firing anew are another incident.
    incidents
        .take(&sent(&[alert("a", "2026-01-31T22:00:00Z")]), NOW)
        .unwrap();
    assert_eq!(incidents.page(&IncidentFilter::default(), (0, 20), NOW).1, 2);
}

#[test]
fn incidents_are_there_again_after_a_restart() {
    let store = store();
    let before = open(&store, IncidentSettings::default());
    before
        .take(&sent(&[alert("a", "2026-01-31T20:00:00Z")]), NOW)
        .unwrap();
    before
        .take(
            &sent(&[resolved("b", "2026-01-31T20:00:00Z", "2026-01-31T21:00:00Z")]),
            NOW,
        )
        .unwrap();
    let after = open(&store, IncidentSettings::default());
    let all = |of: &Incidents| of.page(&IncidentFilter::default(), (0, 20), NOW);
    assert_eq!(all(&before), all(&after));
    assert_eq!(all(&after).1, 2);
}

#[test]
fn what_is_over_goes_before_what_goes_on_when_there_is_too_much() {
    let store = store();
    let settings = IncidentSettings {
        kept: 2,
        ..IncidentSettings::default()
    };
    let incidents = open(&store, settings.clone());
    let over = |name: &str, hour: u8| {
        resolved(
            name,
            &format!("2026-01-31T{hour}:00:00Z"),
            &format!("2026-01-31T{hour}:30:00Z"),
        )
    };
    incidents
        .take(
            &sent(&[
                alert("open", "2026-01-31T10:00:00Z"),
                over("b", 11),
                over("c", 12),
            ]),
            NOW,
        )
        .unwrap();
    let names = |of: &Incidents| {
        let (found, _) = of.page(&IncidentFilter::default(), (0, 9), NOW);
        found
            .iter()
            .map(|told| told.incident.fingerprint.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&incidents), ["c", "open"]);
    assert_eq!(
        names(&open(&store, settings)),
        ["c", "open"],
        "the store holds no more than memory"
    );
}

#[test]
fn what_nobody_tells_of_any_more_is_over_and_goes_in_the_end() {
    let store = store();
    let incidents = open(&store, IncidentSettings::default());
    incidents
        .take(&sent(&[alert("a", "2026-01-31T20:00:00Z")]), NOW)
        .unwrap();
    let (silent, old) = (Millis(NOW.0 + 73 * HOUR), Millis(NOW.0 + 91 * 24 * HOUR));
    let (found, _) = incidents.page(&IncidentFilter::default(), (0, 9), silent);
    assert_eq!(found[0].until, Some(NOW));
    assert_eq!(incidents.page(&IncidentFilter::default(), (0, 9), old).1, 0);
    incidents.take(&sent(&[]), old).unwrap();
    assert_eq!(
        open(&store, IncidentSettings::default())
            .page(&IncidentFilter::default(), (0, 9), NOW)
            .1,
        0
    );
}

#[test]
fn a_page_is_of_those_that_go_on_or_went_on_in_a_time() {
    let store = store();
    let incidents = open(&store, IncidentSettings::default());
    incidents
        .take(
            &sent(&[
                alert("open", "2026-01-31T20:00:00Z"),
                resolved("over", "2026-01-31T10:00:00Z", "2026-01-31T11:00:00Z"),
            ]),
            NOW,
        )
        .unwrap();
    let at = |text: &str| Some(Millis::from(text.parse::<jiff::Timestamp>().unwrap()));
    let count = |asked: IncidentFilter| ids(&incidents, &asked, NOW).len();
    let all = IncidentFilter::default();
    assert_eq!(count(all.clone()), 2);
    assert_eq!(
        count(IncidentFilter {
            active: Some(true),
            ..all.clone()
        }),
        1
    );
    assert_eq!(
        count(IncidentFilter {
            active: Some(false),
            ..all.clone()
        }),
        1
    );
    assert_eq!(
        count(IncidentFilter {
            from: at("2026-01-31T11:00:00.001Z"),
            ..all.clone()
        }),
        1
    );
    assert_eq!(
        count(IncidentFilter {
            to: at("2026-01-31T19:59:59.999Z"),
            ..all.clone()
        }),
        1
    );
    assert_eq!(
        count(IncidentFilter {
            to: at("2026-01-31T09:00:00Z"),
            ..all.clone()
        }),
        0
    );
    let id = ids(&incidents, &all, NOW)[0].clone();
    assert_eq!(
        ids(
            &incidents,
            &IncidentFilter {
                id: Some(id.clone()),
                ..all
            },
            NOW
        ),
        [id]
    );
}

#[test]
fn an_incident_stands_beside_the_sagas_that_its_labels_name_in_its_time() {
    let store = store();
    let incidents = open(&store, IncidentSettings::default());
    let mut of_order = resolved("order", "2026-01-31T10:00:00Z", "2026-01-31T11:00:00Z");
    of_order["labels"] = json!({"alertname": "One", "order_id": "O-1"});
    let mut of_none = resolved("none", "2026-01-31T10:00:00Z", "2026-01-31T11:00:00Z");
    of_none["labels"] = json!({"alertname": "DiskLow"});
    let of_type = resolved("type", "2026-01-31T10:00:00Z", "2026-01-31T11:00:00Z");
    incidents.take(&sent(&[of_order, of_none, of_type]), NOW).unwrap();
    let at = |text: &str| Millis::from(text.parse::<jiff::Timestamp>().unwrap());
    let beside = |saga, first, last| {
        let found = incidents.beside(saga, (at(first), at(last)), (NOW, 9));
        let mut names: Vec<_> = found
            .iter()
            .map(|told| told.incident.fingerprint.clone())
            .collect();
        names.sort();
        names
    };
    let (first, last) = ("2026-01-31T10:59:59Z", "2026-01-31T12:00:00Z");
    assert_eq!(
        beside(("ORDER_CREATION", "O-1", "s"), first, last),
        ["none", "order", "type"]
    );
    assert_eq!(beside(("REFUND", "O-2", "s"), first, last), ["none"]);
    assert!(beside(("ORDER_CREATION", "O-1", "s"), "2026-01-31T11:00:01Z", last).is_empty());
}

#[test]
fn a_token_counts_as_it_stands_in_its_file_now() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("token");
    assert!(
        matches!(
            Token::of(&path),
            Err(TokenError(SecretFileError::Unreadable { .. }))
        ),
        "no file"
    );
    std::fs::write(&path, " \n").unwrap();
    assert!(
        matches!(Token::of(&path), Err(TokenError(SecretFileError::Empty(_)))),
        "no token"
    );
    std::fs::write(&path, "t".repeat(4_097)).unwrap();
    let too_large = Token::of(&path).unwrap_err().to_string();
    assert!(
        too_large.starts_with("incidents.token_file: ") && too_large.contains("holds more than 4096 bytes"),
        "{too_large}"
    );
    std::fs::write(&path, "one\n").unwrap();
    let token = Token::of(Path::new(&path)).unwrap();
    let incidents = Incidents::open(store(), IncidentSettings::default(), Some(token)).unwrap();
    let trusts = |given: Option<&str>| incidents.trusts(given).unwrap();
    assert_eq!(
        [trusts(Some("one")), trusts(Some("two")), trusts(None)],
        [true, false, false]
    );
    std::fs::write(&path, "two").unwrap();
    assert_eq!([trusts(Some("one")), trusts(Some("two"))], [false, true]);
    std::fs::remove_file(&path).unwrap();
    assert!(
        incidents.trusts(Some("two")).is_err(),
        "nobody is trusted without a token"
    );
}

fn names(incidents: &Incidents) -> Vec<String> {
    let (found, _) = incidents.page(&IncidentFilter::default(), (0, 100), NOW);
    found
        .iter()
        .map(|told| told.incident.fingerprint.clone())
        .collect()
}

#[test]
fn what_is_told_now_is_kept_and_what_was_told_of_longest_ago_goes() {
    let settings = IncidentSettings {
        kept: 1,
        ..IncidentSettings::default()
    };
    let incidents = open(&store(), settings);
    let mut ahead = sent(&[alert("ahead", "2026-01-31T20:00:00Z")]);
    ahead.alerts[0].began = Millis(4_070_908_800_000);
    incidents.take(&ahead, NOW).unwrap();
    incidents
        .take(&sent(&[alert("now", "2026-01-31T20:00:00Z")]), NOW)
        .unwrap();
    assert_eq!(names(&incidents), ["now"]);
    // Over before it was told of, and the other one goes on.
    let over = sent(&[resolved("over", "2026-01-31T10:00:00Z", "2026-01-31T11:00:00Z")]);
    incidents.take(&over, NOW).unwrap();
    assert_eq!(names(&incidents), ["over"]);
}

#[test]
fn an_alert_is_bounded_in_bytes_and_so_are_all_together() {
    let mut large = alert("a", "2026-01-31T20:00:00Z");
    for number in 0..60 {
        large["annotations"][format!("n{number}")] = json!("\u{1}".repeat(4_000));
        large["labels"][format!("l{number}")] = json!("é".repeat(2_000));
    }
    large["generatorURL"] = json!(format!("https://g.example/{}", "q".repeat(5_000)));
    let mut call = fields(json!({"version": "4", "alerts": [large]}));
    call.insert("receiver".to_owned(), json!("r".repeat(2_000)));
    let read = Alerts::read(&call, NOW).unwrap();
    let alert = &read.alerts[0];
    let json = serde_json::to_string(&(&read.receiver, &alert.labels, &alert.annotations)).unwrap();
    assert!(json.len() <= 16 << 10, "{}", json.len());
    assert_eq!(alert.labels["alertname"], "Spike");
    assert!(alert.labels["…"].ends_with("more") && alert.annotations["…"].ends_with("more"));
    assert_eq!(alert.generator_url, None);

    let settings = IncidentSettings {
        kept: 10_000,
        ..IncidentSettings::default()
    };
    let incidents = open(&store(), settings);
    let of = |number: i64| Alert {
        fingerprint: number.to_string(),
        began: NOW,
        ..read.alerts[0].clone()
    };
    let bytes = Incident::new(&of(1), None, NOW).bytes();
    let most = (16 << 20) / bytes;
    let alerts = (0..=i64::try_from(most).unwrap()).map(of).collect();
    let receiver = None;
    incidents.take(&Alerts { receiver, alerts }, NOW).unwrap();
    let (_, total) = incidents.page(&IncidentFilter::default(), (0, 1), NOW);
    assert!(
        (most as u64 - 2..=most as u64).contains(&total),
        "{total} of {most}"
    );
}

#[test]
fn what_still_fires_long_after_its_end_was_told_goes_on_again() {
    let incidents = open(&store(), IncidentSettings::default());
    let firing = sent(&[alert("a", "2026-01-31T20:00:00Z")]);
    let over = sent(&[resolved("a", "2026-01-31T20:00:00Z", "2026-01-31T21:00:00Z")]);
    let open_after = |alerts: &Alerts, millis: i64| {
        let now = Millis(NOW.0 + millis);
        incidents.take(alerts, now).unwrap();
        incidents.open_at(now).len()
    };
    assert_eq!(open_after(&firing, 0), 1);
    assert_eq!(open_after(&over, 0), 0);
    for late in [1_000, 299_000, 300_000] {
        assert_eq!(open_after(&firing, late), 0, "a message that came late");
    }
    assert_eq!(open_after(&firing, 300_001), 1);
}

#[test]
fn what_was_taken_survives_a_loss_of_power() {
    let memory = Arc::new(MemoryStore::new());
    let incidents = open(&(memory.clone() as SharedStore), IncidentSettings::default());
    incidents
        .take(&sent(&[alert("a", "2026-01-31T20:00:00Z")]), NOW)
        .unwrap();
    assert_eq!(memory.unsynced(), 0);
}
