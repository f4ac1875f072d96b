//! A stream whose writer does not wait forever for the other side to read.

use super::super::chunked::allowed;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

/// How a client takes the answer that is under way.
#[derive(Debug, Default)]
pub(super) struct Pace {
    taken: AtomicU64,
    waited_ms: AtomicU64,
}

impl Pace {
    /// Another answer begins: nothing of it was taken or waited for.
    pub(super) fn begin(&self) {
        self.taken.store(0, Ordering::Relaxed);
        self.waited_ms.store(0, Ordering::Relaxed);
    }

    fn takes(&self, bytes: usize, after: Duration) {
        let ms = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
        self.taken.fetch_add(bytes as u64, Ordering::Relaxed);
        self.waited_ms.fetch_add(ms, Ordering::Relaxed);
    }

    /// How long to wait for the next progress.
    fn left(&self, timeout: Duration) -> Duration {
        let waited = Duration::from_millis(self.waited_ms.load(Ordering::Relaxed));
        let allowed = allowed(timeout, self.taken.load(Ordering::Relaxed));
        allowed.saturating_sub(waited).min(timeout)
    }
}

/// Fails a write that makes no progress for the given time, and one of an answer that the client takes more
/// slowly than [`allowed`] says. Reads pass through: their time limits are the header's and the request's.
pub(super) struct TimedWriter<S> {
    stream: S,
    timeout: Duration,
    pace: Arc<Pace>,
    waiting: Option<Waiting>,
}

struct Waiting {
    since: Instant,
    end: Pin<Box<Sleep>>,
}

impl<S> TimedWriter<S> {
    pub(super) fn new(stream: S, timeout: Duration, pace: Arc<Pace>) -> Self {
        Self {
            stream,
            timeout,
            pace,
            waiting: None,
        }
    }

    /// Starts the clock with the first write that has to wait, and stops it with the next progress.
    fn bounded<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
        bytes: impl Fn(&T) -> usize,
    ) -> Poll<io::Result<T>> {
        if let Poll::Ready(progress) = written {
            let waited = self.waiting.take().map(|waiting| waiting.since.elapsed());
            let bytes = progress.as_ref().map_or(0, bytes);
            self.pace.takes(bytes, waited.unwrap_or_default());
            return Poll::Ready(progress);
        }
        let left = self.pace.left(self.timeout);
        let waiting = self.waiting.get_or_insert_with(|| {
            let since = Instant::now();
            let end = Box::pin(sleep_until(since + left));
            Waiting { since, end }
        });
        ready!(waiting.end.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(
            io::ErrorKind::TimedOut,
            "the client does not read its answer, or too slowly",
        )))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for TimedWriter<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for TimedWriter<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.bounded(cx, written, |bytes| *bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.bounded(cx, written, |bytes| *bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.bounded(cx, flushed, |()| 0)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.bounded(cx, shut, |()| 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    #[tokio::test]
    async fn a_client_that_reads_gets_all() {
        let (ours, mut theirs) = duplex(16);
        let reader = tokio::spawn(async move {
            let mut all = Vec::new();
            theirs.read_to_end(&mut all).await.map(|_| all)
        });
        let mut writer = TimedWriter::new(ours, Duration::from_secs(10), Arc::default());
        writer.write_all(&[7; 1000]).await.unwrap();
        drop(writer);
        assert_eq!(reader.await.unwrap().unwrap(), [7; 1000]);
    }

    #[tokio::test]
    async fn a_client_that_does_not_read_is_cut_off() {
        let (ours, _theirs) = duplex(16);
        let mut writer = TimedWriter::new(ours, Duration::from_millis(20), Arc::default());
        let error = writer.write_all(&[7; 1000]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    /// Takes a byte every few milliseconds.
    fn trickle(mut theirs: tokio::io::DuplexStream) -> tokio::task::JoinHandle<()> {
        tokio::spawn(async move {
            while theirs.read_u8().await.is_ok() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
    }

    #[tokio::test]
    async fn a_client_that_trickles_is_cut_off_and_one_that_keeps_the_pace_is_not() {
        let timeout = Duration::from_secs(1);
        let (ours, theirs) = duplex(16);
        let trickling = trickle(theirs);
        let mut writer = TimedWriter::new(ours, timeout, Arc::default());
        let error = writer.write_all(&[7; 1_000]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        trickling.abort();

        // Each of these answers is taken in time; the pace of one is not that of the next.
        let (ours, theirs) = duplex(16);
        let _trickling = trickle(theirs);
        let pace = Arc::new(Pace::default());
        let mut writer = TimedWriter::new(ours, timeout, pace.clone());
        for _ in 0..20 {
            pace.begin();
            writer.write_all(&[7; 30]).await.unwrap();
        }
    }
}
