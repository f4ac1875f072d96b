//! The tables: each is one entry, and whatever depends on which table it is derives from that entry or is
//! held against it. What keys consist of is in `keys`, what values do in `records`.

use super::StoreError;
use super::codec::Record;
use super::records::{
    ArchivedRecord, AuditRecord, CensusRecord, ContradictedRecord, CountRecord, DeadLetterMarkRecord,
    DeadLetterRecord, DeadLetterSummaryRecord, DecisionRecord, FeedRecord, GapRecord, HoldRecord,
    IncidentRecord, InstanceRecord, LateNoticeRecord, LateRecord, LogRecord, ManyChangesRecord, MetaRecord,
    MoveRecord, OffsetCountsRecord, OffsetRecord, PresenceRecord, PurgedRecord, RedriveLetterRecord,
    RedriveRecord, RedriveTallyRecord, StandingRecord, StartedRecord, StoodInRecord, TotalRecord,
    UpdatedRecord,
};
use InDigest::{No, Part, Whole};
use Proof::{Fold, Nothing};

/// What a table is, whichever generation of it.
pub struct TableEntry {
    /// Its name on disk, that of a projection without its generation. Never changed.
    pub name: &'static str,
    /// How it is used: engines choose how to keep it by that.
    pub access: Access,
    /// Whether two stores that were fed the same must agree in it.
    pub digest: InDigest,
    /// What `verify` holds its rows against.
    pub proof: Proof,
    /// The records that its values are, by name.
    pub values: &'static [(&'static str, Reread)],
}

/// How a table is written and read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Appended to in random partitions, read by partition.
    AppendedAnywhere,
    /// Appended to in order, read in order.
    AppendedInOrder,
    /// Overwritten, read by whole key.
    ByKey,
    /// Overwritten, read by partition.
    ByPartition,
    /// A handful of rows.
    Small,
}

/// What the digest of a store takes of the values of a table; of keys it takes all, or nothing.
#[derive(Clone, Copy, Debug)]
pub enum InDigest {
    /// All.
    Whole,
    /// What this leaves of a value.
    Part(PartOfValue),
    /// Nothing, for this reason.
    No(&'static str),
}

/// What the rows of a table are held against, so that one that is lost or wrong is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// A new fold of the log.
    Fold,
    /// The account of offsets: each has one entry of the feed, and what that names is there.
    Offsets,
    /// The account of dead letters.
    DeadLetters,
    /// Nothing that is in the store, for this reason.
    Nothing(&'static str),
}

/// The part of a value in which two stores that were fed the same must agree.
pub type PartOfValue = fn(&[u8]) -> Result<Vec<u8>, StoreError>;

/// Reads bytes as a record and writes it again: whether that is read as the same.
pub type Reread = fn(&[u8]) -> Result<bool, StoreError>;

/// Of a gap what the broker still held when it was found differs between replicas.
fn where_it_ends(gap: &[u8]) -> Result<Vec<u8>, StoreError> {
    Ok(GapRecord::read(gap)?.next.to_be_bytes().to_vec())
}

/// Why something was not delivered only the broker knew, and what it said then.
fn without_reasons(counts: &[u8]) -> Result<Vec<u8>, StoreError> {
    Ok(OffsetCountsRecord::read(counts)?.without_reasons().to_bytes())
}

macro_rules! tables {
    (
        evidence { $(
            $(#[$about:meta])* $table:ident = $name:literal, $access:ident, $digest:expr, $proof:expr,
            [$($value:ident),+];
        )+ }
        projections { $(
            $(#[$shows:meta])* $projection:ident = $short:literal, $kind:ident, $in:expr, $how:expr,
            [$($record:ident),+];
        )+ }
    ) => {
        /// A table of the store.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Table {
            $($(#[$about])* $table,)+
            /// A projection.
            Projection(Generation, ProjectionTable),
        }

        /// The tables that can be thrown away and made again from the log.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum ProjectionTable {
            $($(#[$shows])* $projection,)+
        }

        impl ProjectionTable {
            /// All of them.
            pub const ALL: [Self; [$($short),+].len()] = [$(Self::$projection),+];
        }

        impl Table {
            /// Every table there is.
            pub fn all() -> impl Iterator<Item = Self> {
                let of = |generation| ProjectionTable::ALL.map(|table| Self::Projection(generation, table));
                let projections = [Generation::A, Generation::B].into_iter().flat_map(of);
                [$(Self::$table),+].into_iter().chain(projections)
            }

            /// The table's name on disk. Never changed.
            pub const fn name(self) -> &'static str {
                use Generation::{A, B};
                match self {
                    $(Self::$table => $name,)+
                    $(
                        Self::Projection(A, ProjectionTable::$projection) => concat!("a.", $short),
                        Self::Projection(B, ProjectionTable::$projection) => concat!("b.", $short),
                    )+
                }
            }

            /// What the table is.
            pub fn entry(self) -> &'static TableEntry {
                match self {
                    $(Self::$table => entry!($name, $access, $digest, $proof, [$($value),+]),)+
                    $(
                        Self::Projection(_, ProjectionTable::$projection) => {
                            entry!($short, $kind, $in, $how, [$($record),+])
                        }
                    )+
                }
            }
        }
    };
}

macro_rules! entry {
    ($name:literal, $access:ident, $digest:expr, $proof:expr, [$($record:ident),+]) => {{
        static ENTRY: TableEntry = TableEntry {
            name: $name,
            access: Access::$access,
            digest: $digest,
            proof: $proof,
            values: &[$((stringify!($record), |bytes| {
                let record = $record::read(bytes)?;
                let written = record.to_bytes();
                Ok($record::read(&written)? == record)
            })),+],
        };
        &ENTRY
    }};
}

tables! {
    evidence {
        /// Every decoded event, by saga, in timeline order. Append-only.
        Log = "log", AppendedAnywhere, Whole, Proof::Offsets, [LogRecord];
        /// For every offset what became of it, in order of arrival.
        Feed = "feed", AppendedInOrder, Whole, Proof::Offsets, [FeedRecord];
        /// Per partition, where consumption resumes.
        Offsets = "offsets", Small, Whole, Proof::Offsets, [OffsetRecord];
        /// How many offsets were logged, are dead letters or were not delivered, by day of arrival.
        Accounted = "accounted", ByPartition, Part(without_reasons), Proof::Offsets, [OffsetCountsRecord];
        /// Deliveries that arrived long after they happened, or before.
        Late = "late", ByPartition, Whole, Proof::Offsets, [LateRecord];
        /// Which offsets arrived when, one in a few thousand.
        Clock = "clock", Small,
            No("where to look: which offsets are in it depends on where consumption began"),
            Nothing("where to look, and nothing that is told"), [PresenceRecord];
        /// Records that could not be applied, with their bytes.
        DeadLetters = "dead_letters", AppendedInOrder, Whole, Proof::DeadLetters, [DeadLetterRecord];
        /// What is known of each dead letter without its bytes.
        Letters = "letters", Small, Whole, Proof::DeadLetters, [DeadLetterSummaryRecord];
        /// What happened to dead letters after they were stored. Append-only.
        DeadLetterMarks = "letter_marks", Small, Whole, Proof::DeadLetters, [DeadLetterMarkRecord];
        /// Dead letters by the id of the event in them.
        LettersByEvent = "letters_by_event", Small, Whole, Proof::DeadLetters, [PresenceRecord];
        /// Redrives that were asked for, and what became of each of their letters. Of this replica only.
        Redrives = "redrives", Small,
            No("who asked this replica for what; what came of it is in letter_marks"),
            Nothing("who asked this replica for what"),
            [RedriveRecord, RedriveTallyRecord, PresenceRecord, RedriveLetterRecord];
        /// Offsets that the broker did not deliver.
        Gaps = "gaps", Small, Part(where_it_ends),
            Nothing("why they were not delivered only the broker knew"), [GapRecord];
        /// Sagas that retention removed.
        Purged = "purged", ByKey, Whole, Proof::Offsets, [PurgedRecord];
        /// Archive objects that hold what was removed.
        Archived = "archived", Small, Whole, Nothing("the objects are elsewhere"), [ArchivedRecord];
        /// What may not be removed.
        Holds = "holds", Small, Whole, Nothing("what was decided is in the ops topic"), [HoldRecord];
        /// Format version, active generation, cursors of side jobs.
        Meta = "meta", Small,
            No("which generation serves here, how far dead letters are published"),
            Nothing("where this replica's side jobs are"), [MetaRecord, TotalRecord];
        /// What came over the ops topic, and what became of it.
        Decisions = "decisions", AppendedInOrder, Whole,
            Nothing("what was decided is in the ops topic"), [DecisionRecord];
        /// Who did what, each entry chained to the one before it. Append-only.
        Audit = "audit", AppendedInOrder, No("who asked this replica for anything"),
            Nothing("its own chain, which is verified by itself"), [AuditRecord];
        /// Alerts that came in. Of this replica only.
        Incidents = "incidents", Small, No("who told this replica of which alerts"),
            Nothing("who told this replica of which alerts"), [IncidentRecord];
        /// How far webhooks have told what happens, and of which sagas they told. Of this replica only.
        Notices = "notices", Small, No("what this replica told, and whom"),
            Nothing("what this replica told, and whom"), [TotalRecord, LateNoticeRecord];
    }
    projections {
        /// State per saga.
        Instances = "instances", ByKey, Whole, Fold, [InstanceRecord];
        /// Which deliveries stand, of long timelines; which do not, of all; folds of parts of timelines; how long
        /// others stood in for those that stand.
        Timelines = "timelines", ByKey, Whole, Fold,
            [StandingRecord, PresenceRecord, InstanceRecord, StoodInRecord];
        /// Sagas of an order.
        ByOrder = "by_order", ByPartition, Whole, Fold, [PresenceRecord];
        /// Sagas of a trace.
        ByTrace = "by_trace", ByPartition, Whole, Fold, [PresenceRecord];
        /// Sagas by type, status and start.
        ByStarted = "by_started", ByPartition, Whole, Fold, [StartedRecord];
        /// Sagas by type, status and last event.
        ByUpdated = "by_updated", ByPartition, Whole, Fold, [UpdatedRecord];
        /// Sagas by the rules that they break, type, and when they last did.
        ByRule = "by_rule", ByPartition, Whole, Fold, [PresenceRecord];
        /// How many sagas each stretch of time holds, in each of these orders.
        Counts = "counts", ByPartition, Whole, Fold, [CountRecord];
        /// How often sagas entered and left each status, by their start and by when they did.
        Census = "census", ByPartition, Whole, Fold, [CensusRecord];
        /// Each time that a saga came into another status.
        Moves = "moves", ByPartition, Whole, Fold, [MoveRecord];
        /// Sagas whose status changed too often to keep all of its changes.
        ManyChanges = "many_changes", Small, Whole, Fold, [ManyChangesRecord];
        /// Events with different bodies that were known by another delivery than the one that stands, and when.
        Contradicted = "contradicted", Small, Whole, Fold, [ContradictedRecord];
        /// What became of the offsets that were logged, by day of arrival.
        Ledger = "ledger", ByPartition, Whole, Fold, [OffsetCountsRecord];
        /// Sums over all sagas, and the cursor.
        Totals = "totals", Small, Whole, Fold, [TotalRecord];
    }
}

impl Table {
    /// What every table is, one entry for both generations of a projection.
    pub fn entries() -> impl Iterator<Item = &'static TableEntry> {
        Self::all()
            .filter(|table| !matches!(table, Self::Projection(Generation::B, _)))
            .map(Self::entry)
    }
}

/// Two sets of projection tables exist, so that one can be rebuilt while the other serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Generation {
    /// The first set.
    A,
    /// The second set.
    B,
}

impl Generation {
    /// Its name in `meta`. Never changed.
    pub const fn name(self) -> &'static str {
        match self {
            Self::A => "a",
            Self::B => "b",
        }
    }

    /// The set that is not this one.
    pub const fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }
}

#[cfg(test)]
mod tests;
