//! Who watches: a bounded number of connections that last, and the frames that all of them are shown.
//!
//! What is in a frame is not known here, nor who makes it: only that it is made once for everybody, while anybody
//! watches, and that nobody is waited for. Who is slow misses frames; the last ones are kept for who comes back.

use super::error::{ApiError, ErrorKind};
use super::places::Peer;
use super::settings::ServerSettings;
use crate::domain::SagaType;
use axum::body::Bytes;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Frames that are kept for who comes back.
const KEPT_FRAMES: usize = 60;
/// Different things that are watched at the same time.
const MAX_CHANNELS: usize = 16;

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
    seats: usize,
    by_peer: HashMap<Peer, usize>,
    channels: BTreeMap<Subject, Channel>,
    /// Whether somebody makes frames.
    making: bool,
    /// The number of the last frame.
    number: u64,
}

struct Channel {
    viewers: usize,
    kept: VecDeque<Frame>,
    newest: watch::Sender<u64>,
}

/// What all who watch the same thing are shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    /// Its number. Grows, and is near the second in which it was made, so that it grows over restarts too.
    pub(super) number: u64,
    /// What is shown.
    pub(super) text: Bytes,
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

    /// A connection that lasts, unless there are too many.
    pub(super) fn seat(&self, peer: Option<Peer>) -> Result<Seat, ApiError> {
        if self.inner.ended.is_cancelled() {
            return Err(refused("the tracker is shutting down"));
        }
        let mut state = self.inner.lock();
        if state.seats >= self.inner.most {
            let most = self.inner.most;
            return Err(refused(&format!(
                "{most} connections that last are open, as many as may be; close one, or raise \
                 server.max_live_connections"
            )));
        }
        if let Some(peer) = peer {
            let most = self.inner.most_of_peer;
            let of_peer = state.by_peer.entry(peer).or_default();
            if *of_peer >= most {
                return Err(refused(&format!(
                    "{most} connections that last are open from this address, as many as may be; close one, or \
                     raise server.max_connections_per_peer"
                )));
            }
            *of_peer += 1;
        }
        state.seats += 1;
        Ok(Seat {
            inner: self.inner.clone(),
            peer,
        })
    }

    /// Watches a subject from a seat, unless too many others are watched.
    pub(super) fn watch(&self, seat: Seat, subject: Subject) -> Result<Watching, ApiError> {
        let mut state = self.inner.lock();
        if !state.channels.contains_key(&subject) && state.channels.len() >= MAX_CHANNELS {
            return Err(refused(&format!(
                "{MAX_CHANNELS} saga types are watched, as many as may be at the same time; watch all of them, or \
                 come later"
            )));
        }
        let channel = state.channels.entry(subject.clone()).or_insert_with(|| Channel {
            viewers: 0,
            kept: VecDeque::new(),
            newest: watch::Sender::new(0),
        });
        channel.viewers += 1;
        let newest = channel.newest.subscribe();
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

    /// Ends all connections that last; there are no new ones.
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

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Each change leaves the table whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that lasts. Dropping it makes room for another.
pub(super) struct Seat {
    inner: Arc<Inner>,
    peer: Option<Peer>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut state = self.inner.lock();
        state.seats -= 1;
        if let Some(peer) = self.peer
            && let Some(of_peer) = state.by_peer.get_mut(&peer)
        {
            *of_peer -= 1;
            if *of_peer == 0 {
                state.by_peer.remove(&peer);
            }
        }
    }
}

/// One who watches.
pub(super) struct Watching {
    seat: Seat,
    subject: Subject,
    newest: watch::Receiver<u64>,
}

impl Watching {
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
            // The channel lives as long as somebody watches it.
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let mut state = self.seat.inner.lock();
        if let Some(channel) = state.channels.get_mut(&self.subject) {
            channel.viewers -= 1;
            if channel.viewers == 0 {
                state.channels.remove(&self.subject);
            }
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
            let Some(channel) = state.channels.get_mut(&subject) else {
                continue;
            };
            if channel.kept.len() == KEPT_FRAMES {
                channel.kept.pop_front();
            }
            channel.kept.push_back(Frame { number, text });
            channel.newest.send_replace(number);
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
mod tests {
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
}
