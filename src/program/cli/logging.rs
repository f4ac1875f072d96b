//! Where log lines go and what they look like.

use super::exit::{Exit, Failure, Outcome};
use super::log_text::{JsonLines, TextFields};
use super::log_writer::{self, LogThread};
use crate::program::config::{LogFormat, LogSettings};
use std::io::{IsTerminal, stderr};
use std::sync::{Mutex, PoisonError};
use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::SubscriberInitExt;

/// Keeps the writing thread; dropped by [`finish`], which waits for the last line.
static WRITER: Mutex<Option<LogThread>> = Mutex::new(None);

/// Writes what is still under way. Call it last.
pub(super) fn finish() {
    drop(WRITER.lock().unwrap_or_else(PoisonError::into_inner).take());
}

/// Sends log lines of the whole process, librdkafka's included, to standard error. A thread of its
/// own writes them, several at once under load: requests do not wait for each other's lines.
pub(super) fn init(settings: &LogSettings) -> Outcome {
    // The published schema has a spelling that apache-avro warns of each time; we read it all the same.
    let filter = EnvFilter::try_new(format!("apache_avro=error,{}", settings.level))
        .map_err(|error| Failure::new(Exit::Usage, format!("log.level {:?}: {error}", settings.level)))?;
    let (writer, thread) = log_writer::start(stderr())
        .map_err(|error| Failure::new(Exit::Local, format!("cannot start the thread that logs: {error}")))?;
    *WRITER.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
    let done = match settings.format {
        LogFormat::Text => text(writer, filter, stderr().is_terminal()).try_init(),
        LogFormat::Json => json(writer, filter).try_init(),
    };
    done.map_err(|error| Failure::new(Exit::Local, format!("cannot set up logging: {error}")))
}

/// Lines for people.
pub(super) fn text<W>(writer: W, filter: EnvFilter, colours: bool) -> impl Subscriber + Send + Sync
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer)
        .with_ansi(colours)
        .fmt_fields(TextFields)
        .finish()
}

/// Lines for programs.
pub(super) fn json<W>(writer: W, filter: EnvFilter) -> impl Subscriber + Send + Sync
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(JsonLines(writer))
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .finish()
}
