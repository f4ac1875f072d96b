//! What is told of metadata that does not fit the schema of its step.

use super::*;

const WITH_SCHEMAS: &str = r##"
    [types.ORDER_CREATION]
    completing_steps = ["ORDER_CONFIRMED"]
    known_steps = ["ORDER_CREATED"]
    aliases = { PAID = "PAYMENT_COMPLETED" }
    [types.ORDER_CREATION.metadata_schemas]
    "PAYMENT_*" = '{"type": "object"}'
    PAYMENT_COMPLETED = '{"type": "object", "required": ["amount"]}'
"##;

#[test]
fn metadata_that_does_not_fit_its_steps_schema_breaks_a_rule_and_changes_nothing_else() {
    let definitions = SagaDefinitions::from_toml(WITH_SCHEMAS).unwrap();
    let definition = definitions.types.get("ORDER_CREATION").unwrap();
    let of = |reports: &[(&str, SagaStatus, Option<&str>)], definitions| {
        let events: Vec<Event> = (0u64..)
            .zip(reports)
            .map(|(number, (step, status, metadata))| Event {
                saga_type: "ORDER_CREATION".into(),
                metadata: metadata.map(Into::into),
                ..event(number, 1_000 * (number as i64 + 1), step, *status)
            })
            .collect();
        fold(&events, definitions).unwrap()
    };
    let reports = [
        ("ORDER_CREATED", Started, None),
        ("PAYMENT_INITIALIZED", InProgress, Some(r#"{"any": "thing"}"#)),
        ("PAYMENT_COMPLETED", InProgress, Some(r#"{"amount": 1}"#)),
        ("ORDER_CONFIRMED", Completed, Some("no json")),
    ];
    assert_eq!(conformance(&of(&reports, &definitions), definition), []);

    let mut unfit = reports;
    unfit[1].2 = Some("[]");
    unfit[2] = ("PAID", InProgress, Some(r#"{"sum": 1}"#));
    let state = of(&unfit, &definitions);
    let found = conformance(&state, definition);
    let told: Vec<(ConformanceRule, i64, &str)> = found
        .iter()
        .map(|violation| (violation.rule, violation.at.0, violation.message.as_str()))
        .collect();
    let message = "the metadata of 2 events does not fit the schemas of their steps, the last: PAID: \
                   /required: \"amount\" is missing";
    assert_eq!(told, [(ConformanceRule::InvalidMetadata, 3_000, message)]);
    assert_eq!(
        broken_rules(&state, definition),
        [(ConformanceRule::InvalidMetadata, Millis(3_000))]
    );
    let odd: Vec<(AnomalyKind, i64)> = state
        .anomalies
        .kept
        .iter()
        .map(|anomaly| (anomaly.kind, anomaly.at.0))
        .collect();
    assert_eq!(
        odd,
        [
            (AnomalyKind::InvalidMetadata, 2_000),
            (AnomalyKind::InvalidMetadata, 3_000)
        ]
    );
    assert_eq!((state.status, state.step_count), (Completed, 4));

    let one = of(&[("PAYMENT_COMPLETED", InProgress, None)], &definitions);
    assert_eq!(
        conformance(&one, definition)[0].message,
        "metadata does not fit the schema of its step: PAYMENT_COMPLETED: there is no metadata"
    );
}
