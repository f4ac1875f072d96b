//! Which events of a timeline were late: arrived after one that stands behind them. That shows only in the arrivals of
//! all that follow, so these are read first, and of each stretch of the timeline the first arrival is kept. Memory
//! does not grow with the timeline.

use super::QueryError;
use super::moment::{Deliveries, Known, Standing};
use crate::domain::Millis;
use std::ops::ControlFlow;

/// Stretches whose first arrival is kept, at eight bytes each.
const MAX_STRETCHES: usize = if cfg!(test) { 4 } else { 8_192 };

/// The first arrivals of the stretches of a timeline.
pub(super) struct Lookahead {
    /// Events of a stretch; the last one may have fewer.
    stretch: usize,
    /// Of each stretch, the first arrival behind it.
    behind: Vec<Millis>,
}

impl Lookahead {
    /// Reads the arrivals of the events that stand up to an instant, and shows each event on the way.
    pub(super) fn read(
        deliveries: &mut dyn Deliveries,
        standing: &Standing,
        as_of: Option<Millis>,
        seen: &mut dyn FnMut(&Known<'_>),
    ) -> Result<Self, QueryError> {
        let mut first = FirstArrivals::default();
        standing.each(deliveries, as_of, &mut |known| {
            if known.stands {
                seen(known);
                first.add(known.event.arrived_at);
            }
            ControlFlow::Continue(())
        })?;
        Ok(first.done())
    }

    /// Goes through the same events again, which are given as what is kept of each.
    pub(super) fn late<T>(&self) -> Late<'_, T> {
        Late {
            ahead: self,
            stretches: 0,
            waiting: Vec::new(),
        }
    }
}

struct FirstArrivals {
    stretch: usize,
    /// Events of the last stretch so far.
    filled: usize,
    first: Vec<Millis>,
}

impl Default for FirstArrivals {
    fn default() -> Self {
        Self {
            stretch: 1,
            filled: 0,
            first: Vec::new(),
        }
    }
}

impl FirstArrivals {
    fn add(&mut self, arrival: Millis) {
        if let (Some(last), true) = (self.first.last_mut(), self.filled < self.stretch) {
            *last = arrival.min(*last);
            self.filled += 1;
            return;
        }
        if self.first.len() == MAX_STRETCHES {
            // Half as many, of twice the length. Their number is even, so all of them are full.
            let pairs = self.first.chunks(2);
            self.first = pairs.filter_map(|pair| pair.iter().copied().min()).collect();
            self.stretch *= 2;
        }
        self.first.push(arrival);
        self.filled = 1;
    }

    fn done(mut self) -> Lookahead {
        let mut behind = Millis(i64::MAX);
        for first in self.first.iter_mut().rev() {
            behind = behind.min(std::mem::replace(first, behind));
        }
        Lookahead {
            stretch: self.stretch,
            behind: self.first,
        }
    }
}

/// Tells of each event how late it was, once its stretch is over.
pub(super) struct Late<'l, T> {
    ahead: &'l Lookahead,
    /// Stretches that are over.
    stretches: usize,
    /// What is kept of the events of this stretch, and when each arrived.
    waiting: Vec<(T, Millis)>,
}

impl<T> Late<'_, T> {
    /// Adds the next event. When its stretch is over, all of it is told: each with how many milliseconds after the first
    /// of the events behind it it arrived, if it did.
    pub(super) fn add(&mut self, kept: T, arrival: Millis, tell: &mut dyn FnMut(T, Option<u64>)) {
        self.waiting.push((kept, arrival));
        if self.waiting.len() == self.ahead.stretch {
            self.end(tell);
        }
    }

    /// Tells the rest.
    pub(super) fn end(&mut self, tell: &mut dyn FnMut(T, Option<u64>)) {
        let behind = self.ahead.behind.get(self.stretches).copied();
        self.stretches += 1;
        let mut first = behind.unwrap_or(Millis(i64::MAX));
        let mut firsts = Vec::with_capacity(self.waiting.len());
        for (_, arrival) in self.waiting.iter().rev() {
            firsts.push(first);
            first = first.min(*arrival);
        }
        for ((kept, arrival), first) in self.waiting.drain(..).zip(firsts.into_iter().rev()) {
            tell(kept, Some(arrival.since(first)).filter(|millis| *millis > 0));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_late_is_what_a_look_at_all_that_follows_finds(
            arrivals in proptest::collection::vec(0i64..60, 0..70),
        ) {
            let arrivals: Vec<Millis> = arrivals.into_iter().map(Millis).collect();
            let mut first = FirstArrivals::default();
            arrivals.iter().for_each(|arrival| first.add(*arrival));
            prop_assert!(first.first.len() <= MAX_STRETCHES);
            let ahead = first.done();
            let (mut late, mut told) = (ahead.late(), Vec::new());
            let mut tell = |place: usize, millis| told.push((place, millis));
            for (place, arrival) in arrivals.iter().enumerate() {
                late.add(place, *arrival, &mut tell);
            }
            late.end(&mut tell);
            let naive = |place: usize| {
                let behind = arrivals[place + 1..].iter().min()?;
                Some(arrivals[place].since(*behind)).filter(|millis| *millis > 0)
            };
            let wanted: Vec<_> = (0..arrivals.len()).map(|place| (place, naive(place))).collect();
            prop_assert_eq!(told, wanted);
        }
    }
}
