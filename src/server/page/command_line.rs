//! Command lines that can be pasted into a shell, as the page's modules write them.

/// Whether a shell would not show a character as it is.
fn is_escaped(c: char) -> bool {
    crate::server::api::is_unseen(c)
}

/// A word for sh; in $'…' where it holds what cannot be seen, which bash, zsh and ksh read. None when no shell can pass
/// it.
pub(super) fn word(text: &str) -> Option<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c);
    if text.contains('\0') {
        return None;
    }
    if !text.is_empty() && !text.starts_with('-') && text.chars().all(plain) {
        return Some(text.to_owned());
    }
    if !text.chars().any(is_escaped) {
        return Some(format!("'{}'", text.replace('\'', r"'\''")));
    }
    let mut escaped = String::from("$'");
    for c in text.chars() {
        match u32::from(c) {
            _ if c == '\'' || c == '\\' => escaped.extend(['\\', c]),
            _ if !is_escaped(c) => escaped.push(c),
            code @ 0x1_0000.. => escaped.push_str(&format!("\\U{code:08x}")),
            code => escaped.push_str(&format!("\\u{code:04x}")),
        }
    }
    escaped.push('\'');
    Some(escaped)
}

/// An id as the last words of a command line, where nothing behind it is a flag; the word ID when no shell can pass it.
pub(super) fn operand(id: &str) -> String {
    let word = word(id).unwrap_or_else(|| "ID".to_owned());
    if id.starts_with('-') {
        format!("-- {word}")
    } else {
        word
    }
}

/// A command with its flags and their values; those that are not given are left out. None when one cannot be passed.
pub(super) fn command<'v>(
    command: &str,
    words: &[&str],
    flags: impl IntoIterator<Item = (&'static str, Option<&'v str>)>,
) -> Option<String> {
    let mut line = format!("saga-tracker {command}");
    // Behind it nothing is a flag.
    let dashed = words.iter().any(|word| word.starts_with('-'));
    let mut tail = String::new();
    for text in words {
        tail.push(' ');
        tail.push_str(&word(text)?);
    }
    if !dashed {
        line.push_str(&tail);
    }
    for (flag, value) in flags {
        if let Some(value) = value {
            let joined = if value.starts_with('-') { "=" } else { " " };
            line.push_str(&format!(" {flag}{joined}{}", word(value)?));
        }
    }
    if dashed {
        line.push_str(" --");
        line.push_str(&tail);
    }
    Some(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_one_word_of_the_shell() {
        let words = ["ORD-1", "it's", "-n", "$(reboot)", "a\u{202e}b'"].map(|text| word(text).unwrap());
        assert_eq!(
            words,
            ["ORD-1", r"'it'\''s'", "'-n'", "'$(reboot)'", r"$'a\u202eb\''"]
        );
        assert_eq!(word("a\0b"), None);
    }

    #[test]
    fn an_id_is_no_flag() {
        assert_eq!(["A 1", "-n", "a\0"].map(operand), ["'A 1'", "-- '-n'", "ID"]);
    }

    #[test]
    fn flags_that_are_not_given_are_left_out() {
        let line = command(
            "search",
            &[],
            [("--type", Some("ORDER CREATION")), ("--status", None)],
        );
        assert_eq!(line.unwrap(), "saga-tracker search --type 'ORDER CREATION'");
        let line = command("get", &["-x"], [("--as-of", Some("2026-01-31"))]);
        assert_eq!(line.unwrap(), "saga-tracker get --as-of 2026-01-31 -- '-x'");
    }
}
