use std::collections::{BTreeSet, HashMap, HashSet};

use jiff::Timestamp;
use saga_tracker_sdk::contract::SagaStatus::{self, Compensated, Completed, Failed, InProgress};
use saga_tracker_sdk::contract::{limits, steps};
use saga_tracker_sdk::encoding::Encoder;

use super::*;

const MANY: usize = 5_000;

fn start() -> Timestamp {
    "2026-01-02T03:04:05.678Z".parse().unwrap()
}

fn plans() -> Vec<Vec<PlannedRecord>> {
    sagas(11).take(MANY).collect()
}

fn events(saga: &[PlannedRecord]) -> Vec<&PlannedEvent> {
    saga.iter().filter_map(PlannedRecord::planned_event).collect()
}

/// How many sagas have what the predicate asks for.
fn count(has: impl Fn(&[&PlannedEvent]) -> bool) -> usize {
    plans().iter().filter(|saga| has(&events(saga))).count()
}

fn position(events: &[&PlannedEvent], step: &str, status: SagaStatus) -> Option<usize> {
    events
        .iter()
        .position(|event| event.step == step && event.status == status)
}

#[test]
fn the_same_seed_plans_the_same_sagas_and_another_seed_others() {
    let again: Vec<_> = sagas(11).take(MANY).collect();
    assert_eq!(plans(), again);
    let ids = |seed| -> HashSet<String> {
        sagas(seed)
            .take(500)
            .map(|saga| events(&saga)[0].saga_id.clone())
            .collect()
    };
    assert_eq!(ids(11).intersection(&ids(12)).count(), 0);
    assert_eq!(ids(11).len(), 500);
}

#[test]
fn every_event_is_one_that_the_tracker_takes() {
    let encoder = Encoder::published().unwrap();
    for record in plans().iter().flatten() {
        if let Some(planned) = record.planned_event() {
            assert_eq!(limits::check(&planned.event(start())), Ok(()), "{planned:?}");
            assert!(steps::ALL.contains(&planned.step), "{}", planned.step);
        }
        let message = record.message(start(), &encoder, 1).unwrap();
        assert!(!message.key.is_empty(), "{record:?} has no key");
    }
}

#[test]
fn records_are_in_order_of_publishing_and_of_one_saga() {
    for saga in plans() {
        assert!(saga.is_sorted_by_key(|record| record.delay), "{saga:?}");
        assert!(
            saga.iter().all(|record| record.delay < Duration::from_secs(90)),
            "{saga:?}"
        );
        let ids: HashSet<_> = events(&saga).iter().map(|event| &event.saga_id).collect();
        assert_eq!(ids.len(), 1);
    }
}

#[test]
fn an_event_id_comes_twice_only_as_a_retry_of_the_same_step() {
    let mut seen: HashMap<String, PlannedEvent> = HashMap::new();
    let (mut same, mut conflicting) = (0, 0);
    for record in plans().iter().flatten() {
        let Some(event) = record.planned_event() else {
            continue;
        };
        let Some(first) = seen.insert(event.event_id.clone(), event.clone()) else {
            continue;
        };
        assert_eq!(
            (&first.saga_id, first.step, first.status),
            (&event.saga_id, event.step, event.status)
        );
        let count = if first.event(start()) == event.event(start()) {
            &mut same
        } else {
            &mut conflicting
        };
        *count += 1;
    }
    assert!((300..500).contains(&same), "{same} retries in {MANY} sagas");
    assert!(
        (5..60).contains(&conflicting),
        "{conflicting} conflicting retries in {MANY} sagas"
    );
}

#[test]
fn every_story_of_the_shop_is_told() {
    let ends =
        |step: &'static str, status| move |events: &[&PlannedEvent]| position(events, step, status).is_some();
    for (step, status, least) in [
        (steps::ORDER_CONFIRMED, Completed, 1_200),
        (steps::STOCK_RESERVATION_FAILED, Failed, 150),
        (steps::COMPENSATION_ORDER, Compensated, 100),
        (steps::PAYMENT_FAILED, Failed, 300),
        (steps::COMPENSATION_STOCK, Compensated, 250),
        (steps::ORDER_TIMEOUT, Failed, 50),
        (steps::PAYMENT_COMPLETED, Completed, 1_200),
        (steps::PAYMENT_CANCELLED, Compensated, 200),
        (steps::PAYMENT_REFUNDED, Compensated, 50),
    ] {
        let told = count(ends(step, status));
        assert!(
            told >= least,
            "{step} {status} in {told} of {MANY} sagas, expected {least}"
        );
    }
    let terminal = |event: &&PlannedEvent| matches!(event.status, Failed | Compensated);
    let stuck = count(|events| {
        !events.iter().any(terminal)
            && position(events, steps::ORDER_CONFIRMED, Completed).is_none()
            && position(events, steps::PAYMENT_COMPLETED, Completed).is_none()
    });
    assert!((150..500).contains(&stuck), "{stuck} of {MANY} sagas are stuck");
    let uncompensated = count(|events| {
        position(events, steps::PAYMENT_FAILED, Failed).is_some()
            && !events.iter().any(|event| event.status == Compensated)
    });
    assert!(
        uncompensated >= 50,
        "{uncompensated} failed sagas are never compensated"
    );
}

#[test]
fn services_report_in_the_orders_that_real_ones_do() {
    let both_reserve = count(|events| {
        position(events, steps::STOCK_RESERVED, Completed).is_some()
            && position(events, steps::STOCK_RESERVED, InProgress).is_some()
    });
    assert!(
        both_reserve > 1_500,
        "{both_reserve} sagas where two services report one step"
    );
    let product_first = count(|events| {
        let product = position(events, steps::STOCK_RESERVATION_FAILED, InProgress);
        product.is_some() && product < position(events, steps::STOCK_RESERVATION_FAILED, Failed)
    });
    assert!(
        product_first > 150,
        "{product_first} stock failures come from the product service first"
    );
    let released_after = count(|events| {
        let released = position(events, steps::STOCK_RELEASED, InProgress);
        released.is_some()
            && events
                .iter()
                .take(released.unwrap_or(0))
                .any(|event| event.status == Failed)
    });
    assert!(
        released_after > 250,
        "{released_after} releases come while the saga is failed"
    );
}

#[test]
fn clocks_disagree_reports_are_late_and_milliseconds_are_shared() {
    let out_of_order = count(|events| !events.is_sorted_by_key(|event| event.recorded_after_ms));
    assert!(
        (300..1_500).contains(&out_of_order),
        "{out_of_order} sagas arrive out of order"
    );
    let behind = count(|events| events.iter().any(|event| event.recorded_after_ms < 0));
    assert!(behind > 50, "{behind} sagas have a step before their start");
    let shared = count(|events| {
        let times: Vec<_> = events
            .iter()
            .map(|event| (event.recorded_after_ms, &event.event_id))
            .collect();
        let distinct: BTreeSet<_> = times.iter().collect();
        distinct
            .iter()
            .zip(distinct.iter().skip(1))
            .any(|(one, next)| one.0 == next.0)
    });
    assert!(shared > 200, "{shared} sagas have two steps in one millisecond");
    let odd = count(|events| events.iter().any(|event| event.odd_metadata.is_some()));
    assert!(
        (20..100).contains(&odd),
        "{odd} sagas have metadata that is no JSON object"
    );
}

#[test]
fn every_kind_of_poison_comes_but_not_often() {
    let poison: Vec<_> = plans()
        .into_iter()
        .flatten()
        .filter_map(|record| match record.content {
            Content::Poison(poison) => Some(poison.kind),
            Content::Event(_) | Content::Unframed(_) => None,
        })
        .collect();
    assert_eq!(
        poison.iter().copied().collect::<BTreeSet<_>>(),
        PoisonKind::ALL.into_iter().collect()
    );
    assert!(
        (60..150).contains(&poison.len()),
        "{} poison records in {MANY} sagas",
        poison.len()
    );
}

#[test]
fn the_order_of_the_readme_has_a_last_report_that_comes_seconds_late() {
    let shop = super::super::DemoSettings::default();
    let is_it = |saga: &[PlannedRecord]| {
        let events = events(saga);
        events
            .first()
            .is_some_and(|event| event.saga_id == "ORD-910a2d-000131")
    };
    let told = sagas(shop.seed).take(MANY).enumerate();
    let (number, saga) = told.into_iter().find(|(_, saga)| is_it(saga)).unwrap();
    // Sagas of the past arrive all at once.
    assert!(number >= shop.history);
    let (late, others): (Vec<_>, Vec<_>) = saga.iter().partition(|record| {
        let event = record.planned_event();
        event.is_some_and(|event| event.step == steps::COMPENSATION_STOCK)
    });
    let last = others.iter().map(|record| record.delay).max().unwrap();
    assert_eq!(late.len(), 1);
    assert!(late[0].delay > last + Duration::from_secs(5));
}
