use crate::domain::{Event, SagaDefinition, SagaDefinitions, SagaStatus, fold};
use crate::testkit::event_at;
use proptest::prelude::*;
use proptest::sample::select;
use std::collections::{BTreeMap, BTreeSet};

const STEPS: [&str; 9] = [
    "DONE",
    "ALSO_DONE",
    "UNDO",
    "UNDO_STOCK",
    "UNDO_MONEY",
    "STOCK",
    "KNOWN",
    "STRANGE",
    "OPERATOR_STATUS_CHANGE",
];

/// Steps with a name of their own, one with another name, a pattern, and a name that the pattern fits too.
fn definitions(says_all: bool) -> SagaDefinitions {
    let mut definition = SagaDefinition::completed_by(&["DONE", "UNDO_MONEY"]);
    definition.aliases = BTreeMap::from([("ALSO_DONE".to_owned(), "DONE".to_owned())]);
    let stock = BTreeSet::from(["STOCK".to_owned()]);
    definition.compensates = BTreeMap::from([("UNDO*".to_owned(), crate::domain::definition::Undone(stock))]);
    definition.known_steps = says_all.then(|| BTreeSet::from(["KNOWN".to_owned()]));
    SagaDefinitions {
        types: BTreeMap::from([("ORDER_CREATION".to_owned(), definition)]),
        services: BTreeMap::new(),
    }
}

fn timeline(steps: &[&str]) -> Vec<Event> {
    (0..)
        .zip(steps)
        .map(|(n, step)| event_at("s", n, step, SagaStatus::InProgress))
        .collect()
}

fn told(steps: &[&str], step: &str, says_all: bool) -> Option<bool> {
    let definitions = definitions(says_all);
    let state = fold(&timeline(steps), &definitions).unwrap();
    state.reported(step, definitions.of(&state.saga_type))
}

proptest! {
    #[test]
    fn what_a_state_tells_of_a_step_is_so(
        steps in proptest::collection::vec(select(STEPS.to_vec()), 1..7), says_all: bool, defined: bool,
    ) {
        let definitions = if defined { definitions(says_all) } else { SagaDefinitions { types: BTreeMap::new(), services: BTreeMap::new() } };
        let state = fold(&timeline(&steps), &definitions).unwrap();
        for step in STEPS {
            if let Some(told) = state.reported(step, definitions.of(&state.saga_type)) {
                prop_assert_eq!(told, steps.contains(&step), "{}", step);
            }
        }
    }
}

#[test]
fn it_tells_what_it_can() {
    let behind = |step| ["KNOWN", step, "STRANGE"];
    assert_eq!(
        told(&behind("STOCK"), "STOCK", true),
        Some(true),
        "a name of its own"
    );
    assert_eq!(told(&behind("KNOWN"), "STOCK", true), Some(false));
    assert_eq!(
        told(&behind("DONE"), "DONE", true),
        None,
        "another name is counted as this one"
    );
    assert_eq!(told(&behind("KNOWN"), "ALSO_DONE", true), Some(false));
    assert_eq!(
        told(&behind("UNDO_STOCK"), "UNDO_STOCK", true),
        None,
        "counted by a pattern"
    );
    assert_eq!(told(&behind("UNDO_MONEY"), "UNDO_MONEY", true), Some(true));
    assert_eq!(
        told(&["KNOWN", "STOCK"], "STRANGE", true),
        Some(false),
        "no step was strange"
    );
    assert_eq!(
        told(&["KNOWN", "STOCK"], "STRANGE", false),
        None,
        "not all are known"
    );
    assert_eq!(
        told(&["KNOWN", "STOCK"], "KNOWN", true),
        None,
        "known, but not counted"
    );
    assert_eq!(
        told(&["KNOWN", "STRANGE"], "STRANGE", false),
        Some(true),
        "the last one"
    );
    assert_eq!(
        told(&["KNOWN"], "STRANGE", false),
        Some(false),
        "the only one is another"
    );
    assert_eq!(
        told(&behind("STOCK"), "OPERATOR_STATUS_CHANGE", true),
        None,
        "never counted"
    );
}
