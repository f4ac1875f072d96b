"""What deploy/monitoring consists of, as its readers see it: its files, and questions with variables resolved."""

import json
import re
from pathlib import Path

from servers import ROOT

HOME = ROOT / "deploy/monitoring"
RULES = [HOME / "prometheus/saga-tracker-rules.yml", HOME / "prometheus/saga-tracker-alerts.yml"]
DASHBOARDS = sorted((HOME / "dashboards").glob("*.json"))

# What Grafana puts in for its own variables and ours when everything is chosen, with a scrape each second.
VARIABLES = {"job": ".*", "instance": ".*", "saga_type": ".*"}
VARIABLES |= {"__rate_interval": "4s", "__interval": "1s", "__range": "60s"}


def resolved(text):
    """The text with its variables as Grafana fills them in; one that is not known is an error."""
    return re.sub(r"\$\{?(\w+)\}?", lambda match: VARIABLES[match.group(1)], text)


def load(path: Path):
    return json.loads(path.read_text())


def panels(dashboard):
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def targets():
    """(name, target) of every question of every dashboard."""
    found = []
    for path in DASHBOARDS:
        for panel in panels(load(path)):
            for target in panel["targets"]:
                found.append((f"{path.stem}: {panel['title']} {target['refId']}", target))
    return found


def impatient(text):
    """The rules, evaluated each second; what is true for two fires, and is soon over."""
    text = re.sub(r'interval: "\w+"', 'interval: "1s"', text)
    text = re.sub(r' for: "\w+"', ' for: "2s"', text)
    return re.sub(r' keep_firing_for: "\w+"', ' keep_firing_for: "1s"', text)
