"""`saga-tracker demo`, as a newcomer starts and ends it."""

import os
import re
import signal
import subprocess
from urllib.parse import parse_qs, quote, urlsplit

import pytest
import requests

from servers import free_port, wait_until
from tracker import BINARY

STOP = re.compile(r"^  \d  (.+)\n     (http\S+)$", re.MULTILINE)


@pytest.fixture
def demo(tmp_path, tmp_path_factory):
    port = free_port()
    told = tmp_path_factory.mktemp("demo") / "told.txt"
    with told.open("wb") as out:
        process = subprocess.Popen(
            [BINARY, "demo"],
            env=os.environ | {"SERVER_PORT": str(port), "TMPDIR": str(tmp_path)},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    process.url = f"http://127.0.0.1:{port}"
    process.said = told.read_text
    yield process
    if process.poll() is None:
        process.kill()
    process.wait(30)


def answer(demo, path):
    assert demo.poll() is None, demo.said()
    try:
        got = requests.get(demo.url + path, timeout=10)
    except requests.ConnectionError:
        return None
    return got.json() if got.ok else None


def test_it_shows_a_live_shop_and_leaves_nothing_behind(demo, tmp_path):
    def every_outcome():
        found = answer(demo, "/api/v1/sagas?size=100") or {"content": []}
        return {"COMPLETED", "FAILED", "COMPENSATED"} <= {saga["status"] for saga in found["content"]}

    wait_until(every_outcome, 60, "sagas of every outcome")
    wait_until(lambda: (answer(demo, "/api/v1/dead-letters") or {}).get("content"), 60, "a poison message")

    def sagas():
        return answer(demo, "/api/v1/sagas")["page"]["totalElements"]

    before = sagas()
    wait_until(lambda: sagas() > before, 30, "more of them")
    assert any(tmp_path.iterdir())

    demo.send_signal(signal.SIGINT)
    assert demo.wait(30) == 0, demo.said()
    said = demo.said()
    assert demo.url in said and "Ctrl-C" in said
    assert re.search(r"serving HTTP.*address\S*=\S*127\.0\.0\.1:", said), said
    assert not any(tmp_path.iterdir()), "the store vanishes"


def redriven(demo, **options):
    """What the redrive of the unframed ones, read with the demo's schema, tells of each."""
    order = {"filter": {"reason": "bad_magic"}, "change": {"schemaId": 1}} | options
    asked = requests.post(demo.url + "/api/v1/dead-letters/redrive", json=order, timeout=10)
    assert asked.status_code == 202, asked.text
    path = f"/api/v1/dead-letters/redrives/{asked.json()['number']}"
    wait_until(lambda: not answer(demo, path)["running"], 60, "the redrive to end")
    rows = answer(demo, f"{path}/letters?size=100")["content"]
    return [row["forecast"] for row in rows if row.get("forecast")]


def test_the_first_thirty_seconds_lead_to_what_they_tell_of(demo):
    stops = wait_until(lambda: len(found := STOP.findall(demo.said())) == 5 and found, 60, "the script")
    for _, address in stops:
        assert address.startswith(demo.url)
        shown = wait_until(lambda at=address: (got := requests.get(at, timeout=10)).ok and got, 30, address)
        assert "<h1" in shown.text, address
    overview, saga, before, letters, incidents = (urlsplit(address) for _, address in stops)
    assert overview.path == "/"

    # The compensation comes while one looks; before it, that saga had failed.
    of_saga, of_before = parse_qs(saga.query), parse_qs(before.query)
    assert of_saga["id"] == of_before["id"]
    path = f"/api/v1/sagas/{of_saga['id'][0]}"

    def status(moment=""):
        return (answer(demo, path + moment) or {}).get("currentStatus")

    wait_until(lambda: status() == "COMPENSATED", 60, "the late report")
    assert status(f"?knownAt={quote(of_before['knownAt'][0])}") == "FAILED"

    # Confirmations that lack the frame: rehearsed and published with the schema's id, they end their orders.
    asked = {name: values[0] for name, values in parse_qs(letters.query).items()}
    assert asked == {"reason": "bad_magic", "state": "open"}
    rehearsed = redriven(demo, dryRun=True)
    turns = {
        forecast["sagaId"]: (forecast["before"]["status"], forecast["after"]["status"])
        for forecast in rehearsed
        if forecast["outcome"] == "APPLIED"
    }
    mended = [saga_id for saga_id, turn in turns.items() if turn == ("IN_PROGRESS", "COMPLETED")]
    assert 0 < len(mended) <= int(stops[3][0].split()[0]), turns
    redriven(demo)
    for saga_id in mended:
        of_saga = f"/api/v1/sagas/{saga_id}"
        wait_until(lambda at=of_saga: answer(demo, at)["currentStatus"] == "COMPLETED", 30, f"{saga_id} to end")

    # The alert fires, and is told beside the sagas that it is about.
    firing = answer(demo, "/api/v1/incidents?active=true")["incidents"]
    assert [incident["labels"]["saga_type"] for incident in firing] == ["ORDER_CREATION"]
    assert firing[0]["sagas"] > 0
    beside = [answer(demo, f"/api/v1/sagas/{saga_id}/timeline")["incidents"] for saga_id in mended]
    assert any(beside)
    assert parse_qs(incidents.query) == {"state": ["open"]}
