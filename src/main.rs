//! The one binary. All it does is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    saga_tracker::program::cli::run()
}
