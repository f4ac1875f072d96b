//! The transition table of docs/contract.md, written as a table.

use super::{AnomalyKind, SagaStatus};
use SagaStatus::{Compensated, Completed, Failed, InProgress, Started};

/// What an incoming effective status does to a saga.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transition {
    /// The status after the event.
    pub next: SagaStatus,
    /// Set where the table has a `*`.
    pub anomaly: Option<AnomalyKind>,
}

const fn to(next: SagaStatus) -> Transition {
    Transition { next, anomaly: None }
}

const fn odd(next: SagaStatus, anomaly: AnomalyKind) -> Transition {
    Transition {
        next,
        anomaly: Some(anomaly),
    }
}

/// Rows: current status (the first for a saga without any). Columns: incoming effective status,
/// both in the order of [`SagaStatus::ALL`].
#[rustfmt::skip]
const TABLE: [[Transition; 5]; 6] = {
    use AnomalyKind as A;
    [
        /* none        */ [to(Started), to(InProgress), to(Completed), to(Failed), to(Compensated)],
        /* STARTED     */ [to(Started), to(InProgress), to(Completed), to(Failed), to(Compensated)],
        /* IN_PROGRESS */ [to(InProgress), to(InProgress), to(Completed), to(Failed), to(Compensated)],
        /* COMPLETED   */ [odd(Completed, A::StartedAfterCompleted), odd(Completed, A::ProgressAfterCompleted),
                           to(Completed), odd(Failed, A::FailedAfterCompleted), to(Compensated)],
        /* FAILED      */ [odd(Failed, A::StartedAfterFailed), to(Failed),
                           odd(Completed, A::CompletedAfterFailed), to(Failed), to(Compensated)],
        /* COMPENSATED */ [odd(Compensated, A::StartedAfterCompensated), to(Compensated),
                           odd(Compensated, A::CompletedAfterCompensated), odd(Failed, A::FailedAfterCompensated),
                           to(Compensated)],
    ]
};

/// The status after `incoming` meets `current`.
///
/// `reopens`: the saga's type has no definition, so a completed step looks like a completed saga;
/// IN_PROGRESS or STARTED after COMPLETED then reopens it, which is no anomaly.
pub fn transition(current: Option<SagaStatus>, incoming: SagaStatus, reopens: bool) -> Transition {
    if reopens && current == Some(Completed) && matches!(incoming, Started | InProgress) {
        return to(InProgress);
    }
    let row = current.map_or(0, |status| usize::from(status.tag()) + 1);
    TABLE[row][usize::from(incoming.tag())]
}

#[cfg(test)]
mod tests {
    use super::*;
    use AnomalyKind as A;

    /// The table once more, in the words of the design, so that a slip in one shows in the other.
    const CELLS: &str = "
        none        | STARTED       | IN_PROGRESS   | COMPLETED     | FAILED   | COMPENSATED
        STARTED     | STARTED       | IN_PROGRESS   | COMPLETED     | FAILED   | COMPENSATED
        IN_PROGRESS | IN_PROGRESS   | IN_PROGRESS   | COMPLETED     | FAILED   | COMPENSATED
        COMPLETED   | COMPLETED *   | COMPLETED *   | COMPLETED     | FAILED * | COMPENSATED
        FAILED      | FAILED *      | FAILED        | COMPLETED *   | FAILED   | COMPENSATED
        COMPENSATED | COMPENSATED * | COMPENSATED   | COMPENSATED * | FAILED * | COMPENSATED";

    #[test]
    fn every_cell_is_as_designed() {
        let mut cells = 0;
        for line in CELLS.lines().filter(|line| !line.trim().is_empty()) {
            let mut columns = line.split('|').map(str::trim);
            let current = columns.next().and_then(|name| name.parse::<SagaStatus>().ok());
            for (incoming, cell) in SagaStatus::ALL.into_iter().zip(columns) {
                let got = transition(current, incoming, false);
                let shown = format!("{}{}", got.next, if got.anomaly.is_some() { " *" } else { "" });
                assert_eq!(shown, cell, "{current:?} meets {incoming}");
                cells += 1;
            }
        }
        assert_eq!(cells, 30);
    }

    #[test]
    fn an_anomaly_names_its_cell() {
        assert_eq!(
            transition(Some(Completed), Failed, false).anomaly,
            Some(A::FailedAfterCompleted)
        );
        assert_eq!(
            transition(Some(Compensated), Failed, false).anomaly,
            Some(A::FailedAfterCompensated)
        );
        assert_eq!(
            transition(Some(Failed), Completed, false).anomaly,
            Some(A::CompletedAfterFailed)
        );
    }

    #[test]
    fn a_type_without_definition_reopens_after_completed() {
        for incoming in [Started, InProgress] {
            assert_eq!(transition(Some(Completed), incoming, true), to(InProgress));
        }
        assert_eq!(
            transition(Some(Completed), Failed, true).anomaly,
            Some(A::FailedAfterCompleted)
        );
        assert_eq!(transition(Some(Failed), InProgress, true), to(Failed));
    }
}
