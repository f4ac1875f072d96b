use super::*;
use SagaStatus::{Compensated, Failed, InProgress, Started};

fn path(changes: &[(i64, SagaStatus)]) -> StatusPath {
    let mut log = StatusLog::default();
    let changes: Vec<StatusChange> = changes
        .iter()
        .map(|(at, status)| StatusChange {
            at: Millis(*at),
            status: *status,
        })
        .collect();
    changes.iter().for_each(|change| log.push(*change));
    let last = changes[changes.len() - 1];
    StatusPath { changes: log, last }
}

fn moves(path: &StatusPath) -> Vec<(i64, Option<SagaStatus>, SagaStatus)> {
    path.moves().map(|step| (step.at.0, step.from, step.to)).collect()
}

#[test]
fn of_changes_at_one_instant_the_last_counts() {
    let path = path(&[(1, Started), (5, InProgress), (5, Failed), (9, Compensated)]);
    assert_eq!(
        moves(&path),
        [
            (1, None, Started),
            (5, Some(Started), Failed),
            (9, Some(Failed), Compensated)
        ]
    );
    for (at, status) in [(4, Started), (5, Failed), (9, Compensated), (99, Compensated)] {
        assert_eq!(path.at(Millis(at)), StatusAt::Is(status), "{at}");
    }
    assert_eq!(path.at(Millis(0)), StatusAt::NotBegun);
    assert_eq!(path.in_log(), None);
}

#[test]
fn the_first_failure_counts_and_the_first_compensation_behind_it() {
    let firsts = |changes: &[(i64, SagaStatus)]| -> Vec<(i64, Milestone)> {
        let path = path(changes);
        path.moves()
            .filter_map(|step| Some((step.at.0, step.first?)))
            .collect()
    };
    let twice = [(1, Failed), (2, Compensated), (3, Failed), (4, Compensated)];
    assert_eq!(
        firsts(&twice),
        [(1, Milestone::Failure), (2, Milestone::Compensation)]
    );
    assert_eq!(
        firsts(&[(1, Compensated), (2, Failed)]),
        [(2, Milestone::Failure)]
    );
    assert_eq!(
        firsts(&[(1, Failed), (2, InProgress), (3, Failed)]),
        [(1, Milestone::Failure)]
    );
    assert_eq!(firsts(&[(1, Started), (2, Compensated)]), []);
}

#[test]
fn every_entry_counts_and_the_first_is_found() {
    let of = path(&[(1, Started), (5, Failed), (5, Started), (7, Failed)]);
    assert_eq!(of.entries(), [2, 0, 0, 2, 0]);
    assert_eq!(of.first(Failed), Some(Millis(5)));
    assert_eq!(of.first(Compensated), None);
    let statuses = [Failed, InProgress].into_iter().cycle();
    let mut many: Vec<(i64, SagaStatus)> = (0..).zip(statuses).take(20).collect();
    many.push((20, Compensated));
    let of = path(&many);
    assert_eq!(of.entries().iter().sum::<u32>() as usize, MAX_KEPT_CHANGES + 1);
    assert_eq!(of.first(Compensated), Some(Millis(20)));
}

#[test]
fn what_came_and_went_within_an_instant_is_no_move() {
    let path = path(&[(1, Started), (5, Failed), (5, Started), (7, InProgress)]);
    assert_eq!(moves(&path), [(1, None, Started), (7, Some(Started), InProgress)]);
}

#[test]
fn between_the_changes_that_are_kept_and_the_last_one_only_the_log_can_tell() {
    let statuses = [Failed, Compensated].into_iter().cycle();
    let changes: Vec<(i64, SagaStatus)> = (0..).step_by(10).zip(statuses).take(20).collect();
    let path = path(&changes);
    let kept = MAX_KEPT_CHANGES as i64;
    let from = (kept - 1) * 10;
    assert_eq!(path.in_log(), Some(Millis(from)..Millis(190)));
    for at in -1..300 {
        let now = changes.iter().rfind(|(then, _)| *then <= at);
        let expected = match now {
            None => StatusAt::NotBegun,
            Some(_) if (from..190).contains(&at) => StatusAt::InLog,
            Some((_, status)) => StatusAt::Is(*status),
        };
        assert_eq!(path.at(Millis(at)), expected, "{at}");
    }
    let at_last = moves(&path).last().copied();
    assert_eq!(at_last.map(|(_, _, to)| to), Some(changes[19].1));
}
