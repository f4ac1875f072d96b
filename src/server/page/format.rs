//! How the page writes numbers, durations and text that cannot be seen. Modules of the page write them the same way.

/// Longer text is cut in the middle.
const MAX_CHARS: usize = 26;
/// Characters that a cut leaves at either end.
const END_CHARS: usize = 8;

/// Format characters (bidi, zero width, tags), by first and last.
const FORMAT: [(u32, u32); 21] = [
    (0x00AD, 0x00AD),
    (0x0600, 0x0605),
    (0x061C, 0x061C),
    (0x06DD, 0x06DD),
    (0x070F, 0x070F),
    (0x0890, 0x0891),
    (0x08E2, 0x08E2),
    (0x180E, 0x180E),
    (0x200B, 0x200F),
    (0x202A, 0x202E),
    (0x2060, 0x2064),
    (0x2066, 0x206F),
    (0xFEFF, 0xFEFF),
    (0xFFF9, 0xFFFB),
    (0x1_10BD, 0x1_10BD),
    (0x1_10CD, 0x1_10CD),
    (0x1_3430, 0x1_343F),
    (0x1_BCA0, 0x1_BCA3),
    (0x1_D173, 0x1_D17A),
    (0xE_0001, 0xE_0001),
    (0xE_0020, 0xE_007F),
];

/// Whether a character shows nothing of its own, or changes how others are shown.
pub(super) fn is_unseen(c: char) -> bool {
    let code = u32::from(c);
    c.is_control()
        || matches!(
            c,
            '\u{2028}' | '\u{2029}' | '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}'
        )
        || FORMAT
            .iter()
            .any(|(first, last)| (*first..=*last).contains(&code))
}

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
