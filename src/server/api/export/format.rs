//! What an export is written as, and how a client says so: `format`, or the header `Accept`.

use super::super::error::ApiError;
use super::super::params::{Params, parse_number};
use axum::http::{HeaderMap, header};

/// The media type of Parquet, which is compressed as it is.
pub(in crate::server::api) const PARQUET_TYPE: &str = "application/vnd.apache.parquet";

/// What an export is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Ndjson,
    Csv,
    Parquet,
    Ocel,
    Xes,
}

impl Format {
    /// What tables are written as. The first is meant when nothing is said.
    pub(super) const OF_TABLES: &[Self] = &[Self::Ndjson, Self::Csv, Self::Parquet];
    /// What events are written as.
    pub(super) const OF_EVENTS: &[Self] = &[Self::Ndjson, Self::Csv, Self::Parquet, Self::Ocel, Self::Xes];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Ndjson => "ndjson",
            Self::Csv => "csv",
            Self::Parquet => "parquet",
            Self::Ocel => "ocel",
            Self::Xes => "xes",
        }
    }

    /// How its file's name ends.
    pub(super) fn extension(self) -> &'static str {
        match self {
            Self::Ocel => "jsonocel",
            other => other.name(),
        }
    }

    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Ndjson => "application/x-ndjson",
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::Parquet => PARQUET_TYPE,
            Self::Ocel => "application/json",
            Self::Xes => "application/xml",
        }
    }

    fn media_type(self) -> &'static str {
        self.content_type().split(';').next().unwrap_or_default()
    }
}

/// What is asked of an export beside which rows.
#[derive(Debug, utoipa::IntoParams)]
#[into_params(rename_all = "camelCase", parameter_in = Query)]
#[expect(
    dead_code,
    reason = "only what is documented; the parameters are read one by one"
)]
pub(super) struct TableQuery {
    /// What it is written as. Without it, the first of these that Accept names (text/csv, application/x-ndjson,
    /// application/vnd.apache.parquet), or ndjson.
    #[param(value_type = Option<String>, pattern = "^(ndjson|csv|parquet)$", default = "ndjson")]
    format: Option<String>,
    /// At most so many rows; all when it is left out.
    #[param(value_type = Option<u64>, minimum = 1, maximum = 1_000_000_000_000u64)]
    limit: Option<u64>,
}

const MAX_ROWS: u64 = 1_000_000_000_000;

/// How it is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) format: Format,
    pub(super) limit: Option<u64>,
}

impl Wanted {
    /// Reads it, of the formats that there are.
    pub(super) fn parse(
        query: Option<&str>,
        headers: &HeaderMap,
        formats: &[Format],
    ) -> Result<Self, ApiError> {
        let mut params = Params::of(query);
        let accepted: Vec<&str> = formats.iter().map(|format| format.name()).collect();
        let format = params.take(&["format"], &accepted.join(" or "), |text| {
            formats.iter().copied().find(|format| format.name() == text)
        });
        let limit = params.take(&["limit"], "a whole number from 1 to 1000000000000", |text| {
            parse_number(text, 1, MAX_ROWS)
        });
        params.finish()?;
        let format = format.or_else(|| accepted_one(headers, formats));
        Ok(Self {
            format: format.unwrap_or(Format::Ndjson),
            limit,
        })
    }
}

/// The first format that `Accept` names.
fn accepted_one(headers: &HeaderMap, formats: &[Format]) -> Option<Format> {
    let values = headers.get_all(header::ACCEPT).iter();
    let texts = values.filter_map(|value| value.to_str().ok());
    let mut ranges = texts.flat_map(|text| text.split(',')).map(|range| {
        let media = range.split(';').next().unwrap_or_default();
        media.trim()
    });
    ranges.find_map(|range| {
        let is_meant = |format: &Format| format.media_type().eq_ignore_ascii_case(range);
        formats.iter().copied().find(is_meant)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(query: &str, accept: &'static str) -> Result<Format, String> {
        let headers = HeaderMap::from_iter([(header::ACCEPT, accept.parse().unwrap())]);
        let wanted = Wanted::parse(Some(query), &headers, Format::OF_TABLES);
        wanted
            .map(|wanted| wanted.format)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn the_parameter_counts_before_accept_and_accept_before_the_default() {
        assert_eq!(wanted("format=ndjson", "text/csv"), Ok(Format::Ndjson));
        assert_eq!(wanted("", "text/html, Text/CSV;q=0.9, */*"), Ok(Format::Csv));
        assert_eq!(wanted("", "application/x-ndjson"), Ok(Format::Ndjson));
        assert_eq!(wanted("", "*/*"), Ok(Format::Ndjson));
        assert_eq!(wanted("", PARQUET_TYPE), Ok(Format::Parquet));
        assert_eq!(wanted("format=parquet", "text/csv"), Ok(Format::Parquet));
    }

    #[test]
    fn what_there_is_not_is_refused() {
        let said = "format: found \"ocel\", accepted: ndjson or csv or parquet".to_owned();
        assert_eq!(wanted("format=ocel", "*/*"), Err(said));
        let refused = wanted("limit=0", "*/*").unwrap_err();
        assert!(refused.starts_with("limit: found \"0\""), "{refused}");
    }
}
