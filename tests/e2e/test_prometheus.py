"""A real Prometheus scrapes the tracker, and its own linter has nothing to say; it evaluates the rules, and answers
every question of the dashboards."""

import random
import shutil
import subprocess
import time
import tomllib

import pytest
import requests

import workload
from conftest import SEED
from monitoring import DASHBOARDS, HOME, RULES, impatient, load, panels, resolved, targets
from servers import free_port, wait_until

pytestmark = pytest.mark.tracker

# The metrics of docs/contract.md, and those about definitions and what became of sagas.
TYPES = {
    "saga_tracker_conformance_violations": "gauge",
    "saga_tracker_compensations_failed_total": "counter",
    "saga_tracker_uncompensated_overdue": "gauge",
    "saga_tracker_past_deadline": "gauge",
    "saga_tracker_sagas_entered_total": "counter",
    "saga_tracker_saga_duration_seconds": "histogram",
    "saga_tracker_edge_duration_seconds": "histogram",
    "saga_tracker_event_delay_seconds": "histogram",
    "saga_tracker_nothing_to_compensate": "gauge",
    "saga_active_total": "gauge",
    "saga_failed_total": "counter",
    "saga_compensated_total": "counter",
    "saga_compensation_duration_seconds": "histogram",
    "saga_last_failed_timestamp": "gauge",
    "saga_events_processed_total": "counter",
    "saga_tracker_consumer_lag": "gauge",
    "saga_tracker_consumer_offset": "gauge",
    "saga_tracker_consumer_end_offset": "gauge",
    "saga_tracker_api_latency_seconds": "histogram",
    "http_server_requests_seconds": "histogram",
    "saga_tracker_db_query_seconds": "histogram",
}
# With a pair of steps whose times are measured.
DEFINITIONS = """
[types.ORDER_CREATION]
completing_steps = ["ORDER_CONFIRMED"]
edges = [["ORDER_CREATED", "STOCK_RESERVED"]]
compensates = { STOCK_RELEASED = "STOCK_RESERVED" }
[types.PAYMENT_COMPLETION]
completing_steps = ["PAYMENT_COMPLETED"]
"""
# The contract's name, which the linter cannot like: a gauge called …_total.
KNOWN_LINT = 'saga_active_total non-counter metrics should not have "_total" suffix'


@pytest.fixture(scope="module")
def busy(module_world):
    module_world.publish(SEED, 300)
    module_world.publish_poison(random.Random(SEED))
    # It reserved stock, failed, and nobody releases the stock.
    rng, owing = random.Random(SEED), (("STOCK_RESERVED", "IN_PROGRESS", 0), ("PAYMENT_FAILED", "FAILED", 900))
    for step, status, after in owing:
        event = workload.event(rng, "owing", "ORDER_CREATION", step, status, "", workload.EPOCH + after)
        module_world.publisher.send([workload.Message(event)]).flush()
    file = module_world.directory / "definitions.toml"
    file.write_text(DEFINITIONS)
    tracker = module_world.tracker(SAGA_TRACKER_DEFINITIONS_FILE=str(file)).start().wait_caught_up()
    saga_id = module_world.truth().search()[0].saga_id
    tracker.api.saga(saga_id)
    tracker.api.steps(saga_id)
    tracker.api.search()
    tracker.api.statistics()
    tracker.api.get("/api/v1/sagas/nobody")
    return tracker


@pytest.fixture(scope="module")
def prometheus(busy, tmp_path_factory):
    program = shutil.which("prometheus")
    assert program, "prometheus is not installed; run scripts/install.sh test"
    home = tmp_path_factory.mktemp("prometheus")
    port = free_port()
    for path in RULES:
        (home / path.name).write_text(impatient(path.read_text()))
    (home / "prometheus.yml").write_text(
        f"""
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
rule_files: {[path.name for path in RULES]}
scrape_configs:
  - job_name: saga-tracker
    metrics_path: /actuator/prometheus
    static_configs: [{{targets: ['127.0.0.1:{busy.port}']}}]
"""
    )
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                program,
                f"--config.file={home}/prometheus.yml",
                f"--storage.tsdb.path={home}/data",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=log,
            stderr=log,
        )

    def ask(path, **params):
        try:
            answer = requests.get(f"http://127.0.0.1:{port}/api/v1/{path}", params=params, timeout=10)
        except requests.ConnectionError:
            assert process.poll() is None, (home / "log").read_text()
            return None
        return answer.json()["data"] if answer.ok else None

    def scraped():
        target = ((ask("targets") or {}).get("activeTargets") or [{}])[0]
        assert not target.get("lastError"), target["lastError"]
        return target.get("health") == "up"

    try:
        wait_until(scraped, 60, "the first scrape")
        yield ask
    finally:
        process.terminate()
        process.wait(30)


def test_prometheus_scrapes_without_error(prometheus):
    up = prometheus("query", query='up{job="saga-tracker"}')["result"]
    assert [sample["value"][1] for sample in up] == ["1"]


@pytest.mark.parametrize("name", TYPES)
def test_prometheus_knows_the_metric_and_its_type(prometheus, name):
    metadata = prometheus("metadata")
    # OpenMetrics names a counter's family without its suffix.
    family = metadata.get(name) or metadata.get(name.removesuffix("_total"))
    assert family, f"{name} is not among {sorted(metadata)}"
    assert [m["type"] for m in family] == [TYPES[name]]
    assert family[0]["help"]


@pytest.mark.parametrize(
    "query, labels",
    [
        ("saga_active_total", {"status"}),
        ("saga_failed_total", set()),
        ("saga_compensated_total", set()),
        ("saga_compensation_duration_seconds_count", set()),
        ("saga_compensation_duration_seconds_bucket", {"le"}),
        ("saga_last_failed_timestamp", set()),
        ("saga_events_processed_total", {"step", "status"}),
        ("saga_tracker_consumer_lag", set()),
        ("saga_tracker_consumer_offset", {"partition"}),
        ("saga_tracker_consumer_end_offset", {"partition"}),
        ("saga_tracker_conformance_violations", {"saga_type", "rule"}),
        ("saga_tracker_compensations_failed_total", {"saga_type"}),
        ("saga_tracker_uncompensated_overdue", {"saga_type"}),
        ("saga_tracker_past_deadline", {"saga_type"}),
        ("saga_tracker_sagas_entered_total", {"saga_type", "status"}),
        ("saga_tracker_saga_duration_seconds_count", {"saga_type", "outcome"}),
        ("saga_tracker_edge_duration_seconds_count", {"edge"}),
        ("saga_tracker_event_delay_seconds_count", {"stage"}),
        ("saga_tracker_nothing_to_compensate", {"saga_type"}),
        ("saga_tracker_api_latency_seconds_count", {"endpoint", "method", "status"}),
        ("http_server_requests_seconds_count", {"endpoint", "method", "status"}),
        ("saga_tracker_db_query_seconds_count", {"query"}),
    ],
)
def test_series_have_the_labels_of_the_contract(prometheus, query, labels):
    result = prometheus("query", query=query)["result"]
    assert result, f"no series for {query}"
    for series in result:
        assert set(series["metric"]) - {"__name__", "job", "instance"} == labels


def test_active_has_all_five_statuses(prometheus):
    result = prometheus("query", query="saga_active_total")["result"]
    statuses = {series["metric"]["status"] for series in result}
    assert statuses == {"STARTED", "IN_PROGRESS", "COMPLETED", "FAILED", "COMPENSATED"}


def test_offsets_are_those_of_the_topic(prometheus, busy):
    ends = {str(partition): end for partition, end in busy.broker.ends(busy.topic).items()}
    for name in ("saga_tracker_consumer_offset", "saga_tracker_consumer_end_offset"):
        result = prometheus("query", query=name)["result"]
        assert {s["metric"]["partition"]: int(float(s["value"][1])) for s in result} == ends


def test_endpoints_are_route_templates(prometheus, busy):
    for saga_id in ("one", "two", "three%2Ffour"):
        busy.api.get(f"/api/v1/sagas/{saga_id}")
        busy.api.get(f"/no/such/{saga_id}")
    names = {s.labels["endpoint"] for s in busy.api.metrics().named("http_server_requests_seconds_count")}
    assert any("{" in name for name in names), names
    assert not any(part in name for name in names for part in ("one", "three", "no/such")), names


def test_the_dashboards_quantile_is_computable(prometheus, busy):
    query = "histogram_quantile(0.95, sum by (le) (saga_compensation_duration_seconds_bucket))"
    value = float(prometheus("query", query=query)["result"][0]["value"][1])
    assert value > 0


@pytest.mark.parametrize("path", ["/actuator/prometheus", "/metrics"])
def test_promtool_finds_nothing_but_the_contracts_own_name(busy, path):
    answer = busy.api.request("GET", path, headers={"Accept": "text/plain;version=0.0.4"})
    assert answer.status_code == 200
    done = subprocess.run(
        ["promtool", "check", "metrics"], input=answer.text, text=True, capture_output=True, timeout=60
    )
    complaints = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    assert complaints in ([], [KNOWN_LINT]), complaints


# What the dashboards and alerts of the replaced service ask, as its plans have them.
KNOWN_QUESTIONS = [
    "sum by (status) (saga_active_total)",
    "increase(saga_failed_total[5m])",
    "increase(saga_compensated_total[5m])",
    "saga_failed_total - saga_compensated_total",
    'saga_active_total{status="FAILED"}',
    "rate(saga_compensated_total[5m])",
    "histogram_quantile(0.95, sum(rate(saga_compensation_duration_seconds_bucket[5m])) by (le))",
    "histogram_quantile(0.99, sum(rate(saga_compensation_duration_seconds_bucket[5m])) by (le))",
    "saga_tracker_consumer_lag",
    "sum(saga_tracker_consumer_lag)",
    "time() - saga_last_failed_timestamp",
    "sum by (step, status) (increase(saga_events_processed_total[1h]))",
    "histogram_quantile(0.95, sum by (le) (rate(saga_tracker_api_latency_seconds_bucket[5m])))",
    "sum by (status) (rate(http_server_requests_seconds_count[5m]))",
    "rate(http_server_requests_seconds_sum[5m]) / rate(http_server_requests_seconds_count[5m])",
    "sum by (endpoint, method) (rate(saga_tracker_api_latency_seconds_count[5m]))",
    "histogram_quantile(0.99, sum by (le, query) (rate(saga_tracker_db_query_seconds_bucket[5m])))",
]
SEARCHES = tomllib.loads((HOME / "links.toml").read_text())["page"]["searches"]
# Whose answer is nothing as long as all is well.
KNOWN_ALERTS = [
    "saga_tracker_consumer_lag > 1000",
    "saga_tracker_consumer_lag > 100",
    "rate(saga_compensated_total[5m]) > 0.01",
    "increase(saga_failed_total[5m]) > 3 * stddev_over_time(increase(saga_failed_total[5m])[1h:1m])",
    "saga_failed_total - saga_compensated_total > 1000000",
    'rate(saga_tracker_api_latency_seconds_count{status=~"5.."}[5m]) > 0',
]
# Of what an alert compares, each side has an answer at any time, were it not for these: nothing failed with 5xx, and no
# whole minute may have passed since the first scrape.
ALWAYS_ANSWERED = {'status=~"5.."': 'status=~"..."', "[1h:1m]": "[1h:1s]"}


@pytest.fixture(scope="module")
def scraped_twice(prometheus):
    """Rates need a few scrapes, and rules an evaluation."""

    def rated():
        return (prometheus("query", query="job:saga_failed:increase5m") or {}).get("result")

    wait_until(rated, 60, "the first evaluation of the rules")
    wait_until(
        lambda: prometheus("query", query="count_over_time(up[20s]) >= 5")["result"], 60, "five scrapes in a row"
    )
    return prometheus


@pytest.mark.parametrize("question", KNOWN_QUESTIONS)
def test_what_the_replaced_services_dashboards_ask_is_answered(scraped_twice, question):
    assert scraped_twice("query", query=question)["result"], question


@pytest.mark.parametrize("question", KNOWN_ALERTS)
def test_what_the_replaced_services_alerts_compare_is_there(scraped_twice, question):
    assert scraped_twice("query", query=question)["resultType"] == "vector"
    for never, always in ALWAYS_ANSWERED.items():
        question = question.replace(never, always)
    for side in question.split(" > "):
        # A number alone is a scalar, which has an answer always.
        assert scraped_twice("query", query=side)["result"], side


def test_every_rule_is_evaluated_without_error(scraped_twice):
    groups = scraped_twice("rules")["groups"]
    assert len(groups) == 4
    for rule in (rule for group in groups for rule in group["rules"]):
        what = f"{rule['name']}: {rule.get('lastError')}"
        wait_until(lambda rule=rule: health(scraped_twice, rule["name"]) == "ok", 30, what)


def health(prometheus, name):
    rules = [rule for group in prometheus("rules")["groups"] for rule in group["rules"]]
    return next(rule["health"] for rule in rules if rule["name"] == name)


def test_nothing_critical_fires_where_all_is_well(scraped_twice):
    # What is overdue is so by the clock of today, and the workload's sagas are older.
    expected = {"SagaCompensationOverdue"}

    def quiet():
        alerts = scraped_twice("alerts")["alerts"]
        critical = {alert["labels"]["alertname"] for alert in alerts if alert["labels"]["severity"] == "critical"}
        return critical <= expected

    # Before the first scrape there was no tracker.
    wait_until(quiet, 30, "no critical alert but those of old sagas")


@pytest.fixture(scope="module")
def fired(scraped_twice):
    """The alerts that fire of a workload whose sagas are long past their deadlines, beside dead letters."""

    def firing():
        alerts = [alert for alert in scraped_twice("alerts")["alerts"] if alert["state"] == "firing"]
        found = {alert["labels"]["alertname"]: alert for alert in alerts}
        return found if {"SagaPastDeadline", "SagaTrackerDeadLettersOpen"} <= set(found) else None

    return wait_until(firing, 60, "alerts about sagas past their deadline and dead letters")


def test_an_incident_is_in_the_feed_and_on_its_lane(scraped_twice, fired):
    asked = 0
    for path in DASHBOARDS:
        for panel in panels(load(path)):
            if panel["title"] in ("Incidents", "Incident feed"):
                query = resolved(panel["targets"][0]["expr"])
                names = {one["metric"]["alertname"] for one in scraped_twice("query", query=query)["result"]}
                assert {"SagaPastDeadline", "SagaTrackerDeadLettersOpen"} <= names
                asked += 1
    assert asked == 2 * len(DASHBOARDS)


def test_the_feed_says_since_when(scraped_twice, fired):
    panel = next(panel for panel in panels(load(DASHBOARDS[0])) if panel["title"] == "Incident feed")
    for row in scraped_twice("query", query=resolved(panel["targets"][0]["expr"]))["result"]:
        assert 0 <= time.time() - float(row["value"][1]) / 1000 < 600, row


def test_an_alert_leads_to_the_sagas_that_it_is_about(busy, fired):
    url = fired["SagaPastDeadline"]["annotations"]["page_url"]
    view, filters = url.split("/ui/search?")
    assert view == "http://saga-tracker:8086"
    saga_type = fired["SagaPastDeadline"]["labels"]["saga_type"]
    assert filters == f"stuck=PAST_DEADLINE&sagaType={saga_type}"
    found = busy.api.json(f"/api/v1/sagas?{filters}")["page"]["totalElements"]
    assert found == float(fired["SagaPastDeadline"]["value"])


@pytest.mark.parametrize("query", SEARCHES.values(), ids=SEARCHES)
def test_a_search_for_the_page_is_one_that_the_api_takes(busy, query):
    assert busy.api.json(f"/api/v1/sagas?{query}")["page"]["totalElements"] >= 0


# Questions that have no answer where nothing of it ever happened: pairs of steps that no definition names, a day
# before today, alerts that fire, snapshots, searches for due sagas, decisions, answers with 5xx.
MAY_BE_EMPTY = (
    "saga_edge_slow",
    "saga_tracker_edge_duration",
    "saga_failed_increase5m",
    "ALERTS",
    "snapshot_last_success",
    "retention_last_sweep_timestamp",
    "retention_last_error_timestamp",
    "saga_tracker_decisions_total",
    'status=~"5..',
)
QUESTIONS = [(name, target["expr"]) for name, target in targets() if "expr" in target]


@pytest.mark.parametrize("name, expr", QUESTIONS, ids=[name for name, _ in QUESTIONS])
def test_every_question_of_the_dashboards_is_answered(scraped_twice, name, expr):
    now = time.time()
    answer = scraped_twice("query_range", query=resolved(expr), start=now - 10, end=now, step=1)
    assert answer, f"Prometheus refuses {resolved(expr)}"
    if not any(part in expr for part in MAY_BE_EMPTY):
        assert answer["result"], f"no series for {resolved(expr)}"


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_every_variable_and_annotation_is_answered(scraped_twice, path):
    dashboard = load(path)
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            query = variable["query"]["query"]
            selector, label = query.removeprefix("label_values(").removesuffix(")").rsplit(", ", 1)
            series = scraped_twice("series", **{"match[]": resolved(selector)})
            assert {one.get(label) for one in series} - {None}, query
    for annotation in dashboard["annotations"]["list"]:
        assert scraped_twice("query", query=resolved(annotation["expr"])) is not None


CALLS = [(name, target) for name, target in targets() if "url" in target]


@pytest.mark.parametrize("name, target", CALLS, ids=[name for name, _ in CALLS])
def test_tables_of_sagas_are_what_the_api_answers(busy, name, target):
    records = busy.api.json(target["url"])[target["root_selector"]]
    assert records, f"nothing at {target['url']}"
    for record in records:
        for column in target["columns"]:
            value = record
            for field in column["selector"].split("."):
                assert field in value, f"{column['selector']} of {record}"
                value = value[field]
