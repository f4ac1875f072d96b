//! What is kept of a record that is no event. A record is as long as its producer wants, and one in a compressed
//! batch longer than its topic says; of what is beyond these bounds only length and hash are stored.

use super::origin::is_origin;
use crate::pipeline::decode::wire::MAX_RECORD_BYTES;
use crate::pipeline::kafka::source::{RawHeaders, RawRecord};
use crate::store::records::MAX_KEPT_BYTES;
use std::borrow::Cow;

// More of a value than it may have, so that what is kept of a longer one is no event either.
const _: () = assert!(MAX_KEPT_BYTES > MAX_RECORD_BYTES, "what is too large stays so");
/// Bytes that are kept of the headers.
const HEADER_BYTES: usize = MAX_RECORD_BYTES;
/// Each header counts as so many bytes more than its name and value have.
const HEADER_COSTS: usize = 64;
/// Headers that name a dead letter have room of their own: so many bytes.
const ORIGIN_BYTES: usize = 16 << 10;

/// Headers by name, in order.
type Headers<'a> = Vec<(&'a str, Option<&'a [u8]>)>;

/// The part of a record that is kept.
pub(crate) struct Kept<'a> {
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) value: Option<&'a [u8]>,
    pub(crate) headers: Headers<'a>,
    left_out: String,
}

impl<'a> Kept<'a> {
    pub(crate) fn of(record: &RawRecord<'a>) -> Self {
        let (headers, headers_left_out) = first_headers(record.headers);
        let mut left_out = String::new();
        for (what, bytes) in [("value", record.value), ("key", record.key)] {
            let bytes = bytes.map_or(0, <[u8]>::len);
            if bytes > MAX_KEPT_BYTES {
                left_out += &format!("; of the {what}'s {bytes} bytes the first {MAX_KEPT_BYTES} are kept");
            }
        }
        if headers_left_out > 0 {
            left_out += &format!("; {headers_left_out} headers are not kept");
        }
        Self {
            key: record.key.map(first_bytes),
            value: record.value.map(first_bytes),
            headers,
            left_out,
        }
    }

    /// The words, and what was left out.
    pub(crate) fn detail<'d>(&self, words: &'d str) -> Cow<'d, str> {
        if self.left_out.is_empty() {
            return Cow::Borrowed(words);
        }
        Cow::Owned(format!("{words}{}", self.left_out))
    }
}

fn first_bytes(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.len().min(MAX_KEPT_BYTES)]
}

/// Those that there is room for, in their order, and how many there is none for.
fn first_headers(headers: RawHeaders<'_>) -> (Headers<'_>, usize) {
    let (mut room, mut origin_room) = (HEADER_BYTES, ORIGIN_BYTES);
    let (mut kept, mut left_out) = (Vec::new(), 0);
    headers.each(|name, value| {
        let room = if is_origin(name) {
            &mut origin_room
        } else {
            &mut room
        };
        let bytes = name.len() + value.map_or(0, <[u8]>::len) + HEADER_COSTS;
        match room.checked_sub(bytes) {
            Some(left) => {
                *room = left;
                kept.push((name, value));
            }
            None => left_out += 1,
        }
    });
    (kept, left_out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Position;

    fn record<'a>(
        key: Option<&'a [u8]>,
        value: Option<&'a [u8]>,
        headers: &'a [(String, Option<Vec<u8>>)],
    ) -> RawRecord<'a> {
        RawRecord {
            position: Position::new(0, 0),
            timestamp: None,
            key,
            value,
            headers: RawHeaders::List(headers),
        }
    }

    #[test]
    fn an_ordinary_record_is_kept_whole() {
        let headers = [("a".to_owned(), Some(vec![1])), ("b".to_owned(), None)];
        let longest = vec![0; MAX_RECORD_BYTES];
        let kept = Kept::of(&record(Some(b"k"), Some(&longest), &headers));
        assert_eq!((kept.key, kept.value), (Some(&b"k"[..]), Some(&longest[..])));
        assert_eq!(kept.headers, [("a", Some(&[1][..])), ("b", None)]);
        assert_eq!(kept.detail("words"), "words");
    }

    #[test]
    fn of_what_is_too_long_a_part_is_kept_and_the_words_say_so() {
        let long = vec![0; MAX_KEPT_BYTES + 1];
        let mut headers = vec![("n".to_owned(), None); 100_000];
        headers.push(("saga-tracker-origin-topic".to_owned(), Some(b"t".to_vec())));
        let kept = Kept::of(&record(Some(&long), Some(&long), &headers));
        assert_eq!(kept.key.map(<[u8]>::len), Some(MAX_KEPT_BYTES));
        assert_eq!(kept.value.map(<[u8]>::len), Some(MAX_KEPT_BYTES));
        assert!(kept.headers.len() <= HEADER_BYTES / HEADER_COSTS + 1);
        assert_eq!(kept.headers.last().unwrap().0, "saga-tracker-origin-topic");
        let words = kept.detail("too long");
        let left_out = format!("{} headers are not kept", headers.len() - kept.headers.len());
        for said in [
            "too long; of the value's 16777218 bytes the first 16777217",
            "the key's",
            &left_out,
        ] {
            assert!(words.contains(said), "{words}");
        }
    }
}
