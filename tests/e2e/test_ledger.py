"""The ledger: what every offset came to, with transactions, duplicates, poison, an operator and a hole."""

import datetime
import json

import pytest
from confluent_kafka import TopicPartition

from servers import wait_until
from test_transactions import Shop, event

pytestmark = pytest.mark.tracker

CLASSES = ["applied", "duplicate", "operator", "purged", "pending", "deadLetter"]
GAPS = ["transactionMarker", "compaction", "expired", "unexplained"]


def classes(body):
    """The classes that have any."""
    counts = {name: body[name] for name in CLASSES} | {name: body["gap"][name] for name in GAPS}
    assert sum(counts.values()) == body["offsets"]
    return {name: count for name, count in counts.items() if count}


def send(world, *events):
    for each in events:
        world.publisher.send_raw(each["sagaId"].encode(), world.publisher.encode(each), partition=0)
    world.publisher.flush()


def folded(tracker, next_offset):
    def seen():
        ledger = tracker.api.json("/api/v1/ledger")
        partitions = ledger["partitions"]
        return ledger if partitions and partitions[0]["next"] >= next_offset and not ledger["total"]["pending"] else None

    return wait_until(seen, 60, f"offset {next_offset} in the ledger")


def test_every_offset_is_in_exactly_one_class(make_world, broker):
    world = make_world(broker, partitions=1)
    first = event("s-1", "ORDER_CREATED", "STARTED")
    send(world, first, event("s-1", "STOCK_RESERVED", "IN_PROGRESS", 5), first)
    world.publisher.send_raw(b"s-1", b"no event", partition=0)
    world.publisher.flush()
    shop = Shop(world)
    shop.commit(event("s-2", "ORDER_CREATED", "STARTED"), event("s-2", "STOCK_RESERVED", "IN_PROGRESS", 5))
    shop.abort(event("s-3", "ORDER_CREATED", "STARTED"), event("s-4", "ORDER_CREATED", "STARTED"))
    # The marker is written when the broker gets round to it.
    wait_until(lambda: broker.ends(world.topic)[0] == 10, 30, "the marker of what was aborted")
    send(world, event("s-5", "ORDER_CREATED", "STARTED"))

    tracker = world.tracker().start()
    assert classes(folded(tracker, 11)["total"]) == {
        "applied": 5,
        "duplicate": 1,
        "deadLetter": 1,
        # The marker of the commit, two that were aborted, and their marker.
        "transactionMarker": 4,
    }
    done = tracker.api.request(
        "PATCH",
        "/internal/v1/sagas/s-1/status",
        json={"status": "FAILED", "reason": "by hand"},
        headers={"X-Operator": "kim"},
    )
    assert done.status_code == 200, done.text
    found = tracker.api.json("/api/v1/sagas/s-1/offsets")["offsets"]
    assert [(each["offset"], each["class"]) for each in found] == [
        (0, "applied"),
        (2, "duplicate"),
        (1, "applied"),
        (11, "operator"),
    ]
    page = tracker.api.json("/api/v1/sagas/s-1/offsets", size=3)
    assert [each["offset"] for each in page["offsets"]] == [0, 2, 1]
    rest = tracker.api.json("/api/v1/sagas/s-1/offsets", after=page["next"])
    assert [each["offset"] for each in rest["offsets"]] == [11] and "next" not in rest
    assert tracker.api.get("/api/v1/sagas/s-3/offsets").status_code == 404

    # What is deleted before it is read is a hole that the broker explains.
    assert tracker.terminate() == 0
    send(world, *(event("s-6", "ORDER_CREATED", "STARTED", number) for number in range(20)))
    end = world.broker.ends(world.topic)[0]
    for future in world.broker.admin.delete_records([TopicPartition(world.topic, 0, end)]).values():
        future.result(30)
    send(world, event("s-7", "ORDER_CREATED", "STARTED"))
    tracker.start()
    ledger = folded(tracker, end + 1)
    (partition,) = ledger["partitions"]
    wanted = classes(ledger["total"])
    assert wanted == classes(partition)
    assert {name: wanted[name] for name in ("applied", "duplicate", "operator", "deadLetter")} == {
        "applied": 6,
        "duplicate": 1,
        "operator": 1,
        "deadLetter": 1,
    }
    # Whether the hole of the markers was settled before the broker deleted what is around it depends on
    # when it was asked.
    assert wanted["expired"] in (20, 24) and wanted["expired"] + wanted.get("transactionMarker", 0) == 24
    assert (partition["start"], partition["next"]) == (0, end + 1) and partition["offsets"] == end + 1
    assert ledger["complete"] and partition["complete"] and ledger["unexplained"] == 0

    # Day by day it is the same.
    today = datetime.datetime.now(datetime.UTC).date()
    days = tracker.api.json("/api/v1/ledger", fromDay=str(today - datetime.timedelta(days=1)), partition=0)
    summed = {}
    for day in days["partitions"][0]["days"]:
        for name, count in classes(day).items():
            summed[name] = summed.get(name, 0) + count
    assert summed == wanted
    assert tracker.api.json("/api/v1/ledger", partition=7)["partitions"] == []

    metrics = tracker.api.metrics()
    assert metrics.value("saga_tracker_ledger_unexplained_offsets") == 0
    assert metrics.value("saga_tracker_ledger_offsets", **{"class": "expired"}) == wanted["expired"]
    component = tracker.api.health()[1]["components"]["ledger"]
    assert component["status"] == "UP" and "accounted for" in component["details"]["message"]
    shown = tracker.cli("ledger", "--url", tracker.url, "--json")
    assert shown.returncode == 0, shown.stderr
    assert classes(json.loads(shown.stdout)["total"]) == wanted

    # A rebuild comes to the same, and so does whoever looks at the rows.
    assert tracker.terminate() == 0
    tracker.verify()
    assert tracker.cli("rebuild", "--data-dir", tracker.data).returncode == 0
    tracker.start()
    assert classes(folded(tracker, end + 1)["total"]) == wanted
