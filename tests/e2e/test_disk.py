"""A disk that fills up stops consumption, nothing else; room starts it again."""

import pytest

import checks
from servers import wait_until
from tracker import BINARY, has_fail_points

pytestmark = pytest.mark.tracker

MINIMUM = 1_000_000


@pytest.fixture
def room(tmp_path):
    """What the tracker finds free, without filling anybody's disk. Needs the test build."""
    if not has_fail_points():
        pytest.skip(f"{BINARY} was built without --features failpoints")
    file = tmp_path / "free-bytes"

    class Room:
        environment = {
            "SAGA_TRACKER_TEST_FREE_BYTES_FILE": str(file),
            "SAGA_TRACKER_STORE__MIN_FREE_BYTES": str(MINIMUM),
        }

        def set(self, free):
            other = file.with_suffix(".new")
            other.write_text(str(free))
            other.rename(file)

    return Room()


def paused(tracker):
    return tracker.api.metrics().value("saga_tracker_consumption_paused")


def test_consumption_waits_for_room_while_reads_go_on(world, seed, room):
    room.set(10 * MINIMUM)
    world.publish(seed, 60)
    tracker = world.tracker(**room.environment).start().wait_caught_up()
    truth = world.truth()
    assert paused(tracker) == 0

    room.set(MINIMUM - 1)
    wait_until(lambda: paused(tracker) == 1, 20, "consumption to pause")
    assert tracker.api.metrics().value("saga_tracker_store_free_bytes") == MINIMUM - 1
    code, body = tracker.api.health()
    disk = body["components"]["diskSpace"]
    assert (code, body["status"], disk["status"]) == (503, "DOWN", "DOWN")
    assert "store.min_free_bytes" in disk["details"]["message"]
    # Neither a restart nor other traffic would help.
    assert tracker.api.health("liveness")[0] == 200
    assert tracker.api.health("readiness")[0] == 200

    before = tracker.api.progress()
    world.publish(seed + 1, 60)
    end = sum(world.broker.ends(world.topic).values())

    def lag():
        return tracker.api.metrics().value("saga_tracker_consumer_lag")

    wait_until(lambda: lag() == end - sum(p["next"] for p in before.values()), 20, "the lag to be told")
    # A little more than the mark is not enough yet.
    room.set(MINIMUM + 1)
    wait_until(
        lambda: tracker.api.metrics().value("saga_tracker_store_free_bytes") == MINIMUM + 1, 20, "the room to be seen"
    )
    assert paused(tracker) == 1
    checks.everything(tracker.api, truth, sample=30, seed=seed)

    room.set(2 * MINIMUM)
    tracker.wait_caught_up()
    wait_until(lambda: tracker.api.health()[0] == 200, 20, "health")
    checks.everything(tracker.api, world.truth(), sample=60, seed=seed)
    assert tracker.terminate() == 0
    tracker.verify()


def test_a_tracker_starts_stops_and_dies_on_a_full_disk(world, seed, room):
    room.set(10 * MINIMUM)
    world.publish(seed, 40)
    tracker = world.tracker(**room.environment).start().wait_caught_up()
    truth = world.truth()
    tracker.kill9()
    world.publish(seed + 1, 40)
    room.set(0)
    # It is ready: what it has, it serves.
    tracker.start()
    assert paused(tracker) == 1
    checks.everything(tracker.api, truth, sample=20, seed=seed)
    assert tracker.terminate() == 0
    tracker.start()
    tracker.kill9()
    room.set(10 * MINIMUM)
    tracker.start().wait_caught_up()
    checks.everything(tracker.api, world.truth(), sample=40, seed=seed)
