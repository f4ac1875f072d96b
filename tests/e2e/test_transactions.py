"""Producers that write in transactions: what was aborted never happened, and markers are nobody's loss."""

import uuid

import pytest
from confluent_kafka import Producer

from servers import ADMIN_TIMEOUT, wait_until

pytestmark = pytest.mark.tracker

START = 1_735_689_600_000


def event(saga, step, status, after=0):
    return {
        "eventId": str(uuid.uuid4()),
        "eventTimestamp": START + after,
        "sagaId": saga,
        "sagaType": "ORDER_CREATION",
        "step": step,
        "status": status,
        "orderId": f"order of {saga}",
        "metadata": None,
        "recordedAt": START + after,
    }


class Shop:
    """One producer, one transaction at a time."""

    def __init__(self, world):
        self.world = world
        self.producer = Producer(world.broker.client | {"transactional.id": f"{world.topic}.shop"})
        self.producer.init_transactions(ADMIN_TIMEOUT)

    def begin(self, *events):
        self.producer.begin_transaction()
        for each in events:
            self.producer.produce(self.world.topic, key=each["sagaId"], value=self.world.publisher.encode(each))
        assert self.producer.flush(30) == 0

    def commit(self, *events):
        if events:
            self.begin(*events)
        self.producer.commit_transaction(30)

    def abort(self, *events):
        self.begin(*events)
        self.producer.abort_transaction(30)


def nothing_is_left(tracker):
    metrics = tracker.api.metrics()
    return metrics.value("saga_tracker_consumer_lag") == 0 and tracker.api.health("readiness")[0] == 200


def gaps(tracker, kind):
    return tracker.api.metrics().value("saga_tracker_offset_gaps_total", kind=kind)


def test_what_was_aborted_never_happened_and_the_end_of_the_topic_is_reached(world):
    shop = Shop(world)
    sagas = [f"s-{number}" for number in range(12)]
    for saga in sagas:
        shop.commit(event(saga, "ORDER_CREATED", "STARTED"), event(saga, "STOCK_RESERVED", "IN_PROGRESS", 5))
        shop.abort(event(saga, "ORDER_CANCELLED", "FAILED", 9), event(f"never-{saga}", "ORDER_CREATED", "STARTED"))
    # Each partition ends with markers, which no consumer gets.
    first = world.tracker("first").start()
    wait_until(lambda: nothing_is_left(first), 30, "the end")
    listed = first.api.json("/api/v1/sagas", size=100)["content"]
    assert sorted(saga["sagaId"] for saga in listed) == sorted(sagas)
    assert {(saga["currentStatus"], saga["stepCount"]) for saga in listed} == {("IN_PROGRESS", 2)}
    assert gaps(first, "undelivered") > 0 and gaps(first, "expired") == 0

    # Once more from where the store ends, which is before the markers.
    first.kill9()
    first.start()
    wait_until(lambda: nothing_is_left(first), 30, "the end after a kill")

    # What is not decided yet is no lag either; decided, it shows.
    shop.begin(event("open", "ORDER_CREATED", "STARTED"))
    second = world.tracker("second").start()
    for tracker in (first, second):
        wait_until(lambda t=tracker: nothing_is_left(t), 30, "the end before an open transaction")
        assert tracker.api.get("/api/v1/sagas/open").status_code == 404
    shop.commit()
    for tracker in (first, second):
        wait_until(lambda t=tracker: t.api.get("/api/v1/sagas/open").status_code == 200, 30, "the committed saga")
        wait_until(lambda t=tracker: nothing_is_left(t), 30, "the end once more")
        assert tracker.terminate() == 0
        tracker.verify()
    assert first.digest() == second.digest()


def test_a_topic_of_nothing_but_aborted_transactions_is_read_to_its_end(world):
    shop = Shop(world)
    shop.abort(*(event(f"never-{number}", "ORDER_CREATED", "STARTED") for number in range(9)))
    tracker = world.tracker().start()
    wait_until(lambda: nothing_is_left(tracker), 30, "the end")
    assert tracker.api.json("/api/v1/sagas")["page"]["totalElements"] == 0
