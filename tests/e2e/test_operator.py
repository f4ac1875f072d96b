"""What an operator changes: through Kafka, on every replica, on record."""

import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import pytest
from confluent_kafka import Producer

from servers import Broker, wait_until

pytestmark = pytest.mark.tracker

START = 1_735_689_600_000


def fields(saga, step, status, at, **more):
    """One event of one saga, as a producer would send it."""
    return {
        "eventId": str(uuid.uuid4()),
        "eventTimestamp": at,
        "sagaId": saga,
        "sagaType": "ORDER_CREATION",
        "step": step,
        "status": status,
        "orderId": f"order of {saga}",
        "metadata": None,
        "recordedAt": at,
    } | more


def send(world, *events):
    for event in events:
        world.publisher.send_raw(event["sagaId"].encode(), world.publisher.encode(event))
    world.publisher.flush()


def send_as_java(world, *events):
    """With the partitioner that the services' clients use."""
    producer = Producer(world.broker.client | {"partitioner": "murmur2_random"})
    for event in events:
        producer.produce(world.topic, world.publisher.encode(event), event["sagaId"].encode())
    assert producer.flush(30) == 0


def failed_saga(world, saga, at=START, send=send):
    send(
        world,
        fields(saga, "ORDER_CREATED", "STARTED", at),
        fields(saga, "PAYMENT_FAILED", "FAILED", at + 1000),
    )


def patch(tracker, saga, operator="kim", **body):
    path = f"/internal/v1/sagas/{quote(saga, safe='')}/status"
    return tracker.api.request("PATCH", path, json=body, headers={"X-Operator": operator})


def hold(tracker, saga):
    body = {"sagaId": saga, "reason": "case 1"}
    return tracker.api.request("POST", "/api/v1/holds", json=body, timeout=60)


def audit(tracker, **params):
    return tracker.api.json("/api/v1/audit", **params)["content"]


def verified(tracker):
    found = tracker.api.json("/api/v1/audit/verification")
    assert found["faulty"] == 0, found
    return found


def test_a_change_is_on_every_replica_after_restart_and_after_rebuild(world):
    saga = "속/1 ?"
    failed_saga(world, saga, send=send_as_java)
    one = world.tracker("one").start().wait_caught_up()
    answer = patch(one, saga, status="COMPENSATED", reason="refunded by hand", expectedStatus="FAILED")
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert (body["sagaId"], body["previousStatus"], body["currentStatus"]) == (saga, "FAILED", "COMPENSATED")
    # Answered means applied: nothing to wait for.
    now = one.api.saga(saga)
    assert (now["currentStatus"], now["updatedAt"]) == ("COMPENSATED", body["updatedAt"])
    step = one.api.steps(saga)["steps"][-1]
    assert (step["step"], step["status"], step["eventId"]) == ("OPERATOR_STATUS_CHANGE", "COMPENSATED", body["eventId"])
    assert step["producerService"] == "saga-tracker"
    assert step["metadata"]["operator"] == "kim"
    assert step["operatorChange"] == {
        "operator": "kim",
        "reason": "refunded by hand",
        "expectedStatus": "FAILED",
        "refused": False,
    }
    # An ordinary event: keyed like the others, in the same partition, in the registered schema.
    records = world.broker.read(world.topic)
    assert {r.key for r in records} == {saga.encode()}
    assert len({r.partition for r in records}) == 1
    assert len({r.value[:5] for r in records}) == 1
    assert world.truth().sagas[saga].timeline[-1].step == "OPERATOR_STATUS_CHANGE"
    two = world.tracker("two").start().wait_caught_up()
    assert two.api.saga(saga) == now
    two.restart().wait_caught_up()
    assert two.api.saga(saga) == now
    digests = []
    for tracker in (one, two):
        assert tracker.terminate() == 0
        tracker.verify()
        digests.append(tracker.digest())
    assert digests[0] == digests[1]
    assert two.cli("rebuild", "--data-dir", two.data).returncode == 0
    assert two.digest() == digests[0]
    # The offline command is on record in the store that it opened.
    shown = two.cli("audit", "--data-dir", two.data, "--json", SAGA_TRACKER_OPERATOR="lee")
    assert '"rebuild"' in shown.stdout, shown
    assert two.cli("audit", "--verify", "--data-dir", two.data).returncode == 0


def test_without_a_registry_the_bundled_schema_is_written(world):
    failed_saga(world, "s-1")
    tracker = world.tracker(registry_url=None).start().wait_caught_up()
    assert patch(tracker, "s-1", status="COMPLETED", reason="r").status_code == 200
    assert tracker.api.saga("s-1")["currentStatus"] == "COMPLETED"


def test_what_cannot_be_is_refused_and_told_why(world):
    failed_saga(world, "s-1")
    tracker = world.tracker().start().wait_caught_up()
    before = sum(world.broker.ends(world.topic).values())
    for saga, body, status, words in [
        ("nobody", {"status": "COMPLETED", "reason": "r"}, 404, "no event"),
        ("s-1", {"status": "FAILED", "reason": "r"}, 409, "FAILED already"),
        ("s-1", {"status": "COMPLETED", "reason": "r", "expectedStatus": "STARTED"}, 409, "not STARTED as expected"),
        ("s-1", {"status": "DONE", "reason": "r"}, 400, "accepted: STARTED"),
        ("s-1", {"status": "COMPLETED"}, 400, "reason"),
        ("s-1", {"status": "COMPLETED", "reason": "r", "expected": "FAILED"}, 400, "unknown field"),
    ]:
        answer = patch(tracker, saga, **body)
        assert answer.status_code == status, answer.text
        assert words in answer.json()["message"], answer.text
    assert sum(world.broker.ends(world.topic).values()) == before
    assert [e["result"] for e in audit(tracker)] == ["REFUSED"] * 6
    assert verified(tracker)["entries"] == 6


def test_an_event_stands_behind_the_last_one_even_when_that_ones_clock_is_ahead(world):
    ahead = int(time.time() * 1000) + 3_600_000
    failed_saga(world, "s-1", at=ahead)
    tracker = world.tracker().start().wait_caught_up()
    assert patch(tracker, "s-1", status="COMPENSATED", reason="r").status_code == 200
    steps = tracker.api.steps("s-1")["steps"]
    assert steps[-1]["step"] == "OPERATOR_STATUS_CHANGE"
    assert tracker.api.saga("s-1")["currentStatus"] == "COMPENSATED"


def test_a_change_decided_on_stale_state_is_refused_when_it_is_applied(world):
    """The tracker has not consumed yet what the change collides with."""
    failed_saga(world, "s-1")
    tracker = world.tracker("tracker", KAFKA_MAX_POLL_RECORDS="1").start().wait_caught_up()
    replica = world.tracker("replica").start().wait_caught_up()
    refused = applied = 0
    # The producer and the operator race; whoever's event comes first in the topic has won, and both
    # the caller and every replica know it.
    for round_number in range(1, 200):
        saga = f"race-{round_number}"
        now = int(time.time() * 1000)
        failed_saga(world, saga, at=now - 60_000)
        wait_until(lambda saga=saga: tracker.api.get(f"/api/v1/sagas/{saga}").status_code == 200, 30, saga)
        wait_until(lambda saga=saga: tracker.api.saga(saga)["currentStatus"] == "FAILED", 30, saga)
        rival = fields(saga, "COMPENSATION_ORDER", "COMPENSATED", now - 1000)
        world.publisher.send_raw(saga.encode(), world.publisher.encode(rival))
        world.publisher._producer.poll(0)
        answer = patch(tracker, saga, status="COMPLETED", reason="r", expectedStatus="FAILED")
        world.publisher.flush()
        if answer.status_code == 200:
            applied += 1
        elif "when it was applied" in answer.json()["message"]:
            refused += 1
            assert answer.status_code == 409
            tracker.wait_caught_up()
            step = tracker.api.steps(saga)["steps"][-1]
            assert step["operatorChange"]["refused"] is True
            assert tracker.api.saga(saga)["currentStatus"] == "COMPENSATED"
            kinds = [a["kind"] for a in tracker.api.saga(saga)["anomalies"]]
            assert "OPERATOR_CHANGE_REFUSED" in kinds
            break
        else:
            assert answer.status_code == 409, answer.text
    assert refused, f"no race was lost: {applied} applied"
    for one in (tracker, replica):
        one.wait_caught_up()
        assert one.terminate() == 0
        one.verify()
    assert tracker.digest() == replica.digest()


def test_without_kafka_nothing_is_changed_and_said_so(make_world, own_broker):
    world = make_world(own_broker)
    failed_saga(world, "s-1")
    tracker = world.tracker().start().wait_caught_up()
    before = own_broker.ends(world.topic)
    own_broker.freeze()
    answer = patch(tracker, "s-1", status="COMPENSATED", reason="r")
    assert answer.status_code == 503, answer.text
    assert "nothing was changed" in answer.json()["message"], answer.text
    assert tracker.api.saga("s-1")["currentStatus"] == "FAILED"
    own_broker.thaw()
    # Once the tracker reads again, so that no answer is given up on before the change is read back.
    send(world, fields("s-1", "PAYMENT_FAILED", "FAILED", START + 2000))
    wait_until(lambda: tracker.api.saga("s-1")["stepCount"] == 3, 180, "the tracker to read")
    # Had anything been on its way, it would be there by now: a later change is behind it.
    wait_until(
        lambda: patch(tracker, "s-1", status="COMPLETED", reason="r", expectedStatus="FAILED").status_code == 200,
        60,
        "Kafka to take a change again",
        interval=1,
    )
    after = own_broker.ends(world.topic)
    assert sum(after.values()) == sum(before.values()) + 2
    assert tracker.api.saga("s-1")["currentStatus"] == "COMPLETED"
    results = [e["result"] for e in reversed(audit(tracker, action="set-status"))]
    assert results[0] == "REFUSED" and results[-1] == "DONE"
    verified(tracker)


def test_health_tells_of_an_ops_topic_that_is_missing_and_of_one_that_was_replaced(world):
    failed_saga(world, "s-1")
    waiting = {
        "SAGA_TRACKER_KAFKA__CREATE_OPS_TOPIC": "false",
        "SAGA_TRACKER_HEALTH__KAFKA_DOWN_AFTER_MS": "2000",
    }
    tracker = world.tracker(**waiting).start().wait_caught_up()

    def ops():
        return tracker.api.health()[1]["components"]["ops"]

    wait_until(lambda: ops()["status"] == "DOWN", 30, "the missing topic to be told")
    assert "the ops topic does not exist" in ops()["details"]["message"]
    # Who decides nothing needs none.
    assert [tracker.api.health(kind)[0] for kind in ("", "liveness", "readiness")] == [200] * 3
    topic = f"{world.topic}.ops"
    world.broker.create_topic(topic, 1)
    wait_until(lambda: ops()["status"] == "UP" and ops()["details"]["end"] == 0, 30, "the topic to be found")
    assert hold(tracker, "s-1").status_code == 201
    read = {"message": "decisions are read", "next": 1, "end": 1, "lag": 0}
    wait_until(lambda: ops()["details"] == read, 30, "the decision to be read, and the end to be known")
    # Made again, it is another topic: what is decided there is not read here, and that is told.
    assert tracker.terminate() == 0
    world.broker.delete_topic(topic)
    world.broker.create_topic(topic, 1)
    tracker.start()
    wait_until(lambda: ops()["status"] == "DOWN", 30, "the other topic to be told")
    assert "went back" in ops()["details"]["message"]
    assert [tracker.api.health(kind)[0] for kind in ("", "liveness", "readiness")] == [503, 200, 200]
    assert tracker.api.metrics().value("saga_tracker_ops_stopped") == 1
    refused = hold(tracker, "s-1")
    assert refused.status_code == 503 and "nothing was changed" in refused.json()["message"], refused.text
    assert world.broker.ends(topic) == {0: 0}


def test_a_decision_waits_for_an_ops_topic_that_is_being_created(world):
    failed_saga(world, "s-1")

    def waited(attempt):
        """Whether a call that came first waited. It does for some seconds; beyond that nothing was changed."""
        topic = f"{world.topic}.ops.{attempt}"
        absent = {"SAGA_TRACKER_KAFKA__CREATE_OPS_TOPIC": "false", "KAFKA_TOPIC_SAGA_TRACKER_OPS": topic}
        tracker = world.tracker(f"attempt-{attempt}", **absent).start().wait_caught_up()
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(hold, tracker, "s-1")
            world.broker.create_topic(topic, 1)
            answer = answer.result()
        published = world.broker.ends(topic) == {0: 1}
        if published:
            # Also when it was not read back soon enough to be answered.
            assert answer.status_code == 201 or "do not repeat it" in answer.json()["message"], answer.text
            wait_until(lambda: tracker.api.json("/api/v1/holds")["content"], 120, "the decision to take effect")
        else:
            message = answer.json()["message"]
            assert answer.status_code == 503 and topic in message and "nothing was changed" in message, answer.text
        assert tracker.terminate() == 0
        return published

    assert any(waited(attempt) for attempt in range(20))


def test_the_ops_topic_is_never_one_that_the_broker_creates_by_itself(make_world, tmp_path):
    with Broker(tmp_path / "kafka", "--override", "auto.create.topics.enable=true") as broker:
        world = make_world(broker)
        topic = f"{world.topic}.ops"
        failed_saga(world, "s-1")
        tracker = world.tracker(SAGA_TRACKER_KAFKA__CREATE_OPS_TOPIC="false").start().wait_caught_up()
        refused = hold(tracker, "s-1")
        assert refused.status_code == 503, refused.text
        assert f"topic {topic} does not exist" in refused.json()["message"]
        assert broker.partitions(topic) == []
        assert tracker.terminate() == 0
        tracker = world.tracker("other").start()
        assert hold(tracker, "s-1").status_code == 201
        # Kept for ever, and when a decision was made is the broker's word.
        made = broker.settings(topic)
        assert (made["retention.ms"], made["message.timestamp.type"]) == ("-1", "LogAppendTime")
        assert made["cleanup.policy"] == "delete"


def test_the_audit_log_shows_every_call_and_any_tampering(world):
    failed_saga(world, "s-1")
    tracker = world.tracker().start().wait_caught_up()
    assert patch(tracker, "s-1", "lee", status="COMPENSATED", reason="ticket 7").status_code == 200
    done = tracker.cli(
        "set-status",
        "s-1",
        "failed",
        "--reason",
        "back again",
        "--expected",
        "COMPENSATED",
        "--url",
        tracker.url,
        SAGA_TRACKER_OPERATOR="park",
    )
    assert done.returncode == 0, done.stderr
    assert "from COMPENSATED to FAILED" in done.stdout
    assert tracker.cli("rebuild", "--url", tracker.url, SAGA_TRACKER_OPERATOR="park").returncode == 0
    entries = list(reversed(audit(tracker)))
    assert [(e["who"], e["action"], e["result"]) for e in entries] == [
        ("lee", "set-status", "DONE"),
        ("park", "set-status", "DONE"),
        ("park", "rebuild", "BEGUN"),
        ("park", "rebuild", "DONE"),
    ]
    assert entries[0]["from"] == "127.0.0.1"
    assert entries[0]["why"] == "ticket 7"
    assert tracker.api.metrics().value("saga_tracker_audit_entries_total") == 4
    head = verified(tracker)["head"]
    shown = tracker.cli("audit", "--url", tracker.url, "--who", "park", "--action", "set-status")
    assert "back again" in shown.stdout and "ticket 7" not in shown.stdout
    # Entries outlive a kill, and so does what they prove.
    tracker.kill9()
    tracker.start()
    assert verified(tracker)["head"] == head
    # In the log of the process too: a witness outside the store.
    assert head in tracker.log.read_text(errors="replace")
    tracker.terminate()
    assert tracker.cli("audit", "--verify", "--data-dir", tracker.data).returncode == 0
    damage(tracker, b"ticket 7", b"ticket 9")
    spoiled = tracker.cli("audit", "--verify", "--data-dir", tracker.data)
    # Refused as damaged, found as a fault, or, where recovery cut a torn end off, ending elsewhere.
    assert spoiled.returncode != 0 or head not in spoiled.stdout, spoiled.stdout


def damage(tracker, old, new):
    """Changes bytes in the files of a stopped store, wherever they stand."""
    hits = 0
    for path in tracker.data.iterdir():
        if path.is_file():
            content = path.read_bytes()
            if old in content:
                path.write_bytes(content.replace(old, new))
                hits += content.count(old)
    assert hits, f"{old!r} is in no file of {tracker.data}"
