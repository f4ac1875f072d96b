"""The program under test, as an operator runs it: a process, its port, its data."""

import os
import re
import signal
import subprocess
from functools import cached_property
from pathlib import Path
from urllib.parse import quote

import requests
from prometheus_client.parser import text_string_to_metric_families

from servers import ROOT, free_port, wait_until

BINARY = Path(os.environ.get("SAGA_TRACKER_BIN", ROOT / "target" / "debug" / "saga-tracker"))
FAIL_POINTS = [
    "ingest.before_write",
    "ingest.after_write",
    "projector.before_write",
    "projector.after_write",
    "dead_letter.before_publish",
    "dead_letter.after_publish",
    "dead_letter.after_cursor",
    "rebuild.before_switch",
    "rebuild.after_switch",
]


def has_fail_points():
    """Whether the binary was built with the feature: without it the names are not in it."""
    program = BINARY.read_bytes()
    return all(name.encode() in program for name in FAIL_POINTS)


class Tracker:
    """`saga-tracker serve` on its own store; every way to end it that happens in life."""

    def __init__(self, directory, broker, registry_url, topic, dlt, group, **environment):
        self.directory = Path(directory)
        self.data = self.directory / "data"
        self.log = self.directory / "tracker.log"
        self.directory.mkdir(parents=True, exist_ok=True)
        self.broker, self.topic, self.dlt, self.group = broker, topic, dlt, group
        self.port = free_port()
        self.environment = {
            "KAFKA_BOOTSTRAP_SERVERS": broker.address,
            "KAFKA_CONSUMER_GROUP_ID": group,
            "KAFKA_TOPIC_SAGA_TRACKER": topic,
            "KAFKA_TOPIC_SAGA_TRACKER_DLT": dlt,
            "KAFKA_TOPIC_SAGA_TRACKER_OPS": f"{topic}.ops",
            "SERVER_PORT": str(self.port),
            "SAGA_TRACKER_BIND": "127.0.0.1",
            "SAGA_TRACKER_DATA_DIR": str(self.data),
            # Poison names ids that nobody registers, and every start would wait for them.
            "SAGA_TRACKER_REGISTRY__UNKNOWN_ID_WAIT_SECONDS": "0",
        } | environment
        if registry_url is not None:
            self.environment["SCHEMA_REGISTRY_URL"] = registry_url
        self.process = None

    # --- life and death

    def spawn(self, **environment):
        """Starts the process and does not wait for anything."""
        assert not self.alive, "already running"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [BINARY, "serve"],
                env=self._environment(environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.directory,
            )
        return self

    def start(self, timeout=60, **environment):
        self.spawn(**environment)
        self.wait_ready(timeout)
        return self

    def _environment(self, more):
        # Nothing of the caller's own settings may leak in.
        inherited = {
            k: v
            for k, v in os.environ.items()
            if not k.startswith(("KAFKA_", "SAGA_TRACKER_", "SCHEMA_REGISTRY", "SERVER_", "FAILPOINTS"))
        }
        return inherited | self.environment | more

    @property
    def alive(self):
        return self.process is not None and self.process.poll() is None

    def kill9(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait(30)

    def terminate(self, timeout=30):
        """SIGTERM; the exit code, which must come within the bound."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill9()
            raise AssertionError(f"still running {timeout} s after SIGTERM") from None

    def restart(self, timeout=60):
        self.terminate()
        return self.start(timeout)

    def wait_exit(self, timeout):
        wait_until(lambda: not self.alive, timeout, "the tracker to exit")
        return self.process.returncode

    def wait_ready(self, timeout=60):
        def ready():
            assert self.alive, f"exited with {self.process.returncode}:\n{self.tail()}"
            return self.api.health("readiness")[0] == 200

        wait_until(ready, timeout, "readiness")

    def wait_caught_up(self, timeout=120):
        """Everything Kafka has is projected: by Kafka's own word for where the end is."""
        ends = self.broker.ends(self.topic)

        def caught_up():
            assert self.alive, f"exited with {self.process.returncode}:\n{self.tail()}"
            progress = self.api.progress()
            return (
                progress is not None
                and set(progress) == set(ends)
                and all(p["projected"] == p["next"] == p["end"] == ends[number] for number, p in progress.items())
                and self.api.metrics().value("saga_tracker_consumer_lag") == 0
            )

        try:
            wait_until(caught_up, timeout, f"progress to reach {ends}")
        except AssertionError as why:
            raise AssertionError(f"{why}; progress {self.api.progress()}") from None
        return self

    def wait_decisions_read(self, timeout=60):
        """Everything on the ops topic is read: by Kafka's own word for where it ends."""
        end = self.broker.ends(f"{self.topic}.ops").get(0, 0)
        wait_until(
            lambda: self.api.json("/internal/v1/progress")["ops"]["next"] >= end,
            timeout,
            f"decisions up to {end} to be read",
        )
        return self

    def tail(self, lines=40):
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    # --- the other subcommands

    def cli(self, *arguments, timeout=300, **environment):
        return subprocess.run(
            [BINARY, *map(str, arguments)],
            env=self._environment(environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            cwd=self.directory,
        )

    def verify(self):
        done = self.cli("verify", "--data-dir", self.data)
        assert done.returncode == 0, f"verify: {done.stdout}\n{done.stderr}"

    def digest(self):
        done = self.cli("digest", "--data-dir", self.data)
        assert done.returncode == 0, f"digest: {done.stdout}\n{done.stderr}"
        found = re.findall(r"\b[0-9a-f]{16,}\b", done.stdout)
        assert found, f"no digest in {done.stdout!r}"
        return found

    # --- its API

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    @cached_property
    def api(self):
        return Api(self)


class Api:
    """The HTTP API of one tracker."""

    def __init__(self, tracker):
        self._tracker = tracker
        self._session = requests.Session()

    def request(self, method, path, timeout=30, **options):
        try:
            return self._session.request(method, self._tracker.url + path, timeout=timeout, **options)
        except requests.ConnectionError:
            # A kept-alive connection to a process that has been killed since.
            self._session.close()
            return self._session.request(method, self._tracker.url + path, timeout=timeout, **options)

    def get(self, path, **params):
        return self.request("GET", path, params=params)

    def json(self, path, **params):
        answer = self.get(path, **params)
        assert answer.status_code == 200, f"{path} {params}: {answer.status_code} {answer.text}"
        return answer.json()

    def health(self, kind=""):
        """(HTTP status, body); (0, None) while nothing listens."""
        try:
            answer = self.get("/actuator/health" + (f"/{kind}" if kind else ""))
        except requests.RequestException:
            return 0, None
        return answer.status_code, answer.json()

    def progress(self):
        """partition → progress, or None while nothing answers."""
        try:
            answer = self.get("/internal/v1/progress")
        except requests.RequestException:
            return None
        if answer.status_code != 200:
            return None
        return {p["partition"]: p for p in answer.json()["partitions"]}

    def saga(self, saga_id):
        return self.json("/api/v1/sagas/" + quote(saga_id, safe=""))

    def steps(self, saga_id):
        return self.json(f"/api/v1/sagas/{quote(saga_id, safe='')}/steps")

    def search(self, **params):
        return self.json("/api/v1/sagas", **params)

    def statistics(self, **params):
        return self.json("/api/v1/sagas/statistics", **params)

    def metrics(self, path="/actuator/prometheus"):
        answer = self.request("GET", path, headers={"Accept": "text/plain"})
        assert answer.status_code == 200, answer.text
        return Metrics(answer.text)


class Metrics:
    """One scrape."""

    def __init__(self, text):
        self.text = text
        self.types = {}
        self.samples = []
        for family in text_string_to_metric_families(text):
            self.types[family.name] = family.type
            self.samples += family.samples

    def named(self, name, **labels):
        return [s for s in self.samples if s.name == name and all(s.labels.get(k) == v for k, v in labels.items())]

    def value(self, name, **labels):
        """The sum of all samples of that name and labels; None if there are none."""
        found = self.named(name, **labels)
        return sum(s.value for s in found) if found else None
