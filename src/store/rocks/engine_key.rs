//! How a partition key and a sort key become one RocksDB key. The only place that knows.
//!
//! ```text
//! engine key := prefix · sort key
//! prefix     := escape(partition key) · 00 01
//! escape     := 00 becomes 00 FF, every other byte stays
//! ```
//!
//! 00 01 ends a partition key and stands nowhere inside one, so no prefix begins another, whatever
//! bytes the partition keys consist of; the rows of a partition lie together, in the order of their
//! sort keys, and partitions lie in the order of their keys.

use memchr::memchr;

const ZERO: u8 = 0x00;
const TERMINATOR: u8 = 0x01;
const ESCAPED: u8 = 0xFF;

/// Appends the engine key of a row.
pub(super) fn join(partition: &[u8], sort: &[u8], out: &mut Vec<u8>) {
    let mut rest = partition;
    while let Some(zero) = memchr(ZERO, rest) {
        out.extend_from_slice(&rest[..=zero]);
        out.push(ESCAPED);
        rest = &rest[zero + 1..];
    }
    out.extend_from_slice(rest);
    out.extend_from_slice(&[ZERO, TERMINATOR]);
    out.extend_from_slice(sort);
}

/// What all engine keys of a partition begin with, and no other engine key does.
pub(super) fn prefix(partition: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(partition.len() + 24);
    join(partition, &[], &mut out);
    out
}

/// The first possible key behind the partition with that prefix.
pub(super) fn end_of(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    if let Some(terminator) = end.last_mut() {
        *terminator += 1;
    }
    end
}

/// The prefix of an engine key. Bytes that are no engine key are their own prefix: RocksDB asks for
/// the prefix of bounds too.
pub(super) fn prefix_of(key: &[u8]) -> &[u8] {
    &key[..prefix_length(key).unwrap_or(key.len())]
}

/// Prefix and sort key of an engine key; `None` for bytes that are no engine key.
pub(super) fn split(key: &[u8]) -> Option<(&[u8], &[u8])> {
    prefix_length(key).map(|length| key.split_at(length))
}

/// Appends the partition key that a prefix stands for.
pub(super) fn partition_of(prefix: &[u8], out: &mut Vec<u8>) {
    let escaped = prefix.strip_suffix(&[ZERO, TERMINATOR]).unwrap_or(prefix);
    let mut bytes = escaped.iter();
    while let Some(byte) = bytes.next() {
        out.push(*byte);
        if *byte == ZERO {
            bytes.next();
        }
    }
}

fn prefix_length(key: &[u8]) -> Option<usize> {
    let mut from = 0;
    loop {
        let zero = from + memchr(ZERO, &key[from..])?;
        match *key.get(zero + 1)? {
            TERMINATOR => return Some(zero + 2),
            ESCAPED => from = zero + 2,
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Short, and of bytes that the escape could confuse.
    fn tricky() -> impl Strategy<Value = Vec<u8>> {
        let byte = prop_oneof![
            Just(0x00),
            Just(0x01),
            Just(0x02),
            Just(0xFE),
            Just(0xFF),
            any::<u8>()
        ];
        prop::collection::vec(byte, 0..6)
    }

    fn joined(partition: &[u8], sort: &[u8]) -> Vec<u8> {
        let mut key = Vec::new();
        join(partition, sort, &mut key);
        key
    }

    #[test]
    fn the_layout_on_disk_stays_as_it_is() {
        assert_eq!(joined(b"a\x00b", b"\x00s"), b"a\x00\xffb\x00\x01\x00s");
    }

    proptest! {
        #[test]
        fn a_key_comes_apart_into_what_it_was_joined_from(partition in tricky(), sort in tricky()) {
            let key = joined(&partition, &sort);
            let (prefix, found) = split(&key).unwrap();
            prop_assert_eq!(found, &sort[..]);
            prop_assert_eq!(prefix_of(&key), prefix);
            prop_assert_eq!(&super::prefix(&partition)[..], prefix);
            let mut back = Vec::new();
            partition_of(prefix, &mut back);
            prop_assert_eq!(back, partition);
        }

        #[test]
        fn engine_keys_sort_by_partition_and_then_by_sort_key(
            a in (tricky(), tricky()),
            b in (tricky(), tricky()),
        ) {
            prop_assert_eq!(joined(&a.0, &a.1).cmp(&joined(&b.0, &b.1)), a.cmp(&b));
        }

        #[test]
        fn no_partition_reaches_into_another(a in tricky(), b in tricky(), sort in tricky()) {
            let (start, end) = (prefix(&a), end_of(&prefix(&a)));
            let row = joined(&b, &sort);
            prop_assert_eq!(start <= row && row < end, a == b);
            prop_assert_eq!(row.starts_with(&start), a == b);
        }

        #[test]
        fn bytes_that_are_no_key_are_their_own_prefix(bytes in tricky()) {
            match split(&bytes) {
                Some((prefix, sort)) => prop_assert_eq!([prefix, sort].concat(), bytes),
                None => prop_assert_eq!(prefix_of(&bytes), &bytes[..]),
            }
        }
    }
}
