//! Tables taken away: as Parquet what they are as NDJSON, and any of them taken up again behind a cursor after the
//! connection broke.

use super::export::shop;
use super::ledger;
use super::support::{START, Surface};
use axum::http::{Request, StatusCode};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use saga_tracker::domain::Millis;
use serde_json::{Map, Value, json};

/// Every table, with rows enough to be taken in several parts.
async fn filled() -> (Surface, Vec<&'static str>) {
    let surface = Surface::over(&shop(450));
    ledger::account_for(&surface, 456);
    for n in 0..30 {
        let body = json!({"status": "FAILED", "reason": format!("=reason {n}, \"quoted\"")});
        let request = Request::builder()
            .method("PATCH")
            .uri(format!("/internal/v1/sagas/nobody-{n}/status"))
            .header("content-type", "application/json");
        let request = request.body(body.to_string().into()).unwrap();
        assert_eq!(surface.request(request).await.status, StatusCode::NOT_FOUND);
    }
    let tables = vec![
        "sagas?sort=updatedAt,desc",
        "sagas?sort=startedAt,asc&status=STARTED",
        "sagas/%3D1%2B1/steps?knownAt=2026-02-01",
        "events?sort=startedAt,asc",
        "census?asOf=2026-01-31T09:30:01Z",
        "audit?result=REFUSED",
        "dead-letters?state=open",
        "ledger?partition=0",
        "ledger?offsets=true",
    ];
    (surface, tables)
}

async fn bytes(surface: &Surface, table: &str, format: &str, more: &str) -> Vec<u8> {
    let path = format!("/api/v1/export/{table}&format={format}{more}");
    let reply = surface.get(&path).await;
    assert_eq!(reply.status, StatusCode::OK, "{path}: {reply:?}");
    reply.body
}

fn lines(text: &[u8]) -> Vec<Value> {
    let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_slice(line).unwrap()).collect()
}

async fn rows(surface: &Surface, table: &str, more: &str) -> Vec<Value> {
    lines(&bytes(surface, table, "ndjson", more).await)
}

/// The rows of a file, each value as the JSON has it.
fn read(file: Vec<u8>) -> Vec<Map<String, Value>> {
    let file = SerializedFileReader::new(bytes::Bytes::from(file)).unwrap();
    let rows = file.get_row_iter(None).unwrap().map(|row| {
        let row = row.unwrap();
        let fields = row.get_column_iter();
        fields.map(|(name, field)| (name.clone(), value(field))).collect()
    });
    rows.collect()
}

fn value(field: &Field) -> Value {
    match field {
        Field::Null => Value::Null,
        Field::Long(number) => json!(number),
        Field::TimestampMillis(at) => json!(Millis(*at).to_string()),
        Field::Date(day) => json!(&Millis(i64::from(*day) * 86_400_000).to_string()[..10]),
        Field::Str(text) => json!(text),
        other => panic!("{other:?}"),
    }
}

/// A row as Parquet has it: every column, lists and objects as text.
fn as_parquet(row: &Value, columns: &[String]) -> Map<String, Value> {
    let cell = |name: &String| match &row[name] {
        found @ (Value::Null | Value::String(_) | Value::Number(_)) => found.clone(),
        found => json!(found.to_string()),
    };
    columns.iter().map(|name| (name.clone(), cell(name))).collect()
}

/// The same without what was written between the values.
fn spaceless(mut row: Map<String, Value>) -> Map<String, Value> {
    for value in row.values_mut() {
        let parsed = value.as_str().filter(|text| text.starts_with(['{', '[']));
        if let Some(parsed) = parsed.and_then(|text| serde_json::from_str::<Value>(text).ok()) {
            *value = json!(parsed.to_string());
        }
    }
    row
}

#[tokio::test]
async fn parquet_has_the_rows_of_ndjson_and_the_columns_of_csv() {
    let (surface, tables) = filled().await;
    for table in tables {
        let expected = rows(&surface, table, "").await;
        assert_eq!(expected.is_empty(), table.starts_with("dead-letters"), "{table}");
        let csv = String::from_utf8(bytes(&surface, table, "csv", "").await).unwrap();
        let columns: Vec<String> = csv
            .lines()
            .next()
            .unwrap()
            .split(',')
            .map(str::to_owned)
            .collect();
        let found = read(bytes(&surface, table, "parquet", "").await);
        assert_eq!(found.len(), expected.len(), "{table}");
        for (found, expected) in found.into_iter().zip(&expected) {
            assert_eq!(
                spaceless(found),
                spaceless(as_parquet(expected, &columns)),
                "{table}"
            );
        }
    }
}

#[tokio::test]
async fn a_parquet_file_is_named_as_such_and_not_compressed_again() {
    let surface = Surface::over(&shop(300));
    let asked = |path: &str, accept: &str| {
        let request = Request::builder().uri(path).header("accept", accept);
        let request = request.header("accept-encoding", "gzip, zstd");
        request.body(axum::body::Body::empty()).unwrap()
    };
    let path = "/api/v1/export/sagas";
    let reply = surface
        .request(asked(path, "application/vnd.apache.parquet"))
        .await;
    assert_eq!(reply.header("content-type"), "application/vnd.apache.parquet");
    assert_eq!(
        reply.header("content-disposition"),
        "attachment; filename=\"sagas.parquet\""
    );
    assert_eq!(reply.header("content-encoding"), "");
    assert_eq!(read(reply.body).len(), 302);
    let reply = surface.request(asked(path, "text/csv")).await;
    assert_ne!(reply.header("content-encoding"), "");
}

/// What a client has of a broken answer, up to the last row that it can go on behind, and the cursor of that row.
fn kept(rows: Vec<Value>) -> (Vec<Value>, Option<String>) {
    let Some(last) = rows.iter().rposition(|row| !row["nextCursor"].is_null()) else {
        return (Vec::new(), None);
    };
    let cursor = rows[last]["nextCursor"].as_str().unwrap().to_owned();
    (rows.into_iter().take(last + 1).collect(), Some(cursor))
}

fn without_cursors(rows: Vec<Value>) -> Vec<Value> {
    let strip = |mut row: Value| {
        row.as_object_mut().unwrap().remove("nextCursor");
        row
    };
    rows.into_iter().map(strip).collect()
}

#[tokio::test]
async fn what_broke_off_anywhere_goes_on_behind_the_last_cursor_with_nothing_lost_or_twice() {
    let (surface, tables) = filled().await;
    for table in tables.into_iter().filter(|table| !table.starts_with("census")) {
        let whole = bytes(&surface, table, "ndjson", "").await;
        let expected = without_cursors(lines(&whole));
        for tenth in 0..10 {
            let cut = whole.len() * tenth / 10;
            let complete = whole[..cut]
                .iter()
                .rposition(|byte| *byte == b'\n')
                .map_or(0, |at| at + 1);
            let (mut found, cursor) = kept(lines(&whole[..complete]));
            let more = cursor.map_or_else(String::new, |cursor| format!("&cursor={cursor}"));
            found.extend(rows(&surface, table, &more).await);
            assert_eq!(without_cursors(found), expected, "{table}, cut at {cut}");
        }
    }
}

/// Takes a table in files of a few rows.
async fn in_files(surface: &Surface, table: &str, limit: usize) -> Vec<Map<String, Value>> {
    let (mut found, mut more) = (Vec::new(), format!("&limit={limit}"));
    loop {
        let some = read(bytes(surface, table, "parquet", &more).await);
        let cursor = some.last().and_then(|row| row["nextCursor"].as_str());
        let next = cursor.map(|cursor| format!("&limit={limit}&cursor={cursor}"));
        found.extend(some);
        match next {
            Some(next) => more = next,
            None => return found,
        }
    }
}

#[tokio::test]
async fn parquet_is_taken_in_files_each_behind_the_cursor_of_the_one_before() {
    let (surface, tables) = filled().await;
    for table in tables.into_iter().filter(|table| !table.starts_with("census")) {
        let strip = |mut rows: Vec<Map<String, Value>>| {
            rows.iter_mut().for_each(|row| drop(row.remove("nextCursor")));
            rows
        };
        let whole = strip(read(bytes(&surface, table, "parquet", "").await));
        let limit = whole.len() / 3 + 1;
        assert_eq!(strip(in_files(&surface, table, limit).await), whole, "{table}");
    }
}

#[tokio::test]
async fn the_ledger_is_taken_away_by_day_and_by_offset_and_both_say_the_same() {
    let surface = Surface::over(&shop(450));
    ledger::account_for(&surface, 456);
    let answer = surface.get("/api/v1/ledger").await.json();
    let total = &answer["total"];
    let days = rows(&surface, "ledger?partition=0", "").await;
    let sum = |of: &str| days.iter().map(|day| day[of].as_u64().unwrap()).sum::<u64>();
    for class in [
        "offsets",
        "applied",
        "duplicate",
        "operator",
        "purged",
        "pending",
        "deadLetter",
    ] {
        assert_eq!(json!(sum(class)), total[class], "{class}");
    }
    assert_eq!(json!(sum("expired")), total["gap"]["expired"]);
    assert_eq!(
        (&days[0]["topic"], &days[0]["day"]),
        (&json!("topic"), &json!("2026-01-31"))
    );
    let offsets = rows(&surface, "ledger?offsets=true", "").await;
    let of = |class: &str| -> u64 {
        let rows = offsets.iter().filter(|row| row["class"] == class);
        rows.map(|row| row["offsets"].as_u64().unwrap()).sum()
    };
    for (class, name) in [
        ("applied", "applied"),
        ("duplicate", "duplicate"),
        ("dead_letter", "deadLetter"),
    ] {
        assert_eq!(json!(of(class)), total[name], "{class}");
    }
    assert_eq!(json!(of("expired")), total["gap"]["expired"]);
    let first = json!({
        "topic": "topic", "partition": 0, "offset": 0, "offsets": 1, "class": "applied",
        "arrivedAt": Millis(START).to_string(), "sagaId": "=1+1", "eventId": "event-0", "step": "ORDER_CREATED",
        "status": "STARTED", "recordedAt": Millis(START).to_string(), "reason": null, "decision": null,
    });
    assert_eq!(offsets[0], first);
    let gap = offsets.last().unwrap();
    assert_eq!(
        (&gap["class"], &gap["offsets"]),
        (&json!("expired"), &json!(1_000))
    );
    for path in [
        "ledger?offsets=true&fromDay=2026-01-01",
        "ledger?cursor=x",
        "ledger?partition=x",
    ] {
        let refused = surface.get(&format!("/api/v1/export/{path}")).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{path}");
    }
}
