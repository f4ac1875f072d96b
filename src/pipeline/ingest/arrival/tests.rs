use super::*;
use proptest::prelude::*;

const DAY: i64 = 86_400_000;
const WEEK: i64 = 7 * DAY;
const NOW: i64 = 1_763_600_000_000;
const YEARS: i64 = 60 * 365 * DAY;

fn arrivals(timestamps: &[i64]) -> Vec<i64> {
    let mut last = None;
    let mut all = Vec::new();
    for told in timestamps {
        let next = Arrival::after(last, Some(Millis(*told)), false);
        all.push(next.at.0 - NOW);
        last = Some(next);
    }
    all
}

/// Some records that agree, and then these.
fn later_arrivals(timestamps: &[i64]) -> Vec<i64> {
    let told = [&[NOW; 6], timestamps].concat();
    arrivals(&told).split_off(6)
}

#[test]
fn one_wild_clock_moves_nothing() {
    let micros = NOW * 1_000;
    assert_eq!(later_arrivals(&[micros, NOW + 5]), [0, 5]);
    let years = NOW + YEARS;
    assert_eq!(
        later_arrivals(&[years, years, NOW + 5, years, NOW + 9]),
        [0, 0, 5, 5, 9]
    );
    // Nor does one of the past.
    assert_eq!(later_arrivals(&[NOW - YEARS / 3, NOW + 5, 0, -7]), [0, 5, 5, 5]);
}

#[test]
fn a_handful_from_a_wild_clock_moves_a_week_at_most_however_often() {
    let years = NOW + YEARS;
    for before in 0..8 {
        let mut told = vec![NOW; 1 + before];
        for round in 0..20 {
            told.extend([years + round; 9]);
            told.push(NOW + round);
        }
        let last = *arrivals(&told).last().unwrap();
        assert!(last <= WEEK + 20, "{last}");
    }
    // Three times as many in a row three weeks, until time has come that far by itself.
    let later = NOW + 40 * DAY;
    let mut told = vec![years; 15];
    told.extend([NOW + 5, NOW + 6 * DAY, NOW + 12 * DAY, NOW + 18 * DAY]);
    told.extend([NOW + 24 * DAY, NOW + 30 * DAY, NOW + 36 * DAY, later]);
    let reached = later_arrivals(&told);
    assert_eq!(reached[14..19], [3 * WEEK; 5]);
    assert_eq!(reached[19..], [24 * DAY, 30 * DAY, 36 * DAY, 40 * DAY]);
}

#[test]
fn a_partition_that_was_silent_for_long_goes_on_after_some_records() {
    let later = NOW + 30 * DAY;
    let told: Vec<i64> = (0..30).map(|number| later + (number + 3) % 30).collect();
    let found = later_arrivals(&told);
    let weeks = [0, WEEK, 2 * WEEK, 3 * WEEK, 4 * WEEK];
    let late: Vec<i64> = (1..25).map(|records| weeks[records / 5]).collect();
    assert_eq!(found[..24], late);
    // The oldest of all that said so, and from then on what is told.
    assert_eq!(found[24], 30 * DAY + 3);
    assert_eq!(found[26], 30 * DAY + 29);
    // What is far behind, from a clock that stands still, breaks no row.
    let mixed: Vec<i64> = (0..50)
        .map(|n| if n % 2 == 0 { later } else { NOW - YEARS / 3 })
        .collect();
    assert_eq!(*later_arrivals(&mixed).last().unwrap(), 30 * DAY);
    let told = [NOW + 6 * DAY, NOW + DAY];
    assert_eq!(later_arrivals(&told), [6 * DAY, 6 * DAY]);
}

#[test]
fn a_wild_first_record_is_taken_back() {
    let wild = NOW + YEARS;
    let mut told = vec![wild];
    told.extend(NOW..NOW + 10);
    let found = arrivals(&told);
    assert_eq!(found[..5], [YEARS; 5]);
    assert_eq!(found[5..], [4, 5, 6, 7, 8, 9]);
    // Others of its kind do not help it, nor ones that are wild otherwise.
    for others in [[wild, wild + 1], [NOW + YEARS / 2, NOW + YEARS / 3]] {
        let mut told = vec![wild, NOW, others[0], NOW, others[1], NOW + 1];
        told.extend(NOW + 2..NOW + 20);
        assert_eq!(*arrivals(&told).last().unwrap(), 19, "{others:?}");
    }
    // When five agree with a first one it stands, whoever lags behind.
    let mut told = vec![NOW; 6];
    told.extend([NOW - YEARS / 3; 20]);
    assert_eq!(*arrivals(&told).last().unwrap(), 0);
}

#[test]
fn a_partition_whose_first_records_tell_no_time_begins_with_the_first_that_does() {
    assert_eq!(arrivals(&[0, 5, i64::MAX, NOW, NOW + 3])[3..], [0, 3]);
}

#[test]
fn the_brokers_word_is_taken() {
    let before = Some(Arrival::after(None, Some(Millis(NOW)), true));
    let later = Millis(NOW + 60 * DAY);
    assert_eq!(Arrival::after(before, Some(later), true).at, later);
    assert_eq!(Arrival::after(before, None, true).at, Millis(NOW));
    assert_eq!(
        Arrival::after(before, Some(Millis(NOW - 5)), true).at,
        Millis(NOW)
    );
    // It settles what a producer said first.
    let wild = Some(Arrival::after(None, Some(Millis(NOW + YEARS)), false));
    assert_eq!(Arrival::after(wild, Some(Millis(NOW)), true).at, Millis(NOW));
}

proptest! {
    #[test]
    fn arrival_times_stay_in_bounds_and_go_back_only_while_the_first_is_in_doubt(
        told in prop::collection::vec((any::<i64>(), -9i64..9, any::<bool>()), 1..60),
    ) {
        let mut last: Option<Arrival> = None;
        for (wild, days, is_wild) in told {
            let told = if is_wild { wild } else { NOW + days * DAY };
            let next = Arrival::after(last, Some(Millis(told)), wild % 5 == 0);
            prop_assert!(next.at < Millis::LATEST_EVENT);
            let before = last.unwrap_or_default();
            prop_assert!(next.at >= before.at || before.told.doubt.is_some());
            last = Some(next);
        }
    }
}
