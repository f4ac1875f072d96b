use super::*;

fn places(total: usize, per_peer: usize) -> Places {
    Places::new(Limits { total, per_peer })
}

fn peer(last: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, last], 1))
}

/// As if nothing had come over the connection for long.
fn idle_long(place: &Place) {
    let use_ = place.use_.as_ref().unwrap();
    use_.idle_since.store(0, Ordering::Relaxed);
}

/// A clock that has run long enough for connections to be idle.
fn long_running(places: &Places) -> Places {
    let shared = Shared {
        limits: places.shared.limits,
        started: Instant::now().checked_sub(IDLE_AFTER * 10).unwrap(),
        held: Mutex::default(),
    };
    Places {
        shared: Arc::new(shared),
    }
}

#[test]
fn a_place_that_is_given_back_can_be_taken_again() {
    let places = places(1, 1);
    for _ in 0..3 {
        assert!(!places.take(peer(1)).is_reserve());
    }
    assert!(places.shared.held().by_peer.is_empty());
}

#[test]
fn the_connection_that_is_idle_longest_makes_room() {
    let places = long_running(&places(2, 2));
    let (busy, idle) = (places.take(peer(1)), places.take(peer(2)));
    let _request = busy.requests().begin();
    idle_long(&idle);
    let third = places.take(peer(3));
    assert!(!third.is_reserve());
    assert!(idle.lost().is_cancelled() && !busy.lost().is_cancelled());
    drop(idle);
    assert!(
        places.take(peer(4)).is_reserve(),
        "a place that was lost is not given back twice"
    );
}

#[test]
fn connections_in_use_stay_and_further_ones_go_into_the_reserve() {
    let places = long_running(&places(2, 2));
    let all = [places.take(peer(1)), places.take(peer(2))];
    let _requests = all.each_ref().map(|place| place.requests().begin());
    let reserve: Vec<_> = (0..RESERVE).map(|_| places.take(peer(3))).collect();
    assert!(reserve.iter().all(Place::is_reserve));
    assert!(!reserve.iter().any(|place| place.lost().is_cancelled()));
    let newest = places.take(peer(4));
    assert!(reserve[0].lost().is_cancelled(), "the oldest makes room");
    assert!(!reserve[1].lost().is_cancelled() && !newest.lost().is_cancelled());
}

#[test]
fn a_flood_turns_over_its_own_connections_and_not_those_of_others() {
    let places = long_running(&places(3, 3));
    let many = [places.take(peer(1)), places.take(peer(1))];
    let one = places.take(peer(2));
    idle_long(&one);
    for place in &many {
        idle_long(place);
    }
    let third = places.take(peer(1));
    assert!(!third.is_reserve());
    assert!(many[0].lost().is_cancelled() && !one.lost().is_cancelled());
    let _busy = [&many[1], &one, &third].map(|place| place.requests().begin());
    let probe = places.take(peer(3));
    let flood: Vec<_> = (0..10 * RESERVE).map(|_| places.take(peer(1))).collect();
    assert!(probe.is_reserve() && flood.iter().all(Place::is_reserve));
    assert!(!probe.lost().is_cancelled());
    assert!(flood[0].lost().is_cancelled() && !flood.last().unwrap().lost().is_cancelled());
}

#[test]
fn one_peer_takes_no_more_than_its_share() {
    let places = long_running(&places(10, 2));
    let first = [places.take(peer(1)), places.take(peer(1))];
    let requests = first.each_ref().map(|place| place.requests().begin());
    assert!(places.take(peer(1)).is_reserve());
    let other = places.take(peer(2));
    assert!(!other.is_reserve());
    drop(requests);
    idle_long(&other);
    idle_long(&first[1]);
    assert!(!places.take(peer(1)).is_reserve(), "its own idle one makes room");
    assert!(first[1].lost().is_cancelled() && !other.lost().is_cancelled());
}

#[test]
fn hosts_of_one_ipv6_network_are_one_peer() {
    let of = |text: &str| Peer::of(SocketAddr::new(text.parse().unwrap(), 1));
    assert_eq!(of("2001:db8:1:2:3::4"), of("2001:db8:1:2:ffff::1"));
    assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
    assert_eq!(of("::ffff:10.0.0.1"), of("10.0.0.1"));
    assert_ne!(of("10.0.0.1"), of("10.0.0.2"));
}
