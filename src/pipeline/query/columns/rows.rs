//! Events as rows of numbers, and the names that they stand for.

use crate::domain::{Millis, SagaStatus, TimelineKey};
use std::collections::HashMap;

/// What is worth knowing about an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Flag {
    /// It arrived after an event that stands behind it.
    Late = 0,
    /// It came with different bodies.
    Conflict = 1,
    /// It broke a rule.
    Anomaly = 2,
    /// An operator made it.
    Operator = 3,
    /// It is an operator's change that was refused.
    Refused = 4,
}

impl Flag {
    /// Its bit in [`ColumnRow::flags`].
    pub const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// An event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ColumnRow {
    /// Its number in the timeline, from 1.
    pub number: u32,
    /// Its place.
    pub place: TimelineKey,
    /// When it arrived.
    pub arrived_at: Millis,
    /// The number of its step among [`Names::steps`].
    pub step: u32,
    /// The number of its service among [`Names::services`]; `None` when it names none.
    pub service: Option<u32>,
    /// What the producer said about the saga.
    pub status: SagaStatus,
    /// What that means for the saga.
    pub effective: SagaStatus,
    /// How many deliveries of it there are.
    pub deliveries: u32,
    /// The bits of its [`Flag`]s.
    pub flags: u8,
}

/// Names, each once, in the order in which they came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// Of steps.
    pub steps: Vec<Box<str>>,
    /// Of services.
    pub services: Vec<Box<str>>,
}

/// What is kept of an event until it is known whether it is told.
pub(super) struct Kept {
    pub(super) number: u32,
    pub(super) place: TimelineKey,
    pub(super) arrived_at: Millis,
    pub(super) step: Box<str>,
    pub(super) service: Option<Box<str>>,
    pub(super) status: SagaStatus,
    pub(super) effective: SagaStatus,
    pub(super) deliveries: u32,
    pub(super) flags: u8,
    /// Whether it goes before others that are notable.
    pub(super) grave: bool,
}

/// Names and their numbers.
#[derive(Default)]
pub(super) struct Numbers(HashMap<Box<str>, u32>);

impl Numbers {
    /// The number of a name, which gets the next one when it is new.
    pub(super) fn of(&mut self, name: &str, names: &mut Vec<Box<str>>) -> u32 {
        if let Some(number) = self.0.get(name) {
            return *number;
        }
        let number = u32::try_from(names.len()).unwrap_or(u32::MAX);
        names.push(name.into());
        self.0.insert(name.into(), number);
        number
    }
}

/// The rows so far.
#[derive(Default)]
pub(super) struct RowsSoFar {
    pub(super) rows: Vec<ColumnRow>,
    pub(super) names: Names,
    steps: Numbers,
    services: Numbers,
}

impl RowsSoFar {
    pub(super) fn add(&mut self, kept: &Kept) {
        let service = kept.service.as_deref();
        let row = ColumnRow {
            number: kept.number,
            place: kept.place,
            arrived_at: kept.arrived_at,
            step: self.steps.of(&kept.step, &mut self.names.steps),
            service: service.map(|name| self.services.of(name, &mut self.names.services)),
            status: kept.status,
            effective: kept.effective,
            deliveries: kept.deliveries,
            flags: kept.flags,
        };
        self.rows.push(row);
    }

    /// The number of a service in the answer, if it has one or there is room for one more.
    pub(super) fn service(&mut self, name: &str, has_room: bool) -> Option<u32> {
        let known = self.services.0.get(name).copied();
        known.or_else(|| has_room.then(|| self.services.of(name, &mut self.names.services)))
    }
}
