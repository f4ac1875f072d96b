"""A thread that ends unasked is seen in health, and the process stops so that it is started again."""

import random
from concurrent.futures import ThreadPoolExecutor

import pytest

from servers import wait_until

pytestmark = pytest.mark.tracker

# Every thread and task that lives as long as the tracker.
PARTS = [
    "ingest",
    "projector",
    "ops",
    "redrive",
    "removals",
    "retention",
    "reread",
    "dead-letters",
    "definitions",
    "foreign-letters",
    "letter-retention",
    "webhooks",
    "snapshots",
    "sync",
]


def what_is_told(tracker, part):
    """What health says of a part that is down, and the status of liveness meanwhile; nothing when it never does."""

    def told():
        status, body = tracker.api.health()
        threads = (body or {}).get("components", {}).get("threads", {})
        if status == 503 and threads.get("status") == "DOWN" and part in threads["details"]["message"]:
            return threads["details"]["message"], tracker.api.health("liveness")[0]
        return None if tracker.alive else ("it ended before it told anything", None)

    return wait_until(told, 120, f"health to tell of {part}")


def test_a_panic_anywhere_is_told_in_health_and_ends_the_process(world, seed):
    world.publish(seed, 20)
    world.publish_poison(random.Random(seed))
    secret = world.directory / "secret"
    secret.write_text("secret")
    # All at once: each dies of its own panic, and all are told within the same few seconds.
    trackers = {}
    for part in PARTS:
        trackers[part] = world.tracker(
            part,
            FAILPOINTS=f"thread.{part}=panic(on purpose)",
            SAGA_TRACKER_RETENTION__ENABLED="true",
            SAGA_TRACKER_KAFKA__CONSUME_DEAD_LETTERS="true",
            SAGA_TRACKER_WEBHOOKS__URLS="http://127.0.0.1:9/",
            SAGA_TRACKER_WEBHOOKS__SECRET_FILE=str(secret),
        ).spawn()
    # Each is asked by a thread of its own: it tells for five seconds, and then it is gone.
    with ThreadPoolExecutor(len(PARTS)) as asking:
        told = dict(zip(PARTS, asking.map(lambda part: what_is_told(trackers[part], part), PARTS)))
    for part, tracker in trackers.items():
        assert tracker.wait_exit(60) not in (0, None), part
        assert f"{part}: it panicked: on purpose" in told[part][0]
        assert told[part][1] == 503, "a restart helps, and liveness says so"


def test_a_watch_that_panics_ends_ingest_with_its_reason(world, seed):
    tracker = world.tracker(FAILPOINTS="thread.topic-watch=1*off->panic(on purpose)").spawn()
    wait_until(
        lambda: tracker.api.health()[0] == 503 and "watches the topic" in str(tracker.api.health()[1]),
        60,
        "health to tell of the watch",
    )
