use super::*;

fn viewers(most: usize) -> Viewers {
    Viewers::of(&ServerSettings {
        max_live_connections: most,
        ..ServerSettings::default()
    })
}

#[test]
fn seats_are_bounded_and_come_back() {
    let viewers = viewers(2);
    let first = viewers.seat(None).unwrap();
    let _second = viewers.seat(None).unwrap();
    let refused = viewers.seat(None).map(|_| ()).unwrap_err().to_string();
    assert!(refused.contains("server.max_live_connections"), "{refused}");
    drop(first);
    assert!(viewers.seat(None).is_ok());
}

#[test]
fn they_leave_half_of_the_connections_to_others() {
    let viewers = Viewers::of(&ServerSettings {
        max_connections: 4,
        ..ServerSettings::default()
    });
    let seats: Vec<_> = (0..3).map(|_| viewers.seat(None).ok()).collect();
    assert_eq!(seats.iter().flatten().count(), 2);
}

#[test]
fn one_makes_frames_while_anybody_watches() {
    let viewers = viewers(10);
    let watch = |subject: Subject| viewers.watch(viewers.seat(None).unwrap(), subject).unwrap();
    let (one, other) = (watch(None), watch(Some("T".into())));
    let mut making = viewers.make().unwrap();
    assert!(viewers.make().is_none());
    assert_eq!(making.subjects(), Some(vec![None, Some("T".into())]));
    drop(other);
    assert_eq!(making.subjects(), Some(vec![None]));
    drop(one);
    assert_eq!(making.subjects(), None);
    drop(making);
    assert!(viewers.make().is_some());
}

#[test]
fn who_comes_back_gets_what_was_missed_and_who_is_slow_the_newest() {
    let viewers = viewers(10);
    let watching = viewers.watch(viewers.seat(None).unwrap(), None).unwrap();
    let making = viewers.make().unwrap();
    for second in [100, 100, 105] {
        making.show(second, [(None, Bytes::from_static(b"{}"))]);
    }
    let numbers = |frames: Vec<Frame>| frames.iter().map(|frame| frame.number).collect::<Vec<_>>();
    assert_eq!(numbers(watching.missed(0)), [100, 101, 105]);
    assert_eq!(numbers(watching.missed(100)), [101, 105]);
    assert_eq!(watching.newest(100).map(|frame| frame.number), Some(105));
    assert_eq!(watching.newest(105), None);
    for second in 200..300 {
        making.show(second, [(None, Bytes::new())]);
    }
    assert_eq!(watching.missed(0).len(), KEPT_FRAMES);
    let large = Bytes::from(vec![b' '; KEPT_BYTES / 4]);
    for second in 400..410 {
        making.show(second, [(None, large.clone())]);
    }
    let kept = watching.missed(0);
    let bytes: usize = kept.iter().map(|frame| frame.event.len()).sum();
    assert!(
        bytes <= KEPT_BYTES && kept.len() == 3,
        "{bytes} in {}",
        kept.len()
    );
    assert_eq!(watching.newest(0), kept.last().cloned());
}

#[test]
fn after_the_end_nobody_is_let_in() {
    let viewers = viewers(10);
    let _watching = viewers.watch(viewers.seat(None).unwrap(), None).unwrap();
    let mut making = viewers.make().unwrap();
    viewers.end();
    assert!(viewers.seat(None).is_err());
    assert_eq!(making.subjects(), None);
}

fn peer(number: u8) -> Option<Peer> {
    Some(Peer::of(([10, 0, 0, number], 1).into()))
}

#[test]
fn a_frame_is_made_into_an_event_once_for_all_who_watch() {
    let viewers = viewers(10);
    let [one, other] = [(); 2].map(|()| viewers.watch(viewers.seat(None).unwrap(), None).unwrap());
    viewers
        .make()
        .unwrap()
        .show(7, [(None, Bytes::from_static(b"{}"))]);
    let [one, other] = [one, other].map(|watching| watching.newest(0).unwrap().event);
    assert_eq!(&one[..], b"event: frame\nid: 7\ndata: {}\n\n");
    assert_eq!(one.as_ptr(), other.as_ptr());
}

#[test]
fn an_id_of_the_future_counts_as_none() {
    let viewers = viewers(10);
    let watching = viewers.watch(viewers.seat(None).unwrap(), None).unwrap();
    assert_eq!(watching.had(Some(1)), None, "no frame was made yet");
    viewers.make().unwrap().show(7, [(None, Bytes::new())]);
    let had = [None, Some(0), Some(6), Some(7), Some(8), Some(u64::MAX)].map(|id| watching.had(id));
    assert_eq!(had, [None, Some(0), Some(6), Some(7), None, None]);
}

#[test]
fn the_peer_that_has_the_most_makes_room_for_the_others() {
    let viewers = viewers(4);
    let greedy: Vec<_> = (0..4).map(|_| viewers.seat(peer(1)).unwrap()).collect();
    assert!(viewers.seat(peer(1)).is_err(), "it has the most itself");
    let lost = |seats: &[Seat]| {
        seats
            .iter()
            .map(|seat| seat.lost().is_cancelled())
            .collect::<Vec<_>>()
    };
    let modest: Vec<_> = (0..2).map(|_| viewers.seat(peer(2)).unwrap()).collect();
    assert_eq!(lost(&greedy), [true, true, false, false], "the oldest first");
    assert!(viewers.seat(peer(2)).is_err(), "both have as many");
    let third = viewers.seat(peer(3)).unwrap();
    assert_eq!(
        (lost(&greedy), lost(&modest)),
        (vec![true, true, true, false], vec![false; 2])
    );
    drop(greedy);
    assert!(viewers.seat(peer(3)).is_ok(), "what was lost is given back once");
    assert_eq!(lost(&[third]), [false]);
}

#[test]
fn whatever_types_one_peer_watches_others_may_watch_theirs_and_all_of_them() {
    let viewers = viewers(100);
    let watch = |of: u8, subject: Subject| viewers.watch(viewers.seat(peer(of)).unwrap(), subject);
    let name = |number: usize| -> Subject { Some(format!("T{number}").as_str().into()) };
    let greedy: Vec<_> = (0..MAX_TYPES).map(|number| watch(1, name(number))).collect();
    let taken = greedy.iter().filter(|watching| watching.is_ok()).count();
    assert_eq!(taken, MAX_TYPES_OF_PEER);
    let others: Vec<_> = (0..MAX_TYPES)
        .map(|number| watch(2, name(100 + number)))
        .collect();
    assert_eq!(
        others.iter().filter(|watching| watching.is_ok()).count(),
        MAX_TYPES_OF_PEER
    );
    let lost = |all: &[Result<Watching, ApiError>]| -> Vec<usize> {
        let watching = all.iter().enumerate();
        watching
            .filter(|(_, watching)| watching.as_ref().is_ok_and(|of| of.lost().is_cancelled()))
            .map(|(number, _)| number)
            .collect()
    };
    let shared = watch(3, name(1)).unwrap();
    let third: Vec<_> = (0..5).map(|number| watch(3, name(300 + number))).collect();
    let served = third.iter().filter(|watching| watching.is_ok()).count();
    assert_eq!(served, 4, "no more than the others have then");
    assert_eq!(
        (lost(&greedy), lost(&others)),
        (vec![0, 2], vec![0, 1]),
        "the oldest that nobody else watches"
    );
    assert_eq!(viewers.inner.lock().types(), MAX_TYPES);
    drop((shared, third));
    assert!(watch(4, name(101)).is_ok(), "there is room again");
    assert!(watch(4, name(7)).is_ok(), "one that is watched already");
    for of in 1..4 {
        assert!(watch(of, None).is_ok(), "all types, {of}");
    }
}
