//! `monitoring`: dashboards, rules and what goes with them, for the metrics of this very version.

use super::exit::{Failure, Outcome};
use super::output;
use crate::program::monitoring::artefacts;
use anyhow::Context as _;
use clap::{Args, ValueHint};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// Where to.
#[derive(Debug, Args)]
pub(super) struct MonitoringArgs {
    /// The directory to write into; it is made when it is missing, and files of the same names are replaced
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    out: PathBuf,
}

pub(super) fn monitoring(args: &MonitoringArgs) -> Outcome {
    let files = artefacts().map_err(|error| Failure::local(&error.into()))?;
    for file in &files {
        write(&args.out.join(&file.path), &file.text).map_err(|error| Failure::local(&error))?;
    }
    let names = files
        .iter()
        .map(|file| format!("{}\n", args.out.join(&file.path).display()));
    output::print(&names.collect::<String>())
}

/// Prometheus and Grafana run as other users, and nothing in these files is secret.
fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let cannot = || format!("{} cannot be written", path.display());
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory).with_context(cannot)?;
        fs::set_permissions(directory, Permissions::from_mode(0o755)).with_context(cannot)?;
    }
    fs::write(path, text).with_context(cannot)?;
    fs::set_permissions(path, Permissions::from_mode(0o644)).with_context(cannot)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_written_for_others_to_read() {
        let directory = tempfile::tempdir().unwrap();
        let out = directory.path().join("new");
        monitoring(&MonitoringArgs { out: out.clone() }).unwrap();
        for file in artefacts().unwrap() {
            let path = out.join(&file.path);
            assert_eq!(fs::read_to_string(&path).unwrap(), file.text);
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
        }
    }
}
