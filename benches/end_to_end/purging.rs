//! Retention beside ingest: sagas are removed as fast as the settings allow by default, oldest first.

use anyhow::Context as _;
use saga_tracker::domain::{Millis, SagaDefinitions, evidence};
use saga_tracker::operations::retention::RetentionSettings;
use saga_tracker::pipeline::projector::{ProjectorHandle, Purge, PurgeOutcome, PurgeSaga};
use saga_tracker::pipeline::query::{Filter, Query, SearchRequest, Sort, SortKey, Window};
use saga_tracker::store::{SharedStore, reads};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Sagas in one write, as the worker does it.
const CHUNK: usize = 50;

/// A thread that removes.
pub(crate) struct Purging {
    stop: Sender<()>,
    thread: JoinHandle<anyhow::Result<u64>>,
}

impl Purging {
    /// From now on.
    pub(crate) fn start(store: SharedStore, projector: ProjectorHandle) -> Self {
        let (stop, stopped) = channel();
        let thread = std::thread::spawn(move || {
            let query = Query::new(store.clone(), Arc::new(SagaDefinitions::default()));
            let rate = RetentionSettings::default().sagas_per_second;
            let turn = Duration::from_secs_f64(CHUNK as f64 / rate as f64);
            let mut purged = 0;
            let mut wait = turn;
            while stopped.recv_timeout(wait) == Err(RecvTimeoutError::Timeout) {
                let started = Instant::now();
                purged += purge_oldest(&query, &store, &projector)?;
                wait = turn.saturating_sub(started.elapsed());
            }
            Ok(purged)
        });
        Self { stop, thread }
    }

    /// No longer. How many sagas went.
    pub(crate) fn stop(self) -> anyhow::Result<u64> {
        drop(self.stop);
        let ended = self.thread.join();
        ended
            .map_err(|_| anyhow::anyhow!("the purging thread panicked"))?
            .context("purging")
    }
}

fn purge_oldest(query: &Query, store: &SharedStore, projector: &ProjectorHandle) -> anyhow::Result<u64> {
    let page = query.search(&SearchRequest {
        filter: Filter::default(),
        sort: Sort {
            key: SortKey::UpdatedAt,
            descending: false,
        },
        window: Window::Page {
            number: 0,
            size: CHUNK,
        },
    })?;
    let snapshot = store.snapshot();
    let cut = reads::cursor(&*snapshot, reads::active_generation(&*snapshot)?)?;
    let mut sagas = Vec::new();
    for found in page.sagas {
        let events = reads::deliveries(&*snapshot, &found.saga_id, &cut)?;
        sagas.push(PurgeSaga {
            saga: found.saga_id,
            events: u32::try_from(events.len())?,
            hash: evidence(&events),
            row_groups: None,
        });
    }
    let purge = Purge {
        decision: 0,
        at: Millis(0),
        rule: "bench".into(),
        extent: cut.into(),
        definitions: Arc::default(),
    };
    let outcomes =
        projector.between_windows(move |projector| projector.purge(&purge, &sagas, &|_, _| false))??;
    let gone = outcomes
        .iter()
        .filter(|outcome| **outcome == PurgeOutcome::Purged);
    Ok(gone.count() as u64)
}
