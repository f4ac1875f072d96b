//! Answers that are sent while they are made, so that memory does not grow with them.
//!
//! Whoever makes one may wait for a client that reads slowly, and stops when the client has gone. What is
//! in the answer is not decided here.

use super::error::{ApiError, ErrorKind};
use axum::body::{Body, Bytes, HttpBody};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use hyper::body::Frame;
use std::collections::VecDeque;
use std::io;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// A part is sent when it has so many bytes.
const PART_BYTES: usize = 32 << 10;
/// Parts that wait for the client.
const MAX_WAITING_PARTS: usize = 2;
/// An answer waits for its client so long in all, and for what it took already as long as a client that
/// takes [`MIN_BYTES_PER_SECOND`] needs: whoever trickles holds a thread and a snapshot of the store.
const TIMEOUT: Duration = Duration::from_secs(30);
/// What a client has to take, once it has begun.
const MIN_BYTES_PER_SECOND: u64 = 64 << 10;

/// How long a client may have been waited for that took so many bytes of its answer.
pub(super) fn allowed(timeout: Duration, taken: u64) -> Duration {
    timeout.saturating_add(Duration::from_millis(
        taken.saturating_mul(1_000) / MIN_BYTES_PER_SECOND,
    ))
}

/// The answer did not come to its end; the connection ends with it, so that nobody takes the part for
/// the whole.
#[derive(Debug, thiserror::Error)]
#[error("the answer broke off")]
struct BrokeOff;

/// Where an answer is written to, on a thread that may wait.
pub(super) struct Parts {
    part: Vec<u8>,
    out: mpsc::Sender<Option<Bytes>>,
    timeout: Duration,
    sent: u64,
    waited: Duration,
}

impl Parts {
    /// Appends to the answer.
    pub(super) fn part(&mut self) -> &mut Vec<u8> {
        &mut self.part
    }

    /// Sends what is there, if it is enough for a part. Breaks when nobody reads any more, or too slowly.
    pub(super) fn send_when_full(&mut self) -> ControlFlow<()> {
        if self.part.len() < PART_BYTES {
            return ControlFlow::Continue(());
        }
        self.send()
    }

    fn send(&mut self) -> ControlFlow<()> {
        let part = std::mem::take(&mut self.part);
        self.sent += u64::try_from(part.len()).unwrap_or(u64::MAX);
        self.hand_over(Some(part.into()))
    }

    /// Waits for the client, within what all its waiting may take.
    fn hand_over(&mut self, part: Option<Bytes>) -> ControlFlow<()> {
        let began = Instant::now();
        let left = allowed(self.timeout, self.sent).saturating_sub(self.waited);
        let sending = async { tokio::time::timeout(left, self.out.send(part)).await };
        let sent = Handle::current().block_on(sending);
        self.waited += began.elapsed();
        match sent {
            Ok(Ok(())) => ControlFlow::Continue(()),
            Ok(Err(_)) | Err(_) => ControlFlow::Break(()),
        }
    }

    /// Sends the rest. Without this the answer breaks off.
    pub(super) fn finish(mut self) {
        if self.send().is_continue() {
            let _nobody_reads = self.hand_over(None);
        }
    }
}

/// For what writes itself. Fails when nobody reads any more, or too slowly.
impl io::Write for Parts {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(PART_BYTES);
        self.part.extend_from_slice(&bytes[..taken]);
        match self.send_when_full() {
            ControlFlow::Continue(()) => Ok(taken),
            ControlFlow::Break(()) => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The other end: the answer, when its first part is there.
struct Answer {
    parts: mpsc::Receiver<Option<Bytes>>,
    what: String,
}

/// The answer of JSON that `write` writes, sent while it is written; `what` it is, for the log. When nothing was
/// written, the error that came instead.
pub(super) async fn sent<W>(what: String, write: impl FnOnce(Parts) -> W) -> Result<Response, ApiError>
where
    W: Future<Output = Result<(), ApiError>> + Send + 'static,
{
    let (parts, answer) = answer(what);
    let without_an_answer = match answer.json(Work::begin(write(parts))).await {
        Ok(response) => return Ok(response),
        Err(work) => work.ended().await,
    };
    match without_an_answer {
        Some(Err(error)) => Err(error),
        Some(Ok(())) | None => Err(ApiError::new(
            ErrorKind::InternalError,
            "the tracker failed to answer; its log says why",
        )),
    }
}

/// Both ends of an answer; `what` it is, for the log.
fn answer(what: String) -> (Parts, Answer) {
    let (out, parts) = mpsc::channel(MAX_WAITING_PARTS);
    let writer = Parts {
        part: Vec::new(),
        out,
        timeout: TIMEOUT,
        sent: 0,
        waited: Duration::ZERO,
    };
    (writer, Answer { parts, what })
}

/// Work that ends when nobody waits for it any more.
struct Work<T>(JoinHandle<T>);

impl<T: Send + 'static> Work<T> {
    fn begin(work: impl Future<Output = T> + Send + 'static) -> Self {
        Self(tokio::spawn(work))
    }

    /// What came of it; none when it panicked.
    async fn ended(mut self) -> Option<T> {
        (&mut self.0).await.ok()
    }
}

impl<T> Drop for Work<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Answer {
    /// The answer of JSON that `work` writes, once its first part is there; when there will be no part, the
    /// work.
    async fn json<T: Send + 'static>(mut self, work: Work<T>) -> Result<Response, Work<T>> {
        let Some(Some(first)) = self.parts.recv().await else {
            return Err(work);
        };
        let body = match self.parts.recv().await {
            // What fits into one part has a length.
            Some(None) => Body::from(first),
            second => Body::new(Rest {
                ready: std::iter::once(Some(first)).chain(second).collect(),
                parts: self.parts,
                ended: false,
                what: self.what,
                _work: Box::new(work),
            }),
        };
        let kind = [(header::CONTENT_TYPE, "application/json")];
        Ok((kind, body).into_response())
    }
}

/// The parts of an answer as they come.
struct Rest {
    ready: VecDeque<Option<Bytes>>,
    parts: mpsc::Receiver<Option<Bytes>>,
    ended: bool,
    what: String,
    /// Ends with the answer.
    _work: Box<dyn Send>,
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
            None => {
                tracing::warn!(what = self.what, "an answer broke off half way");
                Some(Err(BrokeOff))
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(write: impl FnOnce(Parts) + Send + 'static) -> Option<Result<usize, ()>> {
        let (parts, answer) = answer("a test".to_owned());
        let work = Work::begin(async { tokio::task::spawn_blocking(move || write(parts)).await });
        let body = answer.json(work).await.ok()?.into_body();
        let read = axum::body::to_bytes(body, usize::MAX).await;
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
            let _ = write(&mut parts, PART_BYTES);
            let _ = write(&mut parts, PART_BYTES);
        };
        assert_eq!(read(broken).await, Some(Err(())));
        assert_eq!(read(drop).await, None);
    }

    #[tokio::test]
    async fn whoever_writes_stops_when_nobody_reads() {
        let (mut parts, answer) = answer("a test".to_owned());
        drop(answer);
        let stopped = tokio::task::spawn_blocking(move || write(&mut parts, PART_BYTES));
        assert!(stopped.await.unwrap().is_break());
    }

    #[tokio::test]
    async fn whoever_writes_waits_only_so_long_for_a_client_that_trickles() {
        let (mut parts, mut answer) = answer("a test".to_owned());
        parts.timeout = Duration::from_millis(1);
        // The client takes one part and then no more.
        let broke = tokio::task::spawn_blocking(move || {
            while write(&mut parts, PART_BYTES).is_continue() {}
            parts.waited
        });
        assert!(matches!(answer.parts.recv().await, Some(Some(_))));
        let waited = tokio::time::timeout(Duration::from_secs(60), broke).await;
        assert!(waited.unwrap().unwrap() > Duration::ZERO);
        drop(answer);
    }

    #[tokio::test]
    async fn work_ends_with_the_answer_that_nobody_reads_any_more() {
        for begun in [false, true] {
            let (mut parts, answer) = answer("a test".to_owned());
            let (told, is_dropped) = tokio::sync::oneshot::channel::<()>();
            let work = Work::begin(async move {
                let _told = told;
                std::future::pending::<()>().await;
            });
            if begun {
                let fill = move || {
                    let _ = (write(&mut parts, PART_BYTES), write(&mut parts, PART_BYTES));
                    parts
                };
                let _parts = tokio::task::spawn_blocking(fill).await.unwrap();
                drop(answer.json(work).await.ok().unwrap());
            } else {
                drop(answer.json(work));
            }
            let ended = tokio::time::timeout(Duration::from_secs(60), is_dropped).await;
            assert!(ended.unwrap().is_err());
        }
    }
}
