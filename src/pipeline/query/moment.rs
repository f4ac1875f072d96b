//! Which deliveries of a saga count at a moment, and which of them stand then.
//!
//! A moment has two clocks. Event time says what was true at T; arrival time says what was known at K. Of the
//! deliveries of one event that were known at K the one at the lowest position stands, whatever arrived later;
//! those that stand and happened up to T are the timeline. Where deliveries are read from is not known here.

use super::QueryError;
use crate::domain::{EventDigest, EventRef, Millis, TimelineKey};
use crate::store::until;
use foldhash::fast::FixedState;
use hashbrown::{HashMap, HashSet};
use std::fmt;
use std::ops::ControlFlow;

/// Events that came more than once are told apart up to so many of a saga, at some 100 bytes each.
pub const MAX_REPEATED: usize = if cfg!(test) { 60 } else { 100_000 };

/// An instant on two clocks; one that is not given bounds nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// By event time: what happened later does not count.
    pub as_of: Option<Millis>,
    /// By arrival time: what arrived later is not known.
    pub known_at: Option<Millis>,
}

impl Moment {
    /// Whether neither clock bounds anything.
    pub fn is_now(&self) -> bool {
        *self == Self::default()
    }

    /// Whether an event of that time had happened.
    pub(super) fn has_happened(&self, at: Millis) -> bool {
        self.as_of.is_none_or(|as_of| at <= as_of)
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.as_of, self.known_at) {
            (None, None) => f.write_str("now"),
            (Some(as_of), None) => write!(f, "as of {as_of}"),
            (None, Some(known_at)) => write!(f, "as known at {known_at}"),
            (Some(as_of), Some(known_at)) => write!(f, "as of {as_of}, as known at {known_at}"),
        }
    }
}

/// The deliveries of one saga, which can be read as often as is needed.
pub trait Deliveries {
    /// Visits them in the order of the timeline, each with whether it stands among all that are known today.
    ///
    /// # Errors
    /// [`QueryError`].
    fn each(
        &mut self,
        visit: &mut dyn FnMut(&EventRef<'_>, bool) -> ControlFlow<()>,
    ) -> Result<(), QueryError>;
}

/// A delivery that was known at a moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known<'e> {
    pub(super) event: EventRef<'e>,
    /// Whether it is the one that stood for its event.
    pub(super) stands: bool,
    /// Whether it stands, and different bodies of its event were known.
    pub(super) conflicting: bool,
    /// How many deliveries of its event were known, where it stands.
    pub(super) deliveries: u32,
}

/// What was known of the events that were delivered more than once.
#[derive(Debug, Default)]
pub(super) struct Standing {
    known_at: Option<Millis>,
    repeated: HashMap<EventDigest, Repeated, FixedState>,
}

/// The known deliveries of one event, less the one that stands today.
#[derive(Debug)]
struct Repeated {
    /// The one at the lowest position.
    first: TimelineKey,
    body: EventDigest,
    /// Whether the one that stands today was known.
    stands_today: bool,
    /// Whether different bodies were known.
    conflicting: bool,
    /// How many of them were known.
    deliveries: u32,
}

impl Standing {
    /// By what stands today: right where everything is known, and nobody asks for conflicts.
    pub(super) fn today() -> Self {
        Self::default()
    }

    /// By what was known at an instant of a saga of which nothing came again.
    pub(super) fn known_at(known_at: Option<Millis>) -> Self {
        Self {
            known_at,
            ..Self::default()
        }
    }

    /// By what was known at an instant; without one, by all that is known. `None` when too many events came again.
    pub(super) fn at(
        known_at: Option<Millis>,
        deliveries: &mut dyn Deliveries,
    ) -> Result<Option<Self>, QueryError> {
        let mut standing = Self::known_at(known_at);
        standing.find_repeated(deliveries, |_| true)?;
        if standing.has_too_many() {
            return Ok(None);
        }
        if !standing.repeated.is_empty() {
            standing.find_originals(deliveries)?;
        }
        Ok(Some(standing))
    }

    /// The same, given the events that were known then by another delivery than the one that stands today. What is
    /// in conflict it does not tell.
    pub(super) fn of_others(
        known_at: Millis,
        others: &HashSet<EventDigest, FixedState>,
        deliveries: &mut dyn Deliveries,
    ) -> Result<Self, QueryError> {
        let mut standing = Self::known_at(Some(known_at));
        if !others.is_empty() {
            standing.find_repeated(deliveries, |event| others.contains(&event.key().digest()))?;
        }
        Ok(standing)
    }

    fn find_repeated(
        &mut self,
        deliveries: &mut dyn Deliveries,
        matters: impl Fn(&EventRef<'_>) -> bool,
    ) -> Result<(), QueryError> {
        deliveries.each(&mut |event, stands| {
            if !stands && self.is_known(event) && matters(event) {
                self.add_repeated(event);
            }
            until(self.has_too_many())
        })
    }

    fn has_too_many(&self) -> bool {
        self.repeated.len() > MAX_REPEATED
    }

    fn add_repeated(&mut self, event: &EventRef<'_>) {
        let body = event.body_digest();
        let known = self.repeated.entry(event.key().digest()).or_insert(Repeated {
            first: event.place,
            body,
            stands_today: false,
            conflicting: false,
            deliveries: 0,
        });
        known.deliveries = known.deliveries.saturating_add(1);
        known.conflicting |= known.body != body;
        if event.place.position < known.first.position {
            known.first = event.place;
        }
    }

    fn find_originals(&mut self, deliveries: &mut dyn Deliveries) -> Result<(), QueryError> {
        deliveries.each(&mut |event, stands| {
            if stands
                && self.is_known(event)
                && let Some(known) = self.repeated.get_mut(&event.key().digest())
            {
                known.stands_today = true;
                known.deliveries = known.deliveries.saturating_add(1);
                known.conflicting |= known.body != event.body_digest();
            }
            ControlFlow::Continue(())
        })
    }

    fn is_known(&self, event: &EventRef<'_>) -> bool {
        self.known_at.is_none_or(|known_at| event.arrived_at <= known_at)
    }

    /// A delivery as it was known, if it was, given whether it stands today.
    pub(super) fn known<'e>(&self, event: &EventRef<'e>, stands_today: bool) -> Option<Known<'e>> {
        if !self.is_known(event) {
            return None;
        }
        // Hardly any saga has deliveries that came again, and digests take their time.
        let repeated = (!self.repeated.is_empty())
            .then(|| self.repeated.get(&event.key().digest()))
            .flatten();
        let stands =
            stands_today || repeated.is_some_and(|known| !known.stands_today && known.first == event.place);
        Some(Known {
            event: *event,
            stands,
            conflicting: stands && repeated.is_some_and(|known| known.conflicting),
            deliveries: repeated.map_or(1, |known| known.deliveries),
        })
    }

    /// Visits the deliveries that were known and had happened at a moment, in the order of the timeline.
    pub(super) fn each(
        &self,
        deliveries: &mut dyn Deliveries,
        as_of: Option<Millis>,
        visit: &mut dyn FnMut(&Known<'_>) -> ControlFlow<()>,
    ) -> Result<(), QueryError> {
        deliveries.each(&mut |event, stands_today| {
            if as_of.is_some_and(|as_of| event.place.recorded_at > as_of) {
                return ControlFlow::Break(());
            }
            match self.known(event, stands_today) {
                Some(known) => visit(&known),
                None => ControlFlow::Continue(()),
            }
        })
    }
}
