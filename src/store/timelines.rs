//! What is kept of timelines beside the states: the index of long ones, the deliveries that do not
//! stand, the folds of parts. How it is kept exact is the projector's affair.
//!
//! A saga whose timeline is longer than [`MAX_LISTED`](crate::domain::MAX_LISTED) has a row for each of
//! its events, under the digest of the event's key, and a checkpoint at each of its events that
//! [`is one`](TimelineKey::is_checkpoint). Every saga has a row for each delivery that does not stand.
//! So a saga's timeline is its part of the log less those, read in constant memory.

use super::codec::Record;
use super::keys::{self, TimelineRow};
use super::records::{InstanceRecord, LogRecord, PresenceRecord, StandingRecord, StoodInRecord};
use super::{
    Batch, Direction, Generation, Key, ProjectionTable, Scan, StoreError, StoreRead, Table, WHOLE,
    contradicted,
    reads::{self, try_scan_saga},
    until,
};
use crate::domain::{
    Cut, EventDigest, EventRef, Millis, Position, SagaDefinitions, SagaId, SagaState, TimelineKey,
};
use std::ops::{Bound, ControlFlow};

/// Duplicates that are looked up at once while a timeline is read.
const DUPLICATES: usize = if cfg!(test) { 3 } else { 1_024 };

/// Behind this place, or from the start.
pub type From = Option<TimelineKey>;

pub(super) fn table(generation: Generation) -> Table {
    Table::Projection(generation, ProjectionTable::Timelines)
}

/// The deliveries that stand for these events of sagas, in their order; `None` where the event is new
/// or the saga's timeline is short.
///
/// # Errors
/// [`StoreError`] when one cannot be read.
pub fn standing(
    store: &dyn StoreRead,
    generation: Generation,
    events: &[(&SagaId, EventDigest)],
) -> Result<Vec<Option<StandingRecord>>, StoreError> {
    if events.is_empty() {
        return Ok(Vec::new());
    }
    let keys: Vec<Key> = events
        .iter()
        .map(|(saga, event)| {
            let mut key = Key::default();
            keys::timeline_event(&mut key, TimelineRow::Event, saga, *event);
            key
        })
        .collect();
    store
        .multi_get(table(generation), &keys)?
        .into_iter()
        .map(|value| value.map(|value| StandingRecord::read(&value)).transpose())
        .collect()
}

/// The fold up to the last checkpoint before a place of a saga whose state now is `whole`.
///
/// # Errors
/// [`StoreError`] when it cannot be read.
pub fn checkpoint_before(
    store: &dyn StoreRead,
    generation: Generation,
    saga: &SagaId,
    whole: &SagaState,
    place: TimelineKey,
) -> Result<Option<SagaState>, StoreError> {
    let mut key = Key::default();
    keys::timeline_partition(&mut key, TimelineRow::Checkpoint, saga);
    let end = keys::place_sort(place);
    let range = (Bound::Unbounded, Bound::Excluded(&end[..]));
    let mut found = None;
    Scan::of(table(generation), key.partition())
        .range(range)
        .direction(Direction::Reverse)
        .limit(1)
        .each(store, |_, value| {
            let state = InstanceRecord::read(value)?.state()?;
            found = Some(state.out_of_checkpoint(whole));
            Ok(ControlFlow::Break(()))
        })?;
    Ok(found)
}

/// The checkpoints of a saga from a place on, at most so many, as they are written down: without the
/// anomalies themselves.
///
/// # Errors
/// [`StoreError`] when one cannot be read.
pub fn checkpoints_from(
    store: &dyn StoreRead,
    generation: Generation,
    saga: &SagaId,
    place: TimelineKey,
    limit: usize,
) -> Result<Vec<SagaState>, StoreError> {
    let mut key = Key::default();
    keys::timeline_partition(&mut key, TimelineRow::Checkpoint, saga);
    let start = keys::place_sort(place);
    let range = (Bound::Included(&start[..]), Bound::Unbounded);
    let mut found = Vec::new();
    Scan::of(table(generation), key.partition())
        .range(range)
        .limit(limit)
        .each(store, |_, value| {
            found.push(InstanceRecord::read(value)?.state()?);
            Ok(ControlFlow::Continue(()))
        })?;
    Ok(found)
}

/// Whether a delivery of a saga is one that does not stand.
///
/// # Errors
/// [`StoreError`] when it cannot be read.
pub fn is_duplicate(
    store: &dyn StoreRead,
    generation: Generation,
    saga: &SagaId,
    place: TimelineKey,
) -> Result<bool, StoreError> {
    let mut key = Key::default();
    keys::timeline_place(&mut key, TimelineRow::Duplicate, saga, place);
    Ok(store.get(table(generation), &key)?.is_some())
}

/// The place of the event before one of a saga's timeline, inside the cut; `None` when that is the first. Passes over so
/// many deliveries that do not stand, at most: behind more of them, none is found.
///
/// # Errors
/// [`StoreError`] when it cannot be read.
pub fn place_before(
    (store, generation, within): (&dyn StoreRead, Generation, &Cut),
    saga: &SagaId,
    place: TimelineKey,
    most: usize,
) -> Result<Option<TimelineKey>, StoreError> {
    let end = keys::place_sort(place);
    let (mut found, mut passed) = (None, 0);
    Scan::of(Table::Log, saga.as_str().as_bytes())
        .range((Bound::Unbounded, Bound::Excluded(&end[..])))
        .direction(Direction::Reverse)
        .each(store, |sort, _| {
            let before = keys::parse_log_sort(sort)?;
            passed += 1;
            if within.contains(before.position) && !is_duplicate(store, generation, saga, before)? {
                found = Some(before);
            }
            Ok(until(found.is_some() || passed > most))
        })?;
    Ok(found)
}

/// The delivery that stands for an event of a saga in this state; `None` when it is new.
///
/// # Errors
/// [`StoreError`] when it cannot be read.
pub fn find(
    store: &dyn StoreRead,
    generation: Generation,
    saga: &SagaId,
    state: &SagaState,
    event: &EventRef<'_>,
) -> Result<Option<StandingRecord>, StoreError> {
    let key = event.key();
    let Some(listed) = &state.listed else {
        let found = standing(store, generation, &[(saga, key.digest())])?;
        return Ok(found.into_iter().next().flatten());
    };
    let fingerprint = key.fingerprint();
    for known in listed.iter().filter(|known| known.fingerprint == fingerprint) {
        let row = reads::log_row(store, saga, known.place)?;
        let row = LogRecord::read(&row)?.view(known.place)?;
        if row.key() == key {
            let found = StandingRecord::of(known.place, row.body_digest(), known.conflicting);
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// The state of a saga's timeline up to the events before a place, whose state now is `whole`; none
/// when there are none.
///
/// # Errors
/// [`StoreError`] when it cannot be read.
pub fn fold_before(
    (store, generation, within): (&dyn StoreRead, Generation, &Cut),
    definitions: &SagaDefinitions,
    saga: &SagaId,
    whole: &SagaState,
    place: TimelineKey,
) -> Result<Option<SagaState>, StoreError> {
    let mut state = checkpoint_before(store, generation, saga, whole, place)?;
    let from = state.as_ref().map(|state| state.tail);
    each_step((store, generation, within), saga, whole, from, |event| {
        if event.place >= place {
            return Ok(ControlFlow::Break(()));
        }
        match &mut state {
            Some(state) => state.apply_unlisted(event, definitions),
            None => state = Some(SagaState::begin_unlisted(event, definitions)),
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(state)
}

/// Visits the timeline behind `from` of a saga whose state is `whole`, in its order. Costs as much as the
/// timeline is long, however many duplicates there are of a short one.
///
/// # Errors
/// [`StoreError`] when it cannot be read, or the visitor's.
pub fn each_step(
    (store, generation, within): (&dyn StoreRead, Generation, &Cut),
    saga: &SagaId,
    whole: &SagaState,
    from: From,
    mut visit: impl FnMut(&EventRef<'_>) -> Result<ControlFlow<()>, StoreError>,
) -> Result<(), StoreError> {
    let Some(listed) = &whole.listed else {
        return each_event(store, generation, saga, (from, whole.tail), within, visit);
    };
    for known in listed.iter().filter(|known| Some(known.place) > from) {
        let row = reads::log_row(store, saga, known.place)?;
        if visit(&LogRecord::read(&row)?.view(known.place)?)?.is_break() {
            break;
        }
    }
    Ok(())
}

/// Visits a saga's timeline behind the first place (none: from its start) up to the second, in its order:
/// the deliveries inside the cut that stand among all that the generation has folded. What the log holds
/// behind the second place costs nothing: it may be much that is not folded yet.
///
/// # Errors
/// [`StoreError`] when it cannot be read, or the visitor's.
pub fn each_event(
    store: &dyn StoreRead,
    generation: Generation,
    saga: &SagaId,
    (from, to): (From, TimelineKey),
    within: &Cut,
    mut visit: impl FnMut(&EventRef<'_>) -> Result<ControlFlow<()>, StoreError>,
) -> Result<(), StoreError> {
    each_marked(
        store,
        generation,
        saga,
        (from, to),
        within,
        |place, value, stands| {
            if stands {
                visit(&LogRecord::read(value)?.view(place)?)
            } else {
                Ok(ControlFlow::Continue(()))
            }
        },
    )
}

/// Visits all rows of a saga inside the cut, in the order of the timeline, each with whether it is of a
/// delivery that stands among all that the generation has folded.
///
/// # Errors
/// [`StoreError`] when they cannot be read, or the visitor's.
pub fn each_row_marked(
    store: &dyn StoreRead,
    generation: Generation,
    saga: &SagaId,
    within: &Cut,
    visit: impl FnMut(TimelineKey, &[u8], bool) -> Result<ControlFlow<()>, StoreError>,
) -> Result<(), StoreError> {
    each_row_marked_behind((store, generation, within), saga, None, visit)
}

/// The same of the rows behind a place.
///
/// # Errors
/// [`StoreError`] when they cannot be read, or the visitor's.
pub fn each_row_marked_behind(
    (store, generation, within): (&dyn StoreRead, Generation, &Cut),
    saga: &SagaId,
    from: Option<TimelineKey>,
    visit: impl FnMut(TimelineKey, &[u8], bool) -> Result<ControlFlow<()>, StoreError>,
) -> Result<(), StoreError> {
    let last = TimelineKey {
        recorded_at: Millis(i64::MAX),
        position: Position::new(u32::MAX, u64::MAX),
    };
    each_marked(store, generation, saga, (from, last), within, visit)
}

fn each_marked(
    store: &dyn StoreRead,
    generation: Generation,
    saga: &SagaId,
    (from, to): (From, TimelineKey),
    within: &Cut,
    mut visit: impl FnMut(TimelineKey, &[u8], bool) -> Result<ControlFlow<()>, StoreError>,
) -> Result<(), StoreError> {
    let mut start = from.map(keys::place_sort);
    let last = keys::place_sort(to);
    if start.is_some_and(|start| start >= last) {
        return Ok(());
    }
    loop {
        let skipped = duplicates(store, generation, saga, start.as_ref())?;
        let end = skipped.get(DUPLICATES - 1).copied().filter(|end| *end < last);
        let mut skipped = skipped.into_iter().peekable();
        let range = (
            start
                .as_ref()
                .map_or(Bound::Unbounded, |sort| Bound::Excluded(&sort[..])),
            Bound::Included(&end.as_ref().unwrap_or(&last)[..]),
        );
        let mut ended = end.is_none();
        try_scan_saga(store, saga, range, |sort, value| {
            while skipped.next_if(|other| other.as_slice() < sort).is_some() {}
            let place = keys::parse_log_sort(sort)?;
            if !within.contains(place.position) {
                return Ok(ControlFlow::Continue(()));
            }
            let stands = skipped.peek().is_none_or(|other| other != sort);
            let flow = visit(place, value, stands)?;
            ended |= flow.is_break();
            Ok(flow)
        })?;
        if ended {
            return Ok(());
        }
        start = end;
    }
}

/// Visits all deliveries of a saga inside the cut, in the order of the timeline.
///
/// # Errors
/// [`StoreError`] when they cannot be read, or the visitor's.
pub fn each_delivery(
    store: &dyn StoreRead,
    saga: &SagaId,
    within: &Cut,
    mut visit: impl FnMut(&EventRef<'_>) -> Result<ControlFlow<()>, StoreError>,
) -> Result<(), StoreError> {
    try_scan_saga(store, saga, WHOLE, |sort, value| {
        let place = keys::parse_log_sort(sort)?;
        if within.contains(place.position) {
            visit(&LogRecord::read(value)?.view(place)?)
        } else {
            Ok(ControlFlow::Continue(()))
        }
    })
}

/// The sort keys of the next deliveries behind `start` that do not stand.
fn duplicates(
    store: &dyn StoreRead,
    generation: Generation,
    saga: &SagaId,
    start: Option<&[u8; 20]>,
) -> Result<Vec<[u8; 20]>, StoreError> {
    let mut key = Key::default();
    keys::timeline_partition(&mut key, TimelineRow::Duplicate, saga);
    let from = start.map_or(Bound::Unbounded, |sort| Bound::Excluded(&sort[..]));
    let mut found = Vec::new();
    Scan::of(table(generation), key.partition())
        .range((from, Bound::Unbounded))
        .limit(DUPLICATES)
        .each(store, |sort, _| {
            found.push(keys::place_sort(keys::parse_log_sort(sort)?));
            Ok(ControlFlow::Continue(()))
        })?;
    Ok(found)
}

/// Adds rows about one saga's timeline to a batch.
#[derive(Debug)]
pub struct TimelineRows<'b> {
    batch: &'b mut Batch,
    table: Table,
    key: Key,
}

impl<'b> TimelineRows<'b> {
    /// Of a generation of projections.
    pub fn new(batch: &'b mut Batch, generation: Generation) -> Self {
        Self {
            batch,
            table: table(generation),
            key: Key::default(),
        }
    }

    /// Which delivery of an event stands.
    pub fn event(&mut self, saga: &SagaId, event: EventDigest, standing: &StandingRecord) {
        keys::timeline_event(&mut self.key, TimelineRow::Event, saga, event);
        self.batch
            .put_with(self.table, &self.key, |bytes| standing.write(bytes));
    }

    /// A delivery that does not stand.
    pub fn duplicate(&mut self, saga: &SagaId, place: TimelineKey) {
        keys::timeline_place(&mut self.key, TimelineRow::Duplicate, saga, place);
        self.batch
            .put_with(self.table, &self.key, |bytes| PresenceRecord.write(bytes));
    }

    /// The fold of a long timeline up to its tail, if that is where one is kept.
    pub fn checkpoint(&mut self, saga: &SagaId, state: &SagaState) {
        if state.tail.is_checkpoint() {
            keys::timeline_place(&mut self.key, TimelineRow::Checkpoint, saga, state.tail);
            let part = state.at_checkpoint();
            self.batch.put_with(self.table, &self.key, |bytes| {
                InstanceRecord::of(&part).write(bytes);
            });
        }
    }

    /// That a checkpoint does not hold any more.
    pub fn drop_checkpoint(&mut self, saga: &SagaId, place: TimelineKey) {
        keys::timeline_place(&mut self.key, TimelineRow::Checkpoint, saga, place);
        self.batch.delete(self.table, &self.key);
    }
}

/// How far the removal of a saga's rows has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowsRemoved {
    kinds: usize,
    behind: Option<Vec<u8>>,
}

/// Adds the removal of a saga's next rows to a batch, at most so many, and with them that of what `contradicted` says
/// of it; whether all are removed.
///
/// # Errors
/// [`StoreError`] when the rows cannot be read.
pub fn remove(
    store: &dyn StoreRead,
    generation: Generation,
    saga: &SagaId,
    done: &mut RowsRemoved,
    batch: &mut Batch,
    limit: usize,
) -> Result<bool, StoreError> {
    let mut left = limit;
    while let Some(kind) = TimelineRow::ALL.get(done.kinds) {
        let mut partition = Key::default();
        keys::timeline_partition(&mut partition, *kind, saga);
        let from = done.behind.take();
        let range = (
            from.as_deref().map_or(Bound::Unbounded, Bound::Excluded),
            Bound::Unbounded,
        );
        Scan::of(table(generation), partition.partition())
            .range(range)
            .limit(left)
            .each(store, |sort, value| {
                left -= 1;
                batch.delete(table(generation), &Key::new(partition.partition(), sort));
                if *kind == TimelineRow::StoodIn {
                    let of = (saga, keys::parse_timeline_event(sort)?);
                    contradicted::delete(batch, generation, of, &StoodInRecord::read(value)?);
                }
                done.behind = Some(sort.to_vec());
                Ok(ControlFlow::Continue(()))
            })?;
        if left == 0 {
            return Ok(false);
        }
        done.kinds += 1;
        done.behind = None;
    }
    Ok(true)
}
