"""Sagas of thousands of deliveries: answers, replicas and removal are as with any other."""

import os
import random
import signal

import pytest

import checks
import retention_setup
from retention_setup import SETTINGS
from tracker import BINARY
from workload import EPOCH, Message, event

pytestmark = pytest.mark.tracker


def hot(rng, count, saga_id="hot"):
    """Events of one saga: mostly in order, some late, some again, some again with another body."""
    sent = []
    for number in range(count):
        late = rng.randrange(1, 60_000) if rng.random() < 0.02 else 0
        at = EPOCH + number * 20 - late
        status = rng.choice(["STARTED", "IN_PROGRESS", "IN_PROGRESS", "IN_PROGRESS", "FAILED", "COMPENSATED"])
        fields = event(rng, saga_id, "ORDER_CREATION", "STOCK_RESERVED", status, "O", at, '{"traceId": "t"}')
        sent.append(fields)
        if rng.random() < 0.1:
            again = dict(rng.choice(sent))
            if rng.random() < 0.2:
                again |= {"orderId": "P", "recordedAt": again["recordedAt"] + rng.choice([0, 5])}
            sent.append(again)
    sent.append(event(rng, saga_id, "ORDER_CREATION", "ORDER_CONFIRMED", "COMPLETED", "O", EPOCH + count * 20))
    return [Message(fields) for fields in sent]


@pytest.mark.timeout(600)
def test_a_hot_saga_is_as_the_oracle_says_on_every_replica_and_rebuilt(world, seed):
    rng = random.Random(seed)
    messages = hot(rng, 9_000)
    world.publisher.send(messages[:4_000]).flush()
    world.publish(seed, 40)
    world.publisher.send(messages[4_000:]).flush()
    first = world.tracker("first", KAFKA_MAX_POLL_RECORDS="50").start()
    second = world.tracker("second", KAFKA_MAX_POLL_RECORDS="5000").start()
    truth = world.truth()
    saga = truth.sagas["hot"]
    assert len(saga.timeline) > 8_000 and truth.duplicates > 500
    for tracker in (first, second):
        tracker.wait_caught_up()
        answer = tracker.api.saga("hot")
        checks.same_saga(answer, saga)
        conflicts = [kind for kind, _, _ in saga.anomalies if kind == "conflict"]
        assert (answer["conflicts"], answer["anomalyCount"]) == (len(conflicts), len(saga.anomalies))
        whole = tracker.api.json("/api/v1/sagas/hot/steps")
        checks.same_steps(whole, saga)
        checks.counters(tracker.api, truth)
    paged, after = [], {}
    while after is not None:
        page = first.api.json("/api/v1/sagas/hot/steps", size=1_000, **after)
        paged += page["steps"]
        after = {"after": page["next"]} if "next" in page else None
    assert paged == whole["steps"]
    digest = retention_setup.same_digests(first, second)
    assert first.cli("rebuild", "--data-dir", first.data).returncode == 0
    assert first.digest() == digest


@pytest.mark.timeout(600)
def test_a_hot_saga_goes_part_by_part_and_a_crash_in_between_is_made_up_for(world, seed):
    if b"purge.between_batches" not in BINARY.read_bytes():
        if os.environ.get("SAGA_TRACKER_REQUIRE_FAILPOINTS") == "1":
            pytest.fail(f"{BINARY} was built without --features failpoints")
        pytest.skip(f"{BINARY} was built without --features failpoints")
    world.publisher.send(hot(random.Random(seed), 9_000)).flush()
    steady = world.tracker("steady").start().wait_caught_up()
    shaken = world.tracker("shaken").start().wait_caught_up()
    assert shaken.terminate() == 0
    shaken.environment |= SETTINGS
    # The record and the projections are written; some of the log's rows are gone.
    for passes in (1, 1):
        shaken.spawn(FAILPOINTS=f"purge.between_batches={passes}*off->1*return")
        assert shaken.wait_exit(60) == -signal.SIGABRT, shaken.tail()
    shaken.start()
    for tracker in (shaken, steady):
        retention_setup.wait_gone(tracker, 1)
        answer = retention_setup.asked(tracker, "hot")
        assert answer.status_code == 404 and "was purged at" in answer.json()["message"]
    retention_setup.same_digests(shaken, steady)


@pytest.mark.timeout(600)
def test_a_hot_saga_comes_back_from_the_archive_and_a_crash_in_between_is_made_up_for(world, seed, tmp_path):
    if b"restore.between_batches" not in BINARY.read_bytes():
        if os.environ.get("SAGA_TRACKER_REQUIRE_FAILPOINTS") == "1":
            pytest.fail(f"{BINARY} was built without --features failpoints")
        pytest.skip(f"{BINARY} was built without --features failpoints")
    world.publisher.send(hot(random.Random(seed), 9_000)).flush()
    saga = world.truth().sagas["hot"]
    archive = retention_setup.archive(tmp_path / "objects")
    steady = world.tracker("steady", **(SETTINGS | archive)).start().wait_caught_up()
    shaken = world.tracker("shaken").start().wait_caught_up()
    for tracker in (steady, shaken):
        retention_setup.wait_gone(tracker, 1)
    assert shaken.terminate() == 0
    retention_setup.command(steady, "archive", "restore", "hot", "--reason", "case 9")
    # Some deliveries are in the log; all are, and some of their fold is written; all of it shows.
    for point in ("between_batches=3*off->1*return", "between_parts=1*off->1*return", "after_write=1*return"):
        shaken.spawn(FAILPOINTS=f"restore.{point}")
        assert shaken.wait_exit(60) == -signal.SIGABRT, shaken.tail()
    shaken.start()
    for tracker in (steady, shaken):
        retention_setup.wait_gone(tracker, 0)
        checks.same_saga(retention_setup.asked(tracker, "hot").json(), saga)
    digest = retention_setup.same_digests(steady, shaken)
    assert shaken.cli("rebuild", "--data-dir", shaken.data).returncode == 0
    assert shaken.digest() == digest
