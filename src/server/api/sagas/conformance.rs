//! The sagas that break rules of their definitions: how many, and which, page by page.

use super::super::context::Context;
use super::super::error::{ApiError, ErrorBody};
use super::super::params::{Params, entries, parse_number};
use super::super::text::{Instant, edge_schema};
use super::judgement::ViolationBody;
use super::moment::BasisBody;
use super::search::{LAST_PAGE, MAX_SIZE, PageBody};
use super::{SagaBody, filter};
use crate::domain::{ConformanceRule, Millis, SagaType};
use crate::pipeline::query::{BrokenRule, BrokenRulesPage, BrokenRulesRequest};
use axum::Json;
use axum::extract::{RawQuery, State};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::schema::Schema;

const DEFAULT_SIZE: u64 = 20;

/// The parameters.
#[derive(Debug, utoipa::IntoParams)]
#[into_params(rename_all = "camelCase", parameter_in = Query)]
#[expect(
    dead_code,
    reason = "only what is documented; the parameters are read one by one"
)]
pub(super) struct ConformanceQuery {
    /// Sagas of this type. Also understood as `type`.
    #[param(value_type = Option<String>, min_length = 1, max_length = 255, example = "ORDER_CREATION")]
    saga_type: Option<String>,
    #[param(schema_with = filter::rule_schema)]
    rule: Option<ConformanceRule>,
    #[param(schema_with = from_schema)]
    from: Option<Millis>,
    #[param(schema_with = to_schema)]
    to: Option<Millis>,
    /// Which page, from 0.
    #[param(value_type = Option<u64>, minimum = 0, maximum = 1_000_000_000_000u64, default = 0)]
    page: Option<u64>,
    /// Rows on a page.
    #[param(value_type = Option<u64>, minimum = 1, maximum = 100, default = 20)]
    size: Option<u64>,
}

fn from_schema() -> Schema {
    edge_schema(
        "Sagas that last broke the rule then or later, by event time: an instant, or a date, which begins at 00:00:00Z.",
    )
}

fn to_schema() -> Schema {
    edge_schema(
        "Sagas that last broke the rule then or earlier, by event time: an instant, or a date, which ends at \
         23:59:59.999Z.",
    )
}

/// The sagas that break rules.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Conformance)]
pub(super) struct ConformanceBody {
    /// How many sagas break which rule, by type and rule. Exact; only where there are any.
    counts: Vec<RuleCountBody>,
    /// How many sagas of the type, or of each, failed before anything was done that can be undone: they owe nothing
    /// and break no rule by that. Whatever rule and times are asked for. Exact; only where there are any.
    nothing_to_compensate: Vec<TypeCountBody>,
    /// A saga once for each rule that it breaks, by when it last did, latest first.
    content: Vec<BrokenRuleBody>,
    page: PageBody,
    #[serde(flatten)]
    basis: BasisBody,
}

/// How many sagas of a type break a rule.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = RuleCount)]
struct RuleCountBody {
    #[schema(example = "ORDER_CREATION")]
    saga_type: String,
    #[schema(example = "NEVER_COMPENSATED")]
    rule: &'static str,
    sagas: u64,
}

/// How many sagas of a type.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = TypeCount)]
struct TypeCountBody {
    #[schema(example = "ORDER_CREATION")]
    saga_type: String,
    sagas: u64,
}

/// A saga that breaks a rule.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = BrokenRule)]
struct BrokenRuleBody {
    #[schema(example = "NEVER_COMPENSATED")]
    rule: &'static str,
    /// When it last broke the rule, by event time.
    at: Instant,
    /// How, each time.
    violations: Vec<ViolationBody>,
    saga: SagaBody,
}

fn parse(query: Option<&str>) -> Result<BrokenRulesRequest, ApiError> {
    let mut params = Params::of(query);
    let saga_type = filter::saga_type(&mut params).map(SagaType::from);
    let rule = filter::rule(&mut params);
    let (from, to) = filter::between(&mut params, ["from", "to"]);
    let number = format!("a whole number from 0 to {LAST_PAGE}");
    let page = params.take(&["page"], &number, |text| parse_number(text, 0, LAST_PAGE));
    let size = params.size(MAX_SIZE);
    params.finish()?;
    Ok(BrokenRulesRequest {
        saga_type,
        rule,
        from,
        to,
        page: page.unwrap_or(0),
        size: entries(size, DEFAULT_SIZE),
    })
}

impl ConformanceBody {
    fn of(found: BrokenRulesPage, request: &BrokenRulesRequest) -> Self {
        let page = PageBody::of(Some(request.page), request.size, found.total());
        let counts = found.counts.into_iter();
        let count = |((saga_type, rule), sagas): ((String, ConformanceRule), u64)| RuleCountBody {
            saga_type,
            rule: rule.as_str(),
            sagas,
        };
        let nothing = found.nothing_to_compensate.into_iter();
        let of_type = |(saga_type, sagas): (String, u64)| TypeCountBody { saga_type, sagas };
        Self {
            counts: counts.map(count).collect(),
            nothing_to_compensate: nothing.map(of_type).collect(),
            content: found.rows.into_iter().map(BrokenRuleBody::from).collect(),
            page,
            basis: BasisBody::from(&found.basis),
        }
    }
}

impl From<BrokenRule> for BrokenRuleBody {
    fn from(broken: BrokenRule) -> Self {
        Self {
            rule: broken.rule.as_str(),
            at: Instant(broken.at),
            violations: broken.violations.into_iter().map(ViolationBody::from).collect(),
            saga: broken.saga.into(),
        }
    }
}

/// Sagas that break rules of their definitions
#[utoipa::path(
    get,
    path = "/api/v1/conformance",
    operation_id = "findBrokenRules",
    tag = "sagas",
    description = "Of all sagas as they stand: how many break which rule, by type, and which do, by the time of the \
                   violation. Both are exact, at any number of sagas and any depth. NEVER_COMPENSATED is broken since \
                   the saga failed, MISSING_STEP since it completed, any other rule when the last event came that \
                   broke it. Beside that, how many failed with nothing to compensate, by type. Only types with a definition have rules.",
    params(ConformanceQuery),
    responses(
        (status = 200, body = ConformanceBody, description = "Counts, and a part of the sagas."),
        (status = 400, body = ErrorBody, description = "A parameter was not understood; details says which."),
    )
)]
pub(super) async fn handle(
    State(context): State<Context>,
    RawQuery(query): RawQuery,
) -> Result<Json<ConformanceBody>, ApiError> {
    let request = parse(query.as_deref())?;
    let found = context.broken_rules(request.clone()).await?;
    Ok(Json(ConformanceBody::of(found, &request)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_understood_and_a_date_means_all_of_it() {
        let plain = parse(None).unwrap();
        assert_eq!((plain.page, plain.size, plain.rule), (0, 20, None));
        let query = "type=T&rule=COMPENSATION_FAILED&from=2026-01-01&to=2026-01-01&page=2&size=5";
        let asked = parse(Some(query)).unwrap();
        assert_eq!(asked.saga_type, Some("T".into()));
        assert_eq!(asked.rule, Some(ConformanceRule::CompensationFailed));
        let edges = [asked.from, asked.to].map(|edge| edge.unwrap().to_string());
        assert_eq!(edges, ["2026-01-01T00:00:00Z", "2026-01-01T23:59:59.999Z"]);
        assert_eq!((asked.page, asked.size), (2, 5));
    }

    #[test]
    fn what_is_no_rule_time_page_or_size_is_refused_by_name_with_what_is_accepted() {
        for (query, parameter, accepted) in [
            ("rule=LATE", "rule", "MISSING_STEP"),
            ("rule=never_compensated", "rule", "NEVER_COMPENSATED"),
            ("from=yesterday", "from", "2026"),
            ("from=2026-01-02&to=2026-01-01", "from", "at or before to,"),
            ("page=-1", "page", "0 to"),
            ("size=0", "size", "1 to 100"),
        ] {
            let refused = format!("{:?}", parse(Some(query)).unwrap_err());
            assert!(refused.contains(&format!("{parameter:?}")), "{query}: {refused}");
            assert!(refused.contains(accepted), "{query}: {refused}");
        }
    }
}
