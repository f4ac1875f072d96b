"""A disk that fills up stops consumption, nothing else; room starts it again."""


import pytest

import checks
import retention_setup
from producer import Publisher
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


def test_letters_of_others_wait_for_room_too(world, seed, room):
    """They are writes like events, and nobody bounds how many there are."""
    reads = {"SAGA_TRACKER_KAFKA__CONSUME_DEAD_LETTERS": "true"}
    room.set(10 * MINIMUM)
    short = world.tracker("short", **room.environment, **reads).start().wait_caught_up()
    other = world.tracker("other", **reads).start().wait_caught_up()

    def letters(tracker):
        return {letter["id"] for letter in tracker.api.json("/api/v1/dead-letters", size=100)["content"]}

    elsewhere = Publisher(world.broker, world.registry, world.dlt)

    def send(number):
        elsewhere.send_raw(b"k", b"letter %d" % number, partition=0)
        elsewhere.flush()

    send(0)
    wait_until(lambda: letters(short) == letters(other) == {"dlt-0-0"}, 30, "a letter while there is room")
    room.set(MINIMUM - 1)
    waits = 'reads="external dead letters"'
    wait_until(lambda: waits in short.tail(60), 20, "the reader to wait")
    send(1)
    wait_until(lambda: len(letters(other)) == 2, 30, "the letter where there is room")
    assert letters(short) == {"dlt-0-0"}
    room.set(2 * MINIMUM)
    wait_until(lambda: letters(short) == letters(other), 30, "the letter to be read when there is room again")


def test_decisions_wait_for_room_too_but_longer(world, seed, room):
    """Below half of the mark nothing is written: not even what makes room."""
    room.set(10 * MINIMUM)
    world.publish(seed, 40)
    first = world.tracker("first", **room.environment).start().wait_caught_up()
    other = world.tracker("other").start().wait_caught_up()
    sagas = sorted(world.truth().sagas)

    def hold(tracker, saga):
        body = {"sagaId": saga, "reason": "case 1"}
        return tracker.api.request("POST", "/api/v1/holds", json=body, timeout=60)

    def held(tracker):
        return {each["sagaId"] for each in tracker.api.json("/api/v1/holds")["content"]}

    def ops(tracker):
        return tracker.api.health()[1]["components"]["ops"]

    room.set(MINIMUM - 1)
    wait_until(lambda: paused(first) == 1, 20, "consumption to pause")
    assert hold(first, sagas[0]).status_code in (200, 201)
    assert first.api.metrics().value("saga_tracker_ops_paused") == 0

    room.set(MINIMUM // 2 - 1)
    wait_until(lambda: first.api.metrics().value("saga_tracker_ops_paused") == 1, 20, "decisions to pause")
    refused = hold(first, sagas[1])
    assert refused.status_code == 503, refused.text
    assert "store.min_free_bytes" in refused.json()["message"] and "nothing was changed" in refused.json()["message"]
    # What others decide waits in Kafka, and is seen to.
    assert hold(other, sagas[2]).status_code in (200, 201)
    wait_until(lambda: first.api.metrics().value("saga_tracker_ops_lag") == 1, 20, "the lag to be told")
    waiting = ops(first)
    assert (waiting["status"], waiting["details"]["lag"]) == ("UP", 1)
    assert "store.min_free_bytes" in waiting["details"]["message"]
    assert held(first) == {sagas[0]}
    # It starts and dies like that, and forgets nothing.
    first.kill9()
    first.start()
    assert held(first) == {sagas[0]}

    room.set(MINIMUM // 2 * 5 // 4)
    wait_until(lambda: held(first) == {sagas[0], sagas[2]}, 30, "the decision to be read")
    assert paused(first) == 1
    assert hold(first, sagas[1]).status_code in (200, 201)
    room.set(10 * MINIMUM)
    for tracker in (first, other):
        tracker.wait_caught_up()
        wait_until(lambda t=tracker: len(held(t)) == 3, 30, "all holds everywhere")
        assert tracker.api.metrics().value("saga_tracker_ops_lag") == 0
    retention_setup.same_digests(first, other)
