//! A name for every request, to find it again in logs: the client's own, or a new one.

use crate::domain::mix::scatter;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use std::sync::atomic::{AtomicU64, Ordering};
use uuid::{Builder, Uuid};

/// The header that carries it, both ways.
pub(super) const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// Characters that a client's own may have.
const MAX_LENGTH: usize = 128;

/// Gives out request ids: UUIDs that are unique by a random start and a counter, because asking the
/// system for randomness on every request costs more than the rest of the answer.
#[derive(Debug)]
pub(super) struct RequestIds {
    start: u64,
    seed: u64,
    next: AtomicU64,
}

impl RequestIds {
    pub(super) fn new() -> Self {
        let (start, seed) = Uuid::new_v4().as_u64_pair();
        Self {
            start,
            seed,
            next: AtomicU64::new(0),
        }
    }

    /// The client's id when it is harmless in logs and headers, otherwise a new one.
    pub(super) fn of(&self, headers: &HeaderMap) -> HeaderValue {
        headers
            .get(HEADER)
            .filter(|sent| is_sane(sent.as_bytes()))
            .cloned()
            .unwrap_or_else(|| self.fresh())
    }

    fn fresh(&self) -> HeaderValue {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let high = scatter(self.start.wrapping_add(number));
        let low = scatter(self.seed ^ high);
        let bytes = (u128::from(high) << 64 | u128::from(low)).to_be_bytes();
        let id = Builder::from_random_bytes(bytes).into_uuid();
        let mut text = Uuid::encode_buffer();
        // A UUID's text is always a valid header value; the fallback is never taken.
        HeaderValue::from_str(id.hyphenated().encode_lower(&mut text))
            .unwrap_or(HeaderValue::from_static("-"))
    }
}

fn is_sane(id: &[u8]) -> bool {
    (1..=MAX_LENGTH).contains(&id.len())
        && id
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.:/+=@#~".contains(b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn sent(id: &str) -> HeaderMap {
        HeaderMap::from_iter([(HEADER, HeaderValue::from_str(id).unwrap())])
    }

    #[test]
    fn a_harmless_id_is_kept_and_any_other_replaced() {
        let ids = RequestIds::new();
        assert_eq!(ids.of(&sent("req-1:a/b=")), "req-1:a/b=");
        for id in ["", "two words", "a\"b", &"x".repeat(129)] {
            assert_ne!(ids.of(&sent(id)), id);
        }
    }

    #[test]
    fn new_ids_are_different_uuids() {
        let ids = RequestIds::new();
        let all: HashSet<_> = (0..10_000).map(|_| ids.of(&HeaderMap::new())).collect();
        assert_eq!(all.len(), 10_000);
        for id in all {
            assert_eq!(
                Uuid::parse_str(id.to_str().unwrap()).unwrap().get_version_num(),
                4
            );
        }
    }
}
