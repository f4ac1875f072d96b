"""Wall screens: many who watch the live stream, and what they cost the tracker beside one of them."""

import asyncio
import time
from dataclasses import dataclass, field

from page_views import percentile, processor_seconds

SECONDS = 20
# A frame is one line, and never as long as this.
LONGEST_LINE = 1 << 20


@dataclass
class Watched:
    """What so many viewers were sent, and the share of a processor that the tracker took meanwhile."""

    viewers: int
    seconds: float = 0.0
    processors: float = 0.0
    # For each viewer, when its frames came.
    frames: list = field(default_factory=list)

    @property
    def rates(self):
        """Frames a second, of each viewer."""
        return [len(came) / self.seconds for came in self.frames]

    @property
    def longest_pause(self):
        """Seconds from one frame to the next, of whoever waited longest."""
        pauses = [b - a for came in self.frames for a, b in zip(came, came[1:], strict=False)]
        return max(pauses, default=float("nan"))

    @property
    def slowest(self):
        return min(self.rates, default=float("nan"))

    @property
    def median(self):
        return percentile(self.rates, 50) if self.frames else float("nan")


def watch(tracker, viewers, seconds=SECONDS):
    """So many streams at the same time, counted from when all of them have had a frame."""
    return asyncio.run(_watch(tracker, viewers, seconds))


async def _watch(tracker, viewers, seconds):
    watched = Watched(viewers, frames=[[] for _ in range(viewers)])
    streams = [asyncio.create_task(_read(tracker.port, came)) for came in watched.frames]
    try:
        async with asyncio.timeout(60):
            while not all(watched.frames):
                _fail_if_one_ended(streams)
                await asyncio.sleep(0.1)
        for came in watched.frames:
            came.clear()
        began, ran = time.perf_counter(), processor_seconds(tracker.process.pid)
        await asyncio.sleep(seconds)
        watched.seconds = time.perf_counter() - began
        watched.processors = (processor_seconds(tracker.process.pid) - ran) / watched.seconds
        _fail_if_one_ended(streams)
    finally:
        for stream in streams:
            stream.cancel()
        await asyncio.gather(*streams, return_exceptions=True)
    return watched


def _fail_if_one_ended(streams):
    for stream in streams:
        if stream.done():
            raise AssertionError("a live stream ended") from stream.exception()


async def _read(port, came):
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=LONGEST_LINE)
    try:
        writer.write(b"GET /api/v1/live HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n\r\n")
        status = await reader.readline()
        assert b" 200 " in status, status
        while line := await reader.readline():
            if line == b"event: frame\n":
                came.append(time.perf_counter())
    finally:
        writer.close()
