"""What the views cost the server, and what they weigh. Each view is asked in turn with an answer that costs nothing, so
that the two can be compared however busy the machine is."""

import gzip
import http.client
import time
from dataclasses import dataclass, field
from urllib.parse import quote

REQUESTS = 200
# Of one kind, before the other kind's turn comes.
IN_A_ROW = 20
CHEAP = "/actuator/health/liveness"
WAIT_SECONDS = 60


def percentile(values, percent):
    """The value that so many percent of all do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) * percent // 100, len(ordered) - 1)]


def processor_seconds(pid):
    """How long a process has run, all of its threads, by the clock of Linux for that process."""
    return time.clock_gettime_ns((~pid << 3) | 2) / 1e9


@dataclass
class Times:
    """Milliseconds of many answers: each as who asks waits for it, and the processor time of the server for all."""

    waited: list = field(default_factory=list)
    processor: float = 0.0

    @property
    def median(self):
        return percentile(self.waited, 50)

    @property
    def p99(self):
        return percentile(self.waited, 99)

    @property
    def processor_each(self):
        return self.processor / len(self.waited)


class Client:
    """One connection that stays open; answers as they were sent, gzipped."""

    def __init__(self, tracker):
        self._tracker = tracker
        self._connection = http.client.HTTPConnection("127.0.0.1", tracker.port, timeout=WAIT_SECONDS)

    def get(self, path):
        try:
            answer = self._ask(path)
        except http.client.RemoteDisconnected:
            # Nothing was asked for a while.
            self._connection.close()
            answer = self._ask(path)
        body = answer.read()
        assert answer.status == 200, f"{path}: {answer.status} {body[:300]!r}"
        return body, answer.headers.get("Content-Encoding") == "gzip"

    def _ask(self, path):
        self._connection.request("GET", path, headers={"Accept-Encoding": "gzip", "Accept": "*/*"})
        return self._connection.getresponse()

    def size(self, path):
        """Bytes of an answer, gzipped; what is too small to be sent so counts as it is sent."""
        return len(self.get(path)[0])

    def time_in_a_row(self, path, times):
        before = processor_seconds(self._tracker.process.pid)
        for _ in range(IN_A_ROW):
            began = time.perf_counter()
            self.get(path)
            times.waited.append((time.perf_counter() - began) * 1e3)
        times.processor += (processor_seconds(self._tracker.process.pid) - before) * 1e3


@dataclass
class View:
    """One view, what it took and what it weighs."""

    name: str
    path: str
    times: Times = field(default_factory=Times)
    cheap: Times = field(default_factory=Times)
    html: int = 0
    plain: int = 0
    assets: int = 0

    def weigh(self, client):
        body, is_gzipped = client.get(self.path)
        self.html = len(body)
        self.plain = len(gzip.decompress(body)) if is_gzipped else len(body)

    def measure(self, client, requests=REQUESTS):
        for _ in range(max(requests // IN_A_ROW, 1)):
            client.time_in_a_row(CHEAP, self.cheap)
            client.time_in_a_row(self.path, self.times)


def views_of(api, long_sagas, flow_from):
    """An address of each view; of searches the usual ones and the hard ones. The flow is that from an instant on: one of
    more than 20,000 sagas is refused."""
    compensated = api.search(size=1, status="COMPENSATED")["content"][0]["sagaId"]
    pages = api.search(size=100)["page"]["totalPages"]
    letter = api.json("/api/v1/dead-letters", size=1)["content"][0]["id"]
    saga = quote(compensated, safe="")
    found = {
        "overview": "/",
        "overview of a day": "/?range=24h",
        "overview of a type, on a wall": "/?wall=1&type=ORDER_CREATION",
        "search, 100 rows": "/ui/search?size=100",
        "search, 100 rows, last page": f"/ui/search?size=100&page={pages - 1}",
        "search, failed of a type": "/ui/search?size=100&status=FAILED&sagaType=ORDER_CREATION",
        "search, a step": "/ui/search?size=100&step=ORDER_CANCELLED",
        "search, an order": "/ui/search?size=100&orderId=order-17",
        "search, stuck": "/ui/search?size=100&stuck=true",
        "saga": f"/ui/saga?id={saga}",
        "compare": f"/ui/compare?a={saga}&b=typical",
        "dead letters": "/ui/dead-letters",
        "dead letter": f"/ui/dead-letters/{letter}",
        "redrives": "/ui/dead-letters/redrives",
        "rehearsal": "/ui/dead-letters/redrives/1",
        "flow": f"/ui/flow/ORDER_CREATION?fromDate={flow_from}",
        "ledger": "/ui/ops/ledger",
        "jobs": "/ui/ops/jobs",
        "retention": "/ui/ops/retention",
        "snapshots": "/ui/ops/snapshots",
        "archive": "/ui/ops/archive",
        "audit": "/ui/ops/audit",
        "configuration": "/ui/ops/config",
        "health": "/ui/ops/health",
        "incidents": "/ui/incidents",
    }
    for events, saga_id in long_sagas.items():
        found[f"saga of {events:,} events"] = f"/ui/saga?id={saga_id}"
    return [View(name, path) for name, path in found.items()]


def timeline_of(saga_id):
    """What the saga's view asks for, to draw it."""
    return f"/api/v1/sagas/{saga_id}/timeline?max=20000"
