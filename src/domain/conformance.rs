//! How a saga's timeline agrees with its definition: a function of its state. What is said of it is in `finding`.

mod finding;

use super::definition::{Named, Roles, Target};
use super::tally::{Mark, Reports};
use super::{Anomaly, AnomalyKind, EventId, Millis, SagaDefinition, SagaState, SagaStatus};
use SagaStatus::{Compensated, Completed, Failed, InProgress, Started};
use finding::{Finding, What};

/// What a definition asks of a timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum ConformanceRule {
    /// What was done before the saga failed is undone.
    NeverCompensated = 0,
    /// A compensating step does not fail.
    CompensationFailed = 1,
    /// A step is undone once.
    CompensatedTwice = 2,
    /// Steps come in their order.
    OutOfOrder = 3,
    /// What was undone does not complete.
    SuccessAfterCompensation = 4,
    /// Nothing comes after the end.
    ActivityAfterEnd = 5,
    /// Every step is known.
    UnknownStep = 6,
    /// A completed saga has all of its steps.
    MissingStep = 7,
    /// Metadata fits the schema of its step.
    InvalidMetadata = 8,
}

impl ConformanceRule {
    /// All rules.
    pub const ALL: [Self; 9] = [
        Self::NeverCompensated,
        Self::CompensationFailed,
        Self::CompensatedTwice,
        Self::OutOfOrder,
        Self::SuccessAfterCompensation,
        Self::ActivityAfterEnd,
        Self::UnknownStep,
        Self::MissingStep,
        Self::InvalidMetadata,
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
            Self::InvalidMetadata => "INVALID_METADATA",
        }
    }

    /// The rule with that name in answers.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|rule| rule.as_str() == name)
    }

    /// The number that keys carry. Never reused.
    pub const fn tag(self) -> u8 {
        self as u8
    }

    /// The rule with that [`tag`](Self::tag).
    pub fn from_tag(tag: u8) -> Option<Self> {
        Self::ALL.get(usize::from(tag)).copied()
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
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::NotNeeded,
        Self::NothingToCompensate,
        Self::Owed,
        Self::Compensated,
        Self::PartlyCompensated,
    ];

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

    /// The one with that name in answers.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }

    /// The status of all sagas that it is told of, if they have one.
    pub const fn status(self) -> Option<SagaStatus> {
        match self {
            Self::NothingToCompensate | Self::Owed => Some(Failed),
            Self::PartlyCompensated => Some(Compensated),
            Self::NotNeeded | Self::Compensated => None,
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
    let roles = definition.roles();
    let owed: Vec<Owed> = not_undone(state, roles).map(Owed::of).collect();
    let state = match state.status {
        Failed if !owed.is_empty() => CompensationState::Owed,
        Failed if done(state, roles).next().is_none() => CompensationState::NothingToCompensate,
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

/// Whether a saga failed before anything was done that can be undone: [`CompensationState::NothingToCompensate`],
/// without a look at what is owed.
pub fn has_nothing_to_compensate(state: &SagaState, definition: &SagaDefinition) -> bool {
    state.status == Failed && done(state, definition.roles()).next().is_none()
}

/// What can be undone and was done before the saga failed.
fn done<'s>(state: &'s SagaState, roles: &'s Roles) -> impl Iterator<Item = &'s Target> {
    let targets = roles.targets.iter();
    targets.filter(move |target| done_before_failure(state, target))
}

/// And is not undone.
fn not_undone<'s>(state: &'s SagaState, roles: &'s Roles) -> impl Iterator<Item = &'s Target> {
    done(state, roles).filter(move |target| !is_undone(state, target))
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
    findings(state, definition).iter().map(Finding::told).collect()
}

/// The same without words: each rule once, with the last time that it was broken. Where all are kept, as they
/// mostly are, nothing is allocated: it is asked for at every change of a saga.
pub fn broken_rules(state: &SagaState, definition: &SagaDefinition) -> Vec<(ConformanceRule, Millis)> {
    let mut broken: Vec<(ConformanceRule, Millis)> = Vec::new();
    for finding in findings(state, definition) {
        match broken.last_mut() {
            Some((rule, at)) if *rule == finding.rule => *at = finding.at.max(*at),
            _ => broken.push((finding.rule, finding.at)),
        }
    }
    broken
}

/// How often compensating steps, whose FAILED is not meant to be, reported FAILED.
pub fn failed_compensations(state: &SagaState, definition: &SagaDefinition) -> u32 {
    let failed = of_failed_compensations(state, definition.roles());
    failed.fold(0, |sum, reports| sum.saturating_add(reports.count))
}

fn of_failed_compensations<'s>(state: &'s SagaState, roles: &'s Roles) -> impl Iterator<Item = &'s Reports> {
    let failed = state.tally.of(&roles.compensating);
    failed.filter(|reports| reports.status == Failed)
}

fn findings<'s>(state: &'s SagaState, definition: &'s SagaDefinition) -> Vec<Finding<'s>> {
    let judged = Judged {
        state,
        roles: definition.roles(),
    };
    let mut found = Vec::new();
    found.extend(judged.never_compensated());
    found.extend(judged.compensations_failed());
    found.extend(judged.compensated_twice());
    found.extend(judged.out_of_order());
    found.extend(judged.success_after_compensation());
    found.extend(judged.activity_after_end());
    found.extend(judged.unknown_step());
    found.extend(judged.missing_steps());
    found.extend(judged.unfit_metadata());
    found
}

struct Judged<'s> {
    state: &'s SagaState,
    roles: &'s Roles,
}

impl<'s> Judged<'s> {
    fn never_compensated(&self) -> Option<Finding<'s>> {
        if self.state.status != Failed {
            return None;
        }
        let owed: Vec<&Target> = not_undone(self.state, self.roles).collect();
        let mark = Mark {
            number: self.state.tally.failed_by,
            at: self.state.since,
        };
        (!owed.is_empty()).then(|| Finding::marked(ConformanceRule::NeverCompensated, What::Owes(owed), mark))
    }

    fn compensations_failed(&self) -> impl Iterator<Item = Finding<'s>> + use<'s> {
        let roles = self.roles;
        of_failed_compensations(self.state, roles).map(move |reports| {
            let what = What::CompensationFailed {
                step: roles.name(reports.step),
                count: reports.count,
            };
            Finding::marked(ConformanceRule::CompensationFailed, what, reports.last)
        })
    }

    /// Once for each time that the saga failed is as it should be. One step that is reported by two services, or
    /// first under way and then done, has different statuses.
    fn compensated_twice(&self) -> impl Iterator<Item = Finding<'s>> + use<'s> {
        let (roles, meant) = (self.roles, self.state.failures.max(1));
        let reported = self.state.tally.reports.iter();
        let twice = reported.filter(move |reports| {
            let undone = matches!(reports.status, InProgress | Completed | Compensated);
            undone && reports.count > meant && roles.undoes(reports.step)
        });
        twice.map(move |reports| {
            let what = What::CompensatedTwice {
                step: roles.name(reports.step),
                status: reports.status,
                count: reports.count,
            };
            Finding::marked(ConformanceRule::CompensatedTwice, what, reports.last)
        })
    }

    fn out_of_order(&self) -> impl Iterator<Item = Finding<'s>> + use<'s> {
        let state = self.state;
        self.roles.order.iter().filter_map(move |(before, after)| {
            let later = first_come(state, after)?;
            let (step, lacked) = (after.name.as_str(), before.name.as_str());
            let what = match first_come(state, before) {
                Some(earlier) if earlier.number > later.number => What::CameBefore { step, lacked },
                None => What::CameWithout { step, lacked },
                Some(_) => return None,
            };
            Some(Finding::marked(ConformanceRule::OutOfOrder, what, later))
        })
    }

    fn success_after_compensation(&self) -> impl Iterator<Item = Finding<'s>> + use<'s> {
        let of_events = self.anomalies(|kind| {
            (kind == AnomalyKind::CompletedAfterCompensated)
                .then_some("it was reported complete after it was compensated")
        });
        let mut of_events = of_events
            .map(|odd| Finding::odd(ConformanceRule::SuccessAfterCompensation, odd))
            .peekable();
        let undone = match of_events.peek() {
            Some(_) => None,
            None => self.completed_undone(),
        };
        of_events.chain(undone)
    }

    /// The saga completed behind a step that undid one that was not done again.
    fn completed_undone(&self) -> Option<Finding<'s>> {
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
        let what = What::CompletedUndone(&target.name);
        Some(Finding::marked(
            ConformanceRule::SuccessAfterCompensation,
            what,
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

    fn activity_after_end(&self) -> impl Iterator<Item = Finding<'s>> + use<'s> {
        use AnomalyKind as A;
        let of_events = self.anomalies(|kind| {
            Some(match kind {
                A::StartedAfterCompleted => "STARTED was reported after it completed",
                A::ProgressAfterCompleted => "IN_PROGRESS was reported after it completed",
                A::FailedAfterCompleted => "FAILED was reported after it completed",
                A::StartedAfterCompensated => "STARTED was reported after it was compensated",
                A::FailedAfterCompensated => "FAILED was reported after it was compensated",
                _ => return None,
            })
        });
        of_events.map(|odd| Finding::odd(ConformanceRule::ActivityAfterEnd, odd))
    }

    /// The anomalies that have something to say, with that.
    fn anomalies(
        &self,
        says: fn(AnomalyKind) -> Option<&'static str>,
    ) -> impl Iterator<Item = (&'s Anomaly, &'static str)> + use<'s> {
        let kept = self.state.anomalies.kept.iter();
        kept.filter_map(move |anomaly| Some((anomaly, says(anomaly.kind)?)))
    }

    fn unknown_step(&self) -> Option<Finding<'s>> {
        let tally = &self.state.tally;
        let last = tally.last_strange.as_ref()?;
        let what = What::Unknown {
            events: tally.strange,
            last: &last.text,
        };
        Some(Finding::at(
            ConformanceRule::UnknownStep,
            what,
            last.place.recorded_at,
        ))
    }

    fn unfit_metadata(&self) -> Option<Finding<'s>> {
        let tally = &self.state.tally;
        let last = tally.last_unfit.as_ref()?;
        let what = What::Unfit {
            events: tally.unfit,
            last: &last.text,
        };
        Some(Finding::at(
            ConformanceRule::InvalidMetadata,
            what,
            last.place.recorded_at,
        ))
    }

    fn missing_steps(&self) -> impl Iterator<Item = Finding<'s>> + use<'s> {
        let (state, roles) = (self.state, self.roles);
        let expected = roles.expected.iter().filter(move |_| state.status == Completed);
        let missing = expected.filter(move |step| first_come(state, step).is_none());
        missing.map(move |step| {
            let what = What::CompletedWithout(&step.name);
            Finding::at(ConformanceRule::MissingStep, what, state.since)
        })
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

#[cfg(test)]
pub(super) mod tests;
