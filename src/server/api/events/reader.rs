//! Reads what comes for all who wait for events, while anybody does.

use super::super::context::Context;
use super::super::waiters::{Reader, Waiter};
use crate::pipeline::query::EventsAfter;
use std::time::Duration;

/// So often it is looked whether there is something new.
const POLL: Duration = Duration::from_millis(200);

/// Reads until nobody waits.
pub(super) async fn read(context: Context, mut reader: Reader) {
    loop {
        tokio::time::sleep(POLL).await;
        let cursor = context.parts().projected.status().cursor;
        let Some(behind) = reader.behind(&cursor) else {
            return;
        };
        // Costs nothing while nothing comes.
        if behind.is_empty() {
            continue;
        }
        let requests = behind.iter().map(|waiter| waiter.request.clone()).collect();
        match context.events_after_each(requests).await {
            Ok(found) => {
                for (waiter, found) in behind.into_iter().zip(found) {
                    answer(&reader, waiter, found);
                }
            }
            // Those who wait ask for themselves then, and are told.
            Err(error) => tracing::debug!(%error, "events could not be read for all who wait"),
        }
    }
}

/// Hands over what was found, or waits on behind it.
fn answer(reader: &Reader, mut waiter: Waiter, found: EventsAfter) {
    if found.is_news() {
        // Nobody may wait any more.
        let _gone = waiter.answer.send(found);
    } else {
        waiter.request.after = Some(found.next);
        reader.put_back(waiter);
    }
}
