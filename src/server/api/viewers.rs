//! Who watches: a bounded number of long-lived connections, and the frames that all of them are shown.
//!
//! What is in a frame is not known here, nor who makes it: only that it is made once for everybody, while anybody
//! watches, and that nobody is waited for. Who is slow misses frames; the last ones are kept for who comes back.

use super::error::{ApiError, ErrorKind};
use super::places::Peer;
use super::settings::ServerSettings;
use crate::domain::SagaType;
use axum::body::Bytes;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Maximum number of frames of a subject that are kept for who comes back.
const KEPT_FRAMES: usize = 60;
/// Maximum number of their bytes; the newest frame is kept whatever its size.
const KEPT_BYTES: usize = 512 << 10;
/// Maximum number of saga types that are watched at the same time; all of them together are no such type.
const MAX_TYPES: usize = 16;
/// The same of one peer.
const MAX_TYPES_OF_PEER: usize = MAX_TYPES / 2;

/// What is watched: sagas of a type, or of all.
pub(super) type Subject = Option<SagaType>;

/// Everybody who watches. Cheap to clone.
#[derive(Clone)]
pub(super) struct Viewers {
    inner: Arc<Inner>,
}

struct Inner {
    most: usize,
    most_of_peer: usize,
    state: Mutex<State>,
    ended: CancellationToken,
}

#[derive(Default)]
struct State {
    /// The number of the next seat.
    next: u64,
    /// By number, so the oldest first.
    seats: BTreeMap<u64, Held>,
    by_peer: HashMap<Option<Peer>, usize>,
    channels: BTreeMap<Subject, Channel>,
    /// Whether somebody makes frames.
    making: bool,
    /// The number of the last frame.
    number: u64,
}

/// A seat that is taken.
struct Held {
    peer: Option<Peer>,
    lost: CancellationToken,
    /// What is watched from it; `None` while nothing is.
    subject: Option<Subject>,
}

struct Channel {
    /// The seats from which it is watched.
    viewers: BTreeSet<u64>,
    kept: VecDeque<Frame>,
    /// Of what is kept.
    bytes: usize,
    newest: watch::Sender<u64>,
}

/// What all who watch the same thing are shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    /// Its number. Grows, and is near the second in which it was made, so that it grows over restarts too.
    pub(super) number: u64,
    /// The server-sent event that shows it, the same bytes for all who watch.
    pub(super) event: Bytes,
}

impl Frame {
    /// A frame that shows this JSON text.
    fn of(number: u64, text: &[u8]) -> Self {
        let mut event = format!("event: frame\nid: {number}\ndata: ").into_bytes();
        // JSON text has no line breaks.
        event.extend_from_slice(text);
        event.extend_from_slice(b"\n\n");
        Self {
            number,
            event: event.into(),
        }
    }
}

impl Viewers {
    pub(super) fn of(settings: &ServerSettings) -> Self {
        let half = |connections: usize| settings.max_live_connections.min(connections / 2).max(1);
        Self {
            inner: Arc::new(Inner {
                most: half(settings.max_connections),
                most_of_peer: half(settings.max_connections_per_peer),
                state: Mutex::default(),
                ended: CancellationToken::new(),
            }),
        }
    }

    /// A long-lived connection, unless there are too many. When all are taken, the peer that has the most makes room,
    /// by its oldest one, as long as it has more than who asks.
    pub(super) fn seat(&self, peer: Option<Peer>) -> Result<Seat, ApiError> {
        if self.inner.ended.is_cancelled() {
            return Err(refused("the tracker is shutting down"));
        }
        let mut state = self.inner.lock();
        let most = self.inner.most_of_peer;
        if peer.is_some() && state.of_peer(peer) >= most {
            return Err(refused(&format!(
                "{most} long-lived connections are open from this address, which is the limit; close one, or \
                 raise server.max_connections_per_peer"
            )));
        }
        if state.seats.len() >= self.inner.most && !state.make_room(peer) {
            let most = self.inner.most;
            return Err(refused(&format!(
                "{most} long-lived connections are open, which is the limit; close one, or raise \
                 server.max_live_connections"
            )));
        }
        let (number, lost) = (state.next, CancellationToken::new());
        state.next += 1;
        *state.by_peer.entry(peer).or_default() += 1;
        let held = Held {
            peer,
            lost: lost.clone(),
            subject: None,
        };
        state.seats.insert(number, held);
        Ok(Seat {
            inner: self.inner.clone(),
            peer,
            number,
            lost,
        })
    }

    /// Watches a subject from a seat, unless too many others are watched. When all types are taken, the peer that watches
    /// the most makes room, by the one that it has watched for longest, as long as it has more than who asks.
    pub(super) fn watch(&self, seat: Seat, subject: Subject) -> Result<Watching, ApiError> {
        let mut state = self.inner.lock();
        let peer = seat.peer;
        if let Some(saga_type) = &subject {
            let of_peer = state.types_of(peer);
            let is_new_to_peer = !of_peer.contains(saga_type);
            if peer.is_some() && is_new_to_peer && of_peer.len() >= MAX_TYPES_OF_PEER {
                return Err(refused_types(MAX_TYPES_OF_PEER, "are watched from this address"));
            }
            let is_new = !state.channels.contains_key(&subject);
            if is_new && state.types() >= MAX_TYPES && !state.make_room_for_type(peer) {
                return Err(refused_types(MAX_TYPES, "are watched"));
            }
        }
        let Some(newest) = state.watch(seat.number, &subject) else {
            return Err(refused("another address was given this place"));
        };
        drop(state);
        Ok(Watching {
            seat,
            subject,
            newest,
        })
    }

    /// The right to make frames, if nobody makes them.
    pub(super) fn make(&self) -> Option<Making> {
        let mut state = self.inner.lock();
        if state.making {
            return None;
        }
        state.making = true;
        Some(Making {
            inner: self.inner.clone(),
            is_over: false,
        })
    }

    /// Ends all long-lived connections; there are no new ones.
    pub(super) fn end(&self) {
        self.inner.ended.cancel();
    }

    /// What tells that they end.
    pub(super) fn ended(&self) -> CancellationToken {
        self.inner.ended.clone()
    }
}

fn refused(message: &str) -> ApiError {
    ApiError::new(ErrorKind::ServiceUnavailable, message).retry_after(Duration::from_secs(5))
}

fn refused_types(most: usize, how: &str) -> ApiError {
    refused(&format!(
        "{most} saga types {how}, which is the limit at the same time; watch all of them, or come later"
    ))
}

impl State {
    fn of_peer(&self, peer: Option<Peer>) -> usize {
        self.by_peer.get(&peer).copied().unwrap_or(0)
    }

    /// Takes the oldest seat of the peer that has the most, unless who asks would have more than it then.
    fn make_room(&mut self, peer: Option<Peer>) -> bool {
        let most = self.by_peer.values().copied().max().unwrap_or(0);
        if most < self.of_peer(peer) + 2 {
            return false;
        }
        let is_large = |held: &Held| self.of_peer(held.peer) == most;
        let oldest = self.seats.iter().find(|(_, held)| is_large(held));
        let Some(number) = oldest.map(|(number, _)| *number) else {
            return false;
        };
        self.release(number);
        true
    }

    /// The types that are watched.
    fn types(&self) -> usize {
        self.channels.keys().flatten().count()
    }

    /// Those that a peer watches.
    fn types_of(&self, peer: Option<Peer>) -> BTreeSet<&SagaType> {
        let seats = self.seats.values().filter(|held| held.peer == peer);
        seats.filter_map(|held| held.subject.as_ref()?.as_ref()).collect()
    }

    /// Ends the type that the peer with the most types has watched for longest, of those that nobody else watches,
    /// unless who asks would have more of them than it then.
    fn make_room_for_type(&mut self, peer: Option<Peer>) -> bool {
        let own = self.types_of(peer).len();
        let channels = self.channels.iter().filter(|(subject, _)| subject.is_some());
        // Seats are numbered in their order, so the first one of a channel is the oldest.
        let candidates = channels.filter_map(|(_, channel)| {
            let oldest = *channel.viewers.first()?;
            let of = self.only_peer(channel)?;
            Some((self.types_of(of).len(), oldest, channel))
        });
        let most_first = candidates.max_by_key(|(types, oldest, _)| (*types, std::cmp::Reverse(*oldest)));
        let Some((_, _, ended)) = most_first.filter(|(types, ..)| *types >= own + 2) else {
            return false;
        };
        for number in ended.viewers.clone() {
            self.release(number);
        }
        true
    }

    /// The peer of which are all who watch a channel, if it is one.
    fn only_peer(&self, channel: &Channel) -> Option<Option<Peer>> {
        let mut peers = channel.viewers.iter().filter_map(|number| self.seats.get(number));
        let first = peers.next()?.peer;
        peers.all(|held| held.peer == first).then_some(first)
    }

    /// Watches a subject from a seat; what tells of its newest frame. None when the seat was given to another.
    fn watch(&mut self, number: u64, subject: &Subject) -> Option<watch::Receiver<u64>> {
        self.seats.get_mut(&number)?.subject = Some(subject.clone());
        let channel = self.channels.entry(subject.clone()).or_insert_with(|| Channel {
            viewers: BTreeSet::new(),
            kept: VecDeque::new(),
            bytes: 0,
            newest: watch::Sender::new(0),
        });
        channel.viewers.insert(number);
        Some(channel.newest.subscribe())
    }

    /// Gives a seat back, if it is still taken, and tells whoever has it. What nobody watches then is no longer watched.
    fn release(&mut self, number: u64) {
        let Some(held) = self.seats.remove(&number) else {
            return;
        };
        held.lost.cancel();
        if let Some(of_peer) = self.by_peer.get_mut(&held.peer) {
            *of_peer -= 1;
            if *of_peer == 0 {
                self.by_peer.remove(&held.peer);
            }
        }
        let Some(subject) = held.subject else { return };
        if let Some(channel) = self.channels.get_mut(&subject) {
            channel.viewers.remove(&number);
            if channel.viewers.is_empty() {
                self.channels.remove(&subject);
            }
        }
    }
}

impl Channel {
    fn show(&mut self, frame: Frame) {
        self.bytes += frame.event.len();
        let number = frame.number;
        self.kept.push_back(frame);
        while (self.kept.len() > KEPT_FRAMES || self.bytes > KEPT_BYTES)
            && self.kept.len() > 1
            && let Some(oldest) = self.kept.pop_front()
        {
            self.bytes -= oldest.event.len();
        }
        self.newest.send_replace(number);
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Each change leaves the table whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that lasts. Dropping it makes room for another, and ends what is watched from it.
pub(super) struct Seat {
    inner: Arc<Inner>,
    peer: Option<Peer>,
    number: u64,
    lost: CancellationToken,
}

impl Seat {
    /// What tells that it was given to another peer.
    pub(super) fn lost(&self) -> CancellationToken {
        self.lost.clone()
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.inner.lock().release(self.number);
    }
}

/// One who watches.
pub(super) struct Watching {
    seat: Seat,
    subject: Subject,
    newest: watch::Receiver<u64>,
}

impl Watching {
    /// What tells that the seat was given to another peer.
    pub(super) fn lost(&self) -> CancellationToken {
        self.seat.lost()
    }

    /// The last frame that somebody had, who says its number; one that cannot have been made counts as none.
    pub(super) fn had(&self, said: Option<u64>) -> Option<u64> {
        let made = self.seat.inner.lock().number;
        said.filter(|number| *number <= made)
    }

    /// The frames that are kept behind that one, in order.
    pub(super) fn missed(&self, number: u64) -> Vec<Frame> {
        let state = self.seat.inner.lock();
        let channel = state.channels.get(&self.subject);
        let kept = channel.into_iter().flat_map(|channel| &channel.kept);
        kept.filter(|frame| frame.number > number).cloned().collect()
    }

    /// The newest frame, if there is one behind that one.
    pub(super) fn newest(&self, number: u64) -> Option<Frame> {
        let state = self.seat.inner.lock();
        let newest = state.channels.get(&self.subject)?.kept.back()?;
        (newest.number > number).then(|| newest.clone())
    }

    /// Waits for the next frame.
    pub(super) async fn changed(&mut self) {
        if self.newest.changed().await.is_err() {
            // The channel lives as long as somebody watches it; whose seat is lost is told so.
            std::future::pending::<()>().await;
        }
    }
}

/// The right to make frames.
pub(super) struct Making {
    inner: Arc<Inner>,
    is_over: bool,
}

impl Making {
    /// What is watched; none when nobody watches any more: then no more frames are to be made.
    pub(super) fn subjects(&mut self) -> Option<Vec<Subject>> {
        let mut state = self.inner.lock();
        if state.channels.is_empty() || self.inner.ended.is_cancelled() {
            state.making = false;
            self.is_over = true;
            return None;
        }
        Some(state.channels.keys().cloned().collect())
    }

    /// Shows frames that were made in this second since 1970.
    pub(super) fn show(&self, second: u64, frames: impl IntoIterator<Item = (Subject, Bytes)>) {
        let mut state = self.inner.lock();
        let number = second.max(state.number + 1);
        state.number = number;
        for (subject, text) in frames {
            if let Some(channel) = state.channels.get_mut(&subject) {
                channel.show(Frame::of(number, &text));
            }
        }
    }
}

impl Drop for Making {
    fn drop(&mut self) {
        if !self.is_over {
            self.inner.lock().making = false;
        }
    }
}

#[cfg(test)]
mod tests;
