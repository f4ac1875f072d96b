//! How texts are measured, cut and written: lengths in characters, bytes as hexadecimal digits, which characters cannot
//! be seen, and the reason that an operator gives. Which texts are bounded, and what is said of one that is too long, is
//! decided where they come in.

/// An operator's reason has at most so many characters.
pub const MAX_REASON_CHARS: usize = 1_000;

/// Whether the text has more than so many characters.
pub fn is_longer(text: &str, chars: usize) -> bool {
    // No text has more characters than bytes.
    text.len() > chars && text.chars().nth(chars).is_some()
}

/// The text up to so many characters.
pub fn first(text: &str, chars: usize) -> &str {
    text.char_indices()
        .nth(chars)
        .map_or(text, |(end, _)| &text[..end])
}

/// Format characters (bidi, zero width, tags), by first and last.
const FORMAT: [(u32, u32); 20] = [
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
    (0xE_0000, 0xE_007F),
];

/// Whether a character shows nothing of its own, or changes how others are shown.
pub fn is_unseen(c: char) -> bool {
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

/// The reason that somebody must give for what they do.
///
/// # Errors
/// What is accepted, when it is blank or too long.
pub fn required_reason(text: &str) -> Result<&str, &'static str> {
    if text.trim().is_empty() || is_longer(text, MAX_REASON_CHARS) {
        return Err("1 to 1000 characters, not only blanks");
    }
    Ok(text)
}

/// The reason that somebody may give.
///
/// # Errors
/// What is accepted, when it is too long.
pub fn optional_reason(text: &str) -> Result<&str, &'static str> {
    if is_longer(text, MAX_REASON_CHARS) {
        return Err("up to 1000 characters");
    }
    Ok(text)
}

/// Bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: [u8; 16] = *b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 0xf]);
    digits
        .map(|digit| char::from(DIGITS[usize::from(digit)]))
        .collect()
}

/// Bytes from hexadecimal digits.
pub fn unhex(digits: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| {
        char::from(*byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    let (pairs, []) = digits.as_bytes().as_chunks::<2>() else {
        return None;
    };
    pairs
        .iter()
        .map(|[high, low]| Some((digit(high)? << 4) | digit(low)?))
        .collect()
}

/// So many bytes from just as many pairs of hexadecimal digits.
pub fn unhex_array<const N: usize>(digits: &str) -> Option<[u8; N]> {
    unhex(digits)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_counted_in_characters() {
        assert!(!is_longer("äöü", 3));
        assert!(is_longer("äöü", 2));
        assert_eq!(
            [first("äöü", 0), first("äöü", 2), first("äöü", 3), first("", 1)],
            ["", "äö", "äöü", ""]
        );
    }

    #[test]
    fn what_shows_nothing_of_its_own_or_changes_how_others_are_shown_is_unseen() {
        let unseen = "\0\u{1b}\u{7f}\u{9b}\u{ad}\u{61c}\u{115f}\u{200b}\u{200d}\u{2028}\u{202e}\u{2066}\u{feff}\u{e0000}\u{e0041}";
        assert!(unseen.chars().all(is_unseen));
        assert!(!"주문-123 é ⟨…⟩ 🙂".chars().any(is_unseen));
    }

    #[test]
    fn a_reason_says_something_and_not_too_much() {
        let longest = "ü".repeat(MAX_REASON_CHARS);
        for text in ["ticket 7", longest.as_str()] {
            assert_eq!(
                (required_reason(text), optional_reason(text)),
                (Ok(text), Ok(text))
            );
        }
        for text in ["", " \n"] {
            assert_eq!(
                (required_reason(text).is_err(), optional_reason(text)),
                (true, Ok(text))
            );
        }
        let longer = longest + "ü";
        assert!(required_reason(&longer).is_err());
        assert!(optional_reason(&longer).is_err());
    }

    #[test]
    fn hexadecimal_digits_lead_back_to_the_bytes() {
        assert_eq!(hex(&[0, 0x0f, 0xa5, 0xff]), "000fa5ff");
        assert_eq!(unhex("000fA5ff"), Some(vec![0, 0x0f, 0xa5, 0xff]));
        assert_eq!(unhex_array("0f10"), Some([15, 16]));
        for wrong in ["0", "0g", "+f", "0ü"] {
            assert_eq!(unhex(wrong), None, "{wrong}");
        }
        assert_eq!(unhex_array::<2>("0f"), None);
        assert_eq!(unhex_array::<2>("0f1011"), None);
    }
}
