//! What is added to the past, so that every view has something to show at once: a service that leaves the frame out for
//! a while, the alert that fires over it, and a compensation that is reported while somebody looks.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use saga_tracker_sdk::contract::SagaStatus::{Compensated, Failed};
use saga_tracker_sdk::contract::{SagaType, steps};
use serde_json::{Map, Value, json};

use super::record::{Content, PlannedEvent, PlannedRecord};

/// How long before now confirmations began to come without the frame.
const OUTAGE_BEGAN: SignedDuration = SignedDuration::from_mins(50);

/// And how long before now that was over.
const OUTAGE_ENDED: SignedDuration = SignedDuration::from_mins(30);

/// How long sagas are stuck before the alert fires.
const ALERT_AFTER: SignedDuration = SignedDuration::from_mins(5);

/// How long after the start the late report comes.
const LATE: Duration = Duration::from_secs(10);

/// How long before that report the tour looks.
const BEFORE_LATE: Duration = Duration::from_secs(2);

/// A record, and when its saga began.
pub(super) type Past = (Timestamp, PlannedRecord);

/// What was staged.
#[derive(Debug)]
pub(super) struct Staged {
    /// The report that was taken out of the past, and when it comes instead, counted from the start.
    pub(super) late: Option<(Duration, Past)>,
    unframed: usize,
    alert_since: Timestamp,
}

/// What a newcomer is shown first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tour {
    /// A report that comes late; none when no saga of the past was compensated.
    pub late: Option<LateReport>,
    /// How many reports came without the frame: dead letters that a redrive with the schema's id mends.
    pub unframed: usize,
    /// Since when the alert fires.
    pub alert_since: Timestamp,
}

/// A saga that has failed, until its compensation is reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LateReport {
    /// Which saga.
    pub saga_id: String,
    /// An instant before the report comes.
    pub known_at: Timestamp,
}

/// Changes the past, as it is seen from now.
pub(super) fn stage(past: &mut Vec<Past>, now: Timestamp) -> Staged {
    Staged {
        unframed: leave_frames_out(past, now),
        late: hold_back(past).map(|held| (LATE, held)),
        alert_since: now - OUTAGE_BEGAN + ALERT_AFTER,
    }
}

impl Staged {
    /// What there is to see, of a run that starts now.
    pub(super) fn tour(&self, now: Timestamp) -> Tour {
        let late = self.late.as_ref().and_then(|(at, (_, record))| {
            Some(LateReport {
                saga_id: record.planned_event()?.saga_id.clone(),
                known_at: now + at.saturating_sub(BEFORE_LATE),
            })
        });
        Tour {
            late,
            unframed: self.unframed,
            alert_since: self.alert_since,
        }
    }
}

impl Tour {
    /// The alert, as Alertmanager sends it: orders stay where they are, because their confirmations are dead letters.
    pub fn alerts(&self) -> Map<String, Value> {
        let saga_type = SagaType::OrderCreation.to_string();
        let alert = json!({
            "status": "firing",
            "labels": {
                "alertname": "SagaPastDeadline",
                "saga_type": saga_type,
                "severity": "warning",
                "subject": "sagas",
            },
            "annotations": {
                "summary": format!("Sagas of type {saga_type} are stuck"),
                "description": format!("{saga_type} sagas are under way past the deadline of their definition."),
            },
            "startsAt": self.alert_since.to_string(),
            "fingerprint": "demo",
        });
        Map::from_iter([
            ("version".to_owned(), json!("4")),
            ("receiver".to_owned(), json!("demo")),
            ("alerts".to_owned(), json!([alert])),
        ])
    }
}

/// For a while the order service was deployed without its serializer. How many of its reports that spoiled.
fn leave_frames_out(past: &mut [Past], now: Timestamp) -> usize {
    let outage = (now - OUTAGE_BEGAN)..(now - OUTAGE_ENDED);
    let mut spoiled = 0;
    for (start, record) in past {
        if !outage.contains(&(*start + record.delay)) {
            continue;
        }
        if let Content::Event(event) = &record.content
            && event.step == steps::ORDER_CONFIRMED
        {
            record.content = Content::Unframed(event.clone());
            spoiled += 1;
        }
    }
    spoiled
}

/// Takes out the last report of a compensation without which its saga is one that failed.
fn hold_back(past: &mut Vec<Past>) -> Option<Past> {
    let all = past.as_slice();
    let at = all.iter().rposition(|(_, record)| {
        let event = record.planned_event();
        event.is_some_and(|event| event.status == Compensated && is_the_turn(event, all))
    })?;
    Some(past.remove(at))
}

/// Whether that compensation alone makes a failed order a compensated one, by what services report.
fn is_the_turn(event: &PlannedEvent, past: &[Past]) -> bool {
    let of_saga = |(_, record): &Past| {
        let other = record
            .planned_event()
            .filter(|other| other.saga_id == event.saga_id)?;
        Some((other.status, other.recorded_after_ms))
    };
    let reports: Vec<_> = past.iter().filter_map(of_saga).collect();
    let others = || reports.iter().filter(|(status, _)| *status != Compensated);
    event.saga_type == SagaType::OrderCreation
        && others().count() + 1 == reports.len()
        && others().any(|(status, _)| *status == Failed)
        && others().all(|(_, at)| *at < event.recorded_after_ms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::demo::sagas;

    fn now() -> Timestamp {
        "2026-01-02T03:04:05Z".parse().unwrap()
    }

    /// One saga a minute, the last one a minute ago.
    fn past(minutes: i32) -> Vec<Past> {
        let starts = (1..=minutes)
            .rev()
            .map(|ago| now() - SignedDuration::from_mins(1) * ago);
        let told = starts.zip(sagas(1));
        told.flat_map(|(start, records)| records.into_iter().map(move |record| (start, record)))
            .collect()
    }

    #[test]
    fn confirmations_of_the_outage_lack_the_frame_and_nothing_else_does() {
        let mut past = past(120);
        let staged = stage(&mut past, now());
        let unframed: Vec<_> = past
            .iter()
            .filter_map(|(start, record)| match &record.content {
                Content::Unframed(event) => Some((*start + record.delay, event.step)),
                _ => None,
            })
            .collect();
        assert!(unframed.len() > 3, "{unframed:?}");
        assert_eq!(staged.tour(now()).unframed, unframed.len());
        for (at, step) in unframed {
            assert_eq!(step, steps::ORDER_CONFIRMED);
            let ago = now().duration_since(at);
            assert!(ago <= OUTAGE_BEGAN && ago > OUTAGE_ENDED, "{ago}");
        }
    }

    #[test]
    fn the_report_that_is_held_back_is_one_compensation_of_a_failed_order() {
        let mut past = past(120);
        let before = past.len();
        let staged = stage(&mut past, now());
        let tour = staged.tour(now());
        let (_, (_, held)) = staged.late.unwrap();
        let held = held.planned_event().unwrap().clone();
        assert_eq!(past.len() + 1, before);
        assert_eq!(held.status, Compensated);
        let others: Vec<_> = past
            .iter()
            .filter_map(|(_, record)| record.planned_event())
            .filter(|event| event.saga_id == held.saga_id)
            .map(|event| event.status)
            .collect();
        assert!(
            others.contains(&Failed) && !others.contains(&Compensated),
            "{others:?}"
        );
        let late = tour.late.unwrap();
        assert_eq!(late.saga_id, held.saga_id);
        assert_eq!(late.known_at, now() + (LATE - BEFORE_LATE));
    }

    #[test]
    fn without_a_past_nothing_is_staged() {
        let staged = stage(&mut Vec::new(), now());
        let tour = staged.tour(now());
        assert_eq!((tour.late, tour.unframed), (None, 0));
    }
}
