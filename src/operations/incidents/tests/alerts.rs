//! What a call says is read, or refused by the name of its field.

use super::*;

#[test]
fn what_cannot_be_understood_is_refused_by_the_name_of_its_field() {
    let refused = |sent: Value| {
        let faults = Alerts::read(&fields(sent), NOW).unwrap_err();
        faults.into_iter().map(|fault| fault.field).collect::<Vec<_>>()
    };
    let with = |change: fn(&mut Value)| {
        let mut alert = alert("a", "2026-01-31T20:00:00Z");
        change(&mut alert);
        refused(json!({"version": "4", "alerts": [alert]}))
    };
    assert_eq!(refused(json!({})), ["version", "alerts"]);
    assert_eq!(refused(json!({"version": "3", "alerts": []})), ["version"]);
    assert_eq!(refused(json!({"version": "4", "alerts": [7]})), ["alerts[0]"]);
    assert_eq!(
        with(|of| of["startsAt"] = json!("yesterday")),
        ["alerts[0].startsAt"]
    );
    assert_eq!(
        with(|of| of["startsAt"] = json!("0001-01-01T00:00:00Z")),
        ["alerts[0].startsAt"]
    );
    assert_eq!(with(|of| of["status"] = json!("pending")), ["alerts[0].status"]);
    assert_eq!(
        with(|of| of["fingerprint"] = json!("")),
        ["alerts[0].fingerprint"]
    );
    assert_eq!(with(|of| of["endsAt"] = json!(7)), ["alerts[0].endsAt"]);
    assert_eq!(
        with(|of| of["generatorURL"] = json!({})),
        ["alerts[0].generatorURL"]
    );
    assert_eq!(with(|of| of["labels"] = json!({"a": 1})), ["alerts[0].labels.a"]);
    assert_eq!(with(|of| of["labels"] = json!(["a"])), ["alerts[0].labels"]);
    assert_eq!(
        with(|of| of["labels"]["x"] = json!("v".repeat(2_001))),
        ["alerts[0].labels.x"]
    );
    let many = vec![Value::Null; MAX_ALERTS + 1];
    assert_eq!(refused(json!({"version": "4", "alerts": many})), ["alerts"]);
    assert_eq!(refused(json!({"version": "4", "alerts": vec![7; 500]})).len(), 10);
}

#[test]
fn what_grafana_sends_beyond_alertmanager_is_ignored_and_long_annotations_are_cut() {
    let mut alert = alert("a", "2026-01-31T20:00:00+09:00");
    alert["values"] = json!({"B": 22});
    alert["dashboardURL"] = json!("https://grafana.example/d/1");
    alert["annotations"]["description"] = json!("d".repeat(9_000));
    alert["annotations"]["runbook_url"] = json!("javascript:alert(1)");
    alert["generatorURL"] = json!("javascript:alert(1)");
    let sent = json!({"version": "1", "orgId": 1, "title": "t", "state": "alerting", "receiver": "", "alerts": [alert]});
    let read = Alerts::read(&fields(sent), NOW).unwrap();
    assert_eq!(read.receiver, None);
    assert_eq!(read.alerts[0].annotations["description"].len(), 4_000);
    assert_eq!(read.alerts[0].generator_url, None);
    let incident = Incident::new(&read.alerts[0], None, NOW);
    assert_eq!((incident.runbook_url(), incident.name()), (None, "Spike"));
}

#[test]
fn an_end_before_the_start_ends_nothing_before_it_began() {
    let read = sent(&[resolved("a", "2026-01-31T20:00:00Z", "2026-01-31T19:00:00Z")]);
    assert_eq!(read.alerts[0].ended, Some(read.alerts[0].began));
    let unknown = sent(&[resolved("a", "2026-01-31T20:00:00Z", "0001-01-01T00:00:00Z")]);
    assert_eq!(unknown.alerts[0].ended, Some(NOW));
}

#[test]
fn what_lies_ahead_is_no_start_and_an_end_ahead_is_now() {
    let read = |began: &str| {
        let sent = json!({"version": "4", "alerts": [alert("a", began)]});
        Alerts::read(&fields(sent), NOW)
    };
    assert!(read("2026-02-01T00:05:00Z").is_ok(), "clocks differ");
    for began in ["2026-02-01T00:05:00.001Z", "2099-01-01T00:00:00Z"] {
        let faults = read(began).unwrap_err();
        assert_eq!(faults[0].field, "alerts[0].startsAt", "{began}");
    }
    let read = sent(&[resolved("a", "2026-01-31T20:00:00Z", "2099-01-01T00:00:00Z")]);
    assert_eq!(read.alerts[0].ended, Some(NOW));
}
