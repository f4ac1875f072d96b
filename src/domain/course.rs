//! Which event of a saga undid which by its definition, what is owed still, and which steps were not reached: a
//! function of its state.

use super::conformance::{first_come, is_done, is_owed, owes};
use super::definition::{Named, Target};
use super::stuck::after;
use super::{Millis, SagaDefinition, SagaState, SagaStatus};

/// An event that can be undone, and what undid it (an *arc* in answers).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undoing {
    /// The number of the event that is undone.
    pub from: u32,
    /// The number of the event that undid it; `None` while that is owed.
    pub to: Option<u32>,
    /// The step of the first one, as the definition names it.
    pub step: String,
    /// Until when it has to be undone; `None` where nothing is owed, or no time runs.
    pub due: Option<Millis>,
}

/// A step that has not come (a *ghost* in answers).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreached {
    /// The step, as the definition names it.
    pub step: String,
    /// Until when the saga has to have ended; `None` when it has.
    pub due: Option<Millis>,
}

/// What was undone by what, in the order of what was undone; and what is owed.
pub fn undoings(state: &SagaState, definition: &SagaDefinition) -> Vec<Undoing> {
    let targets = definition.roles().targets.iter();
    let mut found: Vec<Undoing> = targets
        .flat_map(|target| of_target(state, definition, target))
        .collect();
    found.sort_by_key(|undoing| (undoing.from, undoing.to));
    found
}

fn of_target<'s>(
    state: &'s SagaState,
    definition: &'s SagaDefinition,
    target: &'s Target,
) -> impl Iterator<Item = Undoing> + 's {
    let owed = owes(state) && is_owed(state, target);
    target.done_by.iter().filter_map(move |step| {
        let of_step = || {
            state
                .tally
                .reports
                .iter()
                .filter(move |reports| reports.step == *step)
        };
        let done = of_step().filter(|reports| is_done(reports));
        let from = done.map(|reports| reports.first.number).min()?;
        let itself = of_step().filter(|reports| reports.status == SagaStatus::Compensated);
        let undone: Vec<_> = state.tally.of(&target.undone_by).chain(itself).collect();
        let behind = |number: &u32| *number > from;
        let first = undone
            .iter()
            .map(|reports| reports.first.number)
            .filter(behind)
            .min();
        let last = || {
            undone
                .iter()
                .map(|reports| reports.last.number)
                .filter(behind)
                .max()
        };
        let to = first.or_else(last);
        if to.is_none() && !owed {
            return None;
        }
        let runs = to.is_none() && state.status == SagaStatus::Failed;
        Some(Undoing {
            from,
            to,
            step: definition.roles().name(*step).to_owned(),
            due: runs.then(|| after(state.since, definition.compensation_seconds)),
        })
    })
}

/// The steps that the definition expects and that have not come; of a saga that has not completed, what completes it
/// as well.
pub fn unreached(state: &SagaState, definition: &SagaDefinition) -> Vec<Unreached> {
    let roles = definition.roles();
    let is_missing = |step: &&Named| first_come(state, step).is_none();
    let completes =
        state.status != SagaStatus::Completed && roles.completing.iter().all(|step| is_missing(&step));
    let completing = roles.completing.iter().filter(|_| completes);
    let due = matches!(state.status, SagaStatus::Started | SagaStatus::InProgress)
        .then(|| after(state.started_at, definition.deadline_seconds));
    let mut found: Vec<Unreached> = Vec::new();
    for step in roles.expected.iter().filter(is_missing).chain(completing) {
        if found.iter().all(|other| other.step != step.name) {
            let step = step.name.clone();
            found.push(Unreached { step, due });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Event, SagaDefinitions, fold};
    use crate::testkit::event_at;
    use SagaStatus::{Compensated, Completed, Failed, InProgress, Started};

    fn definition() -> SagaDefinition {
        let mut definition = SagaDefinition::completed_by(&["CONFIRMED"]);
        let undo = |steps: &[&str]| {
            super::super::definition::Undone(steps.iter().map(|step| (*step).to_owned()).collect())
        };
        definition.compensates = [
            ("RELEASED".to_owned(), undo(&["RESERVED"])),
            ("CANCELLED".to_owned(), undo(&["CREATED"])),
        ]
        .into();
        definition.expected_steps = ["CREATED", "RESERVED", "PAID"].map(str::to_owned).into();
        definition.compensation_seconds = 10;
        definition.deadline_seconds = 60;
        definition
    }

    fn state(steps: &[(&str, SagaStatus)]) -> SagaState {
        let definitions = SagaDefinitions {
            types: [("ORDER_CREATION".to_owned(), definition())].into(),
            services: Default::default(),
        };
        let events: Vec<Event> = (0u64..)
            .zip(steps)
            .map(|(n, (step, status))| event_at("s", n, step, *status))
            .collect();
        fold(&events, &definitions).unwrap()
    }

    fn told(steps: &[(&str, SagaStatus)]) -> String {
        let state = state(steps);
        let arcs = undoings(&state, &definition());
        let arcs = arcs.iter().map(|it| {
            let due = it.due.map(|due| due.0 - state.since.0);
            format!("{} {}→{:?} {due:?}", it.step, it.from, it.to)
        });
        let ghosts = unreached(&state, &definition());
        let ghosts = ghosts.iter().map(|it| {
            let due = it.due.map(|due| due.0 - state.started_at.0);
            format!("{} {due:?}", it.step)
        });
        format!(
            "{} | {}",
            arcs.collect::<Vec<_>>().join(", "),
            ghosts.collect::<Vec<_>>().join(", ")
        )
    }

    #[test]
    fn what_was_undone_has_its_event_and_what_is_owed_its_time() {
        let failed = [("CREATED", InProgress), ("RESERVED", Completed), ("PAID", Failed)];
        assert_eq!(
            told(&failed),
            "CREATED 1→None Some(10000), RESERVED 2→None Some(10000) | PAID None, CONFIRMED None"
        );
        let half = [&failed[..], &[("RELEASED", InProgress)]].concat();
        assert_eq!(
            told(&half),
            "CREATED 1→None Some(10000), RESERVED 2→Some(4) None | PAID None, CONFIRMED None"
        );
        let whole = [&half[..], &[("CANCELLED", Compensated)]].concat();
        assert_eq!(
            told(&whole),
            "CREATED 1→Some(5) None, RESERVED 2→Some(4) None | PAID None, CONFIRMED None"
        );
    }

    #[test]
    fn a_step_that_was_only_begun_is_not_undone() {
        assert_eq!(
            told(&[("CREATED", Started), ("RESERVED", Failed)]),
            " | RESERVED None, PAID None, CONFIRMED None"
        );
    }

    #[test]
    fn a_saga_under_way_waits_until_its_deadline_and_one_that_completed_lacks_only_what_it_should_have_had() {
        assert_eq!(
            told(&[("CREATED", InProgress)]),
            " | RESERVED Some(60000), PAID Some(60000), CONFIRMED Some(60000)"
        );
        assert_eq!(
            told(&[
                ("CREATED", InProgress),
                ("RESERVED", InProgress),
                ("CONFIRMED", Completed)
            ]),
            " | PAID None"
        );
    }
}
