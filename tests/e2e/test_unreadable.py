"""Batches that unpack to more than a client takes: told, passed over, and nobody's end."""

import uuid

import pytest
from confluent_kafka import Producer

from servers import wait_until

pytestmark = pytest.mark.tracker

START = 1_735_689_600_000


def event(saga):
    return {
        "eventId": str(uuid.uuid4()),
        "eventTimestamp": START,
        "sagaId": saga,
        "sagaType": "ORDER_CREATION",
        "step": "ORDER_CREATED",
        "status": "STARTED",
        "orderId": f"order of {saga}",
        "metadata": None,
        "recordedAt": START,
    }


def send(world, saga):
    world.publisher.send_raw(saga.encode(), world.publisher.encode(event(saga)), partition=0)
    world.publisher.flush()


def send_bomb(world):
    """A batch of some kilobytes that unpacks to more than receive.message.max.bytes."""
    producer = Producer(
        world.broker.client
        | {"compression.type": "zstd", "message.max.bytes": 200_000_000, "batch.size": 200_000_000, "linger.ms": 500}
    )
    errors = []
    for _ in range(2):
        producer.produce(
            world.topic, bytes(60_000_000), b"bomb", partition=0, on_delivery=lambda error, _: errors.append(error)
        )
    assert producer.flush(120) == 0
    assert errors == [None, None]


def kafka(tracker):
    """Status and message of the component; nothing while nobody answers."""
    body = tracker.api.health()[1]
    component = body["components"]["kafka"] if body else {}
    return component.get("status"), component.get("details", {}).get("message", "")


def test_a_batch_that_cannot_be_unpacked_is_told_and_then_passed_over(make_world, broker):
    world = make_world(broker, partitions=1)
    send(world, "before")
    send_bomb(world)
    send(world, "after")
    assert world.broker.ends(world.topic) == {0: 4}

    tracker = world.tracker().spawn()
    told = wait_until(lambda: next((m for s, m in [kafka(tracker)] if s == "DOWN"), None), 60, "health that tells")
    assert world.topic in told and "partition 0, offset 1" in told, told
    wait_until(lambda: tracker.api.get("/api/v1/sagas/before").status_code == 200, 30, "what stands before it")
    wait_until(lambda: tracker.api.get("/api/v1/sagas/after").status_code == 200, 90, "what stands behind it")
    wait_until(lambda: kafka(tracker)[0] == "UP", 30, "health again")
    metrics = tracker.api.metrics()
    assert metrics.value("saga_tracker_offset_gaps_total", kind="undelivered") == 1
    assert metrics.value("saga_tracker_offset_gaps_total", kind="expired") == 0
    assert metrics.value("saga_tracker_consumer_lag") == 0
    assert "are passed over" in tracker.tail(200)

    ledger = tracker.api.json("/api/v1/ledger")
    assert (ledger["complete"], ledger["unexplained"]) == (False, 2)
    assert metrics.value("saga_tracker_ledger_unexplained_offsets") == 2
    component = tracker.api.health()[1]["components"]["ledger"]
    assert component["status"] == "UP" and "2 offsets are unexplained, of partitions 0" in component["details"]["message"]
    assert tracker.cli("ledger", "--url", tracker.url).returncode == 1

    # From where the store ends nothing of it is met again.
    assert tracker.terminate() == 0
    tracker.start()
    assert kafka(tracker)[0] == "UP"
    assert tracker.terminate() == 0
    tracker.verify()
