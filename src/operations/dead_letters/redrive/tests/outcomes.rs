//! What a redrive's letters came to, counted over several questions.

use super::*;
use crate::store::codec::Record as _;

#[test]
fn outcomes_are_counted_on_from_question_to_question() {
    let (topic, letters, change) = with_letters(10);
    let shutdown = CancellationToken::new();
    let redrives = redrives(&topic, &shutdown);
    let asked = redrives.ask(&order(letters, change, false)).unwrap();
    let outcomes = || {
        let status = redrives.status(asked.number).unwrap().unwrap();
        redrives.outcomes(&status, Stop::default()).unwrap()
    };
    assert_eq!(outcomes().open, 10, "none has had its turn");
    let thread = redrives.spawn().unwrap();
    redrives
        .wait_for(asked.number, Duration::from_secs(30))
        .unwrap()
        .unwrap();
    shutdown.cancel();
    thread.join().unwrap();
    let counted = [(); 4].map(|()| outcomes());
    assert_eq!(counted.map(|of| of.open), [6, 2, 0, 0], "so many at a time");
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
    let outcomes = || redrives.outcomes(&asked, Stop::default()).unwrap();
    assert_eq!([(); 3].map(|()| outcomes().open), [3, 1, 1]);
    became(letters[0], letters[0].offset);
    assert_eq!((outcomes().open, outcomes().dead_letters), (0, 6));
}
