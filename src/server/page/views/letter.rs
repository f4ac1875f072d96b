//! One dead letter, decoded as far as it goes, with its bytes.

use super::super::command_line;
use super::super::failure::Failure;
use super::super::values::{params, text};
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
    let letter = visit.get(PATH, &[id], &none).await?;
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
    fn what_is_not_framed_has_no_marks() {
        let shown = hex(b"{}", None);
        assert!(shown["rows"][0]["cells"][0]["mark"].is_null());
    }
}
