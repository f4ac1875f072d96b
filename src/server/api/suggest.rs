//! What somebody may mean who has begun to type.

use super::context::Context;
use super::error::{ApiError, Detail, ErrorBody};
use super::params::{Params, parse_number, parse_text};
use super::route::Route;
use super::saga_fields::Status;
use crate::operations::dead_letters::DeadLetterId;
use crate::pipeline::query::Suggestion;
use crate::server::metrics::Asked;
use axum::Json;
use axum::extract::{RawQuery, State};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::routes;

const DEFAULT_LIMIT: u64 = 10;
const MAX_LIMIT: u64 = 50;
const MAX_CHARS: usize = 255;

pub(super) fn routes() -> Vec<Route> {
    vec![Route::of(routes!(handle))]
}

/// What was typed.
#[derive(Debug, PartialEq, Eq, utoipa::IntoParams)]
#[into_params(rename_all = "camelCase", parameter_in = Query)]
struct SuggestQuery {
    /// What was typed.
    #[param(value_type = String, min_length = 1, max_length = 255, example = "ORD-910")]
    prefix: String,
    /// Suggestions, at most.
    #[param(value_type = Option<u64>, minimum = 1, maximum = 50, default = 10)]
    limit: usize,
}

impl SuggestQuery {
    fn parse(query: Option<&str>) -> Result<Self, ApiError> {
        let mut params = Params::of(query);
        let accepted = format!("1 to {MAX_CHARS} characters");
        let prefix = params.take(&["prefix"], &accepted, |text| {
            parse_text(text, MAX_CHARS).map(str::to_owned)
        });
        let number = format!("a whole number from 1 to {MAX_LIMIT}");
        let limit = params.take(&["limit"], &number, |text| parse_number(text, 1, MAX_LIMIT));
        params.finish()?;
        let prefix = prefix.ok_or_else(|| {
            ApiError::faults(vec![Detail {
                parameter: "prefix".to_owned(),
                found: "nothing".to_owned(),
                accepted,
            }])
        })?;
        Ok(Self {
            prefix,
            limit: usize::try_from(limit.unwrap_or(DEFAULT_LIMIT)).unwrap_or(usize::MAX),
        })
    }
}

/// Suggestions.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Suggestions)]
struct SuggestionsBody {
    /// What fits best first.
    suggestions: Vec<SuggestionBody>,
}

/// What may be meant.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Suggestion)]
struct SuggestionBody {
    /// saga, order, trace, type, step, service or letter.
    #[schema(example = "saga")]
    kind: &'static str,
    /// Its id or name.
    value: String,
    /// Where it stands, of a saga; null of all else.
    #[schema(required)]
    status: Option<Status>,
}

impl From<Suggestion> for SuggestionBody {
    fn from(suggestion: Suggestion) -> Self {
        let (kind, value, status) = match suggestion {
            Suggestion::Saga(id, status) => ("saga", id.as_str().to_owned(), Some(status.into())),
            Suggestion::Order(id) => ("order", id, None),
            Suggestion::Trace(id) => ("trace", id, None),
            Suggestion::Type(name) => ("type", name, None),
            Suggestion::Step(name) => ("step", name, None),
            Suggestion::Service(name) => ("service", name, None),
        };
        Self { kind, value, status }
    }
}

/// What somebody may mean who has begun to type
#[utoipa::path(
    get,
    path = "/api/v1/suggest",
    operation_id = "suggest",
    tag = "sagas",
    description = "A saga, order, trace or dead letter by its whole id; of the 2,000 sagas with the newest events those \
                   whose ids begin so; types, steps and services that definitions or the newest sagas name, by how \
                   their names begin, large or small letters alike. To look through all sagas, search.",
    params(SuggestQuery),
    responses(
        (status = 200, body = SuggestionsBody, description = "What may be meant; empty when nothing fits."),
        (status = 400, body = ErrorBody, description = "A parameter was not understood; details says which."),
    )
)]
async fn handle(
    State(context): State<Context>,
    RawQuery(query): RawQuery,
) -> Result<Json<SuggestionsBody>, ApiError> {
    let SuggestQuery { prefix, limit } = SuggestQuery::parse(query.as_deref())?;
    let letter = prefix.parse::<DeadLetterId>().ok();
    let typed = prefix.clone();
    let found = context.suggest(typed, limit).await?;
    let mut suggestions: Vec<SuggestionBody> = found.into_iter().map(Into::into).collect();
    if let Some(DeadLetterId(position)) = letter
        && context
            .letters(Asked::DeadLetters, move |letters| {
                letters.look_up(position).is_ok()
            })
            .await?
    {
        let body = SuggestionBody {
            kind: "letter",
            value: prefix,
            status: None,
        };
        suggestions.insert(0, body);
        suggestions.truncate(limit);
    }
    Ok(Json(SuggestionsBody { suggestions }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn something_has_to_be_typed_and_the_number_is_bounded() {
        let query = SuggestQuery::parse(Some("prefix=ORD-%ED%95%9C&limit=50")).unwrap();
        assert_eq!((query.prefix.as_str(), query.limit), ("ORD-한", 50));
        for (query, parameter) in [
            ("", "prefix"),
            ("prefix=", "prefix"),
            ("prefix=a&limit=51", "limit"),
        ] {
            let refused = SuggestQuery::parse(Some(query)).unwrap_err().to_string();
            assert!(refused.starts_with(parameter), "{refused}");
        }
    }
}
