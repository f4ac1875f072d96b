//! Answers that are sent while they are made, so that memory does not grow with them.
//!
//! Whoever makes one may wait for a client that reads slowly, and stops when the client has gone. What is
//! in the answer is not decided here.

use axum::body::{Body, Bytes, HttpBody};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use hyper::body::Frame;
use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::sync::mpsc;

/// A part is sent when it has so many bytes.
const PART: usize = 32 << 10;
/// Parts that wait for the client.
const WAITING: usize = 2;

/// The answer did not come to its end; the connection ends with it, so that nobody takes the part for
/// the whole.
#[derive(Debug, thiserror::Error)]
#[error("the answer broke off")]
struct BrokeOff;

/// Where an answer is written to, on a thread that may wait.
pub(super) struct Parts {
    part: Vec<u8>,
    out: mpsc::Sender<Option<Bytes>>,
}

impl Parts {
    /// Appends to the answer.
    pub(super) fn part(&mut self) -> &mut Vec<u8> {
        &mut self.part
    }

    /// Sends what is there, if it is enough for a part. Breaks when nobody reads any more.
    pub(super) fn send_when_full(&mut self) -> ControlFlow<()> {
        if self.part.len() < PART {
            return ControlFlow::Continue(());
        }
        self.send()
    }

    fn send(&mut self) -> ControlFlow<()> {
        let part = std::mem::take(&mut self.part);
        match self.out.blocking_send(Some(part.into())) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    }

    /// Sends the rest. Without this the answer breaks off.
    pub(super) fn finish(mut self) {
        if self.send().is_continue() {
            let _nobody_reads = self.out.blocking_send(None);
        }
    }
}

/// The other end: the answer, when its first part is there.
pub(super) struct Answer {
    parts: mpsc::Receiver<Option<Bytes>>,
}

/// Both ends of an answer.
pub(super) fn answer() -> (Parts, Answer) {
    let (out, parts) = mpsc::channel(WAITING);
    let part = Vec::new();
    (Parts { part, out }, Answer { parts })
}

impl Answer {
    /// The answer of JSON, once its first part is there; none when there will be no part.
    pub(super) async fn json(mut self) -> Option<Response> {
        let first = self.parts.recv().await??;
        let body = match self.parts.recv().await {
            // What fits into one part has a length.
            Some(None) => Body::from(first),
            second => Body::new(Rest {
                ready: std::iter::once(Some(first)).chain(second).collect(),
                parts: self.parts,
                ended: false,
            }),
        };
        let kind = [(header::CONTENT_TYPE, "application/json")];
        Some((kind, body).into_response())
    }
}

/// The parts of an answer as they come.
struct Rest {
    ready: VecDeque<Option<Bytes>>,
    parts: mpsc::Receiver<Option<Bytes>>,
    ended: bool,
}

impl HttpBody for Rest {
    type Data = Bytes;
    type Error = BrokeOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokeOff>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let next = match self.ready.pop_front() {
            Some(part) => Some(part),
            None => ready!(self.parts.poll_recv(cx)),
        };
        self.ended = !matches!(next, Some(Some(_)));
        Poll::Ready(match next {
            Some(Some(part)) => Some(Ok(Frame::data(part))),
            Some(None) => None,
            None => Some(Err(BrokeOff)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(write: impl FnOnce(Parts) + Send + 'static) -> Option<Result<usize, ()>> {
        let (parts, answer) = answer();
        let writer = tokio::task::spawn_blocking(move || write(parts));
        let body = answer.json().await?.into_body();
        let read = axum::body::to_bytes(body, usize::MAX).await;
        writer.await.unwrap();
        Some(read.map(|bytes| bytes.len()).map_err(|_| ()))
    }

    fn write(parts: &mut Parts, bytes: usize) -> ControlFlow<()> {
        parts.part().extend(std::iter::repeat_n(b' ', bytes));
        parts.send_when_full()
    }

    #[tokio::test]
    async fn all_parts_arrive_and_one_that_breaks_off_is_an_error() {
        let whole = |count: usize| {
            move |mut parts: Parts| {
                for _ in 0..count {
                    let _ = write(&mut parts, 10_000);
                }
                parts.finish();
            }
        };
        assert_eq!(read(whole(1)).await, Some(Ok(10_000)));
        assert_eq!(read(whole(100)).await, Some(Ok(1_000_000)));
        let broken = |mut parts: Parts| {
            let _ = write(&mut parts, PART);
            let _ = write(&mut parts, PART);
        };
        assert_eq!(read(broken).await, Some(Err(())));
        assert_eq!(read(drop).await, None);
    }

    #[tokio::test]
    async fn whoever_writes_stops_when_nobody_reads() {
        let (mut parts, answer) = answer();
        drop(answer);
        let stopped = tokio::task::spawn_blocking(move || write(&mut parts, PART));
        assert!(stopped.await.unwrap().is_break());
    }
}
