//! The object store for snapshots and the archive: reachable, and lets us in.

use super::Check;
use crate::operations::objects::{self, ObjectsError, ObjectsSettings};
use crate::program::config::Config;
use std::time::Duration;

const CHECK: &str = "object store";

/// Asks it for a list.
pub(super) fn check(config: &Config, timeout: Duration) -> Vec<Check> {
    if config.objects.url.is_none() {
        return vec![Check::warn(
            CHECK,
            "none configured; a lost disk means to read the topic again, as far back as it goes",
            "set objects.url and snapshot.interval_minutes",
        )];
    }
    let quick = ObjectsSettings {
        connect_timeout_seconds: timeout.as_secs(),
        timeout_seconds: timeout.as_secs(),
        retries: 0,
        ..config.objects.clone()
    };
    vec![match ask(&quick) {
        Ok(place) => Check::ok(CHECK, format!("{place} answers")),
        Err(error) => Check::fail(CHECK, error.to_string(), "snapshots are not made until then"),
    }]
}

fn ask(settings: &ObjectsSettings) -> Result<String, ObjectsError> {
    let objects = objects::open(settings)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| ObjectsError::Failed {
        place: objects.place().to_owned(),
        detail: error.to_string(),
    })?;
    runtime.block_on(objects.check())?;
    Ok(objects.place().to_owned())
}
