//! A saga at any moment, from its deliveries, the slow and obvious way: its state, its steps, the states that it
//! went through, and how two moments differ. What the answers say otherwise is told.

use super::fold::{Expected, differs, expected, identity, place};
use crate::domain::{Event, MAX_TRACE_IDS, Millis, SagaDefinitions, SagaId, SagaState};
use crate::pipeline::query::{Moment, PastEvent, PastState, Query, QueryError, Timeline};
use std::collections::BTreeMap;
use std::ops::ControlFlow;

/// What there is to say, by name.
type Facts = Vec<(&'static str, String)>;

/// The deliveries of a saga, as they are at a moment.
struct Past<'e> {
    /// The events that stand, in order.
    timeline: Vec<Event>,
    /// Deliveries that do not.
    duplicates: Vec<&'e Event>,
    /// Those that stand, and of which another body was known.
    conflicts: Vec<(u32, u64)>,
    definitions: &'e SagaDefinitions,
}

/// The fold of what had happened and was known at a moment; `None` when the saga had not begun.
pub(crate) fn stood(deliveries: &[Event], definitions: &SagaDefinitions, moment: Moment) -> Option<Expected> {
    expected(&Past::at(deliveries, definitions, moment).timeline, definitions)
}

/// The events that had happened and were known at a moment and stand, in order.
pub(crate) fn timeline(deliveries: &[Event], definitions: &SagaDefinitions, moment: Moment) -> Vec<Event> {
    Past::at(deliveries, definitions, moment).timeline
}

impl<'e> Past<'e> {
    fn at(deliveries: &'e [Event], definitions: &'e SagaDefinitions, moment: Moment) -> Self {
        let known = |event: &&Event| moment.known_at.is_none_or(|at| event.arrived_at <= at);
        let happened = |event: &&Event| moment.as_of.is_none_or(|at| event.recorded_at <= at);
        let known: Vec<&Event> = deliveries.iter().filter(known).collect();
        let mut lowest: BTreeMap<String, &Event> = BTreeMap::new();
        for event in &known {
            let stands = lowest.entry(identity(event)).or_insert(event);
            if place(event) < place(stands) {
                *stands = event;
            }
        }
        let stands = |event: &Event| place(lowest[&identity(event)]) == place(event);
        let in_conflict = |event: &Event| {
            let same = known.iter().filter(|other| identity(other) == identity(event));
            same.into_iter().any(|other| differs(event, other))
        };
        let mut timeline: Vec<&Event> = known.iter().copied().filter(happened).collect();
        let duplicates = timeline.iter().copied().filter(|event| !stands(event)).collect();
        timeline.retain(|event| stands(event));
        timeline.sort_by_key(|event| (event.recorded_at, place(event)));
        let conflicts = timeline.iter().filter(|event| in_conflict(event));
        Self {
            conflicts: conflicts.map(|event| place(event)).collect(),
            timeline: timeline.into_iter().cloned().collect(),
            duplicates,
            definitions,
        }
    }

    /// The status after so many events, and the anomalies that came with the last of them.
    fn after(&self, events: usize) -> (String, Vec<String>) {
        let fold = |events: usize| expected(&self.timeline[..events], self.definitions);
        let before = fold(events - 1).map_or(0, |known| known.anomalies.len());
        let known = fold(events).unwrap();
        let came = known.anomalies[before..].iter().map(|(kind, ..)| kind.clone());
        (known.status.clone(), came.collect())
    }

    fn state(&self) -> Option<Facts> {
        let known = expected(&self.timeline, self.definitions)?;
        let mut since = 0;
        let mut status = String::new();
        for events in 1..=self.timeline.len() {
            let (now, _) = self.after(events);
            if now != status {
                (status, since) = (now, self.timeline[events - 1].recorded_at.0);
            }
        }
        let mut traces: Vec<&str> = Vec::new();
        for trace in self.timeline.iter().filter_map(|event| event.trace_id.as_deref()) {
            if traces.len() < MAX_TRACE_IDS && !traces.contains(&trace) {
                traces.push(trace);
            }
        }
        let failed = self
            .timeline
            .iter()
            .rfind(|event| event.status.as_str() == "FAILED");
        let reason = self.timeline.iter().rev().find_map(reason);
        let mut conflicts = self.conflicts.clone();
        conflicts.sort_unstable();
        Some(vec![
            ("status", known.status),
            ("since", since.to_string()),
            ("type", known.saga_type),
            ("order", known.order),
            ("last step", known.last_step),
            ("trace", format!("{:?}", known.trace)),
            ("traces", format!("{traces:?}")),
            (
                "failed step",
                format!("{:?}", failed.map(|event| event.step.as_str())),
            ),
            ("reason", format!("{reason:?}")),
            ("started", known.started_at.to_string()),
            ("updated", known.updated_at.to_string()),
            ("steps", known.steps.to_string()),
            ("duplicates", self.duplicates.len().to_string()),
            ("failures", known.failures.to_string()),
            ("compensations", known.compensations.to_string()),
            ("anomalies", known.anomalies.len().to_string()),
            ("first anomalies", format!("{:?}", first_64(&known.anomalies))),
            ("conflicts", conflicts.len().to_string()),
            ("first conflicts", format!("{:?}", first_64(&conflicts))),
        ])
    }

    fn steps(&self) -> Vec<String> {
        let steps = 1..=self.timeline.len();
        steps
            .map(|number| {
                let refused = self
                    .after(number)
                    .1
                    .iter()
                    .any(|kind| kind == "OPERATOR_CHANGE_REFUSED");
                format!("{number} {:?} {refused}", place(&self.timeline[number - 1]))
            })
            .collect()
    }

    /// What is worth a look about the event in that place of the timeline.
    fn remarks(&self, number: usize) -> String {
        let event = &self.timeline[number - 1];
        let mut told = Vec::new();
        let behind = self.timeline[number..].iter().map(|event| event.arrived_at.0);
        if let Some(first) = behind.min().filter(|first| *first < event.arrived_at.0) {
            told.push(format!("late {}", event.arrived_at.0 - first));
        }
        let mut kinds = self.after(number).1;
        if event.step.as_str() == "OPERATOR_STATUS_CHANGE" {
            let refused = kinds.iter().any(|kind| kind == "OPERATOR_CHANGE_REFUSED");
            told.push(format!("operator refused={refused}"));
        }
        if self.conflicts.contains(&place(event)) {
            kinds.push("EVENT_ID_CONFLICT".to_owned());
        }
        told.extend(kinds);
        told.join(", ")
    }

    /// Each state: what it is, its cause, and the remarkable events while it lasted.
    fn history(&self) -> Vec<(String, String, Vec<String>)> {
        let mut begins: Vec<(usize, String)> = Vec::new();
        for number in 1..=self.timeline.len() {
            let (status, _) = self.after(number);
            if begins.last().is_none_or(|(_, last)| *last != status) {
                begins.push((number, status));
            }
        }
        let at = |number: usize| self.timeline[number - 1].recorded_at.0;
        let state = |index: usize| {
            let (first, status) = &begins[index];
            let next = begins.get(index + 1).map(|(number, _)| *number);
            let end = next.unwrap_or(self.timeline.len() + 1);
            let until = next.map(at);
            let lasted = until.map(|until| until - at(*first));
            let told = format!(
                "{} {status} {}..{until:?} {lasted:?} events={}",
                index + 1,
                at(*first),
                end - first
            );
            let key = |event: &Event| (event.recorded_at, place(event));
            let from = (index > 0).then(|| key(&self.timeline[first - 1]));
            let to = next.map(|next| key(&self.timeline[next - 1]));
            let mut remarkable: Vec<_> = (first + 1..end)
                .map(|number| (key(&self.timeline[number - 1]), self.remarks(number)))
                .filter(|(_, told)| !told.is_empty())
                .collect();
            let meanwhile = self.duplicates.iter().map(|event| key(event)).filter(|key| {
                from.as_ref().is_none_or(|from| key > from) && to.as_ref().is_none_or(|to| key < to)
            });
            remarkable.extend(meanwhile.map(|key| (key, "duplicate".to_owned())));
            remarkable.sort();
            let cause = format!("{:?} {}", place(&self.timeline[first - 1]), self.remarks(*first));
            let remarkable = remarkable
                .iter()
                .map(|((_, place), told)| format!("{place:?} {told}"));
            (told, cause, remarkable.collect())
        };
        (0..begins.len()).map(state).collect()
    }

    fn places(&self) -> Vec<(u32, u64)> {
        self.timeline.iter().map(place).collect()
    }
}

fn first_64<T>(list: &[T]) -> &[T] {
    &list[..list.len().min(64)]
}

/// The reason for a failure that an event gives, as far as it is kept.
fn reason(event: &Event) -> Option<String> {
    let metadata: serde_json::Value = serde_json::from_str(event.metadata.as_deref()?).ok()?;
    let told = metadata.as_object()?.get("failureReason")?.as_str()?.trim();
    (!told.is_empty()).then(|| told.chars().take(200).collect())
}

fn shown(state: &SagaState) -> Facts {
    let anomalies: Vec<_> = state
        .anomalies
        .kept
        .iter()
        .map(|odd| {
            (
                odd.kind.as_str().to_owned(),
                odd.event_id.as_str().to_owned(),
                odd.at.0,
            )
        })
        .collect();
    let conflicts = state.conflicts.kept.iter().map(|conflict| conflict.position);
    let conflicts: Vec<_> = conflicts.map(|at| (at.partition, at.offset)).collect();
    let traces: Vec<&str> = state.trace_ids.0.iter().map(|trace| &**trace).collect();
    let said = |said: &Option<crate::domain::Said>| format!("{:?}", said.as_ref().map(|said| &*said.text));
    vec![
        ("status", state.status.to_string()),
        ("since", state.since.0.to_string()),
        ("type", state.saga_type.to_string()),
        ("order", state.order_id.to_string()),
        ("last step", state.last_step.to_string()),
        ("trace", format!("{:?}", state.last_trace_id.as_deref())),
        ("traces", format!("{traces:?}")),
        ("failed step", said(&state.failed_step)),
        ("reason", said(&state.failure_reason)),
        ("started", state.started_at.0.to_string()),
        ("updated", state.updated_at.0.to_string()),
        ("steps", state.step_count.to_string()),
        ("duplicates", state.duplicates.to_string()),
        ("failures", state.failures.to_string()),
        ("compensations", state.compensations.to_string()),
        ("anomalies", state.anomalies.total.to_string()),
        ("first anomalies", format!("{anomalies:?}")),
        ("conflicts", state.conflicts.total.to_string()),
        ("first conflicts", format!("{conflicts:?}")),
    ]
}

fn shown_event(event: &PastEvent) -> String {
    let mut told = Vec::new();
    told.extend(event.late_millis.map(|millis| format!("late {millis}")));
    told.extend(event.duplicate.then(|| "duplicate".to_owned()));
    let operator = event.operator.as_ref();
    told.extend(operator.map(|note| format!("operator refused={}", note.refused)));
    told.extend(event.anomalies.iter().map(|kind| kind.as_str().to_owned()));
    let at = event.place.position;
    format!("{:?} {}", (at.partition, at.offset), told.join(", "))
}

fn shown_state(state: &PastState) -> (String, String, Vec<String>) {
    let lasted = state
        .duration_millis()
        .map(|millis| i64::try_from(millis).unwrap());
    let told = format!(
        "{} {} {}..{:?} {lasted:?} events={}",
        state.number,
        state.status,
        state.from.0,
        state.until.map(|until| until.0),
        state.events
    );
    let mut remarkable: Vec<String> = state.remarkable.kept.iter().map(shown_event).collect();
    let more = state.remarkable.total as usize - remarkable.len();
    remarkable.extend((0..more).map(|_| "…".to_owned()));
    (told, shown_event(&state.cause), remarkable)
}

/// What is not told is not compared.
fn as_told(wanted: &mut [(String, String, Vec<String>)], told: &[(String, String, Vec<String>)]) {
    for (wanted, told) in wanted.iter_mut().zip(told) {
        for (wanted, told) in wanted.2.iter_mut().zip(&told.2) {
            if told == "…" {
                "…".clone_into(wanted);
            }
        }
    }
}

/// Every difference between what is answered of a saga at a moment and what its deliveries make it.
pub(crate) fn differences(
    query: &Query,
    (saga, deliveries): (&SagaId, &[Event]),
    definitions: &SagaDefinitions,
    moment: Moment,
) -> Vec<String> {
    let past = Past::at(deliveries, definitions, moment);
    let mut found = Vec::new();
    let mut compare = |what: &str, answered: String, wanted: String| {
        if answered != wanted {
            found.push(format!(
                "saga {saga:?} {moment}: {what} is {answered}, it should be {wanted}"
            ));
        }
    };
    let answered = query
        .timeline(saga, |timeline| told(timeline, moment))
        .unwrap()
        .unwrap();
    match (&answered.state, past.state()) {
        (Some(answered), Some(wanted)) => {
            for ((what, answered), (_, wanted)) in shown(answered).into_iter().zip(wanted) {
                compare(what, answered, wanted);
            }
        }
        (answered, wanted) => compare(
            "whether it had begun",
            answered.is_some().to_string(),
            wanted.is_some().to_string(),
        ),
    }
    compare(
        "the timeline",
        format!("{:?}", answered.steps),
        format!("{:?}", past.steps()),
    );
    let mut wanted = past.history();
    as_told(&mut wanted, &answered.history);
    compare(
        "the history",
        format!("{:?}", answered.history),
        format!("{wanted:?}"),
    );
    let begun = !past.timeline.is_empty();
    compare(
        "begun",
        format!("{:?}", answered.begun),
        format!("{:?}", [begun; 2]),
    );
    found
}

/// What is answered at a moment.
struct Told {
    state: Option<SagaState>,
    steps: Vec<String>,
    history: Vec<(String, String, Vec<String>)>,
    begun: [bool; 2],
}

/// Steps and history are asked for from the start, and once more from the middle on.
fn told(timeline: &mut Timeline<'_>, moment: Moment) -> Result<Told, QueryError> {
    let (mut steps, mut places, mut states, mut causes) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let begun_steps = timeline.steps(moment, None, &mut |step| {
        let at = step.event.place.position;
        steps.push(format!(
            "{} {:?} {}",
            step.number,
            (at.partition, at.offset),
            step.refused
        ));
        places.push(step.event.place);
        ControlFlow::Continue(())
    })?;
    let begun_history = timeline.history(moment, None, &mut |state| {
        states.push(shown_state(&state));
        causes.push(state.cause.place);
        ControlFlow::Continue(())
    })?;
    if let Some(middle) = places.get(places.len() / 2) {
        let mut rest = Vec::new();
        timeline.steps(moment, Some(*middle), &mut |step| {
            rest.push((step.number as usize, step.event.place));
            ControlFlow::Continue(())
        })?;
        let all = (1..).zip(places.iter().copied());
        assert!(rest.into_iter().eq(all.filter(|(_, place)| place > middle)));
    }
    if let Some(middle) = causes.get(causes.len() / 2) {
        let mut rest = Vec::new();
        timeline.history(moment, Some(*middle), &mut |state| {
            rest.push(shown_state(&state));
            ControlFlow::Continue(())
        })?;
        assert_eq!(rest, states[causes.len() / 2 + 1..]);
    }
    Ok(Told {
        state: timeline.state(moment)?,
        steps,
        history: states,
        begun: [begun_steps, begun_history],
    })
}

/// Every difference between how two moments are answered to differ and how they do.
pub(crate) fn differences_between(
    query: &Query,
    (saga, deliveries): (&SagaId, &[Event]),
    definitions: &SagaDefinitions,
    [from, to]: [Moment; 2],
) -> Vec<String> {
    let pasts = [from, to].map(|moment| Past::at(deliveries, definitions, moment));
    let [there, here] = [pasts[0].places(), pasts[1].places()];
    let only = |of: &[(u32, u64)], other: &[(u32, u64)]| -> Vec<(u32, u64)> {
        of.iter()
            .filter(|place| !other.contains(place))
            .copied()
            .collect()
    };
    let wanted = [only(&there, &here), only(&here, &there)];
    let answered = query
        .timeline(saga, |timeline| timeline.difference(from, to))
        .unwrap()
        .unwrap();
    let mut found = Vec::new();
    for (answered, wanted) in [&answered.only_from, &answered.only_to].into_iter().zip(wanted) {
        let kept = answered.kept.iter().map(|event| event.place.position);
        let kept: Vec<_> = kept.map(|at| (at.partition, at.offset)).collect();
        if answered.total as usize != wanted.len() || kept != wanted[..kept.len()] {
            found.push(format!(
                "saga {saga:?} from {from} to {to}: {} {kept:?} stand on one side alone, it should be {wanted:?}",
                answered.total
            ));
        }
    }
    for (answered, past) in [&answered.from, &answered.to].into_iter().zip(&pasts) {
        if answered.as_ref().map(shown) != past.state() {
            found.push(format!(
                "saga {saga:?} from {from} to {to}: a side has another state"
            ));
        }
    }
    found
}

/// Each event's instants, and the milliseconds beside them: those of event time, then those of arrival.
pub(crate) fn edges(deliveries: &[Event]) -> [Vec<Millis>; 2] {
    let of = |clock: fn(&Event) -> Millis| {
        let around = |event: &Event| [-1, 0, 1].map(|by| Millis(clock(event).0 + by));
        let mut edges: Vec<Millis> = deliveries.iter().flat_map(around).collect();
        edges.sort_unstable();
        edges.dedup();
        edges
    };
    [of(|event| event.recorded_at), of(|event| event.arrived_at)]
}
