//! Commands that go on until somebody stops them: they end well when told to, and come again when the server went away.

use super::exit::{Exit, Failure};
use std::io::Write as _;
use std::time::Duration;

/// The longest wait before the next try.
const LONGEST: Duration = Duration::from_secs(30);

/// From now on Ctrl-C ends the process as if it had come to its end.
pub(super) fn end_well() {
    let wait = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
        if let Ok(runtime) = runtime
            && runtime.block_on(tokio::signal::ctrl_c()).is_ok()
        {
            std::process::exit(0);
        }
    };
    // Without that thread Ctrl-C ends it all the same.
    let _thread = std::thread::Builder::new().name("ctrl-c".to_owned()).spawn(wait);
}

/// When to try again.
#[derive(Debug, Default)]
pub(super) struct Again {
    /// Whether it has gone well before.
    once: bool,
    tries: u32,
}

impl Again {
    /// The server answers.
    pub(super) fn goes_well(&mut self) {
        self.once = true;
        self.tries = 0;
    }

    /// How long to wait before the next try; none where it never went well, or another try changes nothing.
    fn next(&mut self, why: &Failure) -> Option<Duration> {
        let may_pass = matches!(why.exit, Exit::Unreachable | Exit::Server);
        if !self.once || !may_pass {
            return None;
        }
        let wait = Duration::from_secs(1 << self.tries.min(5)).min(LONGEST);
        self.tries += 1;
        Some(wait)
    }

    /// Waits until the next try and says why, or fails for good.
    pub(super) fn wait_for(&mut self, why: Failure) -> Result<(), Failure> {
        let Some(wait) = self.next(&why) else {
            return Err(why);
        };
        let mut out = std::io::stderr().lock();
        // Nowhere is left to report that standard error is gone.
        let _gone = writeln!(
            out,
            "saga-tracker: {}; trying again in {} s",
            super::output::printable(&why.message),
            wait.as_secs()
        );
        drop(out);
        std::thread::sleep(wait);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_answered_once_comes_again_ever_more_slowly() {
        let (mut again, away) = (Again::default(), Failure::new(Exit::Unreachable, "away"));
        assert_eq!(again.next(&away), None);
        again.goes_well();
        let waits: Vec<u64> = (0..7)
            .filter_map(|_| again.next(&away))
            .map(|wait| wait.as_secs())
            .collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 30, 30]);
        again.goes_well();
        assert_eq!(again.next(&away), Some(Duration::from_secs(1)));
        assert_eq!(again.next(&Failure::new(Exit::Usage, "wrong")), None);
    }
}
