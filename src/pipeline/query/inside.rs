//! What must have happened inside of a saga: what its state tells of that, and what only its events do.
//!
//! Which sagas are looked at is decided in [`super::candidates`], how in [`super::examine`].

use super::Moment;
use crate::domain::{
    CompensationState, ConformanceRule, EventRef, Millis, SagaDefinition, SagaState, Step, StuckRule,
    broken_rules, compensation, stuck,
};
use std::hash::{Hash, Hasher};
use std::ops::ControlFlow;

/// What must have happened inside of a saga; all that is given must hold. Only events that stand count.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Inside {
    /// Each of these steps was reported, with whatever status.
    pub steps: Vec<Step>,
    /// None of these steps was.
    pub without_steps: Vec<Step>,
    /// Some event names this service.
    pub producer_service: Option<Box<str>>,
    /// This trace is among the first that its events named, of which its state keeps some.
    pub trace_id: Option<Box<str>>,
    /// It breaks this rule of its definition.
    pub rule: Option<ConformanceRule>,
    /// It is stuck.
    pub stuck: Option<AskedStuck>,
    /// What it did before it failed is undone so far.
    pub compensation: Option<CompensationState>,
}

/// By which rule a saga must be stuck, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AskedStuck {
    /// By this rule; otherwise by any.
    pub rule: Option<StuckRule>,
    /// When is now: the instant at which it must be stuck where the search names none.
    pub now: Millis,
}

/// A cursor belongs to what is asked for, whenever it is.
impl Hash for AskedStuck {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.rule.hash(state);
    }
}

impl AskedStuck {
    /// The instant at which sagas must be stuck, in a search at a moment.
    pub(super) fn at(self, moment: Moment) -> Millis {
        moment.as_of.unwrap_or(self.now)
    }

    fn holds(self, state: &SagaState, definition: Option<&SagaDefinition>, moment: Moment) -> bool {
        let found = definition.and_then(|definition| stuck(state, definition, self.at(moment)));
        found.is_some_and(|found| self.rule.is_none_or(|rule| rule == found.rule))
    }
}

/// What a saga's state tells of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Told<'i> {
    /// It is one of those that are wanted.
    Holds,
    /// It is none.
    Fails,
    /// Its events have to be read for this.
    Open(Open<'i>),
}

/// What is still to be seen in the events of a saga.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Open<'i> {
    /// Steps that must come.
    steps: Vec<&'i str>,
    /// Steps that must not.
    without: Vec<&'i str>,
    /// A service that must be named.
    service: Option<&'i str>,
    /// Whether a step came that must not.
    failed: bool,
}

impl Inside {
    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether more is asked for than a trace, so that many may have to be looked at one by one.
    pub fn is_searched_for(&self) -> bool {
        let of_trace = Self {
            trace_id: self.trace_id.clone(),
            ..Self::default()
        };
        *self != of_trace
    }

    /// What the state that a saga had at a moment tells, under the definition of its type that it was folded under.
    pub(super) fn by_state(
        &self,
        state: &SagaState,
        definition: Option<&SagaDefinition>,
        moment: Moment,
    ) -> Told<'_> {
        let is_of_trace = |trace_id: &str| state.trace_ids.contains(trace_id);
        let is_stuck = |asked: AskedStuck| asked.holds(state, definition, moment);
        let is_undone_so = |wanted: CompensationState| {
            definition.is_some_and(|definition| compensation(state, definition).state == wanted)
        };
        if !self.trace_id.as_deref().is_none_or(is_of_trace)
            || !self.is_broken(state, definition)
            || !self.stuck.is_none_or(is_stuck)
            || !self.compensation.is_none_or(is_undone_so)
        {
            return Told::Fails;
        }
        let mut open = Open {
            service: self.producer_service.as_deref(),
            ..Open::default()
        };
        for (steps, wanted, left) in [
            (&self.steps, true, &mut open.steps),
            (&self.without_steps, false, &mut open.without),
        ] {
            for step in steps {
                match state.reported(step.as_str(), definition) {
                    Some(reported) if reported != wanted => return Told::Fails,
                    Some(_) => {}
                    None => left.push(step.as_str()),
                }
            }
        }
        if open == Open::default() {
            Told::Holds
        } else {
            Told::Open(open)
        }
    }

    fn is_broken(&self, state: &SagaState, definition: Option<&SagaDefinition>) -> bool {
        let breaks = |rule: ConformanceRule| {
            let broken = definition.map_or_else(Vec::new, |definition| broken_rules(state, definition));
            broken.iter().any(|(broken, _)| *broken == rule)
        };
        self.rule.is_none_or(breaks)
    }
}

impl Open<'_> {
    /// Takes the next event; breaks when no further one matters.
    pub(super) fn see(&mut self, event: &EventRef<'_>) -> ControlFlow<()> {
        self.failed |= self.without.contains(&event.step);
        self.steps.retain(|step| *step != event.step);
        self.service = self
            .service
            .filter(|wanted| event.producer_service != Some(*wanted));
        let all_seen = self.without.is_empty() && self.has_all();
        if self.failed || all_seen {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }

    /// Whether the saga is one of those that are wanted, when all its events were seen.
    pub(super) fn holds(&self) -> bool {
        !self.failed && self.has_all()
    }

    fn has_all(&self) -> bool {
        self.steps.is_empty() && self.service.is_none()
    }
}
