"""A real Alertmanager tells the tracker, and the tracker tells a receiver that checks what it is told."""

import base64
import hashlib
import hmac
import json
import random
import shutil
import subprocess
import threading
import time
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests

from conftest import SEED
from servers import free_port, wait_until

pytestmark = pytest.mark.tracker

TOKEN = "of-the-receiver"
SECRET = b"a secret of the tests"
EVENTS = {"saga.failed", "saga.stuck", "saga.compensation_overdue", "dead_letter.new"}


def instant(at):
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Alertmanager:
    """The server of Debian's package, which tells one tracker."""

    def __init__(self, directory, tracker_url, token_file):
        program = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
        assert program, "no Alertmanager; scripts/install.sh test installs it"
        directory.mkdir()
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        config = directory / "alertmanager.yml"
        config.write_text(
            json.dumps(
                {
                    "route": {
                        "receiver": "tracker",
                        "group_by": ["..."],
                        "group_wait": "0s",
                        "group_interval": "1s",
                        "repeat_interval": "1s",
                    },
                    "receivers": [
                        {
                            "name": "tracker",
                            "webhook_configs": [
                                {
                                    "url": f"{tracker_url}/api/v1/alerts",
                                    "send_resolved": True,
                                    "http_config": {
                                        "authorization": {"credentials_file": str(token_file)},
                                    },
                                }
                            ],
                        }
                    ],
                }
            )
        )
        self.log = (directory / "alertmanager.log").open("ab")
        self.process = subprocess.Popen(
            [
                program,
                f"--config.file={config}",
                f"--storage.path={directory / 'data'}",
                f"--web.listen-address=127.0.0.1:{self.port}",
                "--cluster.listen-address=",
            ],
            stdout=self.log,
            stderr=self.log,
        )

    def __enter__(self):
        wait_until(self.is_ready, 30, "Alertmanager")
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(30)
        self.log.close()

    def is_ready(self):
        assert self.process.poll() is None, "Alertmanager ended"
        try:
            return requests.get(f"{self.url}/-/ready", timeout=5).ok
        except requests.ConnectionError:
            return False

    def tell(self, labels, began, ended=None):
        alert = {"labels": labels, "annotations": {"summary": "<b>many</b> fail"}, "startsAt": instant(began)}
        if ended is not None:
            alert["endsAt"] = instant(ended)
        requests.post(f"{self.url}/api/v2/alerts", json=[alert], timeout=10).raise_for_status()


class Receiver:
    """Takes notices, and says no as often as it is told to. What is not signed as it must be is noted."""

    def __init__(self, port=None):
        self.got, self.forged, self.refusals, self.calls = [], [], 0, 0
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                self.send_response(receiver.take(self.headers, body))
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", port or 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def take(self, headers, body):
        self.calls += 1
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        expected = "v1," + base64.b64encode(hmac.new(SECRET, signed, hashlib.sha256).digest()).decode()
        is_fresh = abs(time.time() - int(headers["webhook-timestamp"])) < 60
        if not hmac.compare_digest(expected, headers["webhook-signature"]) or not is_fresh:
            self.forged.append((dict(headers), body))
        if self.refusals > 0:
            self.refusals -= 1
            return 503
        notice = json.loads(body)
        assert notice["id"] == headers["webhook-id"]
        self.got.append(notice)
        return 204

    def ids(self, event):
        return {notice["id"] for notice in self.got if notice["event"] == event}

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def receiver():
    receiver = Receiver()
    yield receiver
    receiver.close()


def telling(world, url):
    secret = world.directory / "secret"
    secret.write_bytes(SECRET + b"\n")
    return world.tracker(
        SAGA_TRACKER_WEBHOOKS__URLS=url,
        SAGA_TRACKER_WEBHOOKS__SECRET_FILE=str(secret),
        SAGA_TRACKER_WEBHOOKS__INTERVAL_SECONDS="1",
    )


def told_as_failed(receiver):
    return {notice["saga"]["sagaId"] for notice in receiver.got if notice["event"] == "saga.failed"}


def failed(world):
    """Sagas that are FAILED, and those that ever were, be it for less than a millisecond."""
    sagas = world.truth().search()
    return {saga.saga_id for saga in sagas if saga.status == "FAILED"}, {saga.saga_id for saga in sagas if saga.failed_at}


def test_a_real_alertmanager_opens_and_ends_an_incident(world, tmp_path):
    token = tmp_path / "token"
    token.write_text(TOKEN + "\n")
    world.publish(SEED, 20)
    tracker = world.tracker(SAGA_TRACKER_INCIDENTS__TOKEN_FILE=str(token)).start().wait_caught_up()
    saga = world.truth().search()[0]
    began = datetime.now(UTC) - timedelta(days=3650)  # over any of the saga
    labels = {"alertname": "Spike", "severity": "warning", "saga_id": saga.saga_id}

    def incidents(**params):
        answer = requests.get(f"{tracker.url}/api/v1/incidents", params=params, timeout=10)
        assert answer.status_code == 200, answer.text
        return answer.json()["incidents"]

    with Alertmanager(tmp_path / "alertmanager", tracker.url, token) as alertmanager:
        alertmanager.tell(labels, began, datetime.now(UTC) + timedelta(hours=1))
        wait_until(lambda: incidents(active="true"), 60, "the incident")
        (incident,) = incidents()
        assert (incident["name"], incident["severity"], incident["until"]) == ("Spike", "warning", None)
        assert incident["labels"] == labels and incident["receiver"] == "tracker"
        assert tracker.api.json("/api/v1/overview")["incidentList"][0]["id"] == incident["id"]
        bands = tracker.api.json(f"/api/v1/sagas/{saga.saga_id}/timeline")["incidents"]
        assert [band["id"] for band in bands] == [incident["id"]]
        # Told again and again it stays one; after kill -9 it is there.
        wait_until(lambda: incidents()[0]["times"] > 1, 60, "the incident to be told again")
        tracker.kill9()
        tracker.start()
        assert [again["id"] for again in incidents()] == [incident["id"]]
        page = requests.get(f"{tracker.url}/ui/incidents", timeout=10)
        assert page.status_code == 200 and "Spike" in page.text and "<b>many</b>" not in page.text
        alertmanager.tell(labels, began, datetime.now(UTC) - timedelta(seconds=1))
        wait_until(lambda: not incidents(active="true"), 60, "the end of the incident")
        assert incidents()[0]["until"] is not None

    # Who does not know the token is not heard.
    body = {"version": "4", "alerts": []}
    for headers in [{}, {"authorization": "Bearer guessed"}]:
        answer = requests.post(f"{tracker.url}/api/v1/alerts", json=body, headers=headers, timeout=10)
        assert answer.status_code == 401, answer.text


def test_every_failed_saga_and_dead_letter_is_told_signed_and_over_restarts(world, receiver):
    tracker = telling(world, f"http://127.0.0.1:{receiver.port}/hook").start()
    wait_until(lambda: tracker.api.health()[1]["components"]["webhooks"]["status"] == "UP", 30, "health")
    receiver.refusals = 3
    world.publish(SEED, 100)
    world.publish_poison(random.Random(SEED))
    tracker.wait_caught_up()
    wait_until(lambda: receiver.got, 60, "the first notice")
    tracker.kill9()
    world.publish(SEED + 1, 100)
    tracker.start().wait_caught_up()
    letters = tracker.api.json("/api/v1/dead-letters/count")["total"]
    wait_until(lambda: len(receiver.ids("dead_letter.new")) == letters, 90, f"{letters} dead letters to be told")

    are, ever = failed(world)
    wait_until(lambda: told_as_failed(receiver) >= are, 90, "failed sagas to be told")
    assert told_as_failed(receiver) <= ever
    assert not receiver.forged
    assert {notice["event"] for notice in receiver.got} <= EVENTS
    assert receiver.calls > len({notice["id"] for notice in receiver.got}), "what was refused came again"
    delivered = tracker.api.metrics().value(
        "saga_tracker_webhook_notices_total", event="dead_letter.new", result="delivered"
    )
    assert delivered > 0
    assert tracker.terminate() == 0


def test_a_receiver_that_is_away_holds_nothing_up_and_is_told_once_it_is_back(world):
    port = free_port()
    tracker = telling(world, f"http://127.0.0.1:{port}/hook").start()
    world.publish(SEED, 50)
    tracker.wait_caught_up()

    def failing():
        component = tracker.api.health()[1]["components"]["webhooks"]
        return component["status"] == "UP" and "cannot be told since" in component["details"]["message"]

    wait_until(failing, 60, "health to say that the webhook is away")
    receiver = Receiver(port)
    try:
        are, _ = failed(world)
        wait_until(lambda: told_as_failed(receiver) >= are, 120, "what the receiver missed")
        assert not receiver.forged
    finally:
        receiver.close()
