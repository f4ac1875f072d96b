use super::*;
use crate::operations::retention::Skipped;
use std::collections::BTreeMap;

const NOW: Millis = Millis(1_763_668_000_000);

fn ago(millis: i64) -> Option<Millis> {
    Some(Millis(NOW.0 - millis))
}

fn progress(projected: &[u64]) -> Cut {
    (0u32..).zip(projected.iter().copied()).collect()
}

fn ends(offsets: &[u64]) -> IngestSnapshot {
    IngestSnapshot {
        end: (0u32..).zip(offsets.iter().copied()).collect(),
        ..IngestSnapshot::default()
    }
}

#[test]
fn kafka_is_down_after_the_time_without_a_broker() {
    let heard = IngestSnapshot {
        last_contact: ago(90_000),
        started_at: ago(99_000),
        ..Default::default()
    };
    let lost = |millis| IngestSnapshot {
        unreachable_since: ago(millis),
        ..heard.clone()
    };
    assert!(kafka(&heard, NOW, 30_000).up);
    assert!(kafka(&lost(29_999), NOW, 30_000).up);
    assert!(!kafka(&lost(30_000), NOW, 30_000).up);
}

#[test]
fn kafka_is_down_when_no_broker_was_ever_heard() {
    let never = |millis| IngestSnapshot {
        started_at: ago(millis),
        ..Default::default()
    };
    assert!(kafka(&never(1_000), NOW, 30_000).up);
    assert!(!kafka(&never(30_000), NOW, 30_000).up);
}

#[test]
fn kafka_is_down_when_ingest_gave_up_and_says_why() {
    let snapshot = IngestSnapshot {
        fatal: Some("the topic was deleted and created again".to_owned()),
        last_contact: ago(1),
        ..Default::default()
    };
    let component = kafka(&snapshot, NOW, 30_000);
    assert!(!component.up);
    assert_eq!(component.message, "the topic was deleted and created again");
}

#[test]
fn a_partition_whose_last_record_arrived_in_the_future_is_told() {
    let at = |millis| Millis(NOW.0 + millis);
    assert_eq!(ahead(&[], NOW), None);
    assert_eq!(ahead(&[(0, at(60_000)), (1, at(-9_000_000))], NOW), None);
    let told = ahead(&[(0, at(60_001)), (1, at(-1)), (2, at(90_000))], NOW).unwrap();
    assert!(
        told.starts_with(
            "the last record of partition 2 arrived at 2025-11-20T19:48:10Z, which is 90 s ahead"
        ),
        "{told}"
    );
    assert!(told.contains("(2 partitions are ahead)"), "{told}");
}

#[test]
fn decisions_that_are_read_no_more_and_a_topic_missing_for_long_are_down_with_the_reason() {
    let read = OpsSnapshot {
        next: 3,
        end: Some(5),
        ..OpsSnapshot::default()
    };
    let told = ops(read.clone(), None, (NOW, 30_000));
    assert!(told.up && !told.stopped);
    assert_eq!((told.next, told.end), (3, Some(5)));
    let missing = |millis| OpsSnapshot {
        waiting: Some("the ops topic does not exist".to_owned()),
        missing_since: ago(millis),
        ..OpsSnapshot::default()
    };
    assert!(ops(missing(29_999), None, (NOW, 30_000)).up);
    let told = ops(missing(30_000), None, (NOW, 30_000));
    assert!(!told.up && !told.stopped);
    assert_eq!(told.message, "the ops topic does not exist");
    let stopped = OpsSnapshot {
        fatal: Some("the ops topic went back".to_owned()),
        ..read
    };
    let told = ops(stopped, None, (NOW, 30_000));
    assert!(!told.up && told.stopped);
    assert_eq!(told.message, "the ops topic went back");
}

#[test]
fn skipped_decisions_are_told_and_only_that_none_are_applied_any_more_is_down() {
    assert!(retention(None).up);
    let mut known = RetentionSnapshot {
        skipped: BTreeMap::from([(Skipped::Malformed, 2)]),
        last_skipped: Some("decision 7 to purge is skipped: no partition 9".to_owned()),
        waiting: Some("3 records are not read".to_owned()),
        ..RetentionSnapshot::default()
    };
    let told = retention(Some(known.clone()));
    assert!(told.up);
    assert_eq!(
        told.message,
        "decisions are applied; a search for due sagas waits: 3 records are not read; 2 could not be applied and were skipped, \
         the last one: decision 7 to purge is skipped: no partition 9"
    );
    known.failed = Some("the store refuses".to_owned());
    let told = retention(Some(known));
    assert!(
        !told.up
            && told
                .message
                .starts_with("decisions are not applied any more: the store refuses")
    );
}

#[test]
fn ready_means_caught_up_with_the_ends_told_first() {
    let state = CatchUp::Unknown.next(&ends(&[]), &progress(&[0]), true);
    assert_eq!(state, CatchUp::Unknown);
    let state = state.next(&ends(&[10, 5]), &progress(&[9, 5]), true);
    assert_eq!(state, CatchUp::To(ends(&[10, 5]).end));
    let state = state.next(&ends(&[99, 99]), &progress(&[10, 4]), true);
    assert_eq!(
        state,
        CatchUp::To(ends(&[10, 5]).end),
        "later ends do not move the goal"
    );
    let unknown = state.next(&ends(&[]), &progress(&[10, 4]), true);
    assert_eq!(unknown, state, "an end that nobody tells any more stays the goal");
    assert_eq!(
        state.next(&ends(&[99, 4]), &progress(&[10, 4]), true),
        CatchUp::Done,
        "markers of transactions stand at the end of partition 1"
    );
    let state = state.next(&ends(&[99, 99]), &progress(&[10, 5]), true);
    assert_eq!(state, CatchUp::Done);
    assert_eq!(
        state.next(&ends(&[999, 99]), &progress(&[0, 0]), false),
        CatchUp::Done,
        "for good"
    );
}

#[test]
fn without_a_broker_ready_means_all_that_is_stored_is_projected() {
    let stored = IngestSnapshot {
        next: Cut::from_iter([(0, 7)]),
        ..Default::default()
    };
    assert_eq!(
        CatchUp::Unknown.next(&stored, &progress(&[7]), true),
        CatchUp::Unknown
    );
    assert_eq!(
        CatchUp::Unknown.next(&stored, &progress(&[6]), false),
        CatchUp::To(stored.next.clone())
    );
    assert_eq!(
        CatchUp::Unknown.next(&stored, &progress(&[7]), false),
        CatchUp::Done
    );
}

#[test]
fn a_rebuild_that_has_no_room_is_told_with_the_disk_and_is_down() {
    let disk = || DiskSpace {
        up: true,
        total: Some(9_000),
        free: Some(400),
        threshold: 100,
        message: None,
    };
    assert_eq!(lacking_room(disk(), None, None), disk());
    let no_space = NoDiskSpace {
        free: 400,
        needed: 500,
    };
    let told = lacking_room(disk(), None, Some(&no_space));
    assert!(!told.up);
    let message = told.message.unwrap();
    assert!(
        message.contains("400 bytes are free, and 500 must be") && message.contains("serve until then"),
        "{message}"
    );
}

#[test]
fn a_version_of_the_definitions_that_cannot_be_read_is_down_and_named() {
    let read = OpsSnapshot {
        next: 3,
        end: Some(3),
        ..OpsSnapshot::default()
    };
    let unread = UnreadableVersion {
        version: 4,
        since: 2,
        why: "unknown field `weather`".to_owned(),
    };
    let told = ops(read, Some(&unread), (NOW, 30_000));
    assert!(!told.up && !told.stopped && told.unread);
    assert!(
        told.message.starts_with("decisions are read; version 4") && told.message.contains("`weather`"),
        "{}",
        told.message
    );
}
