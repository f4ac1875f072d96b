//! One dead letter, decoded as far as it goes, with its bytes.

use super::super::command_line;
use super::super::failure::Failure;
use super::super::format;
use super::super::values::{list, params, text};
use super::super::visit::Visit;
use crate::server::api::DeadLetterId;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

const PATH: &str = "/api/v1/dead-letters/{letterId}";
/// Bytes that are shown from the beginning, and about the defect when that lies behind.
const SHOWN: usize = 512;
const ABOUT: usize = 64;
/// Bytes of a view that one text of a letter takes: whoever made it may have written anything.
const TEXT: usize = 4 << 10;
/// The same of its metadata.
const METADATA: usize = 64 << 10;
/// Headers that are shown.
const HEADERS: usize = 100;
/// Bytes in a row.
const ROW: usize = 16;
/// A value in the registry's wire format begins with a nought and four bytes of schema id.
const HEAD: usize = 5;

pub(in super::super) async fn handle(visit: Visit) -> Result<Response, Failure> {
    let (id, none) = (visit.part("id"), params(&[]));
    // Words that stand in its place elsewhere in the API are no letters.
    if id.parse::<DeadLetterId>().is_err() {
        return Err(Failure::nowhere());
    }
    let mut letter = visit.get(PATH, &[id], &none).await?;
    visit.show_call(
        PATH,
        &[id],
        &none,
        command_line::command("dead-letters show", &[id], []),
    );
    let defect_at = defect_at(&letter["decoded"]["defect"]);
    let value = STANDARD
        .decode(text(&letter["value"]["base64"]))
        .unwrap_or_default();
    let hex = (!letter["value"].is_null()).then(|| hex(&value, defect_at));
    cut(&mut letter);
    let call = format!("/api/v1/dead-letters/{}", super::super::address::percent(id));
    let data = json!({
        "hex": hex,
        "defectAt": defect_at,
        "valueCall": call,
        "publishes": true,
        "letter": letter,
    });
    visit.show("letters", "letter.html", data).await
}

/// Leaves of its texts what a view has room for.
fn cut(letter: &mut Value) {
    let metadata = letter["decoded"]["metadata"].take();
    for (_, of) in letter["decoded"].as_object_mut().into_iter().flatten() {
        cut_text(of, TEXT);
    }
    letter["decoded"]["metadata"] = metadata;
    cut_text(&mut letter["decoded"]["metadata"], METADATA);
    cut_text(&mut letter["detail"], TEXT);
    if let Some(detail) = letter.pointer_mut("/decoded/defect/detail") {
        cut_text(detail, TEXT);
    }
    let left_out = list(&letter["headers"]).len().saturating_sub(HEADERS);
    for header in letter["headers"]
        .as_array_mut()
        .into_iter()
        .flatten()
        .take(HEADERS)
    {
        cut_text(&mut header["name"], TEXT);
        cut_text_of(&mut header["value"]);
    }
    if let Some(headers) = letter["headers"].as_array_mut().filter(|_| left_out > 0) {
        headers.truncate(HEADERS);
        headers.push(json!({"name": "…", "value": {"text": format!("+{left_out}")}}));
    }
    cut_text_of(&mut letter["key"]);
}

/// The text of bytes that are one.
fn cut_text_of(bytes: &mut Value) {
    if bytes["text"].is_string() {
        cut_text(&mut bytes["text"], TEXT);
    }
}

fn cut_text(of: &mut Value, bytes: usize) {
    if let Value::String(text) = of {
        *text = format::up_to(text, bytes);
    }
}

/// The byte of the value at which decoding stopped; none where no single one is to blame.
fn defect_at(defect: &Value) -> Option<usize> {
    let in_body = usize::try_from(defect["offset"].as_u64()?).ok()?;
    in_body.checked_add(HEAD)
}

/// The bytes that are shown, row by row.
fn hex(value: &[u8], defect_at: Option<usize>) -> Value {
    let mut places: Vec<usize> = (0..value.len().min(SHOWN)).collect();
    if let Some(at) = defect_at.filter(|at| *at >= SHOWN) {
        let from = (at.saturating_sub(ABOUT / 2) / ROW * ROW).max(SHOWN);
        places.extend(from..value.len().min(from + ABOUT));
    }
    let is_framed = value.first() == Some(&0) && value.len() >= HEAD;
    let mark = |place: usize| match place {
        _ if Some(place) == defect_at => Some("defect"),
        0 if is_framed => Some("magic"),
        1..HEAD if is_framed => Some("schema"),
        _ => None,
    };
    let rows: Vec<Value> = places
        .chunks(ROW)
        .map(|row| {
            let cells = row
                .iter()
                .map(|place| json!({"hex": format!("{:02x}", value[*place]), "mark": mark(*place)}));
            let text = row.iter().map(|place| match value[*place] {
                byte @ 0x20..0x7f => char::from(byte),
                _ => '.',
            });
            json!({
                "at": format!("{:06x}", row.first().copied().unwrap_or_default()),
                "cells": cells.collect::<Vec<_>>(),
                "text": text.collect::<String>(),
            })
        })
        .collect();
    json!({"rows": rows, "shown": places.len(), "total": value.len()})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_shown_from_the_beginning_and_about_the_defect() {
        let mut value = vec![0, 0, 0, 0, 9];
        value.extend_from_slice(&[b'A'; 2_000]);
        let shown = hex(&value, Some(1_500));
        assert_eq!((&shown["shown"], &shown["total"]), (&json!(576), &json!(2_005)));
        assert_eq!(shown["rows"][0]["text"], ".....AAAAAAAAAAA");
        let marks: Vec<&str> = (0..6)
            .map(|at| text(&shown["rows"][0]["cells"][at]["mark"]))
            .collect();
        assert_eq!(marks, ["magic", "schema", "schema", "schema", "schema", ""]);
        let about = &shown["rows"][34];
        assert_eq!(
            (text(&about["at"]), text(&about["cells"][12]["mark"])),
            ("0005d0", "defect")
        );
    }

    #[test]
    fn a_defect_stands_behind_what_is_in_front_of_the_body() {
        assert_eq!(defect_at(&json!({"offset": 104})), Some(109));
        assert_eq!(defect_at(&json!({"offset": null})), None);
        assert_eq!(defect_at(&Value::Null), None);
    }

    #[test]
    fn of_texts_that_somebody_made_long_a_view_shows_the_beginning() {
        let long = "\u{7f}".repeat(200_000);
        let header = json!({"name": long, "value": {"text": long}});
        let mut letter = json!({
            "decoded": {"sagaId": long, "step": null, "metadata": long, "defect": {"reason": "r", "detail": long}},
            "detail": long, "key": {"text": long}, "headers": vec![header; 300], "value": null,
        });
        cut(&mut letter);
        assert_eq!(letter["headers"].as_array().unwrap().len(), HEADERS + 1);
        assert_eq!(letter["headers"][HEADERS]["value"]["text"], "+200");
        let mut shown = 0;
        let mut left = vec![&letter];
        while let Some(value) = left.pop() {
            shown += value.as_str().map_or(0, |text| format::visible(text).len());
            left.extend(value.as_array().into_iter().flatten());
            left.extend(value.as_object().into_iter().flat_map(|fields| fields.values()));
        }
        assert!(shown < 1 << 20, "{shown}");
        let mut short =
            json!({"decoded": {"metadata": null, "step": "A"}, "detail": "d", "key": null, "headers": []});
        let before = short.clone();
        cut(&mut short);
        assert_eq!(short, before);
    }

    #[test]
    fn what_is_not_framed_has_no_marks() {
        let shown = hex(b"{}", None);
        assert!(shown["rows"][0]["cells"][0]["mark"].is_null());
    }
}
