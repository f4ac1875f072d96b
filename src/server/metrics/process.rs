//! What the process and its store take up.

use super::catalogue;
use super::sample::{Reading, Value};
use crate::store::Usage;

/// Reads the usage of memory and disk.
pub(super) fn read(usage: &Usage, readings: &mut Vec<Reading>) {
    readings.push(Reading::gauge(
        catalogue::STORE_DISK,
        Value::Whole(usage.disk_bytes),
    ));
    readings.push(Reading::gauge(
        catalogue::STORE_MEMORY,
        Value::Whole(usage.memory_bytes),
    ));
    if let Some(bytes) = resident_bytes() {
        readings.push(Reading::gauge(
            catalogue::PROCESS_RESIDENT_MEMORY,
            Value::Whole(bytes),
        ));
    }
    let version = vec![("version", env!("CARGO_PKG_VERSION").to_owned())];
    readings.push(Reading::gauges(
        catalogue::BUILD_INFO,
        vec![(version, Value::Whole(1))],
    ));
}

/// Resident memory; `None` where the system has no `/proc`.
fn resident_bytes() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some(pages * u64::try_from(rustix::param::page_size()).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn memory_in_use_shows() {
        let before = resident_bytes().unwrap();
        let held = vec![1u8; 256 << 20];
        let after = resident_bytes().unwrap();
        assert!(
            after >= before + (32 << 20),
            "{before} then {after}, holding {}",
            held.len()
        );
    }
}
