//! How a saga's timeline agrees with its definition: a function of its state, computed when somebody asks.

use super::definition::{Named, Roles, Target};
use super::tally::{Mark, Reports};
use super::{AnomalyKind, EventId, Millis, SagaDefinition, SagaState, SagaStatus};
use SagaStatus::{Compensated, Completed, Failed, InProgress, Started};

/// What a definition asks of a timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ConformanceRule {
    /// What was done before the saga failed is undone.
    NeverCompensated,
    /// A compensating step does not fail.
    CompensationFailed,
    /// A step is undone once.
    CompensatedTwice,
    /// Steps come in their order.
    OutOfOrder,
    /// What was undone does not complete.
    SuccessAfterCompensation,
    /// Nothing comes after the end.
    ActivityAfterEnd,
    /// Every step is known.
    UnknownStep,
    /// A completed saga has all of its steps.
    MissingStep,
}

impl ConformanceRule {
    /// All rules.
    pub const ALL: [Self; 8] = [
        Self::NeverCompensated,
        Self::CompensationFailed,
        Self::CompensatedTwice,
        Self::OutOfOrder,
        Self::SuccessAfterCompensation,
        Self::ActivityAfterEnd,
        Self::UnknownStep,
        Self::MissingStep,
    ];

    /// The name in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NeverCompensated => "NEVER_COMPENSATED",
            Self::CompensationFailed => "COMPENSATION_FAILED",
            Self::CompensatedTwice => "COMPENSATED_TWICE",
            Self::OutOfOrder => "OUT_OF_ORDER",
            Self::SuccessAfterCompensation => "SUCCESS_AFTER_COMPENSATION",
            Self::ActivityAfterEnd => "ACTIVITY_AFTER_END",
            Self::UnknownStep => "UNKNOWN_STEP",
            Self::MissingStep => "MISSING_STEP",
        }
    }
}

/// A rule that a timeline does not keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The rule.
    pub rule: ConformanceRule,
    /// What happened, for people.
    pub message: String,
    /// Since when.
    pub at: Millis,
    /// The number in the timeline of the event that broke it, where that is known.
    pub number: Option<u32>,
    /// That event's id, where that is known.
    pub event_id: Option<EventId>,
}

/// How far what a saga did before it failed is undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CompensationState {
    /// The saga has not failed.
    NotNeeded,
    /// It failed before anything was done that can be undone.
    NothingToCompensate,
    /// It failed, and something is not undone.
    Owed,
    /// All is undone that was done before it failed, or the saga says so.
    Compensated,
    /// The saga says that it is compensated, and something is not undone.
    PartlyCompensated,
}

impl CompensationState {
    /// The name in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotNeeded => "NOT_NEEDED",
            Self::NothingToCompensate => "NOTHING_TO_COMPENSATE",
            Self::Owed => "OWED",
            Self::Compensated => "COMPENSATED",
            Self::PartlyCompensated => "PARTLY_COMPENSATED",
        }
    }
}

/// A step that was done before the saga failed, and is not undone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owed {
    /// The step, or its pattern.
    pub step: String,
    /// The steps that would undo it.
    pub by: Vec<String>,
}

/// The compensation of a saga.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compensation {
    /// How far it is.
    pub state: CompensationState,
    /// What is not undone.
    pub owed: Vec<Owed>,
}

/// How far what a saga did before it failed is undone. A step was done when it was reported IN_PROGRESS or
/// COMPLETED (STARTED says that it was begun); it is undone when a step that compensates it was reported, whatever
/// its status, or when it was reported COMPENSATED itself.
pub fn compensation(state: &SagaState, definition: &SagaDefinition) -> Compensation {
    let targets = || definition.roles().targets.iter();
    let done = || targets().filter(|target| done_before_failure(state, target));
    let owed: Vec<Owed> = done()
        .filter(|target| !is_undone(state, target))
        .map(|target| Owed {
            step: target.name.clone(),
            by: target.undoing.clone(),
        })
        .collect();
    let state = match state.status {
        Failed if !owed.is_empty() => CompensationState::Owed,
        Failed if done().next().is_none() => CompensationState::NothingToCompensate,
        Compensated if !owed.is_empty() => CompensationState::PartlyCompensated,
        Failed | Compensated => CompensationState::Compensated,
        Started | InProgress | Completed => CompensationState::NotNeeded,
    };
    let owed = if state == CompensationState::NotNeeded {
        Vec::new()
    } else {
        owed
    };
    Compensation { state, owed }
}

fn done_before_failure(state: &SagaState, target: &Target) -> bool {
    let mut reports = state.tally.of(&target.done_by);
    reports.any(|reports| is_done(reports) && reports.first.number < state.tally.failed_by)
}

fn is_done(reports: &Reports) -> bool {
    matches!(reports.status, InProgress | Completed)
}

fn is_undone(state: &SagaState, target: &Target) -> bool {
    let itself = |reports: &Reports| reports.status == Compensated;
    state.tally.of(&target.undone_by).next().is_some() || state.tally.of(&target.done_by).any(itself)
}

/// The rules of its definition that a saga's timeline does not keep, in the order of the rules.
pub fn conformance(state: &SagaState, definition: &SagaDefinition) -> Vec<Violation> {
    let judged = Judged {
        state,
        roles: definition.roles(),
    };
    let mut found = Vec::new();
    found.extend(judged.never_compensated(definition));
    found.extend(judged.compensations_failed());
    found.extend(judged.compensated_twice());
    found.extend(judged.out_of_order());
    found.extend(judged.success_after_compensation());
    found.extend(judged.activity_after_end());
    found.extend(judged.unknown_step());
    found.extend(judged.missing_steps());
    found
}

struct Judged<'s> {
    state: &'s SagaState,
    roles: &'s Roles,
}

impl<'s> Judged<'s> {
    fn never_compensated(&self, definition: &SagaDefinition) -> Option<Violation> {
        let Compensation { state, owed } = compensation(self.state, definition);
        if state != CompensationState::Owed {
            return None;
        }
        let owed: Vec<String> = owed.iter().map(Owed::told).collect();
        let message = format!("it failed, and nothing has undone {}", owed.join("; nor "));
        let number = Some(self.state.tally.failed_by);
        Some(violation(
            ConformanceRule::NeverCompensated,
            message,
            (self.state.since, number),
        ))
    }

    fn compensations_failed(&self) -> impl Iterator<Item = Violation> + 's {
        let roles = self.roles;
        let failed = self.state.tally.of(&roles.compensating);
        failed.filter(|reports| reports.status == Failed).map(|reports| {
            let message = format!(
                "the compensating step {} reported FAILED{}",
                roles.name(reports.step),
                times(reports.count)
            );
            marked(ConformanceRule::CompensationFailed, message, reports.last)
        })
    }

    /// Once for each time that the saga failed is as it should be. One step that is reported by two services, or
    /// first under way and then done, has different statuses.
    fn compensated_twice(&self) -> impl Iterator<Item = Violation> + 's {
        let (roles, meant) = (self.roles, self.state.failures.max(1));
        let reported = self.state.tally.reports.iter();
        let twice = reported.filter(move |reports| {
            let undone = matches!(reports.status, InProgress | Completed | Compensated);
            undone && reports.count > meant && roles.undoes(reports.step)
        });
        twice.map(|reports| {
            let (step, status) = (roles.name(reports.step), reports.status);
            let message = format!(
                "the compensating step {step} reported {status}{}",
                times(reports.count)
            );
            marked(ConformanceRule::CompensatedTwice, message, reports.last)
        })
    }

    fn out_of_order(&self) -> impl Iterator<Item = Violation> + 's {
        let state = self.state;
        self.roles.order.iter().filter_map(move |(before, after)| {
            let later = first_come(state, after)?;
            let what = match first_come(state, before) {
                Some(earlier) if earlier.number > later.number => "came before",
                None => "came without",
                Some(_) => return None,
            };
            let message = format!("{} {what} {}", after.name, before.name);
            Some(marked(ConformanceRule::OutOfOrder, message, later))
        })
    }

    fn success_after_compensation(&self) -> Vec<Violation> {
        let of_events = self.anomalies(|kind| kind == AnomalyKind::CompletedAfterCompensated);
        let mut found: Vec<Violation> = of_events
            .map(|(at, event_id)| Violation {
                event_id: Some(event_id),
                ..violation(
                    ConformanceRule::SuccessAfterCompensation,
                    "it was reported complete after it was compensated".to_owned(),
                    (at, None),
                )
            })
            .collect();
        if found.is_empty() {
            found.extend(self.completed_undone());
        }
        found
    }

    /// The saga completed behind a step that undid one that was not done again.
    fn completed_undone(&self) -> Option<Violation> {
        let tally = &self.state.tally;
        let completed = self
            .roles
            .completing
            .iter()
            .flat_map(|step| tally.of(&step.steps));
        let completed = completed.filter(|reports| reports.status == Completed);
        let completed = completed
            .map(|reports| reports.last)
            .max_by_key(|mark| mark.number)?;
        let stays_undone = |target: &&Target| {
            let undone = tally.of(&target.undone_by).filter(|reports| self.undid(reports));
            let undone = undone.map(|reports| reports.last.number).max().unwrap_or(0);
            let done = tally.of(&target.done_by).filter(|reports| is_done(reports));
            let done = done.map(|reports| reports.last.number).max().unwrap_or(0);
            done < undone && undone < completed.number
        };
        let target = self.roles.targets.iter().find(stays_undone)?;
        let message = format!("it was reported complete after {} was undone", target.name);
        Some(marked(
            ConformanceRule::SuccessAfterCompensation,
            message,
            completed,
        ))
    }

    /// Whether a compensating step says that it did its work, by its status.
    fn undid(&self, reports: &Reports) -> bool {
        match reports.status {
            Started => false,
            Failed => !self.roles.compensating.contains(&reports.step),
            InProgress | Completed | Compensated => true,
        }
    }

    fn activity_after_end(&self) -> impl Iterator<Item = Violation> + 's {
        use AnomalyKind as A;
        let kept = self.state.anomalies.kept.iter();
        kept.filter_map(|anomaly| {
            let message = match anomaly.kind {
                A::StartedAfterCompleted => "STARTED was reported after it completed",
                A::ProgressAfterCompleted => "IN_PROGRESS was reported after it completed",
                A::FailedAfterCompleted => "FAILED was reported after it completed",
                A::StartedAfterCompensated => "STARTED was reported after it was compensated",
                A::FailedAfterCompensated => "FAILED was reported after it was compensated",
                _ => return None,
            };
            Some(Violation {
                event_id: Some(anomaly.event_id.clone()),
                ..violation(
                    ConformanceRule::ActivityAfterEnd,
                    message.to_owned(),
                    (anomaly.at, None),
                )
            })
        })
    }

    fn anomalies(
        &self,
        which: impl Fn(AnomalyKind) -> bool + 's,
    ) -> impl Iterator<Item = (Millis, EventId)> + 's {
        let kept = self.state.anomalies.kept.iter();
        kept.filter(move |anomaly| which(anomaly.kind))
            .map(|anomaly| (anomaly.at, anomaly.event_id.clone()))
    }

    fn unknown_step(&self) -> Option<Violation> {
        let tally = &self.state.tally;
        let last = tally.last_strange.as_ref()?;
        let message = match tally.strange {
            1 => format!("the definition does not know the step {}", last.text),
            more => format!(
                "{more} events are of steps that the definition does not know, the last of {}",
                last.text
            ),
        };
        let at = last.place.recorded_at;
        Some(violation(ConformanceRule::UnknownStep, message, (at, None)))
    }

    fn missing_steps(&self) -> impl Iterator<Item = Violation> + 's {
        let state = self.state;
        let expected = self
            .roles
            .expected
            .iter()
            .filter(move |_| state.status == Completed);
        let missing = expected.filter(move |step| first_come(state, step).is_none());
        missing.map(move |step| {
            let message = format!("it completed without {}", step.name);
            violation(ConformanceRule::MissingStep, message, (state.since, None))
        })
    }
}

impl Owed {
    fn told(&self) -> String {
        format!("{} (awaited: {})", self.step, self.by.join(" or "))
    }
}

/// When a step came first; that it failed is no coming.
pub(super) fn first_come(state: &SagaState, step: &Named) -> Option<Mark> {
    let reports = state
        .tally
        .of(&step.steps)
        .filter(|reports| reports.status != Failed);
    reports
        .map(|reports| reports.first)
        .min_by_key(|mark| mark.number)
}

fn times(count: u32) -> String {
    match count {
        1 => String::new(),
        more => format!(" {more} times"),
    }
}

fn marked(rule: ConformanceRule, message: String, mark: Mark) -> Violation {
    violation(rule, message, (mark.at, Some(mark.number)))
}

fn violation(rule: ConformanceRule, message: String, (at, number): (Millis, Option<u32>)) -> Violation {
    Violation {
        rule,
        message,
        at,
        number,
        event_id: None,
    }
}

#[cfg(test)]
mod tests;
