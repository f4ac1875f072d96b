//! Finding events of the log by their ids. There is no table of all event ids (it would cost half of the
//! ingest rate), so this reads the log: of the sagas that the caller names, or all of it where it is not
//! too long. One search at a time, on the caller's thread, until everything is found or the caller is gone.

use super::asking::AskError;
use crate::domain::{Position, SagaId};
use crate::store::codec::Record;
use crate::store::records::LogRecord;
use crate::store::{Direction, SharedStore, StoreError, StoreRead, Table, WHOLE, keys};
use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use std::sync::{Mutex, MutexGuard};
use tokio_util::sync::CancellationToken;

/// So many rows are looked through without waiting for a turn; few in tests.
const FREE_ROWS: u64 = if cfg!(test) { 20 } else { 100_000 };

/// Why a replay by ids was not done. Nothing was published.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Another one reads the log.
    #[error(
        "another replay looks through the log for events now; try again when it is answered, or say in sagaIds which sagas these belong to"
    )]
    Busy,
    /// The log is too long to be read for this.
    #[error(
        "the events are not dead letters, and the log has {rows} events, more than the {limit} that one call may look \
         through (dead_letters.replay_events); say in sagaIds which sagas they belong to"
    )]
    TooMuch {
        /// Events in the log, or looked through so far.
        rows: u64,
        /// How many one call may look through.
        limit: u64,
    },
    /// The caller does not wait any more.
    #[error("the client went away before its events were found; nothing was published")]
    Gone,
    /// No redrive was asked for.
    #[error(transparent)]
    NotAsked(#[from] AskError),
}

/// Where each event was found.
pub(super) type Found<'i> = HashMap<&'i str, (SagaId, Position)>;

/// Looks for events in the log.
pub(super) struct LogSearch<'a> {
    pub(super) store: &'a SharedStore,
    /// Events to look through, at most.
    pub(super) limit: u64,
    /// Held while all of the log is read, or more than [`FREE_ROWS`] of the sagas that were named.
    pub(super) turn: &'a Mutex<()>,
    /// Cancelled when nobody waits any more.
    pub(super) gone: &'a CancellationToken,
}

impl LogSearch<'_> {
    /// Where the log has events of these ids: in these sagas or, when none are named, anywhere.
    ///
    /// # Errors
    /// [`ReplayError`].
    pub(super) fn find<'i>(
        &self,
        ids: &HashSet<&'i str>,
        sagas: &[String],
    ) -> Result<Found<'i>, ReplayError> {
        let mut looking = Looking {
            search: self,
            ids,
            found: HashMap::new(),
            looked_at: 0,
            turn: None,
            failed: None,
        };
        if ids.is_empty() {
            return Ok(looking.found);
        }
        let snapshot = self.store.snapshot();
        if !sagas.is_empty() {
            for saga in sagas {
                looking.saga(&*snapshot, saga)?;
            }
            return Ok(looking.found);
        }
        looking.take_turn()?;
        let rows = self.store.usage().log_rows;
        if rows > self.limit {
            let limit = self.limit;
            return Err(ReplayError::TooMuch { rows, limit });
        }
        looking.everywhere(&*snapshot)?;
        Ok(looking.found)
    }
}

struct Looking<'a, 'i> {
    search: &'a LogSearch<'a>,
    ids: &'a HashSet<&'i str>,
    found: Found<'i>,
    looked_at: u64,
    /// Held while much is read.
    turn: Option<MutexGuard<'a, ()>>,
    failed: Option<ReplayError>,
}

impl Looking<'_, '_> {
    fn saga(&mut self, store: &dyn StoreRead, saga: &str) -> Result<(), ReplayError> {
        let partition = saga.as_bytes();
        store.scan(
            Table::Log,
            partition,
            WHOLE,
            Direction::Forward,
            usize::MAX,
            &mut |sort, value| self.look(partition, sort, value),
        )?;
        self.failed.take().map_or(Ok(()), Err)
    }

    fn take_turn(&mut self) -> Result<(), ReplayError> {
        self.turn = Some(self.search.turn.try_lock().map_err(|_| ReplayError::Busy)?);
        Ok(())
    }

    fn everywhere(&mut self, store: &dyn StoreRead) -> Result<(), ReplayError> {
        store.scan_table(Table::Log, &mut |partition, sort, value| {
            self.look(partition, sort, value)
        })?;
        self.failed.take().map_or(Ok(()), Err)
    }

    fn look(&mut self, partition: &[u8], sort: &[u8], value: &[u8]) -> ControlFlow<()> {
        match self.note(partition, sort, value) {
            Ok(()) if self.found.len() < self.ids.len() => ControlFlow::Continue(()),
            Ok(()) => ControlFlow::Break(()),
            Err(error) => {
                self.failed = Some(error);
                ControlFlow::Break(())
            }
        }
    }

    fn note(&mut self, partition: &[u8], sort: &[u8], value: &[u8]) -> Result<(), ReplayError> {
        if self.search.gone.is_cancelled() {
            return Err(ReplayError::Gone);
        }
        let (rows, limit) = (self.looked_at + 1, self.search.limit);
        if rows > limit {
            return Err(ReplayError::TooMuch { rows, limit });
        }
        if rows > FREE_ROWS && self.turn.is_none() {
            self.take_turn()?;
        }
        self.looked_at = rows;
        let record = LogRecord::read(value)?;
        if let Some(id) = self.ids.get(record.event_id()) {
            let at = keys::parse_log_sort(sort).map_err(StoreError::from)?.position;
            let saga = keys::parse_text("log", partition).map_err(StoreError::from)?;
            self.found.entry(*id).or_insert_with(|| (SagaId::from(saga), at));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Event;
    use crate::testkit;

    /// A store with as many events, each of a saga of its own.
    fn with_events(count: u64) -> SharedStore {
        let store = testkit::store();
        let events: Vec<Event> = (0..count)
            .map(|n| Event {
                position: Position::new(0, n),
                event_id: format!("e-{n}").as_str().into(),
                saga_id: format!("s-{n}").as_str().into(),
                ..testkit::event()
            })
            .collect();
        testkit::append(&store, &events);
        store
    }

    fn find(
        store: &SharedStore,
        limit: u64,
        ids: &[&str],
        sagas: &[&str],
    ) -> Result<Vec<String>, ReplayError> {
        let (turn, gone) = (Mutex::default(), CancellationToken::new());
        find_with(store, (limit, &turn, &gone), ids, sagas)
    }

    fn find_with(
        store: &SharedStore,
        (limit, turn, gone): (u64, &Mutex<()>, &CancellationToken),
        ids: &[&str],
        sagas: &[&str],
    ) -> Result<Vec<String>, ReplayError> {
        let search = LogSearch {
            store,
            limit,
            turn,
            gone,
        };
        let sagas: Vec<String> = sagas.iter().map(|saga| (*saga).to_owned()).collect();
        let found = search.find(&ids.iter().copied().collect(), &sagas)?;
        let mut sagas: Vec<String> = found.values().map(|(saga, _)| saga.as_str().to_owned()).collect();
        sagas.sort();
        Ok(sagas)
    }

    #[test]
    fn events_are_found_in_the_log_or_in_the_sagas_that_are_named() {
        let store = with_events(40);
        assert_eq!(
            find(&store, 40, &["e-7", "e-39", "no"], &[]).unwrap(),
            ["s-39", "s-7"]
        );
        assert_eq!(
            find(&store, 40, &["e-7", "e-39"], &["s-7", "s-8"]).unwrap(),
            ["s-7"]
        );
        assert_eq!(find(&store, 0, &[], &[]).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn a_log_that_is_too_long_is_not_read_unless_sagas_are_named() {
        let store = with_events(40);
        let refused = find(&store, 39, &["e-7"], &[]).unwrap_err();
        assert!(
            matches!(refused, ReplayError::TooMuch { rows: 40, limit: 39 }),
            "{refused}"
        );
        assert!(refused.to_string().contains("sagaIds"), "{refused}");
        assert_eq!(find(&store, 39, &["e-7"], &["s-7"]).unwrap(), ["s-7"]);
        let one = find(&store, 1, &["no"], &["s-1", "s-2"]).unwrap_err();
        assert!(matches!(one, ReplayError::TooMuch { rows: 2, limit: 1 }), "{one}");
    }

    #[test]
    fn one_search_reads_the_log_at_a_time_and_none_for_somebody_who_is_gone() {
        let store = with_events(40);
        let (turn, gone) = (Mutex::new(()), CancellationToken::new());
        let held = turn.lock().unwrap();
        let busy = find_with(&store, (40, &turn, &gone), &["e-7"], &[]);
        assert!(matches!(busy, Err(ReplayError::Busy)), "{busy:?}");
        // What was named is found all the same.
        let named = find_with(&store, (40, &turn, &gone), &["e-7"], &["s-7"]);
        assert_eq!(named.unwrap(), ["s-7"]);
        // But not as many of them as anybody likes.
        let many: Vec<String> = (0..40).map(|n| format!("s-{n}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let busy = find_with(&store, (40, &turn, &gone), &["no"], &many);
        assert!(matches!(busy, Err(ReplayError::Busy)), "{busy:?}");
        drop(held);
        gone.cancel();
        let left = find_with(&store, (40, &turn, &gone), &["no"], &[]);
        assert!(matches!(left, Err(ReplayError::Gone)), "{left:?}");
    }
}
