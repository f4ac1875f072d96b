//! Where log lines go and what they look like.

use super::exit::{Exit, Failure, Outcome};
use crate::config::{LogFormat, LogSettings};
use std::io::{IsTerminal, stderr};
use tracing_subscriber::EnvFilter;

/// Sends log lines of the whole process, librdkafka's included, to standard error.
pub(super) fn init(settings: &LogSettings) -> Outcome {
    // The published schema has a spelling that apache-avro warns of each time; we read it all the same.
    let filter = EnvFilter::try_new(format!("apache_avro=error,{}", settings.level))
        .map_err(|error| Failure::new(Exit::Usage, format!("log.level {:?}: {error}", settings.level)))?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(stderr);
    let done = match settings.format {
        LogFormat::Text => lines.with_ansi(stderr().is_terminal()).try_init(),
        LogFormat::Json => lines
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .try_init(),
    };
    done.map_err(|error| Failure::new(Exit::Local, format!("cannot set up logging: {error}")))
}
