//! Alerts about the shop's sagas. The numbers are those that the shop's plans name, where they name one.

use super::Severity::{Critical, Warning};
use super::{Alert, Severity};
use crate::program::monitoring::parameters::{
    COMPENSATION_RATIO, COMPENSATION_SLOW_SECONDS, DELAY_BUDGET, EVENTS_PER_DAY_MINIMUM, FAILURE_RATIO,
    FAILURE_SPIKE_FLOOR, FAILURE_SPIKE_SIGMA, Parameter, RATIO_MINIMUM_SAGAS, STEP_SLOW_SECONDS,
    SUCCESS_BUDGET,
};
use crate::program::monitoring::promql::{Query, Scope, Series, buckets, values};
use crate::program::monitoring::recordings::{self, Recording};
use crate::server::metrics::catalogue::{self, Family};

pub(super) fn alerts() -> Vec<Alert> {
    vec![
        failure_spike(),
        failure_rate(),
        compensation_rate(),
        compensation_overdue(),
        compensation_failed(),
        compensation_slow(),
        past_deadline(),
        rule_broken(),
        step_slow(),
        events_stopped(),
        success_burns_fast(),
        success_burns_slowly(),
        delay_burns_fast(),
        delay_burns_slowly(),
    ]
}

fn of(family: Family) -> Series {
    values(Scope::Rules, family)
}

fn recorded(recording: &Recording) -> Query {
    recording.series(Scope::Rules).into()
}

fn failure_spike() -> Alert {
    let failures = recorded(&recordings::failures());
    let deviation = recorded(&recordings::failures_deviation());
    let usual = recorded(&recordings::failures_mean()).plus(deviation.times(&FAILURE_SPIKE_SIGMA));
    let query = failures
        .clone()
        .above(usual)
        .and(failures.above(&FAILURE_SPIKE_FLOOR));
    Alert::new("SagaFailureSpike", Warning, query)
        .keep("10m")
        .search("status=FAILED&sort=updatedAt,desc")
        .english(
            "Many more sagas fail than yesterday",
            "{{ $value | humanize }} sagas failed within 5 minutes: more than the mean of the day before and \
             @{failureSpikeSigma} standard deviations, and more than @{failureSpikeFloor}.",
        )
        .korean(
            "사가 실패가 어제보다 크게 늘었습니다",
            "최근 5분 동안 사가 {{ $value | humanize }}건이 실패했습니다. 지난 하루 평균에 표준편차의 \
             @{failureSpikeSigma}배를 더한 값과 @{failureSpikeFloor}건을 모두 넘었습니다.",
        )
}

fn ratio(recording: &Recording, limit: &Parameter) -> Query {
    let enough = recorded(&recordings::ended()).above(&RATIO_MINIMUM_SAGAS);
    recorded(recording).above(limit).and(enough)
}

fn failure_rate() -> Alert {
    let query = ratio(&recordings::failed_ratio_by_type(), &FAILURE_RATIO);
    Alert::new("SagaFailureRateHigh", Warning, query)
        .pending("5m")
        .search_of_type("status=FAILED&sort=updatedAt,desc")
        .english(
            "Too many sagas of type {{ $labels.saga_type }} fail",
            "{{ $value | humanizePercentage }} of the {{ $labels.saga_type }} sagas that ended within 5 minutes \
             failed; up to {{ @{failureRatio} | humanizePercentage }} are accepted.",
        )
        .korean(
            "{{ $labels.saga_type }} 사가의 실패율이 높습니다",
            "최근 5분 동안 끝난 {{ $labels.saga_type }} 사가의 {{ $value | humanizePercentage }}가 실패했습니다. \
             허용 비율은 {{ @{failureRatio} | humanizePercentage }}입니다.",
        )
}

fn compensation_rate() -> Alert {
    let query = ratio(&recordings::compensated_ratio_by_type(), &COMPENSATION_RATIO);
    Alert::new("SagaCompensationRateHigh", Warning, query)
        .pending("5m")
        .search_of_type("status=COMPENSATED&sort=updatedAt,desc")
        .english(
            "Too many sagas of type {{ $labels.saga_type }} are compensated",
            "Compensated sagas were {{ $value | humanizePercentage }} of the {{ $labels.saga_type }} sagas that ended \
             within 5 minutes; up to {{ @{compensationRatio} | humanizePercentage }} are accepted.",
        )
        .korean(
            "{{ $labels.saga_type }} 사가의 보상 비율이 높습니다",
            "최근 5분 동안 끝난 {{ $labels.saga_type }} 사가 대비 보상된 비율이 \
             {{ $value | humanizePercentage }}입니다. 허용 비율은 {{ @{compensationRatio} | humanizePercentage }}입니다.",
        )
}

/// The highest that a replica says, where it is above nothing.
fn any(family: Family) -> Query {
    Query::from(of(family)).max(&["job", "saga_type"]).above(0)
}

fn compensation_overdue() -> Alert {
    Alert::new(
        "SagaCompensationOverdue",
        Critical,
        any(catalogue::UNCOMPENSATED_OVERDUE),
    )
    .pending("5m")
    .search_of_type("stuck=COMPENSATION_OVERDUE")
    .english(
        "Failed sagas of type {{ $labels.saga_type }} are not compensated in time",
        "{{ $value | humanize }} {{ $labels.saga_type }} sagas failed, owe a compensation, and are past the time \
         that their definition gives for it. The objective is that all are compensated.",
    )
    .korean(
        "{{ $labels.saga_type }} 사가의 보상 기한이 초과되었습니다",
        "{{ $labels.saga_type }} 사가 {{ $value | humanize }}건이 실패한 뒤 정의된 보상 기한이 지나도록 보상되지 \
         않았습니다. 목표는 100% 보상입니다.",
    )
}

fn compensation_failed() -> Alert {
    let failed = of(catalogue::COMPENSATIONS_FAILED).increase("15m");
    let query = failed.max(&["job", "saga_type"]).above(0);
    Alert::new("SagaCompensationFailed", Critical, query)
        .keep("15m")
        .search_of_type("rule=COMPENSATION_FAILED")
        .english(
            "A compensation of a {{ $labels.saga_type }} saga failed",
            "A compensating step of {{ $labels.saga_type }} sagas reported FAILED {{ $value | humanize }} times \
             within 15 minutes. What was done before is still done.",
        )
        .korean(
            "{{ $labels.saga_type }} 사가의 보상 트랜잭션이 실패했습니다",
            "최근 15분 동안 {{ $labels.saga_type }} 사가의 보상 단계가 {{ $value | humanize }}회 FAILED로 \
             보고되었습니다. 앞서 처리된 내용이 되돌려지지 않은 상태입니다.",
        )
}

fn compensation_slow() -> Alert {
    let rates = buckets(Scope::Rules, catalogue::SAGA_COMPENSATION_DURATION).rate("30m");
    let p95 = rates.max(&["job", "le"]).quantile("0.95");
    Alert::new(
        "SagaCompensationSlow",
        Warning,
        p95.above(&COMPENSATION_SLOW_SECONDS),
    )
    .pending("15m")
    .keep("15m")
    .search("status=COMPENSATED&sort=updatedAt,desc")
    .english(
        "Compensations take long",
        "Of the compensations within 30 minutes one in twenty took longer than \
         {{ $value | humanizeDuration }}; @{compensationSlowSeconds} s are accepted.",
    )
    .korean(
        "보상이 오래 걸리고 있습니다",
        "최근 30분 보상 소요 시간의 95백분위가 {{ $value | humanizeDuration }}입니다. 기준은 \
         @{compensationSlowSeconds}초입니다.",
    )
}

fn past_deadline() -> Alert {
    Alert::new("SagaPastDeadline", Warning, any(catalogue::PAST_DEADLINE))
        .pending("15m")
        .search_of_type("stuck=PAST_DEADLINE")
        .english(
            "Sagas of type {{ $labels.saga_type }} are stuck",
            "{{ $value | humanize }} {{ $labels.saga_type }} sagas are under way past the deadline of their \
             definition.",
        )
        .korean(
            "{{ $labels.saga_type }} 사가가 멈춰 있습니다",
            "{{ $labels.saga_type }} 사가 {{ $value | humanize }}건이 정의된 기한을 넘기고도 진행 중입니다.",
        )
}

fn rule_broken() -> Alert {
    let broken = of(catalogue::CONFORMANCE_VIOLATIONS).without("rule", "NEVER_COMPENSATED");
    let query = broken.delta("1h").max(&["job", "saga_type", "rule"]).above(0);
    Alert::new("SagaRuleBroken", Warning, query)
        .keep("15m")
        .search_of_type("rule={{ $labels.rule | urlquery }}")
        .english(
            "Sagas of type {{ $labels.saga_type }} break {{ $labels.rule }}",
            "{{ $value | humanize }} more {{ $labels.saga_type }} sagas than an hour ago break the rule \
             {{ $labels.rule }} of their definition.",
        )
        .korean(
            "{{ $labels.saga_type }} 사가의 규칙 위반: {{ $labels.rule }}",
            "정의된 규칙 {{ $labels.rule }}을(를) 어긴 {{ $labels.saga_type }} 사가가 한 시간 전보다 \
             {{ $value | humanize }}건 늘었습니다.",
        )
}

fn step_slow() -> Alert {
    let rates = buckets(Scope::Rules, catalogue::EDGE_DURATION).rate("15m");
    let p95 = rates.max(&["job", "edge", "le"]).quantile("0.95");
    Alert::new("SagaStepSlow", Warning, p95.above(&STEP_SLOW_SECONDS))
        .pending("5m")
        .english(
            "{{ $labels.edge }} takes long",
            "From the first of these steps to the second one in twenty sagas took longer than \
             {{ $value | humanizeDuration }} within 15 minutes; @{stepSlowSeconds} s are accepted.",
        )
        .korean(
            "{{ $labels.edge }} 구간이 느립니다",
            "최근 15분 동안 두 단계 사이 소요 시간의 95백분위가 {{ $value | humanizeDuration }}입니다. 기준은 \
             @{stepSlowSeconds}초입니다.",
        )
}

fn events_stopped() -> Alert {
    let events = |events: Series, window: &str| {
        let by_replica = events.increase(window).max(&["job", "step", "status"]);
        by_replica.sum(&["job"])
    };
    let none = events(of(catalogue::SAGA_EVENTS_PROCESSED), "15m").equals(0);
    let before = of(catalogue::SAGA_EVENTS_PROCESSED).ago("15m");
    let usual = events(before, "1d").above(&EVENTS_PER_DAY_MINIMUM);
    Alert::new("SagaEventsStopped", Warning, none.and(usual))
        .pending("5m")
        .english(
            "No saga reports anything",
            "Nothing was reported for 15 minutes, though there were more than @{eventsPerDayMinimum} events in the \
             day before.",
        )
        .korean(
            "사가 이벤트가 들어오지 않습니다",
            "지난 하루에는 이벤트가 @{eventsPerDayMinimum}건 넘게 있었지만 최근 15분 동안에는 하나도 없습니다.",
        )
}

/// A part of the budget of 30 days is used up: over a long window, and still so over a short one.
fn burns(ratio: fn(&str) -> Recording, budget: &Parameter, times: f64, long: &str, short: &str) -> Query {
    let over = |window: &str| recorded(&ratio(window)).above(Query::from(budget).times(times));
    over(long).and(over(short))
}

/// 2 % of the budget within an hour, or 5 % within six.
fn fast(ratio: fn(&str) -> Recording, budget: &Parameter) -> Query {
    burns(ratio, budget, recordings::WAKING_BURN_RATE, "1h", "5m").or(burns(ratio, budget, 6.0, "6h", "30m"))
}

/// 10 % of the budget within a day, or as much as is there within three days' worth of time.
fn slow(ratio: fn(&str) -> Recording, budget: &Parameter) -> Query {
    burns(ratio, budget, 3.0, "1d", "2h").or(burns(ratio, budget, 1.0, "3d", "6h"))
}

fn burning(name: &'static str, severity: Severity, query: Query) -> Alert {
    let pending = match severity {
        Critical => "2m",
        _ => "15m",
    };
    Alert::new(name, severity, query).pending(pending).keep("15m")
}

fn success_burns_fast() -> Alert {
    let query = fast(recordings::failed_ratio, &SUCCESS_BUDGET);
    burning("SagaSuccessBudgetBurnsFast", Critical, query)
        .search("status=FAILED&sort=updatedAt,desc")
        .english(
            "Failures use up the 30-day error budget within days",
            "{{ $value | humanizePercentage }} of the sagas that ended failed; the objective allows \
             {{ @{successBudget} | humanizePercentage }}.",
        )
        .korean(
            "성공률 목표의 오류 예산이 빠르게 소진되고 있습니다",
            "끝난 사가의 {{ $value | humanizePercentage }}가 실패했습니다. 목표가 허용하는 비율은 \
             {{ @{successBudget} | humanizePercentage }}입니다.",
        )
}

fn success_burns_slowly() -> Alert {
    let query = slow(recordings::failed_ratio, &SUCCESS_BUDGET);
    burning("SagaSuccessBudgetBurnsSlowly", Warning, query)
        .search("status=FAILED&sort=updatedAt,desc")
        .english(
            "Failures use up the 30-day error budget before the period ends",
            "{{ $value | humanizePercentage }} of the sagas that ended over the last days failed; the objective \
             allows {{ @{successBudget} | humanizePercentage }}.",
        )
        .korean(
            "성공률 목표의 30일 오류 예산이 기간이 끝나기 전에 소진될 추세입니다",
            "최근 며칠 동안 끝난 사가의 {{ $value | humanizePercentage }}가 실패했습니다. 목표가 허용하는 비율은 \
             {{ @{successBudget} | humanizePercentage }}입니다.",
        )
}

fn delay_burns_fast() -> Alert {
    let query = fast(recordings::slow_ratio, &DELAY_BUDGET);
    burning("SagaDelayBudgetBurnsFast", Critical, query).english(
        "Slow steps use up the 30-day error budget within days",
        "{{ $value | humanizePercentage }} of the measured pairs of steps took longer than 5 s; the objective \
         allows {{ @{delayBudget} | humanizePercentage }}.",
    )
    .korean(
        "지연 목표의 오류 예산이 빠르게 소진되고 있습니다",
        "측정된 단계 쌍의 {{ $value | humanizePercentage }}가 5초를 넘었습니다. 목표가 허용하는 비율은 \
         {{ @{delayBudget} | humanizePercentage }}입니다.",
    )
}

fn delay_burns_slowly() -> Alert {
    let query = slow(recordings::slow_ratio, &DELAY_BUDGET);
    burning("SagaDelayBudgetBurnsSlowly", Warning, query).english(
        "Slow steps use up the 30-day error budget before the period ends",
        "{{ $value | humanizePercentage }} of the measured pairs of steps took longer than 5 s over the last days; \
         the objective allows {{ @{delayBudget} | humanizePercentage }}.",
    )
    .korean(
        "지연 목표의 30일 오류 예산이 기간이 끝나기 전에 소진될 추세입니다",
        "최근 며칠 동안 측정된 단계 쌍의 {{ $value | humanizePercentage }}가 5초를 넘었습니다. 목표가 허용하는 \
         비율은 {{ @{delayBudget} | humanizePercentage }}입니다.",
    )
}
