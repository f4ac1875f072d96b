"""deploy/monitoring by the tools that it is for: promtool, jsonnet, amtool, Grafana's own types. Needs no tracker."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml  # schemathesis brings it

from monitoring import DASHBOARDS, HOME, RULES, load, panels

CACHE = Path(os.environ.get("SAGA_TRACKER_CACHE", Path.home() / ".cache/saga-tracker"))
ALERTMANAGER = HOME / "alertmanager/alertmanager.yml"
TYPES = CACHE / "grafana-schema"


def program(name):
    """Of the machine, or of the cache directory."""
    found = shutil.which(name) or shutil.which(name, path=CACHE / "tools/bin")
    assert found, f"{name} is not installed; run scripts/install.sh monitoring"
    return found


def run(*command, **options):
    return subprocess.run(command, text=True, capture_output=True, timeout=120, **options)


def mixin(expression):
    done = run(program("jsonnet"), "--exec", f"local saga = import 'mixin.libsonnet'; {expression}", cwd=HOME)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.stem)
def test_promtool_finds_nothing_wrong_with_the_rules(path):
    done = run(program("promtool"), "check", "rules", "--lint=all", "--lint-fatal", str(path))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", sorted((HOME / "prometheus/tests").glob("*.yml")), ids=lambda path: path.stem)
def test_each_rule_fires_and_stays_silent_when_it_should(path):
    done = run(program("promtool"), "test", "rules", path.name, cwd=path.parent)
    assert done.returncode == 0, done.stdout + done.stderr


def sorted_keys(value):
    return json.loads(json.dumps(value, sort_keys=True))


@pytest.mark.parametrize("name, path", [("prometheusRules", RULES[0]), ("prometheusAlerts", RULES[1])])
def test_the_mixin_makes_the_same_rules_as_the_plain_files(name, path):
    assert sorted_keys(mixin(f"saga.{name}")) == sorted_keys(yaml.safe_load(path.read_text()))


def test_the_mixin_hands_out_the_same_dashboards():
    dashboards = mixin("saga.grafanaDashboards")
    assert set(dashboards) == {path.name for path in DASHBOARDS}
    for path in DASHBOARDS:
        assert dashboards[path.name] == load(path)


def test_other_numbers_reach_the_rules():
    config = "sagaTrackerSelector: 'job=\"x\"', lagWarning: 5000, pendingFor+: { SagaTrackerLagging: '20m' }"
    alerts = mixin(f"(saga + {{ _config+:: {{ {config} }} }}).prometheusAlerts")
    rules = {rule["alert"]: rule for group in alerts["groups"] for rule in group["rules"]}
    lagging = rules["SagaTrackerLagging"]
    assert lagging["expr"] == 'saga_tracker_consumer_lag{job="x"} > 5000'
    assert lagging["for"] == "20m"
    assert "5000" in lagging["annotations"]["description"]
    assert rules["SagaTrackerLagRising"]["for"] == "5m"


def test_other_numbers_reach_the_dashboards():
    config = "lagWarning: 5000, failureSpikeSigma: 4, successBudget: 0.002"
    dashboards = mixin(f"(saga + {{ _config+:: {{ {config} }} }}).grafanaDashboards")
    found = {panel["title"]: panel for panel in panels(dashboards["saga-tracker-dashboard.json"])}
    steps = found["Lag"]["fieldConfig"]["defaults"]["thresholds"]["steps"]
    assert [step["value"] for step in steps] == [None, 100, 5000]
    assert "4 standard deviations" in found["Failures in 5 minutes"]["description"]
    assert " * 4" in found["Failures in 5 minutes"]["targets"][2]["expr"]
    assert " / 0.002" in found["Burn rate"]["targets"][0]["expr"]


def test_another_mixin_beside_it_keeps_its_groups():
    theirs = "{ prometheusAlerts+:: { groups+: [{ name: 'theirs', rules: [] }] } }"
    groups = mixin(f"({theirs} + saga).prometheusAlerts.groups")
    assert [group["name"] for group in groups][0] == "theirs"
    assert len(groups) == 3


def test_amtool_takes_the_sample():
    done = run(program("amtool"), "check-config", str(ALERTMANAGER))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "labels, receivers",
    [
        ({"alertname": "SagaTrackerLagRising", "severity": "info"}, {"saga-tracker", "slack"}),
        ({"alertname": "SagaFailureSpike", "severity": "warning"}, {"saga-tracker", "slack"}),
        ({"alertname": "SagaTrackerDown", "severity": "critical"}, {"saga-tracker", "pagerduty", "slack"}),
        (
            {"alertname": "SagaCompensationFailed", "severity": "critical"},
            {"saga-tracker", "pagerduty", "compensation-desk", "slack"},
        ),
        ({"alertname": "NodeDown", "severity": "warning"}, {"slack"}),
    ],
)
def test_an_alert_reaches_those_whom_it_is_for(labels, receivers):
    pairs = [f"{name}={value}" for name, value in labels.items()]
    done = run(program("amtool"), "config", "routes", "test", f"--config.file={ALERTMANAGER}", *pairs)
    assert done.returncode == 0, done.stdout + done.stderr
    assert set(done.stdout.strip().split(",")) == receivers


def provisioned(path):
    return yaml.safe_load((HOME / "grafana/provisioning" / path).read_text())


HOSTILE = "<https://evil.example|What to do> <!channel> & \"more\""


def rendered(tmp_path, text):
    """The text of a notification as it goes to Slack, by the sample's templates."""
    words = {key: f"about {HOSTILE}" for key in ("summary", "description", "summary_ko", "description_ko")}
    urls = {key: f"https://{key}.example/?a=1&b=2" for key in ("runbook_url", "runbook_url_ko", "dashboard_url")}
    urls["page_url"] = "https://page_url.example/?a=1&b=2"
    alerts = [{"status": "firing", "annotations": words | urls}, {"status": "firing", "annotations": {}}]
    data = tmp_path / "data.json"
    data.write_text(json.dumps({"status": "firing", "alerts": alerts}))
    options = [f"--template.glob={HOME}/alertmanager/*.tmpl", f"--template.text={text}", f"--template.data={data}"]
    done = run(program("amtool"), "template", "render", *options)
    assert done.returncode == 0, done.stderr
    return done.stdout


SLACK_TEXTS = {
    "english": '{{ template "saga_tracker.text" . }}',
    "korean": '{{ template "saga_tracker.text.ko" . }}',
    "grafana": provisioned("alerting/contact-points.yml")["contactPoints"][0]["receivers"][0]["settings"]["text"],
}


@pytest.mark.parametrize("text", SLACK_TEXTS.values(), ids=SLACK_TEXTS)
def test_what_a_producer_names_is_no_link_and_no_mention_in_slack(tmp_path, text):
    message = rendered(tmp_path, text)
    assert message.count("&lt;https://evil.example|What to do&gt; &lt;!channel&gt; &amp; ") == 2
    assert "<!" not in message
    assert "<https://evil" not in message


@pytest.mark.parametrize("language", ["english", "korean"])
def test_a_notification_leads_to_runbook_dashboard_and_page(tmp_path, language):
    message = rendered(tmp_path, SLACK_TEXTS[language])
    of_language = "runbook_url" if language == "english" else "runbook_url_ko"
    for name in (of_language, "dashboard_url", "page_url"):
        assert f"<https://{name}.example/?a=1&amp;b=2|" in message


def test_a_failed_compensation_reaches_its_desk_by_grafana_too():
    routes = provisioned("alerting/notification-policies.yml")["policies"][0]["routes"]
    desk = next(route for route in routes if route["receiver"] == "compensation-desk")
    assert desk["object_matchers"] == [["alertname", "=", "SagaCompensationFailed"]]
    assert desk["continue"]


def test_grafanas_policies_name_contact_points_that_are_there():
    names = {point["name"] for point in provisioned("alerting/contact-points.yml")["contactPoints"]}
    policy = provisioned("alerting/notification-policies.yml")["policies"][0]
    assert {policy["receiver"], *(route["receiver"] for route in policy["routes"])} <= names


def test_grafanas_rules_ask_the_source_that_is_provisioned():
    sources = {source["uid"] for source in provisioned("datasources/saga-tracker.yml")["datasources"]}
    rules = [rule for group in provisioned("alerting/rules.yml")["groups"] for rule in group["rules"]]
    plain = yaml.safe_load(RULES[1].read_text())
    names = [rule["alert"] for group in plain["groups"] for rule in group["rules"]]
    assert [rule["title"] for rule in rules] == names
    for rule in rules:
        assert {data["datasourceUid"] for data in rule["data"]} <= sources | {"__expr__"}


def test_dashboards_are_what_grafanas_own_types_say(tmp_path):
    compiler = TYPES / "node_modules/.bin/tsc"
    assert compiler.exists(), "Grafana's types are not installed; run scripts/install.sh monitoring"
    for number, path in enumerate(DASHBOARDS):
        source = (HOME / "dashboards-v2" / path.name).read_text()
        (tmp_path / f"dashboard{number}.ts").write_text(CLASSIC % json.dumps(without_words_of_plugins(load(path))))
        (tmp_path / f"resource{number}.ts").write_text(RESOURCE % source)
    (tmp_path / "node_modules").symlink_to(TYPES / "node_modules")
    options = {"strict": True, "noEmit": True, "skipLibCheck": True, "module": "esnext", "types": []}
    options |= {"moduleResolution": "bundler", "target": "es2022"}
    (tmp_path / "tsconfig.json").write_text(json.dumps({"compilerOptions": options, "include": ["*.ts"]}))
    done = run(str(compiler), "--project", str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr


def without_words_of_plugins(dashboard):
    """What a data source adds to an annotation is its own, and the types do not know it."""
    for annotation in dashboard["annotations"]["list"]:
        for word in ("expr", "step", "titleFormat", "textFormat"):
            del annotation[word]
    return dashboard


# JSON has the values of enumerations as plain texts and numbers.
PLAIN = """
type Plain<T> = T extends string ? `${T}` : T extends object ? { [K in keyof T]: Plain<T[K]> } : T;
"""
CLASSIC = (
    "import type { Dashboard } from '@grafana/schema';" + PLAIN + "export const dashboard: Plain<Dashboard> = %s;\n"
)
RESOURCE = (
    "import type { Spec } from '@grafana/schema/apis/dashboard.grafana.app/v2';"
    + PLAIN
    + "const resource: { apiVersion: string; kind: 'Dashboard'; metadata: { name: string }; spec: Plain<Spec> } = %s;\n"
    + "export default resource;\n"
)
