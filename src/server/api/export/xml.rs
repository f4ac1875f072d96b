//! Text inside XML.

/// Appends a text as it stands in the value of an attribute. What XML 1.0 cannot hold, escaped or not, becomes a
/// character that shows it: control characters their pictures, the others a replacement character.
pub(super) fn attribute(out: &mut Vec<u8>, text: &str) {
    for c in text.chars() {
        match c {
            '&' => out.extend_from_slice(b"&amp;"),
            '<' => out.extend_from_slice(b"&lt;"),
            '>' => out.extend_from_slice(b"&gt;"),
            '"' => out.extend_from_slice(b"&quot;"),
            // As they are, a reader would make spaces of them.
            '\t' => out.extend_from_slice(b"&#9;"),
            '\n' => out.extend_from_slice(b"&#10;"),
            '\r' => out.extend_from_slice(b"&#13;"),
            c => out.extend_from_slice(shown(c).encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

fn shown(c: char) -> char {
    match c {
        '\0'..='\u{1f}' => char::from_u32(0x2400 + u32::from(c)).unwrap_or(char::REPLACEMENT_CHARACTER),
        '\u{fffe}' | '\u{ffff}' => char::REPLACEMENT_CHARACTER,
        c => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escaped(text: &str) -> String {
        let mut out = Vec::new();
        attribute(&mut out, text);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn nothing_ends_the_value_or_begins_an_element() {
        assert_eq!(
            escaped("\"/><event a='1'>&amp;주문"),
            "&quot;/&gt;&lt;event a='1'&gt;&amp;amp;주문"
        );
        assert_eq!(escaped("a\tb\nc\rd"), "a&#9;b&#10;c&#13;d");
    }

    #[test]
    fn what_xml_cannot_hold_is_shown() {
        assert_eq!(
            escaped("\0\u{1}\u{1b}[31m\u{1f}"),
            "\u{2400}\u{2401}\u{241b}[31m\u{241f}"
        );
        assert_eq!(escaped("\u{fffe}\u{ffff}\u{fffd}"), "\u{fffd}\u{fffd}\u{fffd}");
        let kept = "\u{7f}\u{85}\u{d7ff}\u{e000}\u{10ffff}";
        assert_eq!(escaped(kept), kept);
    }

    #[test]
    fn every_character_that_goes_out_is_one_of_xml() {
        let is_xml = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..);
        for c in '\0'..=char::MAX {
            assert!(escaped(&c.to_string()).chars().all(is_xml), "{c:?}");
        }
    }
}
