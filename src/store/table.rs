//! The tables, by name. ARCHITECTURE.md says what each is for; `keys` and `records` what is in it.

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

/// The tables that can be thrown away and made again from the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ProjectionTable {
    /// State per saga.
    Instances,
    /// Which deliveries stand, of long timelines; which do not, of all; folds of parts of timelines.
    Timelines,
    /// Sagas of an order.
    ByOrder,
    /// Sagas by type, status and start.
    ByStarted,
    /// Sagas by type, status and last event.
    ByUpdated,
    /// How many sagas each stretch of time holds, in both sort orders.
    Counts,
    /// Sums over all sagas, and the cursor.
    Totals,
}

/// A table of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Table {
    /// Every decoded event, by saga, in timeline order. Append-only.
    Log,
    /// For every offset what became of it, in order of arrival.
    Feed,
    /// Per partition, where consumption resumes.
    Offsets,
    /// Records that could not be applied, with their bytes.
    DeadLetters,
    /// What is known of each dead letter without its bytes.
    Letters,
    /// What happened to dead letters after they were stored. Append-only.
    DeadLetterMarks,
    /// Dead letters by the id of the event in them.
    LettersByEvent,
    /// Redrives that were asked for, and what became of each of their letters. Of this replica only.
    Redrives,
    /// Offsets that the broker did not deliver.
    Gaps,
    /// Sagas that retention removed.
    Purged,
    /// Archive objects that hold what was removed.
    Archived,
    /// What may not be removed.
    Holds,
    /// Format version, active generation, cursors of side jobs.
    Meta,
    /// What came over the ops topic, and what became of it.
    Decisions,
    /// Who did what, each entry chained to the one before it. Append-only.
    Audit,
    /// A projection.
    Projection(Generation, ProjectionTable),
}

impl ProjectionTable {
    /// All of them.
    pub const ALL: [ProjectionTable; 7] = [
        Self::Instances,
        Self::Timelines,
        Self::ByOrder,
        Self::ByStarted,
        Self::ByUpdated,
        Self::Counts,
        Self::Totals,
    ];
}

impl Table {
    /// Every table there is.
    pub fn all() -> impl Iterator<Item = Table> {
        let evidence = [
            Self::Log,
            Self::Feed,
            Self::Offsets,
            Self::DeadLetters,
            Self::Letters,
            Self::DeadLetterMarks,
            Self::LettersByEvent,
            Self::Redrives,
            Self::Gaps,
            Self::Purged,
            Self::Archived,
            Self::Holds,
            Self::Meta,
            Self::Decisions,
            Self::Audit,
        ]
        .into_iter();
        let projections = [Generation::A, Generation::B]
            .into_iter()
            .flat_map(|generation| ProjectionTable::ALL.map(|table| Self::Projection(generation, table)));
        evidence.chain(projections)
    }

    /// The table's name on disk. Never changed.
    pub const fn name(self) -> &'static str {
        use Generation::{A, B};
        use ProjectionTable as P;
        match self {
            Self::Log => "log",
            Self::Feed => "feed",
            Self::Offsets => "offsets",
            Self::DeadLetters => "dead_letters",
            Self::Letters => "letters",
            Self::DeadLetterMarks => "letter_marks",
            Self::LettersByEvent => "letters_by_event",
            Self::Redrives => "redrives",
            Self::Gaps => "gaps",
            Self::Purged => "purged",
            Self::Archived => "archived",
            Self::Holds => "holds",
            Self::Meta => "meta",
            Self::Decisions => "decisions",
            Self::Audit => "audit",
            Self::Projection(A, P::Instances) => "a.instances",
            Self::Projection(A, P::Timelines) => "a.timelines",
            Self::Projection(A, P::ByOrder) => "a.by_order",
            Self::Projection(A, P::ByStarted) => "a.by_started",
            Self::Projection(A, P::ByUpdated) => "a.by_updated",
            Self::Projection(A, P::Counts) => "a.counts",
            Self::Projection(A, P::Totals) => "a.totals",
            Self::Projection(B, P::Instances) => "b.instances",
            Self::Projection(B, P::Timelines) => "b.timelines",
            Self::Projection(B, P::ByOrder) => "b.by_order",
            Self::Projection(B, P::ByStarted) => "b.by_started",
            Self::Projection(B, P::ByUpdated) => "b.by_updated",
            Self::Projection(B, P::Counts) => "b.counts",
            Self::Projection(B, P::Totals) => "b.totals",
        }
    }
}
