use super::super::feed;
use super::*;
use crate::testkit::{TOPIC, append, settings, store, traffic};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

/// Events with a mebibyte of metadata each.
fn heavy(count: usize) -> Vec<Event> {
    let mut runner = TestRunner::deterministic();
    let all = std::iter::repeat_with(|| traffic(60).new_tree(&mut runner).unwrap().current());
    let mut events = all.filter(|events| events.len() >= count).take(1).next().unwrap();
    events.truncate(count);
    for event in &mut events {
        event.metadata = Some("m".repeat(1 << 20).into());
    }
    events
}

#[test]
fn a_window_is_full_by_bytes_before_it_is_by_events() {
    let mut window = Window::new(&settings(1));
    for event in heavy(8) {
        assert!(!window.is_full());
        window.add(Delivery {
            after: vec![(event.position.partition, event.position.offset + 1)],
            events: vec![event],
        });
    }
    assert!(window.is_full());
}

#[test]
fn catching_up_holds_some_mebibytes_however_large_events_are() {
    let store = store();
    let events = heavy(50);
    append(&store, &events);
    let end = reads::log_cut(&*store, TOPIC).unwrap();
    let (mut cursor, mut seen, mut largest) = (Cut::default(), Vec::new(), 0);
    while !cursor.covers(&end) {
        let (some, reached) = feed::next_events(&*store, &cursor, &end, (8_192, 8 << 20)).unwrap();
        assert!(!some.is_empty() && some.iter().all(|event| reached.contains(event.position)));
        largest = largest.max(some.len());
        seen.extend(some);
        cursor = reached;
    }
    assert!(largest <= 32, "{largest}");
    let mut expected = events;
    expected.sort_by_key(|event| event.position);
    assert_eq!(seen, expected);
}
