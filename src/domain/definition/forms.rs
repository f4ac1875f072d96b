//! Forms that a definitions file may have its lists of steps in. A table is refused at once, however deep it is.

use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::collections::BTreeSet;
use std::fmt;

/// Reads one text as a list of it alone.
pub(super) fn one_or_more<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeSet<String>, D::Error> {
    struct OneOrMore;

    impl<'de> Visitor<'de> for OneOrMore {
        type Value = BTreeSet<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("accepted: a step, or a list of steps")
        }

        fn visit_str<E: de::Error>(self, step: &str) -> Result<Self::Value, E> {
            Ok(BTreeSet::from([step.to_owned()]))
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut steps = BTreeSet::new();
            while let Some(step) = list.next_element()? {
                steps.insert(step);
            }
            Ok(steps)
        }
    }

    from.deserialize_any(OneOrMore)
}

/// An entry of a list in order, or of a list of pairs.
enum Entry {
    Step(String),
    Pair(String, String),
}

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct EntryVisitor;

        impl<'de> Visitor<'de> for EntryVisitor {
            type Value = Entry;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(PAIRS_OR_LIST)
            }

            fn visit_str<E: de::Error>(self, step: &str) -> Result<Entry, E> {
                Ok(Entry::Step(step.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut pair: A) -> Result<Entry, A::Error> {
                let found = (
                    pair.next_element()?,
                    pair.next_element()?,
                    pair.next_element::<String>()?,
                );
                match found {
                    (Some(before), Some(after), None) => Ok(Entry::Pair(before, after)),
                    _ => Err(de::Error::custom(PAIRS_OR_LIST)),
                }
            }
        }

        from.deserialize_any(EntryVisitor)
    }
}

const PAIRS_OR_LIST: &str = "accepted: a list of steps in their order, or a list of pairs [before, after]";

/// Reads a list in order as the pairs of its neighbours.
pub(super) fn pairs_or_list<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<(String, String)>, D::Error> {
    struct PairsOrList;

    impl<'de> Visitor<'de> for PairsOrList {
        type Value = Vec<(String, String)>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(PAIRS_OR_LIST)
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let (mut pairs, mut steps) = (Vec::new(), Vec::new());
            while let Some(entry) = list.next_element()? {
                match entry {
                    Entry::Step(step) => steps.push(step),
                    Entry::Pair(before, after) => pairs.push((before, after)),
                }
            }
            if !(pairs.is_empty() || steps.is_empty()) {
                return Err(de::Error::custom(PAIRS_OR_LIST));
            }
            let behind = steps.iter().skip(1).cloned();
            pairs.extend(steps.iter().cloned().zip(behind));
            Ok(pairs)
        }
    }

    from.deserialize_any(PairsOrList)
}
