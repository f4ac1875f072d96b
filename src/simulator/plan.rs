//! What a seed is about: how many replicas and partitions, and which troubles it knows.

use super::replica::Habits;
use crate::program::demo::rng::Rng;
use std::collections::BTreeSet;

/// Something that may go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Trouble {
    /// Retention of the topic moves its first offset, whoever has read it.
    Expiry,
    /// Offsets of transactions' markers.
    Markers,
    /// Compaction takes single records.
    Compaction,
    /// The broker does not hand out some records until a replay reads them.
    Hidden,
    /// The topic gets more partitions.
    Growth,
    /// The topic is deleted and created again at the end.
    Recreated,
    /// Processes are killed between two writes.
    Kills,
    /// Power is lost.
    PowerLoss,
    /// Writes fail.
    FailedWrites,
    /// Replicas start with other saga definitions, and go back.
    OtherDefinitions,
    /// Operators decide on other saga definitions.
    Definitions,
    /// Projections are made anew while serving.
    Rebuilds,
    /// Retention decides what goes.
    Purges,
    /// Purges that name what this topic will never have.
    Unreachable,
    /// Holds are set and lifted, sagas are restored.
    Holds,
    /// Messages on the ops topic that are no decisions.
    Nonsense,
    /// Replicas' clocks jump.
    Clocks,
    /// Timestamps are the producers'.
    CreateTimes,
    /// One of them is wild.
    WildTimes,
    /// The registry goes away.
    RegistryDown,
    /// The registry gets to know a schema after it is in use.
    LateSchema,
    /// The broker does not answer.
    Deaf,
    /// Snapshots are taken and restored.
    Snapshots,
    /// Dead letters are redriven.
    Redrives,
    /// Dead letters are discarded.
    Discards,
}

/// How often in a hundred seeds.
const OFTEN: [(Trouble, u64); 24] = [
    (Trouble::Expiry, 40),
    (Trouble::Markers, 40),
    (Trouble::Compaction, 20),
    (Trouble::Hidden, 20),
    (Trouble::Growth, 30),
    (Trouble::Recreated, 6),
    (Trouble::Kills, 60),
    (Trouble::PowerLoss, 30),
    (Trouble::FailedWrites, 30),
    (Trouble::OtherDefinitions, 25),
    (Trouble::Rebuilds, 40),
    (Trouble::Purges, 50),
    (Trouble::Unreachable, 20),
    (Trouble::Holds, 50),
    (Trouble::Nonsense, 20),
    (Trouble::Clocks, 30),
    (Trouble::CreateTimes, 30),
    (Trouble::WildTimes, 20),
    (Trouble::RegistryDown, 40),
    (Trouble::LateSchema, 20),
    (Trouble::Deaf, 30),
    (Trouble::Snapshots, 30),
    (Trouble::Redrives, 40),
    (Trouble::Discards, 30),
];

/// How often in a hundred seeds operators decide on definitions. Drawn apart, so that what a seed is about beside that
/// stays what it was before there was this trouble.
const DEFINITIONS: u64 = 30;

/// What a seed is about.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) seed: u64,
    pub(super) steps: usize,
    pub(super) partitions: usize,
    pub(super) replicas: Vec<Habits>,
    pub(super) troubles: BTreeSet<Trouble>,
}

impl Plan {
    /// The plan of a seed.
    pub(super) fn of(seed: u64) -> Self {
        let mut rng = Rng::new(seed ^ 0x5eed);
        let mut troubles: BTreeSet<Trouble> = OFTEN
            .into_iter()
            .filter(|(_, share)| rng.below(100) < *share)
            .map(|(trouble, _)| trouble)
            .collect();
        if Rng::new(seed ^ 0xdef1).below(100) < DEFINITIONS {
            troubles.insert(Trouble::Definitions);
        }
        // What a purge leaves of counts is told by the definitions in force then, and these differ between replicas.
        if troubles.contains(&Trouble::OtherDefinitions) {
            troubles.remove(&Trouble::Purges);
            troubles.remove(&Trouble::Unreachable);
        }
        let habits = |rng: &mut Rng| Habits {
            batch: rng.pick([1, 3, 7, 100]),
            window: rng.pick([1, 4, 16, 1_000]),
            shards: rng.weighted([(4, 1), (1, 2), (1, 3)]),
            remembered: rng.pick([1, 4, 64]),
        };
        let count = 2 + usize::from(rng.per_mille(250));
        Self {
            seed,
            steps: 60 + rng.index(160),
            partitions: 1 + rng.index(3),
            replicas: (0..count).map(|_| habits(&mut rng)).collect(),
            troubles,
        }
    }

    pub(super) fn has(&self, trouble: Trouble) -> bool {
        self.troubles.contains(&trouble)
    }
}
