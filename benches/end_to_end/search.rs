//! Pages of two stores of different sizes, asked in turn, without HTTP in between (which would hide
//! the difference).

use crate::large::{DAYS, FIRST, OUTAGE};
use crate::report::{median, percentile};
use crate::{pipeline, served};
use saga_tracker::domain::{Millis, SagaDefinitions, SagaStatus, SagaType};
use saga_tracker::pipeline::query::{Filter, Moment, Query, SearchRequest, Sort, SortKey, Window};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

const SIZE: usize = 20;
/// How often each search is asked of each store.
const ROUNDS: u64 = 25;

/// Which page is asked for.
#[derive(Clone, Copy)]
enum Page {
    First,
    /// Another one each time.
    Any,
    Last,
}

/// What the sagas are asked as of.
#[derive(Clone, Copy, PartialEq)]
enum When {
    Now,
    /// Another instant each time.
    Then,
    /// What was known at another instant each time.
    Known,
}

impl When {
    fn moment(self, round: u64) -> Moment {
        // Steps by the golden ratio meet every part of the days, none of them at midnight.
        let place = i64::try_from(round * 618 % 1000).unwrap_or(0) + 50;
        let at = FIRST.0 + DAYS * 86_400_000 * place / 1_050 + 12_345;
        Moment {
            as_of: (self == Self::Then).then_some(Millis(at)),
            known_at: (self == Self::Known).then_some(Millis(at)),
        }
    }
}

/// The filters now, and some of them as of an instant, and as known at one.
fn questions() -> Vec<(String, Filter, When)> {
    let of = |when, prefix: &str| {
        let named = filters().into_iter();
        let named = named.map(|(name, filter)| (format!("{prefix}{name}"), filter, when));
        named.collect::<Vec<_>>()
    };
    // In 30 days or one day of many instants nothing had begun.
    let then = of(When::Then, "as of an instant: ").into_iter();
    let past = then.chain(of(When::Known, "as known at an instant: "));
    let past = past.filter(|(_, filter, _)| filter.from.is_none());
    of(When::Now, "").into_iter().chain(past).collect()
}

/// Every search, and the one that suffers most from size.
pub(crate) fn compare(small: &Path, large: &Path) -> anyhow::Result<Value> {
    let definitions = Arc::new(SagaDefinitions::default());
    let small = Query::new(Arc::new(pipeline::open(small)?), definitions.clone());
    let large_dir = large;
    let large = Query::new(Arc::new(pipeline::open(large)?), definitions);
    // What filling left to merge would be measured with the large one only.
    served::settled(large_dir)?;
    let (mut all, mut past) = (Vec::new(), Vec::new());
    for (filter_name, filter, when) in questions() {
        for (sort_name, sort) in sorts() {
            // Of the past there is no index by last event.
            if when != When::Now && sort.key == SortKey::UpdatedAt {
                continue;
            }
            for (page_name, page) in [("first", Page::First), ("any", Page::Any), ("last", Page::Last)] {
                let mut millis = [Vec::new(), Vec::new()];
                for round in 0..ROUNDS {
                    let filter = Filter {
                        moment: when.moment(round),
                        ..filter.clone()
                    };
                    for (query, millis) in [&small, &large].into_iter().zip(&mut millis) {
                        millis.push(ask(query, &filter, sort, page, round)?);
                    }
                }
                if when != When::Now {
                    past.extend(&millis[1]);
                }
                let [small, large] = millis.map(|millis| median(&millis));
                all.push((
                    large / small,
                    json!({
                        "search": format!("{filter_name}, by {sort_name}, {page_name} page"),
                        "ratio": large / small,
                        "small_ms": thousandths(small),
                        "large_ms": thousandths(large),
                    }),
                ));
            }
        }
    }
    all.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    let all: Vec<Value> = all.into_iter().map(|(_, search)| search).collect();
    Ok(json!({
        "worst": all.first(),
        "all": all,
        "past_p99_ms": percentile(&past, 99),
        "past_pages": past.len(),
        "counts": counts(&small, &large)?,
        "busy": busy(&large)?,
    }))
}

/// How many sagas stood where: now, as of instants, and as known at instants.
fn counts(small: &Query, large: &Query) -> anyhow::Result<Vec<Value>> {
    let whens = [
        ("count now", When::Now),
        ("count as of an instant", When::Then),
        ("count as known at an instant", When::Known),
    ];
    let mut counts = Vec::new();
    for (name, when) in whens {
        let mut millis = [Vec::new(), Vec::new()];
        for round in 0..ROUNDS {
            for (query, millis) in [small, large].into_iter().zip(&mut millis) {
                let started = Instant::now();
                query.censuses(&Filter::default(), &[when.moment(round)])?;
                millis.push(started.elapsed().as_secs_f64() * 1000.0);
            }
        }
        let [small, large] = millis.map(|millis| median(&millis));
        counts.push(json!({
            "count": name,
            "ratio": large / small,
            "small_ms": thousandths(small),
            "large_ms": thousandths(large),
        }));
    }
    Ok(counts)
}

/// Pages as known when what had happened for most of an hour had not arrived.
fn busy(query: &Query) -> anyhow::Result<Vec<Value>> {
    let (from, until) = OUTAGE;
    let filters = filters().into_iter();
    let mut found = Vec::new();
    for (name, filter) in filters.filter(|(_, filter)| filter.from.is_none()) {
        let mut millis = Vec::new();
        for round in 0..ROUNDS {
            let place = i64::try_from(round).unwrap_or(0) + 1;
            let at = Millis(until.0 - (until.0 - from.0) / 10 * place / 25);
            let filter = Filter {
                moment: Moment {
                    as_of: None,
                    known_at: Some(at),
                },
                ..filter.clone()
            };
            let [(_, sort), ..] = sorts();
            millis.push(ask(query, &filter, sort, Page::First, round)?);
        }
        found.push(json!({
            "search": format!("as known at the end of an outage of an hour: {name}, first page"),
            "large_ms": thousandths(median(&millis)),
            "worst_ms": thousandths(percentile(&millis, 100)),
        }));
    }
    Ok(found)
}

fn thousandths(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

/// Milliseconds that one page takes.
fn ask(query: &Query, filter: &Filter, sort: Sort, page: Page, round: u64) -> anyhow::Result<f64> {
    let request = |number| SearchRequest {
        filter: filter.clone(),
        sort,
        window: Window::Page { number, size: SIZE },
    };
    let number = match page {
        Page::First => 0,
        Page::Any | Page::Last => {
            let pages = query.search(&request(0))?.total.div_ceil(SIZE as u64).max(1);
            match page {
                // Steps by the golden ratio meet every part of the pages.
                Page::Any => (round * pages * 618 / 1000) % pages,
                Page::First | Page::Last => pages - 1,
            }
        }
    };
    let started = Instant::now();
    let found = query.search(&request(number))?;
    let millis = started.elapsed().as_secs_f64() * 1000.0;
    anyhow::ensure!(
        !found.sagas.is_empty(),
        "page {number} of {} is empty",
        found.total
    );
    Ok(millis)
}

fn filters() -> Vec<(&'static str, Filter)> {
    let day = |day: i64| Some(Millis(FIRST.0 + day * 86_400_000));
    let order = || Some(SagaType::from("ORDER_CREATION"));
    let all = Filter::default();
    vec![
        ("all", all.clone()),
        (
            "of a type",
            Filter {
                saga_type: order(),
                ..all.clone()
            },
        ),
        (
            "failed",
            Filter {
                status: Some(SagaStatus::Failed),
                ..all.clone()
            },
        ),
        (
            "failed, of a type",
            Filter {
                saga_type: order(),
                status: Some(SagaStatus::Failed),
                ..all.clone()
            },
        ),
        (
            "of 30 days",
            Filter {
                from: day(DAYS / 3),
                to: day(2 * DAYS / 3),
                ..all.clone()
            },
        ),
        (
            "completed, of 30 days",
            Filter {
                status: Some(SagaStatus::Completed),
                from: day(DAYS / 3),
                to: day(2 * DAYS / 3),
                ..all.clone()
            },
        ),
        (
            "of a type, of one day",
            Filter {
                saga_type: order(),
                from: day(40),
                to: day(41),
                ..all
            },
        ),
    ]
}

fn sorts() -> [(&'static str, Sort); 3] {
    [
        (
            "start, latest first",
            Sort {
                key: SortKey::StartedAt,
                descending: true,
            },
        ),
        (
            "last event, latest first",
            Sort {
                key: SortKey::UpdatedAt,
                descending: true,
            },
        ),
        (
            "last event, earliest first",
            Sort {
                key: SortKey::UpdatedAt,
                descending: false,
            },
        ),
    ]
}
