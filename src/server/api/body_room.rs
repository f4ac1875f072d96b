//! Room for what clients send: the bodies of all calls together take up a bounded number of bytes.
//!
//! A body counts from when it comes until its call is answered, because a call that waits for a thread, or for
//! Kafka, keeps what it was sent. The first bytes of each are free: a body as small as that of a status change finds
//! room however many large ones wait, and there are no more of those than connections.

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use hyper::body::{Frame, SizeHint};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

/// Bytes of each body that do not count.
const FREE: u64 = 16 << 10;
/// Bytes of all bodies that do, at most, unless a single one may be nearly as long.
const MAX_BODY_BYTES: u64 = 32 << 20;

/// There is no room for more of a body.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error(
    "calls that are not answered yet hold {0} bytes that they were sent, as many as may wait; send it again later"
)]
pub(super) struct NoRoom(u64);

/// What all bodies may take up.
#[derive(Debug)]
pub(super) struct BodyRoom {
    taken: AtomicU64,
    limit: u64,
}

impl BodyRoom {
    /// Room for bodies that have at most so many bytes each: for two of them at least.
    pub(super) fn of(timeout: u64) -> Self {
        Self {
            taken: AtomicU64::new(0),
            limit: MAX_BODY_BYTES.max(timeout.saturating_mul(2)),
        }
    }

    fn take(&self, bytes: u64) -> Result<(), NoRoom> {
        let enough = |taken: u64| taken.checked_add(bytes).filter(|taken| *taken <= self.limit);
        let taken = self
            .taken
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, enough);
        taken.map(|_| ()).map_err(|_| NoRoom(self.limit))
    }
}

/// What one body takes up, until it is dropped.
#[derive(Debug)]
pub(super) struct Held {
    room: Arc<BodyRoom>,
    bytes: AtomicU64,
}

impl Held {
    fn add(&self, more: u64) -> Result<(), NoRoom> {
        let before = self.bytes.load(Ordering::Relaxed);
        let after = before.saturating_add(more);
        self.room.take(counted(after) - counted(before))?;
        self.bytes.store(after, Ordering::Relaxed);
        Ok(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let bytes = counted(self.bytes.load(Ordering::Relaxed));
        self.room.taken.fetch_sub(bytes, Ordering::Relaxed);
    }
}

fn counted(bytes: u64) -> u64 {
    bytes.saturating_sub(FREE)
}

/// A body that is counted while it comes.
struct Counted {
    body: Body,
    held: Arc<Held>,
}

/// The request, whose body counts as far as it comes and for as long as somebody keeps what is returned beside it.
pub(super) fn counted_in(room: &Arc<BodyRoom>, request: Request) -> (Request, Arc<Held>) {
    let held = Arc::new(Held {
        room: room.clone(),
        bytes: AtomicU64::new(0),
    });
    let counted = |body: Body| {
        if body.is_end_stream() {
            return body;
        }
        let held = held.clone();
        Body::new(Counted { body, held })
    };
    (request.map(counted), held)
}

impl HttpBody for Counted {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::BoxError>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &frame
            && let Some(bytes) = frame.data_ref()
            && let Err(none) = self.held.add(bytes.len() as u64)
        {
            return Poll::Ready(Some(Err(Box::new(none))));
        }
        frame.map_err(Into::into)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::super::slow_body::cause;
    use super::*;
    use axum::body::to_bytes;

    async fn read(room: &Arc<BodyRoom>, bytes: u64) -> Result<Arc<Held>, axum::Error> {
        let body = Body::from(vec![b' '; usize::try_from(bytes).unwrap()]);
        let (request, held) = counted_in(room, Request::new(body));
        to_bytes(request.into_body(), usize::MAX).await.map(|_| held)
    }

    #[tokio::test]
    async fn large_bodies_wait_up_to_a_bound_and_small_ones_without() {
        let room = Arc::new(BodyRoom::of(0));
        let mut waiting = Vec::new();
        for _ in 0..4 {
            waiting.push(read(&room, FREE + MAX_BODY_BYTES / 4).await.unwrap());
        }
        let refused = read(&room, FREE + 1).await.unwrap_err();
        assert!(cause::<NoRoom>(&refused).is_some(), "{refused}");
        waiting.push(read(&room, FREE).await.unwrap());
        waiting.pop();
        waiting.pop();
        waiting.push(read(&room, FREE + 1).await.unwrap());
        drop(waiting);
        assert_eq!(room.taken.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn one_body_of_any_length_that_is_accepted_finds_room() {
        let room = Arc::new(BodyRoom::of(MAX_BODY_BYTES + 1));
        assert!(read(&room, MAX_BODY_BYTES + 1).await.is_ok());
    }
}
