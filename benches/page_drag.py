"""A saga in a real browser: what a first visit loads, and a hand that drags the moment over very many events."""

from dataclasses import dataclass, field

from page_views import percentile

DRAGS = 100
WARM_UP = 10
MOVES = 24
# After a drag, until what the server says of the moment has come.
REST_MILLIS = 250
# Frames in which the hand did not move say nothing: each is told with whether it did.
LISTEN = """
  addEventListener("pointermove", () => { window.benchMoved = true; }, { capture: true });
"""
RECORD = """
  window.benchFrames = [];
  window.benchRuns = true;
  requestAnimationFrame(function frame(at) {
    window.benchFrames.push([at, window.benchMoved]);
    window.benchMoved = false;
    if (window.benchRuns) requestAnimationFrame(frame);
  });
"""
STOP = "() => { window.benchRuns = false; return window.benchFrames; }"
# The parts of a frame that Chromium counts, by its names for them.
PARTS = {"TaskDuration": "all", "ScriptDuration": "script", "LayoutDuration": "layout", "RecalcStyleDuration": "style"}


@dataclass
class Frames:
    """Milliseconds from a frame in which the hand moved to the next, and the page's processor time by its parts."""

    apart: list = field(default_factory=list)
    parts: dict = field(default_factory=dict)

    def each(self, part):
        """Processor time for a move, milliseconds."""
        return self.parts[part] / len(self.apart)

    @property
    def median(self):
        return percentile(self.apart, 50)

    @property
    def p95(self):
        return percentile(self.apart, 95)


@dataclass
class Dragged:
    """What dragging did, beside moves of the hand that nothing answers to."""

    idle: Frames
    frames: Frames
    # JavaScript's heap after garbage was collected, bytes: loaded, warmed up, after the drags.
    heap: list
    # Nodes of documents that are alive, of the page or not any more; likewise.
    nodes: list
    elements: int


def assets_of(browser, tracker, views, client):
    """Puts the gzipped bytes of what a first visit loads beside its HTML into each view."""
    for view in views:
        asked = set()
        with browser.window(tracker.url) as window:
            window.page.on("request", lambda request, asked=asked: asked.add(request.url))
            window.open(view.path)
        paths = [url.removeprefix(tracker.url) for url in asked if "/ui/assets/" in url]
        view.assets = sum(client.size(path) for path in paths)


class Drag:
    """The saga's view, with what Chromium tells about it."""

    def __init__(self, window):
        self._page = window.page
        self._cdp = window.page.context.new_cdp_session(window.page)
        self._cdp.send("Performance.enable", {"timeDomain": "threadTicks"})
        self._cdp.send("HeapProfiler.enable")
        self._page.evaluate(LISTEN)

    def run(self, drags=DRAGS):
        heap, nodes = [self._heap()], [self._nodes()]
        handle = self._page.locator("#handle-as-of").bounding_box()
        self._strokes(WARM_UP, handle, Frames())
        idle, frames = Frames(), Frames()
        self._strokes(WARM_UP, self._page.locator("h1").bounding_box(), idle, pressed=False)
        heap.append(self._heap())
        nodes.append(self._nodes())
        self._strokes(drags, handle, frames)
        elements = self._page.evaluate("document.querySelectorAll('*').length")
        heap.append(self._heap())
        nodes.append(self._nodes())
        return Dragged(idle, frames, heap, nodes, elements)

    def _strokes(self, times, box, frames, pressed=True):
        """To and fro over the middle of a box, with rests that do not count."""
        y = box["y"] + box["height"] / 2
        left, right = (box["x"] + box["width"] * share for share in (0.1, 0.9))
        mouse = self._page.mouse
        for time in range(times):
            start, end = (left, right) if time % 2 else (right, left)
            mouse.move(start, y)
            if pressed:
                mouse.down()
            self._record(frames, lambda end=end: mouse.move(end, y, steps=MOVES))
            if pressed:
                mouse.up()
            self._page.wait_for_timeout(REST_MILLIS)

    def _record(self, frames, act):
        self._page.evaluate(RECORD)
        before = self._metrics()
        act()
        after = self._metrics()
        seen = self._page.evaluate(STOP)
        frames.apart += [b - a for (a, moved), (b, _) in zip(seen, seen[1:], strict=False) if moved]
        for key, name in PARTS.items():
            frames.parts[name] = frames.parts.get(name, 0) + (after[key] - before[key]) * 1e3

    def _metrics(self):
        return {one["name"]: one["value"] for one in self._cdp.send("Performance.getMetrics")["metrics"]}

    def _heap(self):
        # What finalizers let go of is found the second time.
        for _ in range(2):
            self._cdp.send("HeapProfiler.collectGarbage")
        return self._cdp.send("Runtime.getHeapUsage")["usedSize"]

    def _nodes(self):
        return self._cdp.send("Memory.getDOMCounters")["nodes"]


def drag(browser, tracker, path, drags=DRAGS):
    with browser.window(tracker.url) as window:
        window.open(path)
        found = Drag(window).run(drags)
        assert not window.wrong, window.wrong
        return found
