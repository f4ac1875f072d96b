//! Reads a query string: every known parameter is validated, all that is wrong is said at once,
//! unknown parameters are ignored because existing clients send some.

use super::error::{ApiError, Detail};
use crate::domain::text::{first, is_longer};
use percent_encoding::percent_decode_str;
use std::borrow::Cow;

/// Bytes of the text of a cursor.
const MAX_CURSOR_BYTES: usize = 4_096;
/// What was found is shown up to so many characters.
const MAX_SHOWN_CHARS: usize = 100;

/// The parameters of one request, and what was wrong with them so far.
pub(super) struct Params<'a> {
    query: &'a str,
    faults: Vec<Detail>,
}

/// A parameter whose bytes are no text.
struct Undecodable;

impl<'a> Params<'a> {
    pub(super) fn of(query: Option<&'a str>) -> Self {
        Self {
            query: query.unwrap_or(""),
            faults: Vec::new(),
        }
    }

    /// The parameter under any of its names, if it was sent. When it cannot be taken, that is
    /// noted, and it counts as not sent.
    pub(super) fn take<T>(
        &mut self,
        names: &[&str],
        accepted: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let sent: Vec<_> = self.sent(names).collect();
        let [(name, raw)] = sent[..] else {
            if let Some((name, _)) = sent.first() {
                let found = format!("{} values", sent.len());
                let accepted = if names.len() == 1 {
                    "one value".to_owned()
                } else {
                    format!("one value, under one of its names {}", names.join(", "))
                };
                self.fault(name, found, accepted);
            }
            return None;
        };
        self.parsed((name, raw), accepted, parse)
    }

    /// All values of a parameter that may be sent several times, at most so many. One that cannot be taken is noted,
    /// and counts as not sent.
    pub(super) fn take_all<T>(
        &mut self,
        name: &str,
        limit: usize,
        accepted: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Vec<T> {
        let names = [name];
        let sent: Vec<_> = self.sent(&names).collect();
        if sent.len() > limit {
            self.fault(
                name,
                format!("{} values", sent.len()),
                format!("up to {limit} values"),
            );
            return Vec::new();
        }
        sent.into_iter()
            .filter_map(|of| self.parsed(of, accepted, &parse))
            .collect()
    }

    fn parsed<T>(
        &mut self,
        (name, raw): (&str, &str),
        accepted: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        match decode(raw) {
            Ok(text) => {
                let value = parse(&text);
                if value.is_none() {
                    self.fault(name, shown(&text), accepted.to_owned());
                }
                value
            }
            Err(Undecodable) => {
                self.fault(name, shown(raw), "percent-encoded UTF-8".to_owned());
                None
            }
        }
    }

    /// `size`: how many entries are answered at once.
    pub(super) fn size(&mut self, largest: u64) -> Option<u64> {
        let accepted = format!("a whole number from 1 to {largest}");
        self.take(&["size"], &accepted, |text| parse_number(text, 1, largest))
    }

    /// `cursor`: what led from an earlier answer to this one.
    pub(super) fn cursor<T>(&mut self, parse: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        self.take(&["cursor"], "nextCursor of an earlier answer", parse)
    }

    /// Notes a fault that shows only in several parameters together.
    pub(super) fn fault(&mut self, parameter: &str, found: String, accepted: String) {
        self.faults.push(Detail {
            parameter: parameter.to_owned(),
            found,
            accepted,
        });
    }

    /// Nothing, or all that was wrong.
    pub(super) fn finish(self) -> Result<(), ApiError> {
        if self.faults.is_empty() {
            Ok(())
        } else {
            Err(ApiError::faults(self.faults))
        }
    }

    /// Name and undecoded value of each time the parameter was sent.
    fn sent<'n>(&self, names: &'n [&'n str]) -> impl Iterator<Item = (&'n str, &'a str)> {
        self.query.split('&').filter_map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decode(name).ok()?;
            names
                .iter()
                .find(|known| **known == name)
                .map(|known| (*known, value))
        })
    }
}

fn decode(raw: &str) -> Result<Cow<'_, str>, Undecodable> {
    if !well_encoded(raw) {
        return Err(Undecodable);
    }
    if raw.contains('+') {
        let spaced = raw.replace('+', " ");
        let text = percent_decode_str(&spaced)
            .decode_utf8()
            .map_err(|_| Undecodable)?;
        return Ok(Cow::Owned(text.into_owned()));
    }
    percent_decode_str(raw).decode_utf8().map_err(|_| Undecodable)
}

/// Whether two hexadecimal digits follow every `%`.
pub(super) fn well_encoded(text: &str) -> bool {
    let bytes = text.as_bytes();
    (0..bytes.len())
        .filter(|at| bytes[*at] == b'%')
        .all(|at| matches!(bytes.get(at + 1..at + 3), Some([a, b]) if a.is_ascii_hexdigit() && b.is_ascii_hexdigit()))
}

/// A value as messages show it: quoted, not too long.
pub(super) fn shown(text: &str) -> String {
    let start = first(text, MAX_SHOWN_CHARS);
    let rest = if start.len() < text.len() { "…" } else { "" };
    format!("{start:?}{rest}")
}

/// Text of 1 to `limit` characters.
pub(super) fn parse_text(text: &str, limit: usize) -> Option<&str> {
    (!text.is_empty() && !is_longer(text, limit)).then_some(text)
}

/// How many entries are answered at once: what was asked for, or else so many.
pub(super) fn entries(size: Option<u64>, default: u64) -> usize {
    usize::try_from(size.unwrap_or(default)).unwrap_or(usize::MAX)
}

/// The text of a cursor, which only whoever made it reads.
pub(super) fn parse_cursor(text: &str) -> Option<String> {
    (!text.is_empty() && text.len() <= MAX_CURSOR_BYTES).then(|| text.to_owned())
}

/// A decimal number without sign.
pub(super) fn parse_number(text: &str, lowest: u64, highest: u64) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    text.parse()
        .ok()
        .filter(|number| digits && (lowest..=highest).contains(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(query: &str) -> Result<Option<String>, String> {
        let mut params = Params::of(Some(query));
        let value = params.take(&["sagaType", "type"], "any but x", |text| {
            (text != "x").then(|| text.to_owned())
        });
        params.finish().map(|()| value).map_err(|error| error.to_string())
    }

    #[test]
    fn a_parameter_is_decoded_under_each_of_its_names() {
        assert_eq!(
            taken("a=1&sagaType=a%26b+c%2B%C3%A4"),
            Ok(Some("a&b c+ä".to_owned()))
        );
        assert_eq!(taken("type=T"), Ok(Some("T".to_owned())));
        assert_eq!(taken("%74ype=T"), Ok(Some("T".to_owned())));
        assert_eq!(taken("type"), Ok(Some(String::new())));
        assert_eq!(taken("Type=T&other=%zz&&="), Ok(None));
    }

    #[test]
    fn what_cannot_be_taken_is_said() {
        assert_eq!(
            taken("type=x"),
            Err("type: found \"x\", accepted: any but x".to_owned())
        );
        assert_eq!(
            taken("type=%zz"),
            Err("type: found \"%zz\", accepted: percent-encoded UTF-8".to_owned())
        );
        assert_eq!(
            taken("type=%ff"),
            Err("type: found \"%ff\", accepted: percent-encoded UTF-8".to_owned())
        );
        assert_eq!(
            taken("type=%4"),
            Err("type: found \"%4\", accepted: percent-encoded UTF-8".to_owned())
        );
        let twice = "sagaType: found 2 values, accepted: one value, under one of its names sagaType, type";
        assert_eq!(taken("sagaType=a&type=a"), Err(twice.to_owned()));
    }

    #[test]
    fn a_parameter_that_may_come_often_is_taken_as_often_as_it_may() {
        let taken = |query: &str| {
            let mut params = Params::of(Some(query));
            let values = params.take_all("step", 2, "any but x", |text| {
                (text != "x").then(|| text.to_owned())
            });
            params
                .finish()
                .map(|()| values)
                .map_err(|error| error.to_string())
        };
        assert_eq!(taken("a=1"), Ok(Vec::new()));
        assert_eq!(
            taken("step=a%20b&other=1&st%65p=c"),
            Ok(vec!["a b".to_owned(), "c".to_owned()])
        );
        assert_eq!(
            taken("step=x&step=%zz"),
            Err("step: found \"x\", accepted: any but x; step: found \"%zz\", accepted: percent-encoded UTF-8".to_owned())
        );
        assert_eq!(
            taken("step=1&step=2&step=3"),
            Err("step: found 3 values, accepted: up to 2 values".to_owned())
        );
    }

    #[test]
    fn all_faults_are_said_at_once() {
        let mut params = Params::of(Some("a=x&b=y&b=z"));
        assert_eq!(params.take(&["a"], "1", |_| None::<u8>), None);
        assert_eq!(params.take(&["b"], "1", |_| Some(1)), None);
        let said = params.finish().unwrap_err().to_string();
        assert_eq!(
            said,
            "a: found \"x\", accepted: 1; b: found 2 values, accepted: one value"
        );
    }

    #[test]
    fn numbers_have_no_sign_and_a_range() {
        assert_eq!(parse_number("100", 1, 100), Some(100));
        for text in ["", "0", "101", "+5", "-5", " 5", "5.0", "99999999999999999999"] {
            assert_eq!(parse_number(text, 1, 100), None, "{text}");
        }
    }

    #[test]
    fn long_values_are_shortened() {
        assert_eq!(shown(&"ä".repeat(101)).chars().count(), 103);
        assert_eq!(parse_text(&"ä".repeat(255), 255).map(str::len), Some(510));
        assert_eq!(parse_text(&"ä".repeat(256), 255), None);
    }
}
