"""`saga-tracker demo`, as a newcomer starts and ends it."""

import os
import re
import signal
import subprocess

import pytest
import requests

from servers import free_port, wait_until
from tracker import BINARY


@pytest.fixture
def demo(tmp_path):
    port = free_port()
    process = subprocess.Popen(
        [BINARY, "demo"],
        env=os.environ | {"SERVER_PORT": str(port), "TMPDIR": str(tmp_path)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    process.url = f"http://127.0.0.1:{port}"
    yield process
    if process.poll() is None:
        process.kill()
    process.communicate()


def answer(demo, path):
    assert demo.poll() is None, demo.communicate()[0]
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
    said, _ = demo.communicate(timeout=30)
    assert demo.returncode == 0, said
    assert demo.url in said and "Ctrl-C" in said
    assert re.search(r"serving HTTP.*address\S*=\S*127\.0\.0\.1:", said), said
    assert not any(tmp_path.iterdir()), "the store vanishes"
