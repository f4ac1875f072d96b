//! Promises of the key encodings: bytes sort as what they stand for, and come apart into it again.

use super::super::keys::{self, Condition, Key, Tree};
use crate::domain::{ConformanceRule, Millis, OrderId, Position, SagaId, SagaStatus, SagaType, TimelineKey};
use proptest::prelude::*;
use proptest::sample::select;

/// Short, so that one is often a prefix of another, and of characters that encodings trip over.
fn text() -> impl Strategy<Value = String> {
    let letter = select(vec![
        '\0',
        '\u{1}',
        '\u{7f}',
        'a',
        'b',
        '\u{ff}',
        '가',
        '\u{10ffff}',
    ]);
    prop::collection::vec(letter, 0..5).prop_map(|letters| letters.into_iter().collect())
}

/// All over the range, and often close together.
fn number() -> impl Strategy<Value = i64> {
    prop_oneof![
        -3i64..4,
        any::<i64>(),
        select(vec![i64::MIN, i64::MAX]),
        1_763_000_000_000i64..1_763_010_000_000
    ]
}

fn count_number() -> impl Strategy<Value = u64> {
    prop_oneof![
        0u64..4,
        any::<u64>(),
        (0u64..4).prop_map(|n| u64::MAX - n),
        65_530u64..65_540
    ]
}

fn small_number() -> impl Strategy<Value = u32> {
    prop_oneof![0u32..4, any::<u32>()]
}

fn status() -> impl Strategy<Value = SagaStatus> {
    select(SagaStatus::ALL.to_vec())
}

fn rule() -> impl Strategy<Value = Condition> {
    let rules = ConformanceRule::ALL.map(Condition::Breaks);
    select([&rules[..], &[Condition::NothingToCompensate]].concat())
}

fn position() -> impl Strategy<Value = Position> {
    (small_number(), count_number()).prop_map(|(partition, offset)| Position::new(partition, offset))
}

fn timeline_key() -> impl Strategy<Value = TimelineKey> {
    (number(), position()).prop_map(|(at, position)| TimelineKey {
        recorded_at: Millis(at),
        position,
    })
}

/// The key that a builder makes.
fn built(build: impl FnOnce(&mut Key)) -> Key {
    // What an earlier row left behind must not show.
    let mut key = Key::new(b"left", b"over");
    build(&mut key);
    key
}

fn log(saga: &str, at: TimelineKey) -> Key {
    built(|key| keys::log(key, &SagaId::new(saga), at))
}

fn by_time((saga_type, status, at, saga): &(String, SagaStatus, i64, String)) -> Key {
    built(|key| {
        keys::by_time(
            key,
            &SagaType::new(saga_type.as_str()),
            *status,
            Millis(*at),
            &SagaId::new(saga.as_str()),
        );
    })
}

proptest! {
    #[test]
    fn integers_sort_as_numbers(a in number(), b in number()) {
        assert_eq!(keys::sortable_i64(a).cmp(&keys::sortable_i64(b)), a.cmp(&b));
    }

    #[test]
    fn a_log_sorts_as_the_timeline_and_reads_back(saga in text(), a in timeline_key(), b in timeline_key()) {
        let (first, second) = (log(&saga, a), log(&saga, b));
        assert_eq!(first.sort().cmp(second.sort()), a.cmp(&b));
        assert_eq!(keys::parse_log_sort(first.sort()).unwrap(), a);
        assert_eq!(keys::parse_text("log", first.partition()).unwrap(), saga);
    }

    #[test]
    fn a_feed_sorts_by_offset_in_buckets_of_one_partition(a in position(), b in position()) {
        let (first, second) = (built(|key| keys::by_offset(key, a)), built(|key| keys::by_offset(key, b)));
        let bucket = |at: Position| (at.partition, at.offset >> keys::FEED_BUCKET_BITS);
        assert_eq!(first.partition().cmp(second.partition()), bucket(a).cmp(&bucket(b)));
        assert_eq!(first.cmp(&second), a.cmp(&b));
        assert_eq!(keys::parse_offset_partition(first.partition()).unwrap(), a.partition);
        assert_eq!(keys::parse_offset(first.sort()).unwrap(), a.offset);
    }

    #[test]
    fn marks_sort_by_letter_and_read_back(
        (a, b) in (position(), position()),
        (kind, value, by) in (any::<u8>(), any::<[u8; 16]>(), position()),
    ) {
        let mark = |letter: Position| built(|key| keys::letter_mark(key, letter, kind, &value, by));
        let feed = |letter: Position| built(|key| keys::by_offset(key, letter));
        assert_eq!(mark(a).partition(), feed(a).partition());
        assert_eq!(mark(a).cmp(&mark(b)), a.cmp(&b));
        let read = keys::DeadLetterMarkKey { offset: a.offset, kind, value, by };
        assert_eq!(keys::parse_letter_mark(mark(a).sort()).unwrap(), read);
        let about = built(|key| keys::letter_marks_about(key, a, kind, &value));
        let of_kind = built(|key| keys::letter_marks_of_kind(key, a, kind));
        assert_eq!(about.partition(), mark(a).partition());
        assert!(mark(a).sort().starts_with(about.sort()) && about.sort().starts_with(of_kind.sort()));
    }

    #[test]
    fn letters_of_an_event_and_of_a_redrive_read_back(id in text(), a in position(), b in position(), n in count_number()) {
        let by_event = |letter: Position| built(|key| keys::letter_by_event(key, &id, letter));
        let of_redrive = |letter: Position| built(|key| keys::redrive_letter(key, n, letter));
        assert_eq!(by_event(a).cmp(&by_event(b)), a.cmp(&b));
        assert_eq!(of_redrive(a).cmp(&of_redrive(b)), a.cmp(&b));
        assert_eq!(keys::parse_position(by_event(a).sort()).unwrap(), a);
        assert_eq!(keys::parse_position(of_redrive(a).sort()).unwrap(), a);
        assert_eq!(keys::parse_text("letters", by_event(a).partition()).unwrap(), id);
        let job = built(|key| keys::redrive(key, n));
        assert_eq!(keys::parse_number(job.sort()).unwrap(), n);
        assert_ne!(job.partition(), of_redrive(a).partition());
        for beside in [keys::redrive_tally as fn(&mut Key, u64), keys::redrive_unended] {
            let row = built(|key| beside(key, n));
            assert_eq!(keys::parse_number(row.sort()).unwrap(), n);
            assert_ne!(row.partition(), job.partition());
            assert_ne!(row.partition(), of_redrive(a).partition());
        }
    }

    #[test]
    fn decisions_and_audit_entries_sort_by_number_in_buckets(a in count_number(), b in count_number()) {
        for build in [keys::decision as fn(&mut Key, u64), keys::audit] {
            let (first, second) = (built(|key| build(key, a)), built(|key| build(key, b)));
            let bucket = |number: u64| number >> keys::FEED_BUCKET_BITS;
            assert_eq!(first.partition().cmp(second.partition()), bucket(a).cmp(&bucket(b)));
            assert_eq!(first.cmp(&second), a.cmp(&b));
            assert_eq!(keys::parse_offset(first.sort()).unwrap(), a);
        }
    }

    #[test]
    fn gaps_sort_by_position(a in position(), b in position()) {
        let (first, second) = (built(|key| keys::gap(key, a)), built(|key| keys::gap(key, b)));
        assert_eq!(first.cmp(&second), a.cmp(&b));
        assert_eq!(keys::parse_offset(first.sort()).unwrap(), a.offset);
    }

    #[test]
    fn offsets_and_cursors_are_told_apart_by_name_and_number(
        a in (text(), small_number()), b in (text(), small_number()),
    ) {
        let builders: [fn(&mut Key, &str, u32); 3] = [keys::offsets, keys::meta_cursor, keys::total_numbered];
        for build in builders {
            let (first, second) = (built(|key| build(key, &a.0, a.1)), built(|key| build(key, &b.0, b.1)));
            assert_eq!(first == second, a == b);
            assert_eq!(first.sort().cmp(second.sort()), a.1.cmp(&b.1));
            assert_eq!(keys::parse_partition_number(first.sort()).unwrap(), a.1);
        }
    }

    #[test]
    fn single_names_are_partitions_of_one_row(name in text()) {
        let single = [
            built(|key| keys::meta(key, &name)),
            built(|key| keys::total(key, &name)),
            built(|key| keys::instance(key, &SagaId::new(name.as_str()))),
        ];
        for key in single {
            assert_eq!((key.partition(), key.sort()), (name.as_bytes(), &b""[..]));
        }
    }

    #[test]
    fn families_of_names_sort_by_member(family in text(), a in text(), b in text()) {
        let named: [fn(&mut Key, &str, &str); 4] = [
            keys::total_named,
            keys::meta_named,
            |key, trace, saga| keys::by_trace(key, trace, &SagaId::new(saga)),
            |key, order, saga| keys::by_order(key, &OrderId::new(order), &SagaId::new(saga)),
        ];
        for build in named {
            let (first, second) = (built(|key| build(key, &family, &a)), built(|key| build(key, &family, &b)));
            assert_eq!(first.sort().cmp(second.sort()), a.cmp(&b));
            assert_eq!(keys::parse_text("totals", first.sort()).unwrap(), &a);
            assert_eq!(keys::parse_text("totals", first.partition()).unwrap(), &family);
        }
    }

    #[test]
    fn a_time_index_sorts_by_instant_and_saga_in_its_partition(
        a in (text(), status(), number(), text()), b in (text(), status(), number(), text()),
    ) {
        let (first, second) = (by_time(&a), by_time(&b));
        let bucket = |row: &(String, SagaStatus, i64, String)| (row.0.clone(), row.1, row.2 >> keys::INDEX_BUCKET_BITS);
        assert_eq!(first.partition() == second.partition(), bucket(&a) == bucket(&b));
        assert_eq!(first.sort().cmp(second.sort()), (a.2, &a.3).cmp(&(b.2, &b.3)));
        assert_eq!(keys::parse_by_time_sort(first.sort()).unwrap(), (Millis(a.2), a.3.as_str()));
        assert_eq!(keys::parse_index_partition(first.partition()).unwrap(), (a.0.as_str(), a.1));
    }

    #[test]
    fn time_buckets_of_one_type_and_status_sort_by_time(
        saga_type in text(), status in status(), a in number(), b in number(),
    ) {
        let partition = |bucket| {
            built(|key| keys::index_partition(key, &SagaType::new(saga_type.as_str()), status, bucket))
        };
        assert_eq!(partition(a).partition().cmp(partition(b).partition()), a.cmp(&b));
        assert_eq!(partition(a).sort(), b"");
    }

    #[test]
    fn who_breaks_rules_is_told_apart_by_rule_type_and_time(
        a in (text(), rule(), number(), text()), b in (text(), rule(), number(), text()),
    ) {
        let key = |of: &(String, Condition, i64, String)| {
            let (saga_type, saga) = (SagaType::new(of.0.as_str()), SagaId::new(of.3.as_str()));
            built(|key| keys::by_time(key, &saga_type, of.1, Millis(of.2), &saga))
        };
        let bucket = |of: &(String, Condition, i64, String)| (of.0.clone(), of.1, of.2 >> keys::INDEX_BUCKET_BITS);
        assert_eq!(key(&a).partition() == key(&b).partition(), bucket(&a) == bucket(&b));
        assert_eq!(key(&a).sort().cmp(key(&b).sort()), (a.2, &a.3).cmp(&(b.2, &b.3)));
        assert_eq!(keys::parse_rule_partition(key(&a).partition()).unwrap(), (a.0.as_str(), a.1));
    }

    #[test]
    fn count_cells_sort_by_cell_and_type_and_their_parents_are_told_apart(
        a in (select(vec![Tree::Started, Tree::Updated, Tree::Broken]), text(), status(), 0u8..5, number()),
        b in (select(vec![Tree::Started, Tree::Updated, Tree::Broken]), text(), status(), 0u8..5, number()),
        cells in (number(), number()), started in (number(), number()),
    ) {
        let key = |of: &(Tree, String, SagaStatus, u8, i64), cell, started| {
            let started = (of.0 == Tree::Updated).then_some(started);
            built(|key| {
                keys::count(key, (of.0, &SagaType::new(of.1.as_str()), of.2), of.3, of.4, cell, started);
            })
        };
        let (first, second) = (key(&a, cells.0, started.0), key(&b, cells.1, started.1));
        let place = |of: &(Tree, String, SagaStatus, u8, i64)| (of.0, of.2, of.3, of.4);
        assert_eq!(first.partition() == second.partition(), place(&a) == place(&b));
        if cells.0 != cells.1 {
            assert_eq!(first.sort().cmp(second.sort()), cells.0.cmp(&cells.1));
        }
        let parsed = keys::parse_count_sort(a.0, first.sort()).unwrap();
        let expected = keys::CountKey {
            cell: cells.0,
            saga_type: &a.1,
            started_cell: (a.0 == Tree::Updated).then_some(started.0),
        };
        assert_eq!(parsed, expected);
        let partition = built(|key| keys::count_partition(key, a.0, a.2, a.3, a.4));
        assert_eq!((partition.partition(), partition.sort()), (first.partition(), &b""[..]));
    }

    #[test]
    fn processed_totals_sort_by_status_and_step(
        name in text(), a in (status(), text()), b in (status(), text()),
    ) {
        let key = |of: &(SagaStatus, String)| built(|key| keys::total_processed(key, &name, of.0, &of.1));
        assert_eq!(key(&a).sort().cmp(key(&b).sort()), a.cmp(&b));
        assert_eq!(keys::parse_total_processed(key(&a).sort()).unwrap(), (a.0, a.1.as_str()));
    }

    #[test]
    fn any_bytes_are_refused_or_are_the_one_key_they_read_as(
        bytes in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..32),
            prop::collection::vec(0u8..6, 8..=8),
            prop::collection::vec(any::<u8>(), 20..=20),
            prop::collection::vec(any::<u8>(), 37..=37),
        ],
    ) {
        if let Ok(at) = keys::parse_log_sort(&bytes) {
            assert_eq!(log("", at).sort(), &bytes[..]);
        }
        if let Ok(offset) = keys::parse_offset(&bytes) {
            assert_eq!(built(|key| keys::gap(key, Position::new(0, offset))).sort(), &bytes[..]);
        }
        if let Ok((at, saga)) = keys::parse_by_time_sort(&bytes) {
            let row = (String::new(), SagaStatus::Started, at.0, saga.to_owned());
            assert_eq!(by_time(&row).sort(), &bytes[..]);
        }
        for tree in [Tree::Started, Tree::Updated, Tree::Broken] {
            if let Ok(count) = keys::parse_count_sort(tree, &bytes) {
                let of = (tree, &SagaType::new(count.saga_type), SagaStatus::Started);
                let again = built(|key| keys::count(key, of, 0, 0, count.cell, count.started_cell));
                assert_eq!(again.sort(), &bytes[..]);
            }
        }
        if let Ok((status, step)) = keys::parse_total_processed(&bytes) {
            assert_eq!(built(|key| keys::total_processed(key, "", status, step)).sort(), &bytes[..]);
        }
        if let Ok((saga_type, status)) = keys::parse_total_of_type(&bytes) {
            assert_eq!(built(|key| keys::total_of_type(key, "", saga_type, status)).sort(), &bytes[..]);
        }
        if let Ok((edge, bucket)) = keys::parse_total_named_bucket(&bytes) {
            let again = built(|key| keys::total_named_bucket(key, "", edge, bucket));
            assert_eq!(again.sort(), &bytes[..]);
        }
        if let Ok((saga_type, status, bucket)) = keys::parse_total_of_bucket(&bytes) {
            let again = built(|key| keys::total_of_bucket(key, "", saga_type, (status, bucket)));
            assert_eq!(again.sort(), &bytes[..]);
        }
        if let Ok(mark) = keys::parse_letter_mark(&bytes) {
            let letter = Position::new(0, mark.offset);
            let again = built(|key| keys::letter_mark(key, letter, mark.kind, &mark.value, mark.by));
            assert_eq!(again.sort(), &bytes[..]);
        }
        if let Ok(number) = keys::parse_partition_number(&bytes) {
            assert_eq!(built(|key| keys::offsets(key, "", number)).sort(), &bytes[..]);
        }
        if let Ok(partition) = keys::parse_offset_partition(&bytes) {
            assert!(bytes.starts_with(&partition.to_be_bytes()) && bytes.len() == 12);
        }
        if let Ok((saga_type, status)) = keys::parse_index_partition(&bytes) {
            assert!(bytes[0] == status.tag() && bytes.ends_with(saga_type.as_bytes()));
        }
        if let Ok((saga_type, rule)) = keys::parse_rule_partition(&bytes) {
            assert!(bytes[0] == rule.tag() && bytes.ends_with(saga_type.as_bytes()));
        }
        if let Ok(text) = keys::parse_text("log", &bytes) {
            assert_eq!(text.as_bytes(), &bytes[..]);
        }
    }
}
