//! Alerts about the tracker itself: is it there, is it complete, is it in time, has it room.

use super::Alert;
use super::Severity::{Critical, Info, Warning};
use crate::program::monitoring::parameters::{
    API_ERROR_RATIO, API_SLOW_SECONDS, DISK_LOW_BYTES, LAG_INFO, LAG_WARNING, PROCESSING_SLOW_SECONDS,
    Parameter, SNAPSHOT_MAX_AGE_SECONDS, SWEEP_MAX_AGE_SECONDS,
};
use crate::program::monitoring::promql::{Query, Scope, Series, buckets, observations, up, values};
use crate::server::metrics::catalogue::{self, Family};

/// Answers that are sent while they are read, as long as somebody reads them.
const UNBOUNDED: &str = "/api/v1/export/.*|/api/v1/live";
/// Probes say by their status that something else is wrong.
const PROBES: &str = "/actuator/.*";

/// Open dead letters of the alert's reason.
const LETTERS: &str = "/ui/dead-letters?state=open&reason={{ $labels.reason | urlquery }}";

pub(super) fn alerts() -> Vec<Alert> {
    vec![
        down(),
        absent(),
        store_unreadable(),
        lag_rising(),
        lagging(),
        stalled(),
        processing_slow(),
        consumption_paused(),
        events_lost(),
        offsets_unexplained(),
        dead_letters_growing(),
        dead_letters_open(),
        decisions_stopped(),
        decisions_skipped(),
        decisions_pending(),
        sweeps_stopped(),
        snapshot_old(),
        snapshot_failed(),
        disk_low(),
        disk_filling(),
        api_slow(),
        api_errors(),
    ]
}

fn of(family: Family) -> Series {
    values(Scope::Rules, family)
}

fn is(family: Family, value: i64) -> Query {
    Query::from(of(family)).equals(value)
}

fn down() -> Alert {
    let query = Query::from(up(Scope::Rules)).equals(0);
    Alert::new("SagaTrackerDown", Critical, query)
        .english(
            "The tracker {{ $labels.instance }} does not answer",
            "Prometheus could not scrape {{ $labels.instance }} for 2 minutes. Nothing is lost: what it does not \
             read waits in Kafka.",
        )
        .korean(
            "트래커 {{ $labels.instance }}이(가) 응답하지 않습니다",
            "Prometheus가 2분 동안 {{ $labels.instance }}에서 지표를 수집하지 못했습니다. 읽지 못한 이벤트는 \
             Kafka에 남아 있으므로 유실되지 않습니다.",
        )
}

fn absent() -> Alert {
    Alert::new("SagaTrackerAbsent", Critical, up(Scope::Rules).absent())
        .pending("5m")
        .english(
            "Prometheus knows of no tracker",
            "There is no target that the rules' selector means. Either it is not scraped any more, or the selector \
             is wrong; until then no other alert can fire.",
        )
        .korean(
            "Prometheus에 등록된 트래커가 없습니다",
            "규칙의 선택자에 해당하는 수집 대상이 없습니다. 수집이 중단되었거나 선택자가 잘못되었습니다. 해결될 \
             때까지 다른 알림도 발생할 수 없습니다.",
        )
}

fn store_unreadable() -> Alert {
    Alert::new(
        "SagaTrackerStoreUnreadable",
        Critical,
        is(catalogue::STORE_READABLE, 0),
    )
    .english(
        "The store of {{ $labels.instance }} cannot be read",
        "The store refuses reads. Metrics that derive from it are left out until it answers again.",
    )
    .korean(
        "{{ $labels.instance }}의 저장소를 읽을 수 없습니다",
        "저장소가 읽기를 거부하고 있습니다. 다시 읽을 수 있을 때까지 저장소에서 나오는 지표는 제공되지 않습니다.",
    )
}

fn lag_rising() -> Alert {
    let query = Query::from(of(catalogue::CONSUMER_LAG)).above(&LAG_INFO);
    Alert::new("SagaTrackerLagRising", Info, query)
        .pending("5m")
        .english(
            "{{ $labels.instance }} lags a little",
            "Answers lack {{ $value | humanize }} records that are in the topic, more than @{lagInfo} for 5 minutes.",
        )
        .korean(
            "{{ $labels.instance }}의 컨슈머 지연이 늘고 있습니다",
            "토픽에 있지만 아직 반영되지 않은 레코드가 {{ $value | humanize }}건입니다. 5분 동안 \
             @{lagInfo}건을 넘었습니다.",
        )
}

fn lagging() -> Alert {
    let query = Query::from(of(catalogue::CONSUMER_LAG)).above(&LAG_WARNING);
    Alert::new("SagaTrackerLagging", Warning, query)
        .pending("10m")
        .english(
            "{{ $labels.instance }} lags behind",
            "Answers lack {{ $value | humanize }} records that are in the topic, more than @{lagWarning} for 10 \
             minutes.",
        )
        .korean(
            "{{ $labels.instance }}의 컨슈머 지연이 큽니다",
            "토픽에 있지만 아직 반영되지 않은 레코드가 {{ $value | humanize }}건입니다. 10분 동안 \
             @{lagWarning}건을 넘었습니다.",
        )
}

fn stalled() -> Alert {
    let waiting = Query::from(of(catalogue::CONSUMER_PARTITION_LAG)).above(0);
    let still = of(catalogue::CONSUMER_OFFSET).changes("10m").equals(0);
    Alert::new("SagaTrackerStalled", Critical, waiting.and(still))
        .pending("5m")
        .english(
            "{{ $labels.instance }} does not get on with partition {{ $labels.partition }}",
            "{{ $value | humanize }} records wait in partition {{ $labels.partition }}, and nothing of it was \
             consumed for 10 minutes.",
        )
        .korean(
            "{{ $labels.instance }}의 파티션 {{ $labels.partition }} 소비가 멈췄습니다",
            "파티션 {{ $labels.partition }}에 레코드 {{ $value | humanize }}건이 대기 중이지만 10분 동안 전혀 \
             소비되지 않았습니다.",
        )
}

fn processing_slow() -> Alert {
    let delay = buckets(Scope::Rules, catalogue::EVENT_DELAY).with("stage", "tracker");
    let p95 = delay.rate("5m").sum(&["job", "instance", "le"]).quantile("0.95");
    Alert::new(
        "SagaTrackerProcessingSlow",
        Warning,
        p95.above(&PROCESSING_SLOW_SECONDS),
    )
    .pending("5m")
    .english(
        "{{ $labels.instance }} takes long until answers show an event",
        "One in twenty events took longer than {{ $value | humanizeDuration }} from the broker to an answer; \
         @{processingSlowSeconds} s are accepted.",
    )
    .korean(
        "{{ $labels.instance }}의 이벤트 처리가 느립니다",
        "브로커에서 조회 결과에 반영되기까지 걸린 시간의 95백분위가 {{ $value | humanizeDuration }}입니다. 기준은 \
         @{processingSlowSeconds}초입니다.",
    )
}

fn consumption_paused() -> Alert {
    let query = is(catalogue::CONSUMPTION_PAUSED, 1).or(is(catalogue::OPS_PAUSED, 1));
    Alert::new("SagaTrackerConsumptionPaused", Critical, query)
        .pending("5m")
        .page("/ui/ops/health")
        .english(
            "{{ $labels.instance }} has stopped reading: its disk is nearly full",
            "Less than store.min_free_bytes is free on the disk under the store. Nothing is lost as long as the \
             topic keeps what waits.",
        )
        .korean(
            "{{ $labels.instance }}의 디스크가 부족하여 소비가 중단되었습니다",
            "저장소 디스크의 여유 공간이 store.min_free_bytes보다 적습니다. 토픽이 레코드를 보존하는 동안에는 \
             유실되지 않습니다.",
        )
}

fn events_lost() -> Alert {
    let query = of(catalogue::OFFSETS_LOST).increase("1h").above(0);
    Alert::new("SagaTrackerEventsLost", Critical, query)
        .keep("1h")
        .page("/ui/ops/ledger")
        .english(
            "Events expired before {{ $labels.instance }} read them",
            "The topic's retention removed {{ $value | humanize }} offsets before they were consumed: they are lost \
             to this store.",
        )
        .korean(
            "{{ $labels.instance }}이(가) 읽기 전에 이벤트가 만료되었습니다",
            "토픽 보존 기간이 지나 오프셋 {{ $value | humanize }}개가 소비되기 전에 삭제되었습니다. 이 저장소에는 \
             남아 있지 않습니다.",
        )
}

fn offsets_unexplained() -> Alert {
    // A replica that is new tells of what it found at once.
    let now = || Query::from(of(catalogue::LEDGER_UNEXPLAINED));
    // The last that was scraped until an hour ago: a gap in scraping tells of nothing new.
    let before = of(catalogue::LEDGER_UNEXPLAINED).ago("1h").latest("1d");
    let query = now().above(0).unless(now().at_most(before));
    Alert::new("SagaTrackerOffsetsUnexplained", Critical, query)
        .keep("1h")
        .page("/ui/ops/ledger")
        .english(
            "Offsets of which {{ $labels.instance }} cannot say what became of them",
            "{{ $value | humanize }} offsets were not delivered, and nobody knows why; an hour ago there were fewer.",
        )
        .korean(
            "{{ $labels.instance }}에 미확인 오프셋이 있습니다",
            "오프셋 {{ $value | humanize }}개가 전달되지 않았고 그 이유를 알 수 없습니다. 한 시간 전보다 늘었습니다.",
        )
}

fn dead_letters_growing() -> Alert {
    let open = |open: Series| Query::from(open).max(&["job", "reason"]);
    let now = || open(of(catalogue::DEAD_LETTERS_OPEN));
    let before = open(of(catalogue::DEAD_LETTERS_OPEN).ago("30m"));
    let query = now().above(0).unless(now().at_most(before));
    Alert::new("SagaTrackerDeadLettersGrowing", Warning, query)
        .pending("5m")
        .page(LETTERS)
        .english(
            "Dead letters pile up: {{ $labels.reason }}",
            "{{ $value | humanize }} dead letters of this reason are open, more than half an hour ago. A producer \
             sends what cannot be applied.",
        )
        .korean(
            "데드 레터가 늘고 있습니다: {{ $labels.reason }}",
            "이 사유의 미처리 데드 레터가 {{ $value | humanize }}건으로 30분 전보다 늘었습니다. 적용할 수 없는 \
             레코드를 보내는 프로듀서가 있습니다.",
        )
}

fn dead_letters_open() -> Alert {
    let open = Query::from(of(catalogue::DEAD_LETTERS_OPEN)).max(&["job", "reason"]);
    Alert::new("SagaTrackerDeadLettersOpen", Info, open.above(0))
        .pending("1h")
        .page(LETTERS)
        .english(
            "Dead letters wait to be settled: {{ $labels.reason }}",
            "{{ $value | humanize }} dead letters of this reason have been open for an hour: their events are in no saga.",
        )
        .korean(
            "처리를 기다리는 데드 레터가 있습니다: {{ $labels.reason }}",
            "이 사유의 데드 레터 {{ $value | humanize }}건이 한 시간째 미처리 상태입니다. 해당 이벤트는 어떤 \
             사가에도 반영되지 않았습니다.",
        )
}

fn decisions_stopped() -> Alert {
    let query = is(catalogue::OPS_STOPPED, 1).or(is(catalogue::RETENTION_STOPPED, 1));
    Alert::new("SagaTrackerDecisionsStopped", Critical, query)
        .page("/ui/ops/health")
        .english(
            "{{ $labels.instance }} reads or applies no decisions any more",
            "Holds, purges, restores and definitions do not reach this replica until somebody does something; health \
             says what.",
        )
        .korean(
            "{{ $labels.instance }}이(가) 결정을 더 이상 적용하지 않습니다",
            "삭제 보류, 삭제, 복원, 정의 변경이 이 복제본에 반영되지 않습니다. 조치가 필요하며 health에 이유가 \
             나와 있습니다.",
        )
}

fn decisions_skipped() -> Alert {
    let skipped = of(catalogue::RETENTION_SKIPPED).increase("1h").above(0);
    Alert::new("SagaTrackerDecisionsSkipped", Warning, skipped)
        .keep("1h")
        .english(
            "{{ $labels.instance }} skipped decisions: {{ $labels.reason }}",
            "{{ $value | humanize }} decisions to purge or restore could not be applied and were skipped for good. \
             Replicas may differ now.",
        )
        .korean(
            "{{ $labels.instance }}이(가) 결정을 건너뛰었습니다: {{ $labels.reason }}",
            "삭제 또는 복원 결정 {{ $value | humanize }}건을 적용할 수 없어 건너뛰었습니다. 복제본 간에 차이가 \
             생겼을 수 있습니다.",
        )
}

fn decisions_pending() -> Alert {
    let pending = Query::from(of(catalogue::RETENTION_PENDING)).above(0);
    Alert::new("SagaTrackerDecisionsPending", Warning, pending)
        .pending("1h")
        .page("/ui/ops/retention")
        .english(
            "{{ $labels.instance }} has had decisions to apply for an hour",
            "{{ $value | humanize }} decisions are read and not applied yet: what they name is still there.",
        )
        .korean(
            "{{ $labels.instance }}에 한 시간째 적용되지 않은 결정이 있습니다",
            "읽었지만 아직 적용되지 않은 결정이 {{ $value | humanize }}건입니다. 대상 사가는 아직 그대로 있습니다.",
        )
}

/// How long ago it was, where it ever was.
fn age(family: Family, limit: &Parameter) -> Query {
    let old = Query::now().minus(of(family)).above(limit);
    old.and(Query::from(of(family)).above(0))
}

fn sweeps_stopped() -> Alert {
    let old = age(catalogue::RETENTION_LAST_SWEEP, &SWEEP_MAX_AGE_SECONDS);
    Alert::new(
        "SagaTrackerRetentionStalled",
        Warning,
        old.or(is(catalogue::RETENTION_WAITING, 1)),
    )
    .pending("1h")
    .page("/ui/ops/retention")
    .english(
        "Retention of {{ $labels.instance }} does not progress",
        "The search for due sagas waits, or none came to its end for longer than @{sweepMaxAgeSeconds} s.",
    )
    .korean(
        "{{ $labels.instance }}의 보존 규칙 적용이 진행되지 않습니다",
        "삭제 대상 사가 탐색이 대기 중이거나 @{sweepMaxAgeSeconds}초 넘게 끝나지 않았습니다.",
    )
}

fn snapshot_old() -> Alert {
    let old = age(catalogue::SNAPSHOT_LAST_SUCCESS, &SNAPSHOT_MAX_AGE_SECONDS);
    Alert::new("SagaTrackerSnapshotOld", Warning, old)
        .pending("10m")
        .page("/ui/ops/snapshots")
        .english(
            "The last snapshot of {{ $labels.instance }} is old",
            "It was made {{ $value | humanizeDuration }} ago; @{snapshotMaxAgeSeconds} s are accepted. What is not \
             in a snapshot must still be in the topic.",
        )
        .korean(
            "{{ $labels.instance }}의 스냅샷이 오래되었습니다",
            "마지막 스냅샷이 {{ $value | humanizeDuration }} 전에 만들어졌습니다. 기준은 \
             @{snapshotMaxAgeSeconds}초입니다. 스냅샷에 없는 이벤트는 토픽에 남아 있어야 합니다.",
        )
}

fn snapshot_failed() -> Alert {
    let failed = of(catalogue::SNAPSHOTS).with("result", "failure").increase("1h");
    let query = failed.sum(&["job", "instance"]).above(0);
    Alert::new("SagaTrackerSnapshotFailed", Warning, query)
        .keep("1h")
        .page("/ui/ops/snapshots")
        .english(
            "A snapshot of {{ $labels.instance }} failed",
            "{{ $value | humanize }} snapshots failed within an hour; the log says why.",
        )
        .korean(
            "{{ $labels.instance }}의 스냅샷 생성이 실패했습니다",
            "최근 한 시간 동안 스냅샷이 {{ $value | humanize }}회 실패했습니다. 이유는 로그에 있습니다.",
        )
}

fn disk_low() -> Alert {
    let query = Query::from(of(catalogue::STORE_FREE)).below(&DISK_LOW_BYTES);
    Alert::new("SagaTrackerDiskLow", Warning, query)
        .pending("10m")
        .english(
            "The disk of {{ $labels.instance }} is low",
            "{{ $value | humanize1024 }}B are free under the store. Below store.min_free_bytes it stops reading.",
        )
        .korean(
            "{{ $labels.instance }}의 디스크 여유가 적습니다",
            "저장소 디스크에 {{ $value | humanize1024 }}B가 남아 있습니다. store.min_free_bytes 아래로 내려가면 \
             소비가 중단됩니다.",
        )
}

fn disk_filling() -> Alert {
    let query = of(catalogue::STORE_FREE).predicted("6h", 172_800).below(0);
    Alert::new("SagaTrackerDiskFilling", Warning, query)
        .pending("1h")
        .english(
            "The disk of {{ $labels.instance }} will be full within two days",
            "If it goes on like during the last 6 hours, nothing is free in two days.",
        )
        .korean(
            "{{ $labels.instance }}의 디스크가 이틀 안에 가득 찹니다",
            "최근 6시간의 추세가 이어지면 이틀 안에 여유 공간이 없어집니다.",
        )
}

fn api_slow() -> Alert {
    let rates = buckets(Scope::Rules, catalogue::API_LATENCY).unlike("endpoint", UNBOUNDED);
    let p99 = rates.rate("5m").sum(&["job", "endpoint", "le"]).quantile("0.99");
    Alert::new("SagaTrackerApiSlow", Warning, p99.above(&API_SLOW_SECONDS))
        .pending("10m")
        .english(
            "{{ $labels.endpoint }} answers slowly",
            "One in a hundred requests took longer than {{ $value | humanizeDuration }}; @{apiSlowSeconds} s are \
             accepted.",
        )
        .korean(
            "{{ $labels.endpoint }} 응답이 느립니다",
            "응답 시간의 99백분위가 {{ $value | humanizeDuration }}입니다. 기준은 @{apiSlowSeconds}초입니다.",
        )
}

fn api_errors() -> Alert {
    let answers = || observations(Scope::Rules, catalogue::API_LATENCY).unlike("endpoint", PROBES);
    let errors = answers().like("status", "5..").rate("5m").sum(&["job"]);
    let query = errors.divided_by(answers().rate("5m").sum(&["job"]));
    Alert::new("SagaTrackerApiErrors", Warning, query.above(&API_ERROR_RATIO))
        .pending("5m")
        .english(
            "Requests are answered with errors",
            "{{ $value | humanizePercentage }} of the requests were answered with 5xx; up to \
             {{ @{apiErrorRatio} | humanizePercentage }} are accepted.",
        )
        .korean(
            "API 오류 비율이 높습니다",
            "요청의 {{ $value | humanizePercentage }}가 5xx로 응답되었습니다. 허용 비율은 {{ @{apiErrorRatio} | humanizePercentage }}입니다.",
        )
}
