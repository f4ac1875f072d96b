//! How far somebody has followed the topic, as text that only whoever made it reads.

use crate::domain::Cut;

/// Partitions are below this one, which no topic has: a cut has a place for each up to its highest.
const END_OF_PARTITIONS: u32 = 100_000;

/// Partitions and the next offset of each.
pub(super) fn text(cut: &Cut) -> String {
    let parts: Vec<String> = cut
        .iter()
        .filter(|(_, next)| *next > 0)
        .map(|(partition, next)| format!("{partition}@{next}"))
        .collect();
    if parts.is_empty() {
        "0@0".to_owned()
    } else {
        parts.join(",")
    }
}

pub(super) fn parse(text: &str) -> Option<Cut> {
    let mut cut = Cut::default();
    let mut before = None;
    for part in text.split(',') {
        let (partition, next) = part.split_once('@')?;
        let partition: u32 = number(partition)?;
        if partition >= END_OF_PARTITIONS {
            return None;
        }
        if before.is_some_and(|before| before >= partition) {
            return None;
        }
        before = Some(partition);
        let next = number(next)?;
        if next > 0 {
            cut.set(partition, next);
        }
    }
    Some(cut)
}

fn number<T: std::str::FromStr>(text: &str) -> Option<T> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_reads_back_and_nothing_else_is_one() {
        let cut: Cut = [(0, 7), (3, u64::MAX)].into_iter().collect();
        assert_eq!(text(&cut), "0@7,3@18446744073709551615");
        assert_eq!(parse(&text(&cut)), Some(cut));
        assert_eq!(parse(&text(&Cut::default())), Some(Cut::default()));
        for text in [
            "",
            "1",
            "1@",
            "@1",
            "1@-2",
            "1@+2",
            "3@1,0@2",
            "1@1,1@2",
            "1@1,",
            "1@99999999999999999999",
            "100000@1",
            "4294967295@1",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
