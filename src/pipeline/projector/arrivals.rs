//! What deliveries do to a saga that they cannot just be added to: one of them may be a duplicate, or is
//! late, or the saga has too many events for a list of them.
//!
//! For each delivery the one that stands under its event's key is found by a point read: the list in the
//! state names the place of each event of a short timeline, the index that of each event of a long one.
//! So the cost of a delivery does not depend on how many the saga has. What comes out is the same in
//! whatever order deliveries come: of an event the lowest position stands, and an event is in conflict
//! once a body came that differs from the one that stood then. How the timeline is folded anew where that
//! is needed is not decided here (`refold`).

pub(super) use super::arriving::Arrivals;
use super::arriving::Arriving;
use super::projections::{Changes, Footprint};
use super::refold::Refold;
use super::stood_in;
use super::visible::{ROWS_AT_ONCE, Visible};
use crate::domain::{EventDigest, EventKey, EventRef, SagaId, SagaState, SagaStatus, Step};
use crate::store::codec::Record;
use crate::store::records::LogRecord;
use crate::store::timelines::{self, TimelineRows};
use crate::store::{StoreError, reads};
use foldhash::fast::FixedState;
use hashbrown::HashMap;

/// Folds all of them, and calls back with each saga, what stood of it before, and its state now; rows
/// beside the states and the sums over events are in `changes` then.
pub(super) fn fold(
    visible: Visible<'_>,
    arrivals: Vec<Arrivals<'_>>,
    changes: &mut Changes,
    mut done: impl FnMut(SagaId, Option<Footprint>, SagaState, &mut Changes),
) -> Result<(), StoreError> {
    let mut all: Vec<Arriving<'_>> = arrivals.into_iter().map(Arriving::new).collect();
    // In the log's order, so that neighbours are read together.
    all.sort_unstable_by(|a, b| a.saga.cmp(&b.saga));
    find_listed(visible, &mut all)?;
    find_indexed(visible, &mut all)?;
    stood_in::find(visible, &mut all)?;
    for arriving in &mut all {
        arriving.resolve();
    }
    count_processed(visible, &all, changes)?;
    let states = fold_timelines(visible, &mut all, changes)?;
    for (mut arriving, mut state) in all.into_iter().zip(states) {
        arriving.settle(&mut state);
        arriving.write_rows(&mut TimelineRows::new(&mut changes.rows, visible.generation));
        stood_in::write(&arriving, changes);
        done(arriving.saga, arriving.before, state, changes);
    }
    Ok(())
}

/// Finds what stands in short timelines.
fn find_listed(visible: Visible<'_>, all: &mut [Arriving<'_>]) -> Result<(), StoreError> {
    let mut wanted = Vec::new();
    for (number, arriving) in all.iter().enumerate() {
        wanted.extend(arriving.suspects().into_iter().map(|known| (number, known)));
    }
    for some in wanted.chunks(ROWS_AT_ONCE) {
        let places = some
            .iter()
            .map(|(number, known)| (&all[*number].saga, known.place))
            .collect::<Vec<_>>();
        let rows = reads::log_rows(visible.store, &places)?;
        for ((number, known), row) in some.iter().zip(rows) {
            let row = LogRecord::read(&row)?;
            all[*number].stands(known, &row.view(known.place)?);
        }
    }
    Ok(())
}

/// Finds what stands in long timelines.
fn find_indexed<'e>(visible: Visible<'_>, all: &mut [Arriving<'e>]) -> Result<(), StoreError> {
    let mut wanted: Vec<(usize, EventKey<'e>)> = Vec::new();
    for (number, arriving) in all.iter().enumerate().filter(|(_, one)| one.had_index) {
        let mut keys: HashMap<EventKey<'e>, (), FixedState> = HashMap::default();
        for event in &arriving.events {
            if keys.insert(event.key(), ()).is_none() {
                wanted.push((number, event.key()));
            }
        }
    }
    let keys: Vec<(&SagaId, EventDigest)> = wanted
        .iter()
        .map(|(number, key)| (&all[*number].saga, key.digest()))
        .collect();
    let found = timelines::standing(visible.store, visible.generation, &keys)?;
    for ((number, key), record) in wanted.into_iter().zip(found) {
        if let Some(record) = record {
            all[number].stored_slot(key, record.place(), record.body(), record.is_conflicting());
        }
    }
    Ok(())
}

/// Sums up which events came into timelines, and which left them.
fn count_processed(
    visible: Visible<'_>,
    all: &[Arriving<'_>],
    changes: &mut Changes,
) -> Result<(), StoreError> {
    let mut left = Vec::new();
    for arriving in all {
        for event in &arriving.added {
            changes.processed(event.status, &event.step, 1);
            changes.stands(*event, 1);
        }
        for event in &arriving.repeated {
            changes.repeats(*event, 1);
        }
        left.extend(arriving.displaced.iter().map(|place| (&arriving.saga, *place)));
    }
    for some in left.chunks(ROWS_AT_ONCE) {
        for ((_, place), row) in some.iter().zip(reads::log_rows(visible.store, some)?) {
            let event = LogRecord::read(&row)?.view(*place)?;
            let (status, step) = kind_of(&event);
            changes.processed(status, &step, -1);
            changes.stands(&event, -1);
            changes.repeats(&event, 1);
        }
    }
    Ok(())
}

fn kind_of(event: &EventRef<'_>) -> (SagaStatus, Step) {
    (event.status, Step::new(event.step))
}

/// The states after what arrived, as far as the timeline says.
fn fold_timelines(
    visible: Visible<'_>,
    all: &mut [Arriving<'_>],
    changes: &mut Changes,
) -> Result<Vec<SagaState>, StoreError> {
    let mut refold = Refold::new(visible);
    for (number, arriving) in all.iter_mut().enumerate() {
        match arriving.anew_from() {
            Some(_) if !arriving.has_index() => refold.short(number, arriving),
            Some(from) => refold.long(number, arriving, from, changes)?,
            None => refold.append(number, arriving, changes),
        }
    }
    refold.finish(all)
}
