"""Measures the page: a real Kafka, a real tracker, a real browser, and what each view costs and weighs.

scripts/bench.sh page runs it. Nothing here fails because something took long: what is reached is told, and times are
told beside those of an answer that costs nothing, because the machine may be busy with other things."""

import argparse
import os
import shlex
import signal
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "e2e"))

from browser import Browser  # noqa: E402
from page_drag import DRAGS, assets_of, drag  # noqa: E402
from page_load import Traffic, instant_before, publish_long_saga, publish_poison, publish_sagas  # noqa: E402
from page_report import Report, load  # noqa: E402
from page_streams import SECONDS, watch  # noqa: E402
from page_views import REQUESTS, Client, percentile, timeline_of, views_of  # noqa: E402
from producer import Publisher  # noqa: E402
from servers import Broker, Registry, wait_until  # noqa: E402
from tracker import BINARY, Tracker  # noqa: E402

LONG = 20_000
MILLION = 1_000_000
SCREENS = 200
# Sagas of all types, of which the view of a flow is made.
IN_FLOW = 2_000
TOPIC = "page-bench"
PARTS = ("views", "screens", "drags")
# Nothing is due; what would be is looked for all the same.
SETTINGS = {"SAGA_TRACKER_RETENTION__ENABLED": "true", "SAGA_TRACKER_RETENTION__FINISHED_DAYS": "3650"}


def options():
    parser = argparse.ArgumentParser(prog="scripts/bench.sh page", description=__doc__.splitlines()[0])
    parser.add_argument("--sagas", type=int, default=200_000, help="sagas beside the long one (%(default)s)")
    parser.add_argument("--million", action="store_true", help="also one saga of a million events")
    parser.add_argument("--per-second", type=float, default=20, help="sagas that begin meanwhile (%(default)s)")
    parser.add_argument("--requests", type=int, default=REQUESTS, help="of each view (%(default)s)")
    parser.add_argument("--screens", type=int, default=SCREENS, help="that watch at once (%(default)s)")
    parser.add_argument("--drags", type=int, default=DRAGS, help="of the handle (%(default)s)")
    parser.add_argument("--only", choices=PARTS, help="one of the parts, and leaves benches/RESULTS.md as it is")
    parser.add_argument("--files", type=Path, help="directory of the page's files, instead of those in the program; views take longer")
    parser.add_argument("--build", default="release build", help="what is said of the program (%(default)s)")
    parser.add_argument("--print-only", action="store_true", help="leaves benches/RESULTS.md as it is")
    return parser.parse_args()


def say(text):
    print(f"bench: {time.strftime('%T')} {text}", file=sys.stderr, flush=True)


class Bench:
    """The servers, what is in them, and the report."""

    def __init__(self, asked, stack):
        self.asked, self.stack = asked, stack
        self.long_sagas = {LONG: "LONG-20000"} | ({MILLION: "LONG-1000000"} if asked.million else {})
        command = shlex.join(["scripts/bench.sh", "page", *sys.argv[1:]])
        self.report = Report(command, f"{asked.build}, load {load()}")

    def start(self):
        directory = Path(self.stack.enter_context(tempfile.TemporaryDirectory(prefix="saga-tracker-bench.")))
        broker = self.stack.enter_context(Broker(directory / "kafka"))
        registry = self.stack.enter_context(Registry(directory / "registry"))
        broker.create_topic(TOPIC)
        broker.create_topic(f"{TOPIC}.dlt", 1)
        self.publisher = Publisher(broker, registry, TOPIC)
        settings = SETTINGS | ({"SAGA_TRACKER_PAGE__FILES": str(self.asked.files.resolve())} if self.asked.files else {})
        self.tracker = Tracker(
            directory / "tracker", broker, registry.address, TOPIC, f"{TOPIC}.dlt", "page-bench", **settings
        )
        self.stack.callback(self.tracker.kill9)

    def fill(self):
        """Publishes, and waits until all of it is shown. The tracker consumes meanwhile."""
        self.tracker.start()
        say(f"publishing {self.asked.sagas:,} sagas")
        began = time.monotonic()
        events = publish_sagas(self.publisher, self.asked.sagas)
        publish_poison(self.publisher)
        for many, saga_id in self.long_sagas.items():
            publish_long_saga(self.publisher, saga_id, many)
        say(f"published after {time.monotonic() - began:.0f} s; the tracker catches up")
        self.tracker.wait_caught_up(3600)
        self.report.figure("sagas, events of them", f"{self.asked.sagas:,}, {events:,}")
        self.report.figure("long sagas, deliveries of each", ", ".join(f"{many:,}" for many in self.long_sagas))
        self._rehearse()

    def _rehearse(self):
        """Something for the view of a redrive to show."""
        asked = {"filter": {"reason": "unknown_status"}, "dryRun": True, "reason": "measured"}
        headers = {"X-Operator": "bench"}
        answer = self.tracker.api.request("POST", "/api/v1/dead-letters/redrive", json=asked, headers=headers)
        assert answer.status_code == 202, answer.text
        path = f"/api/v1/dead-letters/redrives/{answer.json()['number']}"
        wait_until(lambda: not self.tracker.api.json(path)["running"], 120, "the rehearsal to end")

    # --- what is measured

    def views(self):
        client = Client(self.tracker)
        views = views_of(self.tracker.api, self.long_sagas, instant_before(IN_FLOW, self.asked.sagas))
        # Before anything is measured: an address that is refused is told at once.
        for view in views:
            view.weigh(client)
        for view in views:
            say(f"{view.name}: {view.path}")
            view.measure(client, self.asked.requests)
        say("assets of first visits")
        with Browser() as browser:
            assets_of(browser, self.tracker, views, client)
        for view in views:
            self.report.view(view)
        self._judge_views(views)
        self._weigh_timelines(client)

    def _judge_views(self, views):
        slowest = max(views, key=lambda view: view.times.p99)
        cheap = [millis for view in views for millis in view.cheap.waited]
        self.report.at_most(
            "slowest view, p99",
            slowest.times.p99,
            25,
            "ms",
            f"{slowest.name}; of {len(cheap):,} cheap answers p50 {percentile(cheap, 50):.2f}, "
            f"p99 {percentile(cheap, 99):.2f} ms",
        )
        over = [view.name for view in views if view.times.p99 > 25]
        self.report.figure("views over 25 ms at p99", f"{len(over)} of {len(views)}: {'; '.join(over) or 'none'}")
        busy = [view.name for view in views if view.times.processor_each > 25]
        self.report.figure("views over 25 ms of processor time", f"{len(busy)}: {'; '.join(busy) or 'none'}")
        largest = max(views, key=lambda view: view.html)
        self.report.at_most("largest HTML, gzipped", largest.html / 1000, 40, "kB", largest.name)
        most = max(views, key=lambda view: view.assets)
        self.report.at_most("assets of a first visit, gzipped", most.assets / 1000, 75, "kB", most.name)

    def _weigh_timelines(self, client):
        for many, saga_id in self.long_sagas.items():
            size = client.size(timeline_of(saga_id)) / 1000
            if many == MILLION:
                self.report.at_most("timeline of a million events, gzipped", size, 60, "kB", "what the view draws")
            else:
                self.report.figure(f"timeline of {many:,} events, gzipped", f"{size:.1f} kB")

    def screens(self):
        found = []
        for screens in (0, 1, self.asked.screens):
            say(f"{screens} live streams for {SECONDS} s")
            watched = watch(self.tracker, screens)
            found.append(watched)
            if screens:
                told = f"median {watched.median:.2f}, longest pause {watched.longest_pause:.2f} s"
                name = f"frames a second of {screens} live streams, the slowest"
                self.report.at_least(name, watched.slowest, 0.95, "a second", told)
        none, one, many = (watched.processors * 100 for watched in found)
        self.report.figure(
            f"processor of the tracker while 0, 1, {self.asked.screens} watch", f"{none:.1f}, {one:.1f}, {many:.1f} %"
        )

    def drags(self):
        say(f"{self.asked.drags} drags over {LONG:,} events")
        with Browser() as browser:
            dragged = drag(browser, self.tracker, f"/ui/saga?id={self.long_sagas[LONG]}", self.asked.drags)
        frames, idle = dragged.frames, dragged.idle
        self.report.at_most(
            f"frame while dragging over {LONG:,} events, p95",
            frames.p95,
            32,
            "ms",
            f"p50 {frames.median:.1f}, {len(frames.apart):,} moves; where nothing answers to the hand p50 "
            f"{idle.median:.1f}, p95 {idle.p95:.1f} ms",
        )
        self.report.at_most("elements of the page", dragged.elements, 3_000, "", "the saga's view")
        loaded, warm, after = (size / 1e6 for size in dragged.heap)
        self.report.at_most(
            f"JavaScript's heap after {self.asked.drags} drags ÷ before",
            after / warm,
            1.05,
            "",
            f"{after:.2f} ÷ {warm:.2f} MB after garbage collection; {loaded:.2f} MB when it was loaded",
        )
        each = ", ".join(f"{part} {frames.each(part):.1f}" for part in frames.parts)
        beside = ", ".join(f"{part} {idle.each(part):.1f}" for part in idle.parts)
        self.report.figure("processor time of the page for a move of the handle", f"{each} ms")
        self.report.figure("the same where nothing answers to the hand", f"{beside} ms")
        self.report.figure("nodes alive: loaded, before, after", ", ".join(f"{nodes:,}" for nodes in dragged.nodes))


def end(*_):
    """So that whoever ends this ends its servers too."""
    raise SystemExit("ended")


def main():
    asked = options()
    signal.signal(signal.SIGTERM, end)
    assert BINARY.exists(), f"{BINARY} does not exist; build it, or set SAGA_TRACKER_BIN"
    with ExitStack() as stack:
        bench = Bench(asked, stack)
        bench.start()
        bench.fill()
        with Traffic(bench.publisher, asked.per_second):
            for part in PARTS:
                if asked.only in (None, part):
                    getattr(bench, part)()
        bench.report.figure("sagas a second meanwhile", f"{asked.per_second:g}")
        bench.report.figure("load of the machine at the end", f"{load()}; {os.cpu_count()} processors")
        print(bench.report.text())
        if not asked.print_only and not asked.only:
            bench.report.keep()


if __name__ == "__main__":
    main()
