//! What a redrive's letters came to, counted over several questions.

use super::*;
use crate::store::codec::Record as _;

fn counted(redrives: &Redrives, number: u64) -> (RedriveStatus, RedriveOutcomes) {
    redrives.counted(number, Stop::default()).unwrap().unwrap()
}

/// Letters that were published, by what is counted of them.
fn of_classes((status, outcomes): &(RedriveStatus, RedriveOutcomes)) -> u64 {
    let known = outcomes.applied + outcomes.duplicates + outcomes.dead_letters;
    known + outcomes.removed + outcomes.forgotten + outcomes.open - status.waiting
}

#[test]
fn outcomes_are_counted_on_from_question_to_question() {
    let (topic, letters, change) = with_letters(10);
    let shutdown = CancellationToken::new();
    let redrives = redrives(&topic, &shutdown);
    let asked = redrives.ask(&order(letters, change, false)).unwrap();
    let outcomes = || counted(&redrives, asked.number).1;
    assert_eq!(outcomes().open, 10, "none has had its turn");
    let thread = redrives.spawn().unwrap();
    redrives
        .wait_for(asked.number, Duration::from_secs(30))
        .unwrap()
        .unwrap();
    shutdown.cancel();
    thread.join().unwrap();
    let counted = [(); 4].map(|()| outcomes());
    let open = counted.each_ref().map(|of| of.open);
    assert_eq!(open, [6, 2, 0, 0], "so many at a time");
    let all = RedriveOutcomes {
        applied: 10,
        ..RedriveOutcomes::default()
    };
    assert_eq!(counted[3], all);
}

#[test]
fn a_letter_that_is_not_back_yet_is_looked_at_again_and_keeps_none_back() {
    let (topic, letters, change) = with_letters(6);
    let shutdown = CancellationToken::new();
    let redrives = redrives(&topic, &shutdown);
    let asked = redrives.ask(&order(letters.clone(), change, false)).unwrap();
    let became = |letter: Position, offset: u64| {
        let mut key = Key::default();
        keys::redrive_letter(&mut key, asked.number, letter);
        let record = RedriveLetterRecord::Sent { partition: 0, offset };
        let mut batch = Batch::new();
        batch.put_with(Table::Redrives, &key, |bytes| record.write(bytes));
        topic.store.write(&batch, Durability::Process).unwrap();
    };
    // As if each were published where it lies, the first where nothing has been consumed.
    became(letters[0], 1_000);
    for letter in &letters[1..] {
        became(*letter, letter.offset);
    }
    let outcomes = || counted(&redrives, asked.number).1;
    assert_eq!([(); 3].map(|()| outcomes().open), [3, 1, 1]);
    became(letters[0], letters[0].offset);
    assert_eq!((outcomes().open, outcomes().dead_letters), (0, 6));
}

/// Asked again and again while it is worked off, and after retention let go of letters.
#[test]
fn each_letter_that_was_published_is_of_one_class_at_any_moment() {
    let (topic, letters, change) = with_letters(60);
    let shutdown = CancellationToken::new();
    let before = redrives(&topic, &shutdown);
    let number = before.ask(&order(letters, change, false)).unwrap().number;
    let thread = before.spawn().unwrap();
    loop {
        let counted = counted(&before, number);
        assert_eq!(of_classes(&counted), counted.0.sent, "{counted:?}");
        if counted.0.ended_at.is_some() && counted.1.open == 0 {
            break;
        }
    }
    shutdown.cancel();
    thread.join().unwrap();
    let removed = |offsets: &[u64]| {
        let group = serde_json::json!({"topic": TOPIC, "partition": 0, "redriven": true, "offsets": offsets});
        let removal = NewDecision {
            kind: "remove-letters",
            by: "saga-tracker".to_owned(),
            from: "test".to_owned(),
            reason: "test".to_owned(),
            body: serde_json::json!({ "letters": [group] }),
        };
        topic.decide(removal).unwrap();
    };
    removed(&[0, 1, 2]);
    let after = redrives(&topic, &CancellationToken::new());
    let told = loop {
        let counted = counted(&after, number);
        assert_eq!(of_classes(&counted), 60, "{counted:?}");
        if counted.1.open == 0 {
            break counted.1;
        }
    };
    assert_eq!((told.applied, told.forgotten), (57, 3));
    let items = after.items(number, None, 1, Stop::default()).unwrap();
    assert!(matches!(items[0].result, RedriveResult::Forgotten(at, _) if at.offset == 60));
}

#[test]
fn what_is_foretold_is_counted_by_outcome_and_turn() {
    let (topic, mut letters, change) = with_letters(5);
    letters.push(Position::new(0, 1_000));
    let shutdown = CancellationToken::new();
    let redrives = redrives(&topic, &shutdown);
    let number = redrives.ask(&order(letters, change, true)).unwrap().number;
    let thread = redrives.spawn().unwrap();
    redrives.wait_for(number, Duration::from_secs(30)).unwrap();
    shutdown.cancel();
    thread.join().unwrap();
    assert_eq!(counted(&redrives, number).1.open, 2, "so many at a time");
    let (_, told) = counted(&redrives, number);
    assert_eq!(told.forecasts, [("APPLIED", 5), ("UNKNOWN", 1)].into());
    assert_eq!(told.turns, [((None, "STARTED".to_owned()), 5)].into());
    assert_eq!((told.applied, told.open), (0, 0));
}
