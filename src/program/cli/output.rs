//! What commands print: tables for people, JSON for programs.
//!
//! What comes from events is text from outside. Control characters in it are shown, not obeyed.

use super::exit::{Exit, Failure, Outcome};
use super::log_text::escaped_json;
use crate::domain::text::is_unseen;
use comfy_table::{ContentArrangement, Table, presets};
use std::io::{ErrorKind, IsTerminal, Write, stdout};

/// Writes to standard output. Nobody reading any more is a reason to stop, not to complain.
pub(super) fn print(text: &str) -> Outcome {
    bytes(text.as_bytes())
}

/// Writes bytes to standard output, as [`print`] does.
pub(super) fn bytes(bytes: &[u8]) -> Outcome {
    let mut out = stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(Failure::new(Exit::Ok, "")),
        Err(error) => Err(Failure::new(
            Exit::Local,
            format!("cannot write to standard output: {error}"),
        )),
    }
}

/// Writes one line to standard output.
pub(super) fn line(text: &str) -> Outcome {
    print(&format!("{text}\n"))
}

/// Writes JSON, indented, to standard output.
pub(super) fn json(value: &serde_json::Value) -> Outcome {
    line(&escaped_json(&format!("{value:#}")))
}

/// Writes JSON as one line to standard output.
pub(super) fn json_line(text: &str) -> Outcome {
    line(&one_line(text))
}

/// JSON text in one line that cannot drive the terminal, whoever made it.
fn one_line(text: &str) -> String {
    let escaped = escaped_json(text);
    if !escaped.contains(|c: char| c.is_control()) {
        return escaped;
    }
    // Between its parts JSON lets line breaks and tabs stand, which say nothing, and no others anywhere.
    escaped.replace(|c: char| c.is_control(), " ")
}

/// A table: lined and as wide as the terminal on one, plain columns into a pipe or file.
pub(super) fn table<const N: usize>(head: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let mut table = Table::new();
    let on_terminal = stdout().is_terminal();
    if on_terminal {
        table
            .load_style(presets::UTF8_FULL_CONDENSED)
            .set_content_arrangement(ContentArrangement::Dynamic);
    } else {
        table
            .load_style(presets::NOTHING)
            .set_content_arrangement(ContentArrangement::Disabled);
    }
    if !head.iter().all(|name| name.is_empty()) {
        table.set_header(head);
    }
    for row in rows {
        table.add_row(row.map(|cell| printable(&cell)));
    }
    if !on_terminal {
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
    }
    format!("{}\n", table.trim_fmt())
}

/// Two columns without a head: names and values.
pub(super) fn fields(rows: impl IntoIterator<Item = (&'static str, String)>) -> String {
    table(
        ["", ""],
        rows.into_iter().map(|(name, value)| [name.to_owned(), value]),
    )
}

/// The text with what cannot be seen escaped, so that no event can drive the terminal, or show an id as another one.
pub(super) fn printable(text: &str) -> String {
    if !text.contains(is_unseen) {
        return text.to_owned();
    }
    text.chars()
        .map(|c| {
            if is_unseen(c) {
                c.escape_default().to_string()
            } else {
                c.to_string()
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_says_the_same_and_cannot_drive_the_terminal() {
        let value = serde_json::json!({"id": "a\u{9b}2J\u{202e}\u{1b}b", "n": 1});
        for text in [one_line(&value.to_string()), escaped_json(&format!("{value:#}"))] {
            assert!(text.contains("\\u009b2J\\u202e\\u001bb"), "{text}");
            assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
        }
        assert_eq!(one_line("{\"a\":\t1}\u{1b}"), "{\"a\": 1} ");
    }

    #[test]
    fn text_from_outside_cannot_drive_the_terminal() {
        assert_eq!(printable("a\u{1b}[31mb\n\u{202e}c"), "a\\u{1b}[31mb\\n\\u{202e}c");
        assert_eq!(printable("주문-123 é"), "주문-123 é");
        assert_eq!(
            printable("a\u{ad}\u{61c}\u{200d}\u{e0041}b"),
            "a\\u{ad}\\u{61c}\\u{200d}\\u{e0041}b"
        );
    }

    #[test]
    fn a_table_into_a_pipe_is_plain_columns_of_any_width() {
        let long = "x".repeat(300);
        let text = table(
            ["A", "B"],
            [[long.clone(), "1".to_owned()], ["y".to_owned(), "2".to_owned()]],
        );
        assert_eq!(text.lines().count(), 3);
        assert!(text.contains(&long));
    }
}
