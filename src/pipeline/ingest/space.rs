//! Room on the disk under the store: when consumption waits for it, and when it goes on.
//!
//! Consumption stops before the disk is full, not when it is: reads, and the room that merging files
//! and purging sagas need, must still be there. It goes on only when a quarter more than the
//! low-water mark is free, so that it does not stop and go with every file that comes and goes.

use crate::store::disk;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often a nearly full disk is looked at.
const POLL_INTERVAL: Duration = Duration::from_millis(250);

/// Tells how much room there is.
pub trait FreeSpace: Send + Sync {
    /// Bytes that are free to us; `None` when nobody can tell.
    fn free(&self) -> Option<u64>;

    /// The low-water mark: bytes that consumption leaves free.
    fn min_free_bytes(&self) -> u64 {
        0
    }
}

/// The disk that holds the store.
#[derive(Clone, Debug)]
pub struct Disk {
    /// A directory on it.
    pub directory: PathBuf,
    /// Bytes that consumption leaves free.
    pub min_free_bytes: u64,
}

impl FreeSpace for Disk {
    fn free(&self) -> Option<u64> {
        if let Some(pretended) = crate::failpoint::pretended_free_bytes() {
            return Some(pretended);
        }
        disk::room(&self.directory).ok().map(|room| room.free)
    }

    fn min_free_bytes(&self) -> u64 {
        self.min_free_bytes
    }
}

/// Room without end: for stores that are on no disk.
#[derive(Clone, Copy, Debug, Default)]
pub struct Boundless;

impl FreeSpace for Boundless {
    fn free(&self) -> Option<u64> {
        None
    }
}

/// Too little room, and how much there must be before consumption goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shortage {
    /// Bytes that are free.
    pub free: u64,
    /// Below so many consumption stops.
    pub minimum: u64,
    /// From so many it goes on.
    pub resume_at: u64,
}

/// The low-water mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct LowWater {
    minimum: u64,
    short: bool,
}

impl LowWater {
    /// That many bytes must be free.
    fn new(minimum: u64) -> Self {
        Self {
            minimum,
            short: false,
        }
    }

    /// Whether that much room is too little, given what was found before.
    fn judge(&mut self, free: Option<u64>) -> Option<Shortage> {
        // Who cannot tell does not stop the stream: a write that fails still will.
        let free = free?;
        let resume_at = self.minimum.saturating_add(self.minimum / 4);
        self.short = free < if self.short { resume_at } else { self.minimum };
        self.short.then_some(Shortage {
            free,
            minimum: self.minimum,
            resume_at,
        })
    }
}

/// Where a reader waits while what it reads would have to be written to a nearly full disk.
pub(crate) struct Gate {
    /// What it reads, for the log.
    reads: &'static str,
    space: Arc<dyn FreeSpace>,
    mark: LowWater,
    shutdown: CancellationToken,
}

impl Gate {
    /// A gate that opens while so many bytes are free.
    pub(crate) fn new(
        reads: &'static str,
        space: Arc<dyn FreeSpace>,
        minimum: u64,
        shutdown: CancellationToken,
    ) -> Self {
        Self {
            reads,
            space,
            mark: LowWater::new(minimum),
            shutdown,
        }
    }

    /// Waits for room, or until shutdown. `look` learns what is found each time: free bytes and, while they
    /// are too few, the shortage. Whether it is time to end.
    pub(crate) fn wait(&mut self, mut look: impl FnMut(Option<u64>, Option<Shortage>)) -> bool {
        let mut was_short = false;
        while !self.shutdown.is_cancelled() {
            let free = self.space.free();
            let shortage = self.mark.judge(free);
            look(free, shortage);
            let Some(shortage) = shortage else {
                if was_short {
                    tracing::info!(
                        reads = self.reads,
                        free,
                        "the disk has room again; reading goes on"
                    );
                }
                return false;
            };
            if !was_short {
                tracing::error!(
                    reads = self.reads,
                    free = shortage.free,
                    minimum = shortage.minimum,
                    resume_at = shortage.resume_at,
                    "the disk under the store is nearly full; reading waits and goes on by itself"
                );
            }
            was_short = true;
            crate::wait::park(POLL_INTERVAL);
        }
        true
    }
}

impl std::fmt::Display for Shortage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "the disk under the store is nearly full: {} bytes are free, less than store.min_free_bytes ({}); \
             consumption waits and goes on by itself when {} are free; nothing is lost meanwhile",
            self.free, self.minimum, self.resume_at
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consumption_stops_below_the_mark_and_goes_on_well_above_it() {
        let mut mark = LowWater::new(1_000);
        let mut short = |free: u64| mark.judge(Some(free)).is_some();
        assert!(!short(1_000));
        assert!(short(999));
        assert!(short(1_000));
        assert!(short(1_249));
        assert!(!short(1_250));
        assert!(!short(1_000));
        assert!(short(0));
    }

    #[test]
    fn a_mark_of_nothing_never_stops_and_unknown_room_neither() {
        assert_eq!(LowWater::new(0).judge(Some(0)), None);
        assert_eq!(LowWater::new(1_000).judge(None), None);
    }

    #[test]
    fn a_disk_tells_its_room() {
        let free = |directory| {
            Disk {
                directory,
                min_free_bytes: 0,
            }
            .free()
        };
        assert!(free(std::env::temp_dir()).is_some());
        assert_eq!(free("/nowhere/at/all".into()), None);
    }
}
