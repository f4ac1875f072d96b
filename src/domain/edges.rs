//! How long it took from one step of a saga to another, of the pairs that its definition measures.

use super::definition::Named;
use super::{Mark, SagaDefinitions, SagaState, StepTally};

impl SagaDefinitions {
    /// By pair, as it is called, the milliseconds from the saga's first event of the one step to its first event of the
    /// other; only of those where that one came behind it. They must be the definitions that the state was folded under.
    pub fn edge_times(&self, state: &SagaState) -> Vec<(Box<str>, u64)> {
        let Some(definition) = self.of(&state.saga_type) else {
            return Vec::new();
        };
        let edges = definition.roles().edges.iter();
        let times = edges.filter_map(|(from, to)| {
            let (first, second) = (first_of(&state.tally, from)?, first_of(&state.tally, to)?);
            let came_behind = first.number < second.number;
            came_behind.then(|| (label(from, to), second.at.since(first.at)))
        });
        times.collect()
    }
}

/// What a pair of steps is called.
fn label(from: &Named, to: &Named) -> Box<str> {
    format!("{}>{}", from.name, to.name).into()
}

fn first_of(tally: &StepTally, step: &Named) -> Option<Mark> {
    let reports = tally.of(&step.steps).map(|reports| reports.first);
    reports.min_by_key(|mark| mark.number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Event, Millis, Position, SagaStatus, fold};
    use proptest::prelude::*;

    const MEASURED: &str = "[types.T]\ncompleting_steps = [\"DONE\"]\naliases = { ASKED_AGAIN = \"ASKED\" }\n\
                            edges = [[\"ASKED\", \"PAID\"], [\"ASKED\", \"COMPENSATION_*\"], [\"PAID\", \"ASKED\"]]\n";

    fn event(number: u64, at: i64, step: &str, status: SagaStatus) -> Event {
        let mut event = crate::testkit::event_at("s", number, step, status);
        event.position = Position::new(0, number);
        event.saga_type = "T".into();
        event.recorded_at = Millis(crate::testkit::DAY + at);
        event
    }

    fn told(events: &[Event]) -> Vec<(String, u64)> {
        let definitions = SagaDefinitions::from_toml(MEASURED).unwrap();
        let state = fold(events, &definitions).unwrap();
        let times = definitions.edge_times(&state).into_iter();
        times.map(|(label, millis)| (label.into(), millis)).collect()
    }

    #[test]
    fn time_is_measured_between_first_events_whatever_their_status_and_name() {
        use SagaStatus::{Completed, Failed, InProgress, Started};
        let events = [
            event(0, 0, "OTHER", Started),
            event(1, 100, "ASKED_AGAIN", Failed),
            event(2, 150, "ASKED", InProgress),
            event(3, 400, "PAID", Completed),
            event(4, 900, "PAID", InProgress),
            event(5, 1_100, "COMPENSATION_STOCK", InProgress),
        ];
        let expected = [
            ("ASKED>PAID".to_owned(), 300),
            ("ASKED>COMPENSATION_*".to_owned(), 1_000),
        ];
        assert_eq!(told(&events), expected);
        assert_eq!(told(&events[..3]), []);
        let mut unknown = events;
        unknown.iter_mut().for_each(|event| event.saga_type = "U".into());
        assert_eq!(told(&unknown), []);
    }

    proptest! {
        #[test]
        fn the_times_are_those_of_the_timeline_in_whatever_order_it_came(
            steps in proptest::collection::vec((0usize..4, 0i64..30), 1..30).prop_shuffle(),
        ) {
            const STEPS: [&str; 4] = ["ASKED", "PAID", "COMPENSATION_X", "OTHER"];
            let events: Vec<Event> = (0..)
                .zip(&steps)
                .map(|(n, (step, at))| event(n, *at, STEPS[*step], SagaStatus::InProgress))
                .collect();
            let mut timeline: Vec<&Event> = events.iter().collect();
            timeline.sort_by_key(|event| event.timeline_key());
            let first = |step: &str| timeline.iter().position(|event| event.step.as_str() == step);
            let mut expected = Vec::new();
            for (from, to, name) in [
                ("ASKED", "PAID", "ASKED>PAID"),
                ("ASKED", "COMPENSATION_X", "ASKED>COMPENSATION_*"),
                ("PAID", "ASKED", "PAID>ASKED"),
            ] {
                if let (Some(one), Some(other)) = (first(from), first(to)) && one < other {
                    let millis = timeline[other].recorded_at.since(timeline[one].recorded_at);
                    expected.push((name.to_owned(), millis));
                }
            }
            prop_assert_eq!(told(&events), expected);
        }
    }
}
