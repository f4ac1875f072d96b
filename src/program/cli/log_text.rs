//! Log lines that text from outside cannot forge.
//!
//! Ids, steps and messages of others stand in log lines. A line break among them would make a line of its
//! own, an escape sequence would speak to the terminal, a bidi control would show a line in another order
//! than it has. All of these are written as escapes. How lines are written out is not decided here.

use crate::domain::text::is_unseen;
use std::fmt::{self, Write as _};
use std::io;
use tracing::field::{Field, Visit};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::{FormatFields, Writer};

/// Text without characters that do something, each written as an escape.
struct Harmless<'w, W>(&'w mut W);

impl<W: fmt::Write> fmt::Write for Harmless<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for part in text.split_inclusive(is_unseen) {
            match part.char_indices().next_back() {
                Some((end, last)) if is_unseen(last) => {
                    self.0.write_str(&part[..end])?;
                    write!(self.0, "{}", last.escape_default())?;
                }
                _ => self.0.write_str(part)?,
            }
        }
        Ok(())
    }
}

/// Writes the fields of an event for people: the message as it is, the others with their names.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct TextFields;

impl<'w> FormatFields<'w> for TextFields {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'w>, fields: R) -> fmt::Result {
        let mut line = Line {
            writer,
            empty: true,
            result: Ok(()),
        };
        fields.record(&mut line);
        line.result
    }
}

struct Line<'w> {
    writer: Writer<'w>,
    empty: bool,
    result: fmt::Result,
}

impl Line<'_> {
    fn field(&mut self, name: &str, value: &dyn fmt::Debug) -> fmt::Result {
        if !self.empty {
            self.writer.write_char(' ')?;
        }
        self.empty = false;
        if name != "message" {
            // Names are ours.
            self.writer.write_str(name.strip_prefix("r#").unwrap_or(name))?;
            self.writer.write_char('=')?;
        }
        write!(Harmless(&mut self.writer), "{value:?}")
    }
}

impl Visit for Line<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // What the log crate knows of its own lines is shown by the formatter.
        if self.result.is_ok() && !field.name().starts_with("log.") {
            self.result = self.field(field.name(), value);
        }
    }
}

/// Writes lines of JSON. JSON escapes control characters itself, but no others.
#[derive(Clone, Debug)]
pub(super) struct JsonLines<M>(pub(super) M);

/// One line of JSON.
pub(super) struct JsonLine<W>(W);

impl<'a, M: MakeWriter<'a>> MakeWriter<'a> for JsonLines<M> {
    type Writer = JsonLine<M::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        JsonLine(self.0.make_writer())
    }
}

impl<W: io::Write> io::Write for JsonLine<W> {
    /// Takes a whole line.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match std::str::from_utf8(line) {
            Ok(text) if line.iter().any(|byte| *byte >= 0x7f) && text.contains(is_outside_json) => {
                self.0.write_all(escaped_json(text).as_bytes())?;
            }
            _ => self.0.write_all(line)?,
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Whether JSON lets a character stand as it is that does something.
fn is_outside_json(c: char) -> bool {
    c >= '\x7f' && is_unseen(c)
}

/// JSON without characters that drive or confuse a terminal. They stand in strings only, where an escape means the same.
pub(super) fn escaped_json(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_outside_json(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                escaped.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            escaped.push(c);
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::super::logging::{json, text};
    use super::*;
    use std::sync::{Arc, Mutex};
    use tracing_subscriber::EnvFilter;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Kept {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(line);
            Ok(line.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Kept {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    /// A saga id as somebody might choose it.
    const FORGED: &str = "s\n2026-01-01T00:00:00Z  INFO audit who=\"kim\"\r\u{1b}[2K\u{9b}2K\u{2028}x\u{202e}gpj\u{2066}\u{e0041}\u{7f}\u{ad}속";

    fn log() {
        let error = io::Error::other(FORGED);
        tracing::info!(saga = FORGED, shown = %FORGED, debug = ?FORGED, %error, number = 7, "saga {FORGED}");
        tracing::info!("the next line");
    }

    fn lines_of(kept: &Kept) -> Vec<String> {
        let written = kept.text();
        assert!(written.ends_with('\n'), "{written:?}");
        let body = &written[..written.len() - 1];
        let found: Vec<char> = body.chars().filter(|c| is_unseen(*c) && *c != '\n').collect();
        assert!(found.is_empty(), "{found:?} in {written:?}");
        body.split('\n').map(str::to_owned).collect()
    }

    #[test]
    fn text_from_outside_makes_no_line_of_its_own() {
        let kept = Kept::default();
        let made = kept.clone();
        let subscriber = text(move || made.clone(), EnvFilter::new("info"), false);
        tracing::subscriber::with_default(subscriber, log);
        let lines = lines_of(&kept);
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(
            lines[0].contains("saga s\\n2026-01-01") && lines[0].contains("shown=s\\n"),
            "{lines:?}"
        );
        assert!(
            lines[0].contains("속") && lines[0].contains("number=7"),
            "{lines:?}"
        );
        assert!(lines[1].ends_with("the next line"));
    }

    #[test]
    fn json_lines_say_the_same_and_are_lines() {
        let kept = Kept::default();
        let made = kept.clone();
        let subscriber = json(move || made.clone(), EnvFilter::new("info"));
        tracing::subscriber::with_default(subscriber, log);
        let lines = lines_of(&kept);
        assert_eq!(lines.len(), 2, "{lines:?}");
        let line: serde_json::Value = serde_json::from_str(&lines[0]).unwrap();
        assert_eq!((&line["saga"], &line["shown"]), (&FORGED.into(), &FORGED.into()));
    }
}
