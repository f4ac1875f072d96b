//! Deliveries as a stream of bytes that is cut anywhere, so that a saga of any size, and one delivery of
//! any size, travels in messages of a bounded one. What is done with them is not decided here.
//!
//! ```text
//! stream := delivery*          delivery := length u32, big-endian · JSON
//! ```

use super::body::EventBody;
use crate::domain::{Event, SagaId};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::ser::Error as _;

/// Bytes of one piece as we cut them: in base64 and with what is around it, less than the megabyte that
/// brokers take.
pub const PIECE_BYTES: usize = 512 << 10;
/// Bytes of one piece that we take.
const MAX_PART_BYTES: usize = 2 << 20;
/// Bytes of one delivery: metadata up to a megabyte, of which JSON makes at most six.
const DELIVERY_BYTES: usize = 8 << 20;

/// How many bytes a piece stands for, if that is within bounds.
///
/// # Errors
/// What is wrong, in words.
pub fn check(piece: &str) -> Result<usize, String> {
    let bytes = piece.len() / 4 * 3;
    if bytes > MAX_PART_BYTES {
        return Err(format!(
            "a piece of {bytes} bytes; accepted: up to {MAX_PART_BYTES}"
        ));
    }
    Ok(bytes)
}

/// Cuts deliveries into pieces, each in base64. What is in memory is one of either.
#[derive(Debug)]
pub struct Cutting {
    piece_bytes: usize,
    bytes: Vec<u8>,
}

impl Cutting {
    /// Into pieces of so many bytes.
    pub fn new(piece_bytes: usize) -> Self {
        Self {
            piece_bytes,
            bytes: Vec::new(),
        }
    }

    /// Adds the next delivery, and hands over the pieces that are full.
    ///
    /// # Errors
    /// The visitor's; or, never, that a delivery cannot be written as JSON.
    pub fn add<E: From<serde_json::Error>>(
        &mut self,
        event: &Event,
        mut piece: impl FnMut(String) -> Result<(), E>,
    ) -> Result<(), E> {
        let json = serde_json::to_vec(&EventBody::of(event))?;
        let length = u32::try_from(json.len()).map_err(serde_json::Error::custom)?;
        self.bytes.extend_from_slice(&length.to_be_bytes());
        self.bytes.extend_from_slice(&json);
        while self.bytes.len() > self.piece_bytes {
            let rest = self.bytes.split_off(self.piece_bytes);
            piece(STANDARD.encode(&self.bytes))?;
            self.bytes = rest;
        }
        Ok(())
    }

    /// The last piece.
    pub fn finish(self) -> String {
        STANDARD.encode(&self.bytes)
    }
}

/// All pieces of these deliveries. There is at least one.
#[cfg(test)]
pub fn cut(events: &[Event], piece_bytes: usize) -> serde_json::Result<Vec<String>> {
    let (mut pieces, mut cutting) = (Vec::new(), Cutting::new(piece_bytes));
    for event in events {
        cutting.add(event, |piece| {
            pieces.push(piece);
            Ok::<_, serde_json::Error>(())
        })?;
    }
    pieces.push(cutting.finish());
    Ok(pieces)
}

/// Puts deliveries together again, of which at most one is in memory.
#[derive(Debug, Default)]
pub struct Joined {
    bytes: Vec<u8>,
}

impl Joined {
    /// Takes the next piece and hands over the deliveries that are whole now.
    ///
    /// # Errors
    /// What is wrong with the piece, in words, or what the visitor says.
    pub fn add(
        &mut self,
        saga: &SagaId,
        piece: &str,
        visit: &mut dyn FnMut(Event) -> Result<(), String>,
    ) -> Result<(), String> {
        check(piece)?;
        let piece = STANDARD.decode(piece).map_err(|error| error.to_string())?;
        self.bytes.extend_from_slice(&piece);
        let mut at = 0;
        while let Some(length) = self.length_at(at)? {
            let Some(json) = self.bytes.get(at + 4..at + 4 + length) else {
                break;
            };
            let body: EventBody = serde_json::from_slice(json).map_err(|error| error.to_string())?;
            let event = body.event(saga).ok_or("one of the deliveries cannot be read")?;
            visit(event)?;
            at += 4 + length;
        }
        self.bytes.drain(..at);
        Ok(())
    }

    fn length_at(&self, at: usize) -> Result<Option<usize>, String> {
        let Some(length) = self.bytes.get(at..).and_then(|rest| rest.first_chunk()) else {
            return Ok(None);
        };
        let length = u32::from_be_bytes(*length) as usize;
        if length > DELIVERY_BYTES {
            return Err(format!(
                "a delivery of {length} bytes; accepted: up to {DELIVERY_BYTES}"
            ));
        }
        Ok(Some(length))
    }

    /// Whether nothing is left over.
    pub fn is_whole(&self) -> bool {
        self.bytes.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::traffic;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn deliveries_come_back_however_they_are_cut(events in traffic(30), piece in 1usize..400) {
            let saga = SagaId::from("s");
            let mut events = events;
            events.iter_mut().for_each(|event| event.saga_id = saga.clone());
            let (mut joined, mut back) = (Joined::default(), Vec::new());
            for piece in cut(&events, piece).unwrap() {
                joined.add(&saga, &piece, &mut |event| { back.push(event); Ok(()) }).unwrap();
            }
            prop_assert!(joined.is_whole());
            prop_assert_eq!(back, events);
        }

        #[test]
        fn any_bytes_are_refused_or_read_within_bounds(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut joined = Joined::default();
            let _told = joined.add(&SagaId::from("s"), &STANDARD.encode(&bytes), &mut |_| Ok(()));
            prop_assert!(joined.bytes.len() <= bytes.len());
        }
    }
}
