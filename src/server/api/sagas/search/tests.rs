use super::*;
use crate::domain::StuckRule;
use crate::pipeline::query::Basis;

const NOW: Millis = Millis(1_770_000_000_000);

fn request(query: &str) -> SearchRequest {
    SearchQuery::parse(Some(query), NOW).unwrap().into_request()
}

fn refused(query: &str) -> String {
    SearchQuery::parse(Some(query), NOW).unwrap_err().to_string()
}

#[test]
fn nothing_given_is_the_first_page_of_all_newest_first() {
    let expected = SearchRequest {
        filter: Filter::default(),
        sort: Sort {
            key: SortKey::StartedAt,
            descending: true,
        },
        window: Window::Page { number: 0, size: 20 },
    };
    assert_eq!(SearchQuery::parse(None, NOW).unwrap().into_request(), expected);
    assert_eq!(request("unknown=1&Page=5&utm_source=%zz"), expected);
}

#[test]
fn every_parameter_arrives() {
    let query = "orderId=o%2F1&type=REFUND&status=IN_PROGRESS&fromDate=2026-01-01&toDate=2026-01-31\
                 &step=PAYMENT_COMPLETED&withoutStep=ORDER_CONFIRMED&step=A%20B&producerService=payment-service\
                 &traceId=t-1&rule=MISSING_STEP&stuck=PAST_DEADLINE&compensation=NOT_NEEDED\
                 &asOf=2026-01-01T00:00:00Z&knownAt=2026-01-31\
                 &page=7&size=100&sort=updatedAt,ASC";
    let expected = SearchRequest {
        filter: Filter {
            order_id: Some("o/1".into()),
            saga_type: Some("REFUND".into()),
            status: Some(SagaStatus::InProgress),
            from: Some(Millis(1_767_225_600_000)),
            to: Some(Millis(1_769_903_999_999)),
            inside: Inside {
                steps: vec!["PAYMENT_COMPLETED".into(), "A B".into()],
                without_steps: vec!["ORDER_CONFIRMED".into()],
                producer_service: Some("payment-service".into()),
                trace_id: Some("t-1".into()),
                rule: Some(ConformanceRule::MissingStep),
                stuck: Some(AskedStuck {
                    rule: Some(StuckRule::PastDeadline),
                    now: NOW,
                }),
                compensation: Some(CompensationState::NotNeeded),
            },
            moment: Moment {
                as_of: Some(Millis(1_767_225_600_000)),
                known_at: Some(Millis(1_769_903_999_999)),
            },
        },
        sort: Sort {
            key: SortKey::UpdatedAt,
            descending: false,
        },
        window: Window::Page { number: 7, size: 100 },
    };
    assert_eq!(request(query), expected);
}

#[test]
fn stuck_is_by_any_rule_or_by_one() {
    let rule = |query: &str| request(query).filter.inside.stuck.map(|asked| asked.rule);
    assert_eq!(rule("stuck=true"), Some(None));
    assert_eq!(
        rule("stuck=COMPENSATION_OVERDUE"),
        Some(Some(StuckRule::CompensationOverdue))
    );
    assert_eq!(rule(""), None);
}

#[test]
fn a_cursor_replaces_the_page() {
    let window = request("cursor=abc&size=5").window;
    assert_eq!(
        window,
        Window::After {
            cursor: "abc".to_owned(),
            size: 5
        }
    );
}

#[test]
fn a_sort_is_a_key_and_a_direction() {
    let parsed = [
        "startedAt",
        "updatedAt,desc",
        "startedAt,Asc",
        "startedAt,",
        "started_at",
        "startedAt,up",
        ",asc",
    ]
    .map(|text| parse_sort(text).map(|sort| (sort.key, sort.descending)));
    let (started, updated) = (SortKey::StartedAt, SortKey::UpdatedAt);
    assert_eq!(
        parsed,
        [
            Some((started, true)),
            Some((updated, true)),
            Some((started, false)),
            None,
            None,
            None,
            None
        ]
    );
}

#[test]
fn wrong_input_is_named_with_what_is_accepted() {
    let long = format!("orderId={}", "x".repeat(256));
    let wrong = [
        "page=-1",
        "page=1.5",
        "page=",
        "page=1000000000001",
        "size=0",
        "size=101",
        "size=ten",
        "sort=orderId,asc",
        "status=DONE",
        "status=failed",
        "orderId=",
        "type=",
        &long,
        "fromDate=yesterday",
        "toDate=2026-02-30",
        "fromDate=2026-01-31T00:00:00",
        "fromDate=2026-02-01&toDate=2026-01-31",
        "page=1&page=2",
        "type=A&sagaType=A",
        "cursor=",
        "cursor=abc&page=0",
        "orderId=%ff",
        "page=x&size=y",
        "step=",
        &format!("withoutStep={}", "x".repeat(101)),
        &"step=A&".repeat(11),
        "step=A&step=B&withoutStep=B",
        "producerService=",
        "traceId=a&traceId=b",
        "stuck=false",
        "compensation=NOTHING",
    ];
    let table: Vec<_> = wrong.iter().map(|query| refused(query)).collect();
    insta::assert_snapshot!(table.join("\n"));
}

#[test]
fn the_last_page_may_be_short() {
    let pages = |total, size| {
        let found = SearchPage {
            sagas: Vec::new(),
            total,
            next_cursor: None,
            basis: Basis::default(),
        };
        SearchBody::of(found, &Window::Page { number: 0, size }, Moment::default())
            .page
            .total_pages
    };
    assert_eq!(
        [pages(0, 20), pages(1, 20), pages(20, 20), pages(21, 20)],
        [0, 1, 1, 2]
    );
}
