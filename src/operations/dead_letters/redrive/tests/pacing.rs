//! A redrive that has a pace keeps no other waiting that has none.

use super::*;

#[test]
fn while_a_slow_redrive_rests_those_without_a_pace_are_worked_off() {
    let (topic, letters, change) = with_letters(60);
    let shutdown = CancellationToken::new();
    let redrives = redrives(&topic, &shutdown);
    let slow = RedriveOrder {
        per_second: Some(1),
        ..order(letters[..50].to_vec(), change.clone(), false)
    };
    let slow = redrives.ask(&slow).unwrap().number;
    let second = RedriveOrder {
        per_second: Some(1),
        ..order(letters[55..].to_vec(), change.clone(), false)
    };
    let second = redrives.ask(&second).unwrap().number;
    let thread = redrives.spawn().unwrap();
    let others = [(true, 10), (false, 5)].map(|(dry_run, count)| {
        let some = letters[50..50 + count].to_vec();
        redrives
            .ask(&order(some, change.clone(), dry_run))
            .unwrap()
            .number
    });
    for number in others {
        let ended = redrives
            .wait_for(number, Duration::from_secs(20))
            .unwrap()
            .unwrap();
        assert!(ended.ended_at.is_some(), "{ended:?}");
    }
    let of = |number| redrives.status(number).unwrap().unwrap();
    assert_eq!((of(others[0]).forecast, of(others[1]).sent), (10, 5));
    // The slow one has begun and goes on; the other slow one waits for it.
    assert_eq!((of(slow).ended_at, of(second).sent), (None, 0));
    assert!(
        of(slow).sent >= 1 && redrives.running().contains(&slow),
        "{:?}",
        of(slow)
    );
    assert!(!redrives.running().contains(&second));
    let unended: Vec<u64> = redrives
        .unended(Stop::default())
        .unwrap()
        .iter()
        .map(|of| of.number)
        .collect();
    assert_eq!(unended, [slow, second]);
    let cancelled = redrives.cancel(slow, "kim", None).unwrap();
    assert_eq!(cancelled.sent + cancelled.left, 50);
    shutdown.cancel();
    thread.join().unwrap();
}

/// What a slow redrive published is redriven once it is consumed, so until then others of the same letters wait.
#[test]
fn while_a_slow_redrive_is_not_consumed_no_other_publishes_the_same_letters() {
    // Kafka says nothing of so many.
    for silent in [0, 1] {
        let (topic, letters, change) = with_letters(5);
        topic.held.store(true, Ordering::Relaxed);
        topic.silent.store(silent, Ordering::Relaxed);
        let shutdown = CancellationToken::new();
        let redrives = redrives(&topic, &shutdown);
        let slow = RedriveOrder {
            per_second: Some(5),
            ..order(letters.clone(), change.clone(), false)
        };
        let slow = redrives.ask(&slow).unwrap().number;
        let other = redrives.ask(&order(letters.clone(), change.clone(), false));
        let other = other.unwrap().number;
        let rehearsal = redrives.ask(&order(letters.clone(), change, true));
        let rehearsal = rehearsal.unwrap().number;
        let thread = redrives.spawn().unwrap();
        let of = |number| redrives.status(number).unwrap().unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        while of(slow).sent + (silent as u64) < 5 {
            assert!(Instant::now() < deadline, "{:?}", of(slow));
            std::thread::sleep(Duration::from_millis(5));
        }
        let told = redrives
            .wait_for(rehearsal, Duration::from_secs(20))
            .unwrap()
            .unwrap();
        assert_eq!(
            told.forecast, 5,
            "it publishes nothing, and need not wait: {told:?}"
        );
        let early = redrives.wait_for(other, Duration::from_millis(300));
        assert_eq!(early.unwrap().unwrap().waiting, 5);
        topic.release();
        for (number, became) in [(slow, (5, 0)), (other, (0, 5))] {
            let ended = redrives.wait_for(number, Duration::from_secs(20));
            let ended = ended.unwrap().unwrap();
            assert_eq!((ended.sent, ended.skipped), became, "{ended:?}");
        }
        shutdown.cancel();
        thread.join().unwrap();
        assert_eq!(topic.records.lock().unwrap().len(), 10, "each was published once");
    }
}
