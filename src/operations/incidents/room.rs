//! How much of an alert is kept: what is short stays whole, what is long is cut, and whoever reads it sees that.

use std::collections::BTreeMap;

/// Bytes of the texts of one incident, as JSON, at most.
pub(super) const MAX_BYTES: usize = 16 << 10;
/// Stands where something was cut, and names how many pairs are left out.
const CUT: &str = "…";
/// Bytes that a pair takes beside its texts, as JSON.
const PAIR: usize = "\"\":\"\",".len();
/// Bytes for telling twice, of labels and of annotations, how many are left out.
const FOR_LEFT_OUT: usize = 64;

/// Bytes that are left for the texts of one incident.
pub(super) struct Room(usize);

impl Room {
    /// What the texts leave that it has anyway.
    pub(super) fn beside<'t>(texts: impl Iterator<Item = &'t str>) -> Self {
        let taken: usize = texts.map(written).sum();
        Self(MAX_BYTES.saturating_sub(FOR_LEFT_OUT + taken))
    }

    /// The pairs as far as there is room for them, the shortest first: one that does not fit is cut, and of those that
    /// do not fit even so it is told how many they are.
    pub(super) fn take(&mut self, pairs: BTreeMap<String, String>) -> BTreeMap<String, String> {
        let mut by_length: Vec<_> = pairs
            .into_iter()
            .map(|(name, text)| (written(&name) + written(&text) + PAIR, name, text))
            .collect();
        by_length.sort();
        let (mut kept, mut left_out) = (BTreeMap::new(), 0_usize);
        for (bytes, name, text) in by_length {
            let room = self.0.saturating_sub(written(&name) + PAIR);
            if bytes <= self.0 {
                self.0 -= bytes;
                kept.insert(name, text);
            } else if room > CUT.len() {
                self.0 = 0;
                kept.insert(name, cut(&text, room));
            } else {
                left_out += 1;
            }
        }
        if left_out > 0 {
            kept.insert(CUT.to_owned(), format!("{left_out} more"));
        }
        kept
    }
}

/// The text, cut where it takes more bytes than that as JSON.
pub(super) fn cut(text: &str, bytes: usize) -> String {
    if written(text) <= bytes {
        return text.to_owned();
    }
    let mut left = bytes.saturating_sub(CUT.len());
    let fits = text.chars().take_while(|c| {
        let takes = bytes_of(*c);
        let fits = takes <= left;
        left = left.saturating_sub(takes);
        fits
    });
    fits.chain(CUT.chars()).collect()
}

/// Bytes that a text takes as JSON, without its quotes.
pub(super) fn written(text: &str) -> usize {
    text.chars().map(bytes_of).sum()
}

fn bytes_of(c: char) -> usize {
    match c {
        '\0'..='\x1f' => "\\u0000".len(),
        '"' | '\\' => 2,
        _ => c.len_utf8(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_measured_as_they_are_written() {
        for text in ["", "plain", "\u{1}\u{1f}", "a\"b\\c", "한글 é"] {
            let json = serde_json::to_string(text).unwrap();
            assert!(
                (json.len() - 2..json.len() + 8).contains(&written(text)),
                "{json}"
            );
        }
        assert_eq!(cut("abcdef", 6), "abcdef");
        assert_eq!(cut("abcdefg", 6), "abc…");
        assert_eq!(cut("\u{1}\u{1}", 9), "\u{1}…");
    }

    #[test]
    fn what_is_short_stays_whole_and_the_rest_is_cut_where_it_is_seen() {
        let pairs = |sizes: &[usize]| -> BTreeMap<String, String> {
            let pairs = sizes.iter().enumerate();
            pairs
                .map(|(at, size)| (format!("n{at}"), "x".repeat(*size)))
                .collect()
        };
        let mut room = Room::beside(["fingerprint"].into_iter());
        let labels = room.take(pairs(&[9_000, 3, 9_000, 9_000]));
        assert_eq!((labels["n0"].len(), labels["n1"].as_str()), (9_000, "xxx"));
        assert!(labels["n2"].len() < 8_000 && labels["n2"].ends_with('…'));
        assert_eq!(labels["…"], "1 more");
        let annotations = room.take(pairs(&[1, 1]));
        assert_eq!(
            annotations,
            BTreeMap::from([("…".to_owned(), "2 more".to_owned())])
        );
        let json = serde_json::to_string(&(labels, annotations)).unwrap();
        assert!(json.len() <= MAX_BYTES, "{}", json.len());
    }
}
