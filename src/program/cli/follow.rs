//! Follows work that a server does in the background: asks how far it is, shows a bar, and ends with what the
//! server says at the end. What work it is, and how an answer tells that it runs, is not known here.

use super::client::{Server, parse};
use super::exit::Failure;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;
use std::time::Duration;

/// How often the server is asked.
const POLL_INTERVAL: Duration = Duration::from_millis(250);

/// A bar on a terminal, nothing elsewhere: what is being done, and a template of what is counted.
pub(super) fn bar(doing: &'static str, counted: &str) -> ProgressBar {
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template(&format!("{{msg}} {{wide_bar}} {counted}")) {
        bar.set_style(style);
    }
    bar.with_message(doing)
}

/// Moves a bar to so much done of so much.
pub(super) fn advance(bar: &ProgressBar, (done, total): (u64, u64)) {
    bar.set_length(total);
    bar.set_position(done);
}

/// Where a server says how far something is, and how to read it.
pub(super) struct Work<'a> {
    /// The path that answers with its status.
    pub(super) path: &'a str,
    /// Whether it runs.
    pub(super) runs: &'a dyn Fn(&Value) -> bool,
    /// How much is done, and of how much.
    pub(super) progress: &'a dyn Fn(&Value) -> (u64, u64),
}

impl Work<'_> {
    /// Asks until it has ended; `status` is what is known of it so far. The bar is gone then.
    pub(super) fn follow(
        &self,
        server: &Server,
        mut status: Value,
        bar: &ProgressBar,
    ) -> Result<Value, Failure> {
        while (self.runs)(&status) {
            advance(bar, (self.progress)(&status));
            std::thread::sleep(POLL_INTERVAL);
            status = parse(&server.get(self.path, &[])?)?;
        }
        bar.finish_and_clear();
        Ok(status)
    }
}

/// Whether a status says that the work runs.
pub(super) fn is_running(status: &Value) -> bool {
    status["running"] == true
}

/// A number of a status; 0 where it has none of that name.
pub(super) fn number(status: &Value, name: &str) -> u64 {
    status[name].as_u64().unwrap_or(0)
}
