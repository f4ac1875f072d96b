"""Retention does no harm: not behind a backlog, and not by anything that stands on the ops topic."""

import json
import random
import time
import uuid

import pytest
from confluent_kafka import Producer

import retention_setup
from servers import wait_until
from workload import DAY, event

pytestmark = pytest.mark.tracker

BACKLOG = 40_000


class At:
    """Sends events that arrived when they say, one after the other."""

    def __init__(self, world, seed):
        self.world, self.rng = world, random.Random(seed)

    def send(self, saga_id, step, status, at):
        fields = event(self.rng, saga_id, "ORDER_CREATION", step, status, f"order-{saga_id}", at)
        publisher = self.world.publisher
        publisher.send_raw(saga_id.encode(), publisher.encode(fields), timestamp=at)
        return self


def settings(**more):
    return retention_setup.SETTINGS | {"SAGA_TRACKER_RETENTION__QUIET_HOURS": "24"} | more


@pytest.mark.timeout(600)
def test_refunds_that_wait_behind_a_backlog_keep_their_sagas(make_world, broker, seed):
    world = make_world(broker, **{"retention.ms": "-1"})
    now = int(time.time() * 1000)
    at = At(world, seed)
    for number in range(203):
        at.send(f"old-{number:03}", "ORDER_CONFIRMED", "COMPLETED", now - 91 * DAY + number)
    world.publisher.flush()
    tracker = world.tracker(KAFKA_MAX_POLL_RECORDS="200").start().wait_caught_up()
    assert tracker.terminate() == 0

    # While it is away: much that came since, and a refund of most of them two days ago.
    for number in range(BACKLOG):
        at.send(f"since-{number}", "ORDER_CREATED", "STARTED", now - 90 * DAY + number * 88 * DAY // BACKLOG)
    for number in range(200):
        at.send(f"old-{number:03}", "COMPENSATION_PAYMENT", "COMPENSATED", now - 2 * DAY + number)
    for number in range(60):
        at.send(f"today-{number}", "ORDER_CREATED", "STARTED", now)
    world.publisher.flush()

    # Three were not refunded, and go: so it was searched, and what else was due would have gone.
    tracker.start(**settings())
    retention_setup.wait_gone(tracker, 3)
    tracker.wait_caught_up()
    wait_until(lambda: tracker.api.json("/api/v1/retention")["lastSweep"], 60, "a search that came to its end")
    for number in range(200):
        answer = retention_setup.asked(tracker, f"old-{number:03}")
        assert answer.status_code == 200 and answer.json()["status"] == "COMPENSATED", answer.text
    assert retention_setup.gone(tracker) == 3
    decided = tracker.api.metrics().value("saga_tracker_decisions_total", kind="purge", outcome="applied")
    assert decided <= 3, "what is not done, or not due, is not decided again and again"
    assert tracker.terminate() == 0
    tracker.verify()


def decision(kind, body, **changes):
    return {
        "version": 1,
        "kind": kind,
        "id": uuid.uuid4().hex,
        "by": "nobody",
        "from": "nowhere",
        "at": "2026-01-31T09:30:00Z",
        "reason": "harm",
        "body": body,
    } | changes


def purge(world, **changes):
    body = {
        "topic": world.topic,
        "cut": {"0": 1},
        "seen": {},
        "days": 0,
        "quietHours": 0,
        "rule": "none",
        "sagaType": "ORDER_CREATION",
        "day": "2025-01-01",
        "sagas": [{"id": "saga", "events": 1, "hash": "00" * 32}],
    }
    return body | changes


def harmful(world):
    """Messages that were tried, or could be; none of them holds."""
    delivery = {"partition": 4294967295, "offset": 1, "arrivedAt": 1, "recordedAt": 1, "eventTimestamp": 1}
    return [
        b"\x00\xff no json",
        b"[" * 100_000,
        json.dumps(decision("restore", {"saga": "saga", "purge": 0, "events": [delivery]})).encode(),
        json.dumps(decision("purge", purge(world, cut={"4294967295": 1}))).encode(),
        json.dumps(decision("purge", purge(world, cut={"0": 2**64 - 1}))).encode(),
        json.dumps(
            decision("purge", purge(world, object={"name": "archive/x", "size": 2**45, "hash": "00" * 32}))
        ).encode(),
        json.dumps(decision("purge", purge(world, topic="another"))).encode(),
        json.dumps(decision("hold", {"saga": "saga"}, id="")).encode(),
    ]


@pytest.mark.timeout(600)
def test_nothing_on_the_operations_topic_ends_a_replica_or_holds_retention_up(world, seed):
    world.publish(seed, 60)
    tracker = world.tracker().start().wait_caught_up()
    producer = Producer(world.broker.client)

    def publish(*messages):
        for message in messages:
            producer.produce(f"{world.topic}.ops", message, partition=0)
        assert producer.flush(30) == 0

    def done(count):
        def all_done():
            ops = tracker.api.health()[1]["components"]["ops"]["details"]
            return ops["next"] == count and tracker.api.json("/api/v1/retention")["pendingDecisions"] == 0

        wait_until(all_done, 60, f"{count} decisions to be done")

    messages = harmful(world)
    # Well-formed, and about places that the topic does not have: nobody may wait for them.
    for cut in ({"0": 10**9}, {"7": 3}):
        messages.append(json.dumps(decision("purge", purge(world, cut=cut))).encode())
    # One decision that was published twice.
    held = json.dumps(decision("hold", {"saga": "nobody"})).encode()
    messages += [held, held]
    publish(*messages)
    done(len(messages))
    assert len(tracker.api.json("/api/v1/holds")["content"]) == 1
    metrics = tracker.api.metrics()
    assert metrics.value("saga_tracker_decisions_total", kind="hold", outcome="duplicate") == 1
    assert metrics.value("saga_tracker_retention_skipped_decisions_total", reason="unreachable") == 2

    # The same after a restart, and what is due goes.
    assert tracker.terminate() == 0
    tracker.start(**retention_setup.SETTINGS)
    expected = retention_setup.due(world.truth())
    retention_setup.wait_gone(tracker, len(expected))
    assert tracker.api.metrics().value("saga_tracker_retention_skipped_decisions_total", reason="unreachable") == 2
    retention = tracker.api.health()[1]["components"]["retention"]
    assert retention["status"] == "UP" and "has no partition 7" in retention["details"]["message"], retention
    assert "decision" in tracker.tail(400)
    assert tracker.terminate() == 0
    tracker.verify()
