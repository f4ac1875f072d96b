//! Goes over all of a table at once, on every processor. What is done with its rows is not known here.

use super::progress::RebuildError;
use crate::store::{SharedStore, StoreRead, Table, TableRange, scan_range, split};
use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::{Mutex, PoisonError};

/// As many as there are processors.
pub(super) fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Goes over a table on as many threads as there are processors. Each works on one share after the
/// other, on neighbours as long as it can.
pub(super) fn in_parallel<T: Send>(
    store: &SharedStore,
    table: Table,
    work: impl Fn(&dyn StoreRead, &mut dyn Iterator<Item = &TableRange>) -> Result<T, RebuildError> + Sync,
) -> Result<Vec<T>, RebuildError> {
    let threads = threads();
    let ranges = split(&**store, table, threads * 4)?;
    let queues = Mutex::new(
        ranges
            .chunks(ranges.len().div_ceil(threads).max(1))
            .map(|part| part.iter().collect::<VecDeque<_>>())
            .collect::<Vec<_>>(),
    );
    let take = |thread: usize| {
        let mut queues = queues.lock().unwrap_or_else(PoisonError::into_inner);
        let own = queues.get_mut(thread).and_then(VecDeque::pop_front);
        // Whoever is done helps the one that has most left, from its far end.
        own.or_else(|| queues.iter_mut().max_by_key(|queue| queue.len())?.pop_back())
    };
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads)
            .map(|thread| {
                let (work, take) = (&work, &take);
                scope.spawn(move || work(&*store.snapshot(), &mut std::iter::from_fn(|| take(thread))))
            })
            .collect();
        running
            .into_iter()
            .map(|thread| {
                thread
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
            .collect()
    })
}

/// Visits every row of a share of a table.
pub(super) fn each_row(
    snapshot: &dyn StoreRead,
    range: &TableRange,
    mut visit: impl FnMut(&[u8], &[u8], &[u8]) -> Result<(), RebuildError>,
) -> Result<(), RebuildError> {
    let mut failed = None;
    scan_range(snapshot, range, &mut |partition, sort, value| {
        failed = visit(partition, sort, value).err();
        if failed.is_some() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    })?;
    failed.map_or(Ok(()), Err)
}
