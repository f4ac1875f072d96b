"""The harness without the tracker: what is sent is what the oracle finds in the topic."""

import json
import random
import signal
from urllib.parse import urlsplit

import pytest
import requests

import oracle
import workload
from producer import SCHEMA, Publisher
from servers import Broker, Gate, wait_until


def test_what_is_published_is_what_the_oracle_reads(world, seed):
    messages = workload.messages(seed, 300, awkward=True)
    world.publisher.send(messages).flush()
    truth = world.truth()
    assert not truth.dead_letters
    assert set(truth.sagas) == {m.fields["sagaId"] for m in messages}
    assert truth.delivered == len(messages)
    sent = {m.fields["eventId"] for m in messages if m.fields["eventId"]}
    assert {e.event_id for s in truth.sagas.values() for e in s.timeline} - {""} == sent


def test_the_workload_reaches_every_corner(seed):
    """Otherwise equal answers would say little."""
    rng = random.Random(seed)
    sagas = {}
    for n, message in enumerate(workload.messages(seed, 3000)):
        f = message.fields
        event = oracle.Event(
            f["eventId"],
            f["sagaId"],
            f["sagaType"],
            f["step"],
            f["status"],
            f["orderId"],
            f["metadata"],
            f["recordedAt"],
            (rng.randrange(3), n),
        )
        sagas.setdefault(f["sagaId"], []).append(event)
    folded = [oracle.fold(events) for events in sagas.values()]
    retried = sum(len(events) for events in sagas.values()) - sum(len(s.timeline) for s in folded)
    kinds = {kind for s in folded for kind, _, _ in s.anomalies}
    assert {s.status for s in folded} == set(oracle.STATUSES)
    assert kinds == {"transition", "conflict", "order"}
    assert retried > 500
    assert len({s.started_at for s in folded}) < len(folded), "no ties to order"
    assert sum(len(s.failed_at) > 1 for s in folded) > 10, "no saga fails twice"
    assert sum(len(s.compensations) for s in folded) > 100


def test_every_poison_is_a_dead_letter_and_the_rest_is_not(world, seed):
    kinds = world.publish_poison(random.Random(seed), large=True)
    world.publisher.send(workload.nearly_poison(random.Random(seed))).flush()
    truth = world.truth()
    assert len(truth.dead_letters) == len(kinds)
    assert len(truth.sagas) == len(workload.nearly_poison(random.Random(seed)))
    reasons = {letter.reason.split(":")[0] for letter in truth.dead_letters}
    assert {"tombstone", "over-size", "unknown schema id", "unknown status", "empty sagaId"} <= reasons


def test_the_serializer_registers_the_published_spelling(world, seed):
    world.publish(seed, 1)
    record = world.broker.read(world.topic)[0]
    schema_id = int.from_bytes(record.value[1:5], "big")
    text = world.publisher.registry.get_schema(schema_id).schema_str
    assert '"logicalType"' in text
    times = [f for f in json.loads(text)["fields"] if f["name"] == "recordedAt"]
    assert times == [f for f in SCHEMA["fields"] if f["name"] == "recordedAt"]
    assert times[0]["logicalType"] == "timestamp-millis"


def test_a_broker_keeps_its_data_through_stop_and_kill(tmp_path):
    with Broker(tmp_path / "kafka") as broker:
        address = broker.address
        broker.create_topic("t", 2)
        broker.kill()
        assert broker.start().address == address
        assert broker.partitions("t") == [0, 1]
        broker.grow_topic("t", 3)
        broker.stop()
        broker.start()
        assert broker.ends("t") == {0: 0, 1: 0, 2: 0}
        broker.delete_topic("t")
        broker.create_topic("t", 1)
        broker.signal(signal.SIGSTOP)
        broker.thaw()
        assert wait_until(lambda: broker.partitions("t"), 30) == [0]


def test_a_recreated_topic_starts_over(world, seed):
    world.publish(seed, 20)
    world.broker.delete_topic(world.topic)
    world.broker.create_topic(world.topic, 3)
    assert world.broker.ends(world.topic) == {0: 0, 1: 0, 2: 0}
    again = Publisher(world.broker, world.registry, world.topic)
    again.send(workload.messages(seed, 5)).flush()
    assert len(world.truth().sagas) == 5


def test_a_gate_cuts_and_restores_a_wire(registry):
    parts = urlsplit(registry.address)
    gate = Gate(parts.hostname, parts.port)
    url = f"http://127.0.0.1:{gate.port}{parts.path}/subjects"
    for _ in range(2):
        with pytest.raises(requests.ConnectionError):
            requests.get(url, timeout=5)
        gate.open()
        with requests.Session() as session:
            assert session.get(url, timeout=5).ok
            gate.close()
            with pytest.raises(requests.ConnectionError):
                session.get(url, timeout=5)
