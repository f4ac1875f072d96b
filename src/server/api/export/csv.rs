//! A line of CSV (RFC 4180) from the JSON of a row.
//!
//! A spreadsheet takes a text that begins with one of a few characters for a formula and runs it. Such a text gets
//! an apostrophe in front, and so does one that begins with an apostrophe itself: whoever takes away one apostrophe
//! where there is one has the text back.

use super::columns::{self, Column};

const LINE_END: &[u8] = b"\r\n";
/// What a formula may begin with, in any width, after what spreadsheets pass over; and the apostrophe.
const GUARDED: [char; 13] = [
    '=', '+', '-', '@', '\'', '\t', '\r', '\n', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}', '\0',
];

/// The line that names the columns.
pub(super) fn head(out: &mut Vec<u8>, columns: &[Column]) {
    line(out, columns.iter().map(|column| column.name), text);
}

/// The line of a row, which is a JSON object; `None` when it is not. What it lacks, and null, is empty; lists and
/// objects stay JSON.
pub(super) fn row(out: &mut Vec<u8>, columns: &[Column], row: &[u8]) -> Option<()> {
    line(out, columns::values(columns, row)?.into_iter(), cell);
    Some(())
}

fn line<'v>(out: &mut Vec<u8>, values: impl Iterator<Item = &'v str>, write: impl Fn(&mut Vec<u8>, &str)) {
    for (number, value) in values.enumerate() {
        if number > 0 {
            out.push(b',');
        }
        write(out, value);
    }
    out.extend_from_slice(LINE_END);
}

/// A JSON value.
fn cell(out: &mut Vec<u8>, value: &str) {
    match serde_json::from_str::<String>(value) {
        Ok(found) => text(out, &found),
        Err(_) if value == "null" => {}
        Err(_) => quoted(out, value),
    }
}

fn text(out: &mut Vec<u8>, text: &str) {
    if text.starts_with(GUARDED) {
        quoted(out, &format!("'{text}"));
    } else {
        quoted(out, text);
    }
}

/// In quotes where it needs them.
fn quoted(out: &mut Vec<u8>, text: &str) {
    let plain = |c: char| !c.is_control() && !matches!(c, '"' | ',' | ';');
    let bare = text.chars().all(plain) && text.trim() == text;
    if bare {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    out.push(b'"');
    out.extend_from_slice(text.replace('"', "\"\"").as_bytes());
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn line_of(row_of: &serde_json::Value) -> String {
        let mut out = Vec::new();
        let columns = ["a", "b", "c"].map(columns::text);
        row(&mut out, &columns, row_of.to_string().as_bytes()).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn values_are_quoted_where_they_need_it_and_nothing_is_empty() {
        let told = line_of(&json!({"c": "x,y", "a": "plain 주문", "other": 1}));
        assert_eq!(told, "plain 주문,,\"x,y\"\r\n");
        let told = line_of(&json!({"a": "say \"hi\"", "b": "two\r\nlines", "c": null}));
        assert_eq!(told, "\"say \"\"hi\"\"\",\"two\r\nlines\",\r\n");
        assert_eq!(
            line_of(&json!({"a": " x", "b": "x;y", "c": ""})),
            "\" x\",\"x;y\",\r\n"
        );
    }

    #[test]
    fn numbers_stay_numbers_and_lists_stay_json() {
        let told = line_of(&json!({"a": -5, "b": true, "c": ["t1", "t2"]}));
        assert_eq!(told, "-5,true,\"[\"\"t1\"\",\"\"t2\"\"]\"\r\n");
    }

    #[test]
    fn a_number_keeps_its_digits() {
        let mut out = Vec::new();
        let columns = [columns::text("a")];
        row(&mut out, &columns, br#"{"a":{"n":12345678901234567890.10}}"#).unwrap();
        assert_eq!(out, b"\"{\"\"n\"\":12345678901234567890.10}\"\r\n");
        assert_eq!(row(&mut out, &columns, b"[1]"), None);
    }

    #[test]
    fn no_text_is_run_by_a_spreadsheet_and_each_is_read_back() {
        for hostile in [
            "=1+1",
            "+1",
            "-1",
            "@SUM(A1)",
            "\t=1",
            "\r=1",
            "\n=1",
            "'=1",
            "\u{ff1d}1",
            "=HYPERLINK(\"http://x\",\"y\")",
        ] {
            let told = line_of(&json!({ "a": hostile }));
            let cell = told.strip_suffix(",,\r\n").unwrap();
            let cell = cell
                .strip_prefix('"')
                .and_then(|cell| cell.strip_suffix('"'))
                .unwrap_or(cell);
            let read = cell.replace("\"\"", "\"");
            assert_eq!(read.strip_prefix('\''), Some(hostile), "{told}");
        }
        assert_eq!(line_of(&json!({"a": "a=1"})), "a=1,,\r\n");
    }

    #[test]
    fn the_head_names_the_columns() {
        let mut out = Vec::new();
        head(&mut out, &["sagaId", "status"].map(columns::text));
        assert_eq!(out, b"sagaId,status\r\n");
    }
}
