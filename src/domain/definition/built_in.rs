//! The definitions that hold where nobody gave others.

use super::{SagaDefinition, SagaDefinitions, Undone};
use saga_tracker_sdk::contract::steps;
use std::collections::BTreeMap;

/// Names that the naming guide had before the services settled on others.
const ALIASES: [(&str, &str); 2] = [
    ("ORDER_CONFIRMATION", steps::ORDER_CONFIRMED),
    ("PAYMENT_COMPLETION", steps::PAYMENT_COMPLETED),
];

/// What is paid for is not called off any more but paid back, which settles both steps.
const PAYMENT: [(&str, &[&str]); 2] = [
    (steps::PAYMENT_CANCELLED, &[steps::PAYMENT_INITIALIZED]),
    (
        steps::PAYMENT_REFUNDED,
        &[steps::PAYMENT_INITIALIZED, steps::PAYMENT_COMPLETED],
    ),
];

const ORDER: [(&str, &[&str]); 5] = [
    (steps::STOCK_RELEASED, &[steps::STOCK_RESERVED]),
    (steps::COMPENSATION_STOCK, &[steps::STOCK_RESERVED]),
    (
        steps::COMPENSATION_PAYMENT,
        &[steps::PAYMENT_INITIALIZED, steps::PAYMENT_COMPLETED],
    ),
    (steps::ORDER_CANCELLED, &[steps::ORDER_CREATED]),
    (steps::COMPENSATION_ORDER, &[steps::ORDER_CREATED]),
];

/// Compensates, though nobody knows what.
const ANY_OTHER: (&str, &[&str]) = ("COMPENSATION_*", &[]);

impl Default for SagaDefinitions {
    /// The two types of the contract.
    fn default() -> Self {
        let mut order = define(steps::ORDER_CONFIRMED, ORDER.into_iter().chain(PAYMENT));
        order.failing_steps.insert(steps::ORDER_CANCELLED.to_owned());
        let payment = define(steps::PAYMENT_COMPLETED, PAYMENT);
        Self {
            types: BTreeMap::from([
                ("ORDER_CREATION".to_owned(), order),
                ("PAYMENT_COMPLETION".to_owned(), payment),
            ]),
            services: BTreeMap::new(),
        }
    }
}

fn define(
    completing: &str,
    compensates: impl IntoIterator<Item = (&'static str, &'static [&'static str])>,
) -> SagaDefinition {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let compensates = compensates.into_iter().chain([ANY_OTHER]);
    SagaDefinition {
        aliases: ALIASES
            .iter()
            .map(|(name, of)| ((*name).to_owned(), (*of).to_owned()))
            .collect(),
        compensates: compensates
            .map(|(undo, done)| (undo.to_owned(), Undone(owned(done))))
            .collect(),
        known_steps: Some(steps::ALL.iter().map(|step| (*step).to_owned()).collect()),
        ..SagaDefinition::completed_by(&[completing])
    }
}
