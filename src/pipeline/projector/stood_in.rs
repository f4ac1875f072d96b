//! How long another delivery stood in for the one that stands, of the events that came again. What that is for is said
//! in `store::stood_in`.

use super::arriving::Arriving;
use super::known::{Known, Repeat};
use super::projections::Changes;
use super::visible::{ROWS_AT_ONCE, Visible};
use crate::store::codec::Record;
use crate::store::contradicted::Of;
use crate::store::records::LogRecord;
use crate::store::{self, StoreError, reads};

/// Writes what changed for the events of a saga.
pub(super) fn write(arriving: &Arriving<'_>, changes: &mut Changes) {
    for stood_in in arriving.stood_in() {
        stood_in.write(&arriving.saga, changes);
    }
}

/// Finds, for events that come again, when their deliveries before arrived.
pub(super) fn find(visible: Visible<'_>, all: &mut [Arriving<'_>]) -> Result<(), StoreError> {
    let mut repeats = Vec::new();
    for (number, arriving) in all.iter().enumerate() {
        repeats.extend(arriving.repeats().into_iter().map(|repeat| (number, repeat)));
    }
    for some in repeats.chunks(ROWS_AT_ONCE) {
        find_stored(visible, all, some)?;
        find_arrivals(visible, all, some)?;
    }
    Ok(())
}

fn find_stored<'e>(
    visible: Visible<'_>,
    all: &mut [Arriving<'e>],
    repeats: &[(usize, Repeat<'e>)],
) -> Result<(), StoreError> {
    let events = repeats
        .iter()
        .map(|(number, (key, _))| (&all[*number].saga, key.digest()))
        .collect::<Vec<Of<'_>>>();
    let found = store::stood_in::find(visible.store, visible.generation, &events)?;
    for ((number, (key, _)), record) in repeats.iter().zip(found) {
        if let Some(record) = record {
            all[*number].was_known(key, Known::stored(record));
        }
    }
    Ok(())
}

/// Of an event for which no other stood in, the delivery that stands arrived first.
fn find_arrivals<'e>(
    visible: Visible<'_>,
    all: &mut [Arriving<'e>],
    repeats: &[(usize, Repeat<'e>)],
) -> Result<(), StoreError> {
    let unknown: Vec<&(usize, Repeat<'e>)> = repeats
        .iter()
        .filter(|(number, (key, _))| !all[*number].is_known(key))
        .collect();
    let places = unknown
        .iter()
        .map(|(number, (_, place))| (&all[*number].saga, *place));
    let rows = reads::log_rows(visible.store, &places.collect::<Vec<_>>())?;
    for ((number, (key, _)), row) in unknown.into_iter().zip(rows) {
        let known = Known::first(LogRecord::read(&row)?.arrived_at());
        all[*number].was_known(key, known);
    }
    Ok(())
}
