//! How the page writes numbers, durations and text that cannot be seen. Modules of the page write them the same way.

use crate::server::api::is_unseen;

/// Longer text is cut in the middle.
const MAX_CHARS: usize = 26;
/// Characters that a cut leaves at either end.
const END_CHARS: usize = 8;

/// The text with what cannot be seen as ⟨U+202E⟩.
pub(super) fn visible(text: &str) -> String {
    let mut seen = String::with_capacity(text.len());
    for c in text.chars() {
        if is_unseen(c) {
            seen.push_str(&format!("⟨U+{:04X}⟩", u32::from(c)));
        } else {
            seen.push(c);
        }
    }
    seen
}

/// The beginning of a text, as much of it as takes up to so many bytes in a view, where it is made visible and escaped.
pub(super) fn beginning(text: &str, bytes: usize) -> &str {
    let mut left = bytes;
    let end = text.char_indices().find(|(_, c)| {
        let takes = bytes_in_a_view(*c);
        let fits = takes <= left;
        left = left.saturating_sub(takes);
        !fits
    });
    end.map_or(text, |(end, _)| &text[..end])
}

/// The same, with a sign where something is left out.
pub(super) fn up_to(text: &str, bytes: usize) -> String {
    let shown = beginning(text, bytes);
    let rest = if shown.len() < text.len() { "…" } else { "" };
    format!("{shown}{rest}")
}

fn bytes_in_a_view(c: char) -> usize {
    match c {
        '&' | '<' | '>' | '"' | '\'' | '/' => "&quot;".len(),
        c if is_unseen(c) => "⟨U+E0041⟩".len(),
        c => c.len_utf8(),
    }
}

/// Visible, and cut in the middle when it is long.
pub(super) fn cut(text: &str) -> String {
    let seen: Vec<char> = visible(text).chars().collect();
    if seen.len() <= MAX_CHARS {
        return seen.into_iter().collect();
    }
    let head = seen.iter().take(END_CHARS);
    let tail = seen.iter().skip(seen.len() - END_CHARS);
    head.chain(std::iter::once(&'…')).chain(tail).collect()
}

/// 30,412,877
pub(super) fn number(value: i128) -> String {
    let digits = value.unsigned_abs().to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3 + 1);
    if value < 0 {
        text.push('-');
    }
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// 303 ms, 4.2 s, 2 h 14 m, 3 d 4 h
pub(super) fn duration(millis: f64) -> String {
    if millis < 0.0 {
        return format!("−{}", duration(-millis));
    }
    if millis < 1_000.0 {
        return format!("{} ms", millis.round());
    }
    if millis < 60_000.0 {
        return format!("{} s", trimmed(millis / 1_000.0));
    }
    const UNITS: [(&str, f64); 4] = [
        ("d", 86_400_000.0),
        ("h", 3_600_000.0),
        ("m", 60_000.0),
        ("s", 1_000.0),
    ];
    let at = UNITS.iter().position(|(_, size)| millis >= *size).unwrap_or(0);
    let (name, size) = UNITS[at.min(2)];
    let (smaller, part) = UNITS[at.min(2) + 1];
    let whole = (millis / size).floor();
    let rest = ((millis - whole * size) / part).floor();
    if rest == 0.0 {
        format!("{whole} {name}")
    } else {
        format!("{whole} {name} {rest} {smaller}")
    }
}

/// Two digits behind the point below ten, one above, without noughts at the end.
fn trimmed(value: f64) -> String {
    let text = if value < 10.0 {
        format!("{value:.2}")
    } else {
        format!("{value:.1}")
    };
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// 1.23 %
pub(super) fn share(value: f64) -> String {
    format!("{} %", trimmed(value * 100.0))
}

/// 1.4 GiB
pub(super) fn bytes(count: f64) -> String {
    let mut left = count;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if left < 1024.0 {
            return if unit == "B" {
                format!("{} B", left.trunc())
            } else {
                format!("{} {unit}", trimmed(left))
            };
        }
        left /= 1024.0;
    }
    format!("{} TiB", trimmed(left))
}

/// A value as errors show it, not too long.
pub(super) fn shortened(text: &str) -> String {
    const CHARS: usize = 100;
    match text.char_indices().nth(CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_seen_is_named() {
        assert_eq!(
            visible("a\u{202e}b\u{7}\u{e0041}한글"),
            "a⟨U+202E⟩b⟨U+0007⟩⟨U+E0041⟩한글"
        );
        assert_eq!(cut("ORD-910a2d-000146"), "ORD-910a2d-000146");
        assert_eq!(cut("b2ab9d6a48b937fef0bc8531dcead8a9"), "b2ab9d6a…dcead8a9");
    }

    #[test]
    fn a_text_is_cut_by_what_it_takes_in_a_view() {
        assert_eq!(beginning("abc", 3), "abc");
        assert_eq!(beginning("aé/b", 8), "aé");
        assert_eq!(beginning("aé/b", 9), "aé/");
        assert_eq!(up_to("\u{7f}\u{7f}", 20), "\u{7f}…");
        assert_eq!(up_to("", 0), "");
        for text in ["\u{7f}\u{202e}\u{e0041}a", "<&>\"'/", "한é"] {
            let escaped = minijinja::HtmlEscape(&visible(text)).to_string();
            let bytes: usize = text.chars().map(bytes_in_a_view).sum();
            assert!(escaped.len() <= bytes, "{escaped}");
        }
    }

    #[test]
    fn numbers_and_durations_are_written_as_modules_write_them() {
        let numbers = [0, 999, 1_000, 30_412_877, -1_204].map(number).join(" ");
        assert_eq!(numbers, "0 999 1,000 30,412,877 -1,204");
        let durations = [
            0.0,
            303.4,
            4_200.0,
            59_990.0,
            8_049_000.0,
            273_600_000.0,
            -1_500.0,
            60_000.0,
        ];
        let durations = durations.map(duration).join(", ");
        assert_eq!(
            durations,
            "0 ms, 303 ms, 4.2 s, 60 s, 2 h 14 m, 3 d 4 h, −1.5 s, 1 m"
        );
        assert_eq!(share(0.0123), "1.23 %");
        assert_eq!(
            [134.0, 2_200_000.0, 41_200_000_000.0].map(bytes).join(", "),
            "134 B, 2.1 MiB, 38.4 GiB"
        );
    }
}
