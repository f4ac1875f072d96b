//! What is found of a saga that does not keep a rule, and how people are told of it.

use super::{ConformanceRule, Owed, Violation};
use crate::domain::definition::Target;
use crate::domain::tally::Mark;
use crate::domain::{Anomaly, EventId, Millis, SagaStatus};

/// A rule that a timeline does not keep, not told yet.
pub(super) struct Finding<'s> {
    pub(super) rule: ConformanceRule,
    /// Since when.
    pub(super) at: Millis,
    what: What<'s>,
    number: Option<u32>,
    event_id: Option<&'s EventId>,
}

/// What happened.
pub(super) enum What<'s> {
    /// It failed, and these are not undone.
    Owes(Vec<&'s Target>),
    /// A compensating step reported FAILED so often.
    CompensationFailed { step: &'s str, count: u32 },
    /// A compensating step reported the same so often.
    CompensatedTwice {
        step: &'s str,
        status: SagaStatus,
        count: u32,
    },
    /// A step came before another that should have come first.
    CameBefore { step: &'s str, lacked: &'s str },
    /// That one never came.
    CameWithout { step: &'s str, lacked: &'s str },
    /// An anomaly, in words.
    Odd(&'static str),
    /// It completed after this step was undone.
    CompletedUndone(&'s str),
    /// So many events are of steps that nobody knows, the last of this one.
    Unknown { events: u32, last: &'s str },
    /// It completed without this step.
    CompletedWithout(&'s str),
    /// The metadata of so many events does not fit; of the last its step, and why.
    Unfit { events: u32, last: &'s str },
}

impl<'s> Finding<'s> {
    /// Since an instant, by nobody knows which event.
    pub(super) fn at(rule: ConformanceRule, what: What<'s>, at: Millis) -> Self {
        Self {
            rule,
            at,
            what,
            number: None,
            event_id: None,
        }
    }

    /// By an event of the timeline.
    pub(super) fn marked(rule: ConformanceRule, what: What<'s>, mark: Mark) -> Self {
        Self {
            number: Some(mark.number),
            ..Self::at(rule, what, mark.at)
        }
    }

    /// By the event of an anomaly.
    pub(super) fn odd(rule: ConformanceRule, (anomaly, words): (&'s Anomaly, &'static str)) -> Self {
        Self {
            event_id: Some(&anomaly.event_id),
            ..Self::at(rule, What::Odd(words), anomaly.at)
        }
    }

    /// The same for people.
    pub(super) fn told(&self) -> Violation {
        Violation {
            rule: self.rule,
            message: self.what.told(),
            at: self.at,
            number: self.number,
            event_id: self.event_id.cloned(),
        }
    }
}

impl What<'_> {
    fn told(&self) -> String {
        match self {
            Self::Owes(targets) => {
                let owed: Vec<String> = targets.iter().map(|target| Owed::of(target).told()).collect();
                format!("it failed, and nothing has undone {}", owed.join("; nor "))
            }
            Self::CompensationFailed { step, count } => {
                format!("the compensating step {step} reported FAILED{}", times(*count))
            }
            Self::CompensatedTwice { step, status, count } => {
                format!("the compensating step {step} reported {status}{}", times(*count))
            }
            Self::CameBefore { step, lacked } => format!("{step} came before {lacked}"),
            Self::CameWithout { step, lacked } => format!("{step} came without {lacked}"),
            Self::Odd(words) => (*words).to_owned(),
            Self::CompletedUndone(step) => format!("it was reported complete after {step} was undone"),
            Self::Unknown { events: 1, last } => format!("the definition does not know the step {last}"),
            Self::Unknown { events, last } => {
                format!("{events} events are of steps that the definition does not know, the last of {last}")
            }
            Self::CompletedWithout(step) => format!("it completed without {step}"),
            Self::Unfit { events: 1, last } => {
                format!("metadata does not fit the schema of its step: {last}")
            }
            Self::Unfit { events, last } => {
                format!(
                    "the metadata of {events} events does not fit the schemas of their steps, the last: {last}"
                )
            }
        }
    }
}

impl Owed {
    pub(super) fn of(target: &Target) -> Self {
        Self {
            step: target.name.clone(),
            by: target.undoing.clone(),
        }
    }

    fn told(&self) -> String {
        format!("{} (awaited: {})", self.step, self.by.join(" or "))
    }
}

fn times(count: u32) -> String {
    match count {
        1 => String::new(),
        more => format!(" {more} times"),
    }
}
