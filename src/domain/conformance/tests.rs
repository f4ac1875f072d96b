//! What the rules say of timelines as services write them, and that they say the same as a naive second model.

use super::super::fold::tests::event;
use super::super::*;
use super::*;
use proptest::prelude::*;
use proptest::sample::select;
use std::collections::BTreeMap;

mod metadata;
pub(crate) mod naive;

/// A saga whose events are one second apart.
fn saga(definitions: &SagaDefinitions, saga_type: &str, steps: &[(&str, SagaStatus)]) -> SagaState {
    let events: Vec<Event> = (0u64..)
        .zip(steps)
        .map(|(number, (step, status))| Event {
            saga_type: saga_type.into(),
            ..event(number, 1_000 * (number as i64 + 1), step, *status)
        })
        .collect();
    fold(&events, definitions).unwrap()
}

fn order(steps: &[(&str, SagaStatus)]) -> SagaState {
    saga(&SagaDefinitions::default(), "ORDER_CREATION", steps)
}

fn definition(saga_type: &str) -> SagaDefinition {
    SagaDefinitions::default().types.remove(saga_type).unwrap()
}

fn rules(state: &SagaState, definition: &SagaDefinition) -> Vec<&'static str> {
    let found = conformance(state, definition);
    found.iter().map(|violation| violation.rule.as_str()).collect()
}

fn owed(state: &SagaState, definition: &SagaDefinition) -> (CompensationState, Vec<String>) {
    let Compensation { state, owed } = compensation(state, definition);
    (state, owed.into_iter().map(|owed| owed.step).collect())
}

/// The steps that services report, each with its status, as the plan of their work lists them.
const ORDER_REPORTS: [(&str, SagaStatus); 16] = [
    ("ORDER_CREATED", Started),
    ("STOCK_RESERVED", InProgress),
    ("PAYMENT_COMPLETED", InProgress),
    ("ORDER_CONFIRMED", Completed),
    ("ORDER_CANCELLED", Failed),
    ("ORDER_TIMEOUT", Failed),
    ("STOCK_RESERVATION", InProgress),
    ("STOCK_RESERVED", Completed),
    ("STOCK_RESERVATION_FAILED", Failed),
    ("STOCK_RELEASED", Compensated),
    ("PAYMENT_INITIALIZATION", InProgress),
    ("PAYMENT_INITIALIZED", InProgress),
    ("PAYMENT_COMPLETED", Completed),
    ("PAYMENT_FAILED", Failed),
    ("PAYMENT_CANCELLED", Compensated),
    ("PAYMENT_REFUNDED", Compensated),
];

/// Those of them that fail a saga.
fn failures() -> impl Iterator<Item = &'static str> {
    let failed = ORDER_REPORTS.into_iter().filter(|(_, status)| *status == Failed);
    failed.map(|(step, _)| step)
}

#[test]
fn only_what_was_done_before_the_failure_and_can_be_undone_is_owed() {
    let definition = definition("ORDER_CREATION");
    let can_be_undone = ["STOCK_RESERVED", "PAYMENT_INITIALIZED", "PAYMENT_COMPLETED"];
    for (step, status) in ORDER_REPORTS {
        if status == Failed || status == Compensated {
            continue;
        }
        for failure in failures() {
            let before = order(&[("ORDER_CREATED", Started), (step, status), (failure, Failed)]);
            let owes = can_be_undone.contains(&step);
            let expected = if owes {
                (CompensationState::Owed, vec![step.to_owned()])
            } else {
                (CompensationState::NothingToCompensate, Vec::new())
            };
            assert_eq!(
                owed(&before, &definition),
                expected,
                "{step} {status} before {failure}"
            );

            let after = order(&[("ORDER_CREATED", Started), (failure, Failed), (step, status)]);
            let (state, owed) = owed(&after, &definition);
            let completes = step == "ORDER_CONFIRMED";
            let expected = if completes {
                CompensationState::NotNeeded
            } else {
                CompensationState::NothingToCompensate
            };
            assert_eq!(
                (state, owed),
                (expected, Vec::new()),
                "{step} {status} behind {failure}"
            );
        }
    }
}

#[test]
fn every_failure_fails_a_saga_that_owes_what_it_did() {
    let definition = definition("ORDER_CREATION");
    for step in failures() {
        let state = order(&[("STOCK_RESERVED", Completed), (step, Failed)]);
        assert_eq!(
            owed(&state, &definition),
            (CompensationState::Owed, vec!["STOCK_RESERVED".to_owned()]),
            "{step}"
        );
        assert_eq!(rules(&state, &definition), ["NEVER_COMPENSATED"], "{step}");
        let nothing = order(&[("STOCK_RESERVATION", InProgress), (step, Failed)]);
        assert_eq!(
            owed(&nothing, &definition).0,
            CompensationState::NothingToCompensate
        );
        assert_eq!(rules(&nothing, &definition), Vec::<&str>::new(), "{step}");
        assert_eq!(stuck(&nothing, &definition, Millis(i64::MAX)), None, "{step}");
    }
}

#[test]
fn a_compensating_step_settles_whatever_status_it_has_before_or_behind_the_failure() {
    let definition = definition("ORDER_CREATION");
    let pairs = [
        ("STOCK_RESERVED", "STOCK_RELEASED"),
        ("STOCK_RESERVED", "COMPENSATION_STOCK"),
        ("PAYMENT_INITIALIZED", "PAYMENT_CANCELLED"),
        ("PAYMENT_INITIALIZED", "PAYMENT_REFUNDED"),
        ("PAYMENT_INITIALIZED", "COMPENSATION_PAYMENT"),
        ("PAYMENT_COMPLETED", "PAYMENT_REFUNDED"),
        ("PAYMENT_COMPLETED", "COMPENSATION_PAYMENT"),
        ("ORDER_CREATED", "ORDER_CANCELLED"),
        ("ORDER_CREATED", "COMPENSATION_ORDER"),
    ];
    for ((done, undo), status, did, failure) in pairs.into_iter().flat_map(with_every_status) {
        let what = format!("{done} {did}, {undo} {status}, {failure}");
        let behind = order(&[(done, did), (failure, Failed), (undo, status)]);
        let before = order(&[(done, did), (undo, status), (failure, Failed)]);
        for state in [behind, before] {
            let (compensation, owed) = owed(&state, &definition);
            assert!(owed.is_empty(), "{what}: {owed:?}");
            let settled = match state.status {
                Failed | Compensated => CompensationState::Compensated,
                _ => CompensationState::NotNeeded,
            };
            assert_eq!(compensation, settled, "{what}");
            assert_eq!(stuck(&state, &definition, Millis(i64::MAX)), None, "{what}");
            let failed = status == Failed && undo != "ORDER_CANCELLED";
            let told = rules(&state, &definition).contains(&"COMPENSATION_FAILED");
            assert_eq!(told, failed, "{what}");
        }
    }
}

type Pair = (&'static str, &'static str);

/// A pair with each status that undoes, each that does, and each failure.
fn with_every_status(pair: Pair) -> impl Iterator<Item = (Pair, SagaStatus, SagaStatus, &'static str)> {
    let statuses = SagaStatus::ALL.into_iter();
    let both = statuses.flat_map(|status| [InProgress, Completed].map(|did| (status, did)));
    both.flat_map(move |(status, did)| failures().map(move |failure| (pair, status, did, failure)))
}

#[test]
fn a_payment_that_was_only_begun_owes_nothing_and_its_compensation_undoes_nothing() {
    let definition = definition("ORDER_CREATION");
    let begun = "PAYMENT_INITIALIZATION";
    for (_, status, did, failure) in with_every_status((begun, "COMPENSATION_PAYMENT")) {
        let undo = ("COMPENSATION_PAYMENT", status);
        let behind = order(&[(begun, did), (failure, Failed), undo]);
        let before = order(&[(begun, did), undo, (failure, Failed)]);
        for state in [behind, before] {
            let settled = match state.status {
                Failed => CompensationState::NothingToCompensate,
                Compensated => CompensationState::Compensated,
                _ => CompensationState::NotNeeded,
            };
            let what = format!("{begun} {did}, {undo:?}, {failure}");
            assert_eq!(owed(&state, &definition), (settled, Vec::new()), "{what}");
            assert_eq!(stuck(&state, &definition, Millis(i64::MAX)), None, "{what}");
        }
    }
}

#[test]
fn another_ones_compensation_settles_nothing() {
    let definition = definition("ORDER_CREATION");
    for undo in [
        "PAYMENT_CANCELLED",
        "ORDER_CANCELLED",
        "COMPENSATION_ORDER",
        "COMPENSATION_SHIPPING",
    ] {
        let state = order(&[
            ("STOCK_RESERVED", InProgress),
            ("PAYMENT_FAILED", Failed),
            (undo, InProgress),
        ]);
        assert_eq!(
            owed(&state, &definition),
            (CompensationState::Owed, vec!["STOCK_RESERVED".into()])
        );
    }
    let paid = order(&[
        ("PAYMENT_INITIALIZED", InProgress),
        ("PAYMENT_COMPLETED", InProgress),
        ("ORDER_TIMEOUT", Failed),
        ("PAYMENT_CANCELLED", InProgress),
    ]);
    assert_eq!(owed(&paid, &definition).1, ["PAYMENT_COMPLETED"]);
    let said_so = order(&[
        ("STOCK_RESERVED", InProgress),
        ("PAYMENT_FAILED", Failed),
        ("COMPENSATION_ORDER", Compensated),
    ]);
    assert_eq!(
        owed(&said_so, &definition),
        (
            CompensationState::PartlyCompensated,
            vec!["STOCK_RESERVED".to_owned()]
        )
    );
}

#[test]
fn a_refund_of_what_completed_is_no_failure() {
    let definitions = SagaDefinitions::default();
    let definition = definition("PAYMENT_COMPLETION");
    let steps = [
        ("PAYMENT_INITIALIZATION", Started),
        ("PAYMENT_INITIALIZED", InProgress),
        ("PAYMENT_COMPLETED", Completed),
        ("PAYMENT_REFUNDED", Compensated),
    ];
    let refunded = saga(&definitions, "PAYMENT_COMPLETION", &steps);
    assert_eq!(
        owed(&refunded, &definition),
        (CompensationState::Compensated, Vec::new())
    );
    assert_eq!(rules(&refunded, &definition), Vec::<&str>::new());
    let paid = saga(&definitions, "PAYMENT_COMPLETION", &steps[..3]);
    assert_eq!(owed(&paid, &definition).0, CompensationState::NotNeeded);
}

#[test]
fn each_rule_says_what_happened_when_and_by_which_event() {
    let definition = SagaDefinitions::from_toml(
        r#"
        [types.T]
        completing_steps = ["DONE"]
        expected_steps = ["BEGUN", "PAID", "DONE"]
        order = ["BEGUN", "PAID", "DONE"]
        known_steps = ["BROKE"]
        [types.T.compensates]
        REFUNDED = "PAID"
        "#,
    )
    .unwrap();
    let told = |steps: &[(&str, SagaStatus)]| -> Vec<(String, i64, Option<u32>)> {
        let state = saga(&definition, "T", steps);
        conformance(&state, &definition.types["T"])
            .into_iter()
            .map(|found| {
                (
                    format!("{}: {}", found.rule.as_str(), found.message),
                    found.at.0,
                    found.number,
                )
            })
            .collect()
    };
    let one = |text: &str, at: i64, number: Option<u32>| (text.to_owned(), at, number);
    assert_eq!(
        told(&[("BEGUN", Started), ("PAID", InProgress), ("DONE", Completed)]),
        []
    );
    assert_eq!(
        told(&[("PAID", InProgress), ("BEGUN", Started), ("DONE", Completed)]),
        [one("OUT_OF_ORDER: PAID came before BEGUN", 1_000, Some(1))]
    );
    assert_eq!(
        told(&[("BEGUN", Started), ("DONE", Completed)]),
        [
            one("OUT_OF_ORDER: DONE came without PAID", 2_000, Some(2)),
            one("MISSING_STEP: it completed without PAID", 2_000, None)
        ]
    );
    assert_eq!(
        told(&[("BEGUN", Started), ("PAID", InProgress), ("BROKE", Failed)]),
        [one(
            "NEVER_COMPENSATED: it failed, and nothing has undone PAID (awaited: REFUNDED)",
            3_000,
            Some(3)
        )]
    );
    assert_eq!(
        told(&[
            ("BEGUN", Started),
            ("PAID", InProgress),
            ("BROKE", Failed),
            ("REFUNDED", Failed),
            ("REFUNDED", Failed)
        ]),
        [one(
            "COMPENSATION_FAILED: the compensating step REFUNDED reported FAILED 2 times",
            5_000,
            Some(5)
        )]
    );
    assert_eq!(
        told(&[
            ("BEGUN", Started),
            ("PAID", InProgress),
            ("BROKE", Failed),
            ("REFUNDED", Compensated),
            ("REFUNDED", Compensated)
        ]),
        [one(
            "COMPENSATED_TWICE: the compensating step REFUNDED reported COMPENSATED 2 times",
            5_000,
            Some(5)
        )]
    );
    assert_eq!(
        told(&[
            ("BEGUN", Started),
            ("PAID", InProgress),
            ("BROKE", Failed),
            ("REFUNDED", InProgress),
            ("DONE", Completed)
        ]),
        [one(
            "SUCCESS_AFTER_COMPENSATION: it was reported complete after PAID was undone",
            5_000,
            Some(5)
        )]
    );
    assert_eq!(
        told(&[
            ("BEGUN", Started),
            ("PAID", InProgress),
            ("DONE", Completed),
            ("PAID", InProgress)
        ]),
        [one(
            "ACTIVITY_AFTER_END: IN_PROGRESS was reported after it completed",
            4_000,
            None
        )]
    );
    assert_eq!(
        told(&[("BEGUN", Started), ("GIFT", InProgress), ("WRAP", InProgress)]),
        [one(
            "UNKNOWN_STEP: 2 events are of steps that the definition does not know, the last of WRAP",
            3_000,
            None
        )]
    );
}

#[test]
fn completing_after_what_is_compensated_names_the_event() {
    let state = order(&[
        ("STOCK_RESERVED", InProgress),
        ("PAYMENT_FAILED", Failed),
        ("COMPENSATION_STOCK", Compensated),
        ("ORDER_CONFIRMED", Completed),
    ]);
    let found = conformance(&state, &definition("ORDER_CREATION"));
    let told: Vec<_> = found
        .iter()
        .map(|found| (found.rule, found.at, found.event_id.as_ref().map(EventId::as_str)))
        .collect();
    assert_eq!(
        told,
        [(
            ConformanceRule::SuccessAfterCompensation,
            Millis(4_000),
            Some("e3")
        )]
    );
}

#[test]
fn what_is_done_again_after_it_was_undone_may_complete() {
    let state = order(&[
        ("STOCK_RESERVED", Completed),
        ("ORDER_TIMEOUT", Failed),
        ("STOCK_RELEASED", InProgress),
        ("STOCK_RESERVED", Completed),
        ("ORDER_CONFIRMED", Completed),
    ]);
    assert_eq!(rules(&state, &definition("ORDER_CREATION")), Vec::<&str>::new());
}

#[test]
fn two_services_that_report_one_compensation_do_not_compensate_twice() {
    let definition = definition("ORDER_CREATION");
    let state = order(&[
        ("STOCK_RESERVED", Completed),
        ("PAYMENT_FAILED", Failed),
        ("STOCK_RELEASED", InProgress),
        ("ORDER_CANCELLED", Failed),
        ("COMPENSATION_STOCK", Compensated),
        ("STOCK_RELEASED", Compensated),
    ]);
    assert_eq!(rules(&state, &definition), Vec::<&str>::new());
}

#[test]
fn a_saga_is_stuck_from_the_instant_on_at_which_its_time_was_over() {
    let definition = definition("ORDER_CREATION");
    let at = |state: &SagaState, now: i64| {
        stuck(state, &definition, Millis(now)).map(|stuck| (stuck.since.0, stuck.rule, stuck.awaited))
    };
    let running = order(&[("ORDER_CREATED", Started), ("STOCK_RESERVED", InProgress)]);
    let deadline = 1_000 + 1_800_000;
    assert_eq!(at(&running, deadline - 1), None);
    let waits = vec!["ORDER_CONFIRMED".to_owned()];
    assert_eq!(
        at(&running, deadline),
        Some((deadline, StuckRule::PastDeadline, waits))
    );

    let failed = order(&[("STOCK_RESERVED", InProgress), ("PAYMENT_FAILED", Failed)]);
    let overdue = 2_000 + 300_000;
    assert_eq!(at(&failed, overdue - 1), None);
    let waits = vec!["COMPENSATION_STOCK".to_owned(), "STOCK_RELEASED".to_owned()];
    assert_eq!(
        at(&failed, overdue),
        Some((overdue, StuckRule::CompensationOverdue, waits))
    );
    for ended in [
        order(&[("ORDER_CONFIRMED", Completed)]),
        order(&[("COMPENSATION_ORDER", Compensated)]),
    ] {
        assert_eq!(at(&ended, i64::MAX), None);
    }
    let mut never = definition.clone();
    never.deadline_seconds = u64::MAX;
    assert_eq!(stuck(&running, &never, Millis(i64::MAX - 1)), None);
}

#[test]
fn the_next_step_is_awaited_and_not_the_one_behind_it() {
    let definitions = SagaDefinitions::from_toml(
        r#"
        [types.T]
        completing_steps = ["DONE"]
        expected_steps = ["BEGUN", "CHECKED"]
        order = ["BEGUN", "PAID", "SENT"]
        "#,
    )
    .unwrap();
    let awaited = |steps: &[(&str, SagaStatus)]| {
        let state = saga(&definitions, "T", steps);
        stuck(&state, &definitions.types["T"], Millis(i64::MAX))
            .unwrap()
            .awaited
    };
    let begun = ("BEGUN", Started);
    assert_eq!(awaited(&[("OTHER", InProgress)]), ["BEGUN", "CHECKED"]);
    assert_eq!(awaited(&[begun]), ["CHECKED", "PAID"]);
    assert_eq!(
        awaited(&[begun, ("CHECKED", InProgress), ("PAID", InProgress)]),
        ["SENT"]
    );
    assert_eq!(
        awaited(&[
            begun,
            ("CHECKED", InProgress),
            ("PAID", InProgress),
            ("SENT", InProgress)
        ]),
        ["DONE"]
    );
}

fn any_definitions() -> SagaDefinitions {
    SagaDefinitions::from_toml(
        r#"
        [types.ORDER_CREATION]
        completing_steps = ["DONE", "FINISHED_*"]
        failing_steps = ["CALLED_OFF"]
        expected_steps = ["A", "B_*"]
        order = [["A", "B_*"], ["B_1", "DONE"]]
        known_steps = ["K_*"]
        aliases = { OLD_A = "A", OLD_DONE = "DONE" }
        [types.ORDER_CREATION.compensates]
        UNDO_A = "A"
        "UNDO_*" = ["B_*", "C"]
        UNDO_NONE = []
        CALLED_OFF = ["A", "C"]
        "#,
    )
    .unwrap()
}

/// Deliveries in any order: late ones, duplicates, two sources at one instant, operators.
fn deliveries() -> impl Strategy<Value = Vec<Event>> {
    let step = select(vec![
        "A",
        "OLD_A",
        "B_1",
        "B_2",
        "C",
        "DONE",
        "OLD_DONE",
        "FINISHED_WELL",
        "UNDO_A",
        "UNDO_B",
        "UNDO_NONE",
        "CALLED_OFF",
        "K_1",
        "STRANGE",
        "X",
        OPERATOR_STATUS_CHANGE,
    ]);
    let one = (
        0i64..20,
        select(vec!["", "a", "b", "c", "d", "e", "f", "g"]),
        step,
        select(SagaStatus::ALL.to_vec()),
        0u32..2,
    );
    proptest::collection::vec(one, 1..24).prop_map(|rows| {
        let mut next = [0u64; 2];
        let row = |(at, id, step, status, partition): (i64, &str, &str, SagaStatus, u32)| {
            let offset = next[partition as usize];
            next[partition as usize] += 1;
            let event_id = match id {
                "a" => "a".to_owned(),
                "" => String::new(),
                id => format!("{id}-{partition}-{offset}"),
            };
            Event {
                position: Position::new(partition, offset),
                event_id: event_id.into(),
                ..event(offset, at * 1_000, step, status)
            }
        };
        rows.into_iter().map(row).collect()
    })
}

#[test]
fn a_rule_is_found_by_its_name_and_by_its_number_and_numbers_never_change() {
    for (rule, tag) in ConformanceRule::ALL.into_iter().zip(0..) {
        assert_eq!(rule.tag(), tag, "stored keys hold it");
        assert_eq!(ConformanceRule::from_tag(tag), Some(rule));
        assert_eq!(ConformanceRule::from_name(rule.as_str()), Some(rule));
    }
    assert_eq!(ConformanceRule::from_tag(9), None);
    assert_eq!(ConformanceRule::from_name("never_compensated"), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn a_naive_model_says_the_same(events in deliveries(), built_in in any::<bool>(), now in 0i64..4_000) {
        let definitions = if built_in { SagaDefinitions::default() } else { any_definitions() };
        let definition = &definitions.types["ORDER_CREATION"];
        let state = fold(&events, &definitions).unwrap();
        let timeline: Vec<Event> = deduplicate(&events).timeline.into_iter().cloned().collect();
        let status = |events: usize| fold(&timeline[..events], &definitions).unwrap().status;
        let model = naive::Model {
            definition,
            timeline: &timeline,
            statuses: (1..=timeline.len()).map(|events| status(events).to_string()).collect(),
            anomalies: state.anomalies.kept.iter().map(|odd| (odd.kind.as_str().to_owned(), odd.at.0)).collect(),
        };
        let Compensation { state: compensated, owed } = compensation(&state, definition);
        let owed: Vec<String> = owed.into_iter().map(|owed| owed.step).collect();
        prop_assert_eq!((compensated.as_str(), owed), model.compensation());
        let told: Vec<(&str, i64)> = conformance(&state, definition)
            .iter()
            .map(|violation| (violation.rule.as_str(), violation.at.0))
            .collect();
        prop_assert_eq!(&told, &model.rules());
        let mut last: BTreeMap<&str, i64> = BTreeMap::new();
        for (rule, at) in told {
            let latest = last.entry(rule).or_insert(at);
            *latest = at.max(*latest);
        }
        let broken = broken_rules(&state, definition);
        prop_assert!(broken.is_sorted_by_key(|(rule, _)| *rule));
        prop_assert_eq!(broken.len(), last.len());
        let broken = broken.into_iter().map(|(rule, at)| (rule.as_str(), at.0));
        prop_assert_eq!(broken.collect::<BTreeMap<_, _>>(), last);
        prop_assert_eq!(failed_compensations(&state, definition) as usize, model.failed_compensations());
        let now = Millis(now * 1_000);
        let stuck = stuck(&state, definition, now).map(|stuck| (stuck.since.0, stuck.rule.as_str()));
        prop_assert_eq!(stuck, model.stuck(now.0));
    }
}
