"""The HTTP surface: wrong input, unknown routes, and what schemathesis thinks of it."""

import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import requests

import checks
from conftest import SEED

pytestmark = pytest.mark.tracker

CODES = {
    400: "BAD_REQUEST",
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    413: "PAYLOAD_TOO_LARGE",
    415: "UNSUPPORTED_MEDIA_TYPE",
    503: "SERVICE_UNAVAILABLE",
}


@pytest.fixture(scope="module")
def busy(module_world):
    module_world.publish(SEED, 200, awkward=True)
    tracker = module_world.tracker().start().wait_caught_up()
    tracker.truth = module_world.truth()
    return tracker


@pytest.fixture
def api(busy):
    return busy.api


def standard_error(answer, status, path):
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("application/json")
    body = answer.json()
    assert set(body) == {"error", "message", "timestamp", "path", "details"}
    assert body["path"] == path
    assert body["message"]
    assert checks.INSTANT.fullmatch(body["timestamp"]), body["timestamp"]
    if status in CODES and status != 413:
        assert body["error"] == CODES[status]
    return body


WRONG = [
    ("page", "-1"),
    ("page", "x"),
    ("page", "1.5"),
    ("page", "99999999999999999999"),
    ("size", "0"),
    ("size", "101"),
    ("size", "-5"),
    ("size", "ten"),
    ("sort", "orderId,asc"),
    ("sort", "startedAt,sideways"),
    ("sort", "startedAt,asc,desc"),
    ("sort", "startedAt;drop"),
    ("status", "PAUSED"),
    ("status", "failed!"),
    ("fromDate", "yesterday"),
    ("fromDate", "2025-13-01"),
    ("fromDate", "2025-02-30"),
    ("fromDate", "2025-01-01T25:00:00Z"),
    ("toDate", "01/02/2025"),
    ("toDate", "1735689600000x"),
    ("cursor", "not-a-cursor"),
    ("cursor", "%00"),
]


@pytest.mark.parametrize("name, value", WRONG)
def test_a_wrong_parameter_is_named(api, name, value):
    answer = api.get("/api/v1/sagas", **{name: value})
    body = standard_error(answer, 400, "/api/v1/sagas")
    assert name in body["message"], body["message"]


@pytest.mark.parametrize("name, value", [w for w in WRONG if w[0] in ("fromDate", "toDate")])
def test_statistics_check_their_dates_too(api, name, value):
    body = standard_error(api.get("/api/v1/sagas/statistics", **{name: value}), 400, "/api/v1/sagas/statistics")
    assert name in body["message"]


@pytest.mark.parametrize("name, accepted", [("status", "COMPENSATED"), ("size", "100"), ("sort", "updatedAt")])
def test_the_message_says_what_is_accepted(api, name, accepted):
    body = api.get("/api/v1/sagas", **{name: "wrong"}).json()
    assert accepted in body["message"] + str(body["details"])


def test_a_period_that_ends_before_it_begins(api):
    answer = api.get("/api/v1/sagas", fromDate="2025-02-01", toDate="2025-01-01")
    if answer.status_code == 200:  # an empty period may also simply match nothing
        assert answer.json()["page"]["totalElements"] == 0
    else:
        standard_error(answer, 400, "/api/v1/sagas")


@pytest.mark.parametrize("path", ["/api/v1/sagas/no-such-saga", "/api/v1/sagas/no-such-saga/steps", "/sagas/no-such"])
def test_an_unknown_saga(api, path):
    body = standard_error(api.get(path), 404, path)
    assert "no-such" in body["message"]


@pytest.mark.parametrize("path", ["/nothing", "/api/v1", "/api/v2/sagas", "/actuator/nothing", "/api/v1/sagas/a/b/c"])
def test_an_unknown_route(api, path):
    standard_error(api.get(path), 404, path)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
@pytest.mark.parametrize("path", ["/api/v1/sagas", "/api/v1/sagas/x", "/api/v1/sagas/statistics", "/actuator/health"])
def test_a_method_that_does_not_exist(api, method, path):
    answer = api.request(method, path)
    standard_error(answer, 405, path)
    assert "GET" in answer.headers["allow"]


def test_head_answers_like_get_without_a_body(api):
    answer = api.request("HEAD", "/api/v1/sagas")
    assert (answer.status_code, answer.content) == (200, b"")


def test_a_saga_id_that_is_not_utf_8(api):
    answer = api.request("GET", "/api/v1/sagas/%FF%FE")
    assert answer.status_code in (400, 404), answer.text
    standard_error(answer, answer.status_code, answer.json()["path"])


def test_an_endless_header_and_an_endless_path_are_refused(api, busy):
    assert api.request("GET", "/api/v1/sagas", headers={"X-Long": "x" * 2_000_000}).status_code in (400, 413, 431)
    assert api.request("GET", "/api/v1/sagas/" + "x" * 2_000_000).status_code in (400, 404, 413, 414, 431)
    assert busy.alive
    assert api.health()[0] == 200


def test_slow_clients_are_cut_off(busy):
    """A client that never finishes its headers does not hold its connection for good."""
    with socket.create_connection(("127.0.0.1", busy.port)) as slow:
        slow.sendall(b"GET /api/v1/sagas HTTP/1.1\r\nHost: x\r\n")
        slow.settimeout(90)
        while slow.recv(4096):
            pass


def test_answers_are_compressed_on_request(api):
    answer = api.request("GET", "/api/v1/sagas?size=100", headers={"Accept-Encoding": "gzip"})
    assert answer.headers.get("content-encoding") == "gzip"
    plain = api.request("GET", "/api/v1/sagas?size=100", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert answer.json() == plain.json()


def test_every_answer_has_a_request_id(api):
    one, other = (api.get("/api/v1/sagas").headers.get("x-request-id") for _ in range(2))
    assert one and other and one != other
    assert api.request("GET", "/sagas", headers={"X-Request-Id": "mine-1"}).headers["x-request-id"] == "mine-1"


def test_info_docs_and_swagger(api):
    assert api.json("/actuator/info")
    document = api.json("/api-docs")
    assert document["openapi"].startswith("3.")
    for path in ("/api/v1/sagas", "/api/v1/sagas/{sagaId}", "/api/v1/sagas/{sagaId}/steps", "/api/v1/sagas/statistics"):
        assert path in document["paths"], sorted(document["paths"])
    page = api.get("/swagger-ui")
    assert page.status_code == 200
    assert "swagger" in page.text.lower()
    # Vendored: nothing on it comes from elsewhere.
    assert not re.findall(r"""(?:src|href)=["']https?://""", page.text)


@pytest.mark.timeout(600)
def test_schemathesis_runs_clean(busy, tmp_path):
    done = subprocess.run(
        [
            Path(sys.executable).with_name("schemathesis"),
            "--config-file",
            Path(__file__).with_name("schemathesis.toml"),
            "run",
            f"{busy.url}/api-docs",
            "--url",
            busy.url,
            "--checks",
            "all",
            "--max-examples",
            "60",
            "--seed",
            str(SEED),
            "--request-timeout",
            "20",
            "--no-color",
            "--generation-database",
            "none",
        ],
        capture_output=True,
        text=True,
        timeout=850,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stdout[-40000:] + done.stderr[-2000:]
    assert busy.alive
    assert requests.get(busy.url + "/actuator/health", timeout=10).ok
