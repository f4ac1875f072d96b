"""Schemas: from the registry, without one, while it is away, and as they evolve."""

import json
import random
from urllib.parse import urlsplit

import pytest
from confluent_kafka.schema_registry import Schema

import checks
import oracle
import workload
from producer import SCHEMA, Publisher
from servers import Gate, wait_until

pytestmark = pytest.mark.tracker


def changed(change):
    """A copy of the published schema with something different about it."""
    schema = json.loads(json.dumps(SCHEMA))
    change(schema, {f["name"]: f for f in schema["fields"]})
    return schema


def added_field(schema, fields):
    schema["fields"].insert(3, {"name": "region", "type": {"type": "map", "values": "string"}})
    schema["fields"].append({"name": "priority", "type": ["null", "int"], "default": None})


def renamed_namespace(schema, fields):
    schema["namespace"] = "com.c4ang.contract.saga"


def new_saga_types(schema, fields):
    fields["sagaType"]["type"]["symbols"] += ["REFUND", "STORE_REGISTRATION"]


def reordered_symbols(schema, fields):
    fields["status"]["type"]["symbols"].reverse()


def reordered_fields(schema, fields):
    schema["fields"].reverse()


def nested_logical_type(schema, fields):
    for name in ("eventTimestamp", "recordedAt"):
        fields[name]["type"] = {"type": "long", "logicalType": "timestamp-millis"}
        del fields[name]["logicalType"]


def no_metadata(schema, fields):
    schema["fields"].remove(fields["metadata"])


def metadata_first(schema, fields):
    fields["metadata"]["type"] = ["string", "null"]
    del fields["metadata"]["default"]


EVOLUTIONS = {
    "added field": (added_field, {"region": {"area": "서울"}, "priority": 3}),
    "renamed namespace": (renamed_namespace, {}),
    "new saga type": (new_saga_types, {"sagaType": "REFUND"}),
    "another new saga type": (new_saga_types, {"sagaType": "STORE_REGISTRATION", "status": "COMPLETED"}),
    "reordered symbols": (reordered_symbols, {"status": "FAILED"}),
    "reordered fields": (reordered_fields, {}),
    "nested logicalType": (nested_logical_type, {}),
    "no metadata": (no_metadata, {}),
    "union the other way round": (metadata_first, {"metadata": '{"traceId": "t"}'}),
}


def test_writers_evolve(world, seed):
    rng = random.Random(seed)
    sent = {}
    for name, (change, values) in EVOLUTIONS.items():
        fields = workload.valid(rng, **values)
        sent[name] = fields["sagaId"]
        value = world.publisher.encode_as(changed(change), fields)
        world.publisher.send_raw(fields["sagaId"].encode(), value)
    world.publish(seed, 20)
    tracker = world.tracker().start().wait_caught_up()
    truth = world.truth()
    assert not truth.dead_letters
    assert set(sent.values()) <= set(truth.sagas)
    checks.everything(tracker.api, truth)
    assert tracker.api.saga(sent["new saga type"])["sagaType"] == "REFUND"
    assert tracker.api.search(sagaType="STORE_REGISTRATION")["page"]["totalElements"] == 1


@pytest.mark.parametrize("field", ["eventId", "sagaId", "sagaType", "step", "status", "orderId", "recordedAt"])
def test_a_missing_field_without_default_is_a_dead_letter(world, seed, field):
    def without(schema, fields):
        schema["fields"].remove(fields[field])

    fields = workload.valid(random.Random(seed))
    world.publisher.send_raw(b"k", world.publisher.encode_as(changed(without), fields))
    world.publish(seed, 5)
    tracker = world.tracker().start().wait_caught_up()
    truth = world.truth()
    assert len(truth.dead_letters) == 1
    checks.everything(tracker.api, truth)
    checks.dead_letters(world.broker, world.dlt, world.topic, truth)


def gate_to(registry):
    parts = urlsplit(registry.address)
    gate = Gate(parts.hostname, parts.port)
    return gate, f"http://127.0.0.1:{gate.port}{parts.path}"


def test_a_registry_that_is_down_at_start_is_waited_for(world, registry, seed):
    gate, url = gate_to(registry)
    world.publish(seed, 200)
    tracker = world.tracker(registry_url=url).spawn()
    wait_until(lambda: tracker.api.progress() is not None, 60, "the API to answer")
    wait_until(lambda: "registry" in tracker.tail(500).lower(), 60, "a word about the registry")
    assert tracker.alive
    progress = tracker.api.progress()
    assert all(p["next"] == 0 for p in progress.values()), "consumed without knowing the schema"
    assert not world.broker.read(world.dlt), "a registry that is down is not a poison pill"
    gate.open()
    try:
        tracker.wait_caught_up()
        truth = world.truth()
        assert not truth.dead_letters
        checks.everything(tracker.api, truth)
        # What is known stays known: immutable schemas need no registry any more.
        gate.close()
        world.publish(seed + 1, 50)
        tracker.wait_caught_up()
        assert not world.broker.read(world.dlt)
    finally:
        gate.close()


def test_a_new_schema_while_the_registry_is_away_waits_for_it(world, registry, seed):
    gate, url = gate_to(registry)
    gate.open()
    try:
        world.publish(seed, 50)
        tracker = world.tracker(registry_url=url).start().wait_caught_up()
        gate.close()
        # A schema the tracker has not seen yet, and whose id this test alone knows.
        new = changed(lambda s, f: s["fields"].append({"name": f"only{seed}", "type": "string", "default": ""}))
        fields = workload.valid(random.Random(seed)) | {f"only{seed}": "x"}
        world.publisher.send_raw(fields["sagaId"].encode(), world.publisher.encode_as(new, fields))
        world.publisher.flush()
        wait_until(lambda: tracker.api.metrics().value("saga_tracker_consumer_lag") == 1, 60, "lag of one")
        assert not world.broker.read(world.dlt)
        gate.open()
        tracker.wait_caught_up()
        checks.everything(tracker.api, world.truth())
    finally:
        gate.close()


def test_without_a_registry_the_bundled_schema_reads(world, seed):
    for message in workload.messages(seed, 200):
        # Any id will do: there is nobody to ask.
        value = Publisher.frame(4711, SCHEMA, message.fields)
        world.publisher.send_raw(message.key.encode(), value, message.partition)
    world.publisher.send_raw(b"junk", b"\x00\x00\x00\x00\x01junk")
    world.publisher.flush()
    tracker = world.tracker(registry_url=None).start().wait_caught_up()
    bundled = oracle.readable(json.dumps(SCHEMA))
    truth = oracle.Oracle(world.broker.read(world.topic), lambda _: bundled)
    assert len(truth.dead_letters) == 1
    checks.everything(tracker.api, truth)


def written_too_early(world, seed):
    """An event under an id that the registry gives out next, and what registers it."""
    schema = json.loads(json.dumps(SCHEMA))
    schema["fields"].append({"name": f"of{seed}", "type": "int", "default": 0})
    before = dict(schema, fields=[*schema["fields"], {"name": "first", "type": "int", "default": 0}])
    fields = workload.valid(random.Random(seed), sagaId="early")
    last = world.publisher.encode_as(before, fields | {f"of{seed}": 1, "first": 2})
    early = int.from_bytes(last[1:5], "big") + 1
    world.publisher.send_raw(b"early", world.publisher.frame(early, schema, fields | {f"of{seed}": 1}))
    world.publisher.flush()

    def register():
        subject = f"{world.topic}-early"
        assert world.publisher.registry.register_schema(subject, Schema(json.dumps(schema), "AVRO")) == early

    return register


def test_a_schema_that_is_registered_a_moment_late_is_waited_for(world, seed):
    register = written_too_early(world, seed)
    tracker = world.tracker(SAGA_TRACKER_REGISTRY__UNKNOWN_ID_WAIT_SECONDS="600").spawn()
    wait_until(lambda: "waits a moment" in str(tracker.api.health()[1]), 60, "consumption to wait")
    register()
    tracker.wait_caught_up()
    assert tracker.api.saga("early")["status"] == "STARTED"
    assert tracker.api.json("/api/v1/dead-letters")["content"] == []


def test_replicas_that_met_the_registry_at_different_moments_agree(world, seed):
    register = written_too_early(world, seed)
    early = world.tracker("early").start().wait_caught_up()
    letters = "/api/v1/dead-letters"
    [letter] = early.api.json(letters)["content"]
    assert letter["reason"] == "unknown_schema"
    register()
    wait_until(lambda: early.api.get("/api/v1/sagas/early").status_code == 200, 60, "the letter to be read again")
    assert early.api.json(letters)["content"] == []
    late = world.tracker("late").start().wait_caught_up()
    for tracker in (early, late):
        assert tracker.terminate() == 0
        tracker.verify()
    assert early.digest() == late.digest()
