//! How a command ends: the exit codes, and the one line that says why.

use crate::program::config::ConfigError;
use std::fmt::Display;

/// Exit codes, as `--help` documents them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Exit {
    /// Done.
    Ok = 0,
    /// Done, and the answer is no: not found, differs, a check failed.
    Negative = 1,
    /// Asked wrongly: a bad flag, option or parameter.
    Usage = 2,
    /// The server could not be reached.
    Unreachable = 3,
    /// The server answered, but not with an answer.
    Server = 4,
    /// Something on this machine stood in the way: the store, the disk, the broker.
    Local = 5,
}

/// The table of exit codes for `--help`.
pub(super) const HELP: &str = "\
Exit codes:
  0  done
  1  not found, differences, or a failed check
  2  wrong usage or configuration
  3  the server or the object store cannot be reached
  4  the server or the object store failed to answer
  5  the command failed on this machine (store, disk, broker)";

/// Why a command ends otherwise than with [`Exit::Ok`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    /// The exit code.
    pub(super) exit: Exit,
    /// What happened and what to do; empty when all is said already.
    pub(super) message: String,
}

impl Failure {
    pub(super) fn new(exit: Exit, message: impl Display) -> Self {
        Self {
            exit,
            message: message.to_string(),
        }
    }

    /// For errors of the machine, whose chain of causes makes one line.
    pub(super) fn local(error: &anyhow::Error) -> Self {
        Self::new(Exit::Local, format!("{error:#}"))
    }

    /// The command did its work, printed its findings, and they are bad.
    pub(super) fn negative() -> Self {
        Self::new(Exit::Negative, "")
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::new(Exit::Usage, error)
    }
}

/// What a command comes to.
pub(super) type Outcome = Result<(), Failure>;
