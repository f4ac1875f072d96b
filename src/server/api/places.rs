//! Who gets a connection: so many in all, so many for one peer, and a reserve for probes.
//!
//! Every connection is accepted. When there is no place for it, one of the peer that has the most makes
//! room, the one that has been idle longest; when none is idle, it goes into the reserve, in which only
//! probes are answered and where the oldest of the peer with the most makes room. So whatever clients do,
//! a probe is answered, and who opens many connections closes no others than its own. What is served on a
//! place is not decided here.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// Connections in the reserve.
const RESERVE: usize = 64;
/// A connection that was in use so lately is not idle.
const IDLE_AFTER: Duration = Duration::from_secs(1);
/// No request is under way until one is, and none was.
const BUSY: u64 = u64::MAX;

/// How many connections there may be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// In all, the reserve apart.
    pub(super) total: usize,
    /// From one peer.
    pub(super) per_peer: usize,
}

/// Who counts as one: an address, or the network that one IPv6 host has for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Peer(IpAddr);

impl Peer {
    pub(super) fn of(address: SocketAddr) -> Self {
        match address.ip().to_canonical() {
            IpAddr::V6(v6) => {
                let [a, b, c, d, ..] = v6.segments();
                Self(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into())
            }
            v4 @ IpAddr::V4(_) => Self(v4),
        }
    }
}

/// Marks a request for which there was no place: only probes are answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct NoPlace;

/// Hands out places. Cheap to clone.
#[derive(Clone)]
pub(super) struct Places {
    shared: Arc<Shared>,
}

struct Shared {
    limits: Limits,
    started: Instant,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    next: u64,
    regular: BTreeMap<u64, Seat>,
    by_peer: HashMap<Peer, usize>,
    reserve: BTreeMap<u64, Waiting>,
}

/// A connection in the reserve.
struct Waiting {
    peer: Peer,
    lost: CancellationToken,
}

struct Seat {
    peer: Peer,
    use_: Arc<Use>,
    lost: CancellationToken,
}

/// Since when a connection is idle, milliseconds since the start.
struct Use {
    started: Instant,
    idle_since: AtomicU64,
}

impl Use {
    fn now(started: Instant) -> u64 {
        u64::try_from(started.elapsed().as_millis()).unwrap_or(BUSY - 1)
    }
}

/// A connection's right to be served. Dropping it gives the place back.
pub(super) struct Place {
    shared: Arc<Shared>,
    number: u64,
    /// None in the reserve.
    use_: Option<Arc<Use>>,
    lost: CancellationToken,
}

impl Places {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            shared: Arc::new(Shared {
                limits,
                started: Instant::now(),
                held: Mutex::default(),
            }),
        }
    }

    /// A place for a connection from there.
    pub(super) fn take(&self, from: SocketAddr) -> Place {
        let peer = Peer::of(from);
        let mut held = self.shared.held();
        held.next += 1;
        let number = held.next;
        let lost = CancellationToken::new();
        let use_ = self.shared.make_room(&mut held, peer).then(|| {
            let use_ = Arc::new(Use {
                started: self.shared.started,
                idle_since: AtomicU64::new(Use::now(self.shared.started)),
            });
            let seat = Seat {
                peer,
                use_: use_.clone(),
                lost: lost.clone(),
            };
            held.regular.insert(number, seat);
            *held.by_peer.entry(peer).or_default() += 1;
            use_
        });
        if use_.is_none() {
            held.make_room_in_reserve();
            let lost = lost.clone();
            held.reserve.insert(number, Waiting { peer, lost });
        }
        Place {
            shared: self.shared.clone(),
            number,
            use_,
            lost,
        }
    }
}

impl Shared {
    fn held(&self) -> MutexGuard<'_, Held> {
        // Each change leaves the table whole.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is room for one more of that peer, if need be by closing an idle one.
    fn make_room(&self, held: &mut Held, peer: Peer) -> bool {
        let of_peer = held.by_peer.get(&peer).copied().unwrap_or(0);
        if of_peer >= self.limits.per_peer {
            return self.close_idle(held, |seat| seat.peer == peer);
        }
        held.regular.len() < self.limits.total || self.close_idle(held, |_| true)
    }

    /// Closes the connection that has been idle longest, of the peer with the most; false when none is idle.
    fn close_idle(&self, held: &mut Held, among: impl Fn(&Seat) -> bool) -> bool {
        let idle_before =
            Use::now(self.started).saturating_sub(u64::try_from(IDLE_AFTER.as_millis()).unwrap_or(0));
        let longest = held
            .regular
            .iter()
            .filter(|(_, seat)| among(seat))
            .map(|(number, seat)| {
                let of_peer = held.by_peer.get(&seat.peer).copied().unwrap_or(0);
                let since = seat.use_.idle_since.load(Ordering::Relaxed);
                (Reverse(of_peer), since, *number)
            })
            .filter(|(_, since, _)| *since <= idle_before)
            .min();
        let Some((_, _, number)) = longest else {
            return false;
        };
        held.release(number);
        true
    }
}

impl Held {
    /// Forgets a place, and tells its connection.
    fn release(&mut self, number: u64) {
        if let Some(waiting) = self.reserve.remove(&number) {
            waiting.lost.cancel();
        }
        let Some(seat) = self.regular.remove(&number) else {
            return;
        };
        seat.lost.cancel();
        if let Some(count) = self.by_peer.get_mut(&seat.peer) {
            *count -= 1;
            if *count == 0 {
                self.by_peer.remove(&seat.peer);
            }
        }
    }

    fn make_room_in_reserve(&mut self) {
        while self.reserve.len() >= RESERVE
            && let Some(number) = self.oldest_of_the_largest()
        {
            self.release(number);
        }
    }

    /// The oldest connection in the reserve of the peer that has the most there.
    fn oldest_of_the_largest(&self) -> Option<u64> {
        let mut of_peer: HashMap<Peer, usize> = HashMap::new();
        for waiting in self.reserve.values() {
            *of_peer.entry(waiting.peer).or_default() += 1;
        }
        let limit = of_peer.values().copied().max()?;
        let is_large = |(_, waiting): &(&u64, &Waiting)| of_peer.get(&waiting.peer) == Some(&limit);
        self.reserve.iter().find(is_large).map(|(number, _)| *number)
    }
}

impl Place {
    /// Whether only probes are answered here.
    pub(super) fn is_reserve(&self) -> bool {
        self.use_.is_none()
    }

    /// What tells that the place was given to another.
    pub(super) fn lost(&self) -> CancellationToken {
        self.lost.clone()
    }

    /// What the requests of this connection are counted with.
    pub(super) fn requests(&self) -> Requests {
        Requests(self.use_.clone())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.shared.held().release(self.number);
    }
}

/// Tells a connection that works from one that is idle. An answer counts as given when the connection has
/// all of it: one that is sent as it is read is under way until its client has taken most of it.
#[derive(Clone)]
pub(super) struct Requests(Option<Arc<Use>>);

impl Requests {
    /// A request is under way until what is returned is dropped.
    pub(super) fn begin(&self) -> UnderWay {
        if let Some(use_) = &self.0 {
            use_.idle_since.store(BUSY, Ordering::Relaxed);
        }
        UnderWay(self.0.clone())
    }
}

/// A request is under way.
pub(super) struct UnderWay(Option<Arc<Use>>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        if let Some(use_) = &self.0 {
            use_.idle_since.store(Use::now(use_.started), Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests;
