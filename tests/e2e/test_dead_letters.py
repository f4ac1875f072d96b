"""Dead letters: found, looked at, redriven and discarded; on every replica, over any crash."""

import base64
import json
import random
import signal
import time
from contextlib import suppress

import pytest
from confluent_kafka import Producer, TopicPartition

import checks
import workload
from producer import SCHEMA, Publisher
from servers import wait_until
from tracker import BINARY, Tracker

pytestmark = pytest.mark.tracker

LETTERS = "/api/v1/dead-letters"
UNKNOWN_SCHEMA = 2_000_000_000
REASONS = {
    "bad magic": "bad_magic",
    "json": "bad_magic",
    "unknown schema id": "unknown_schema",
    "truncated": "truncated",
    "header only": "truncated",
    "half a header": "truncated",
    "empty": "truncated",
    "tombstone": "tombstone",
    "invalid utf-8": "invalid_utf8",
    "unknown status": "unknown_status",
    "missing field": "unreadable_schema",
    "empty sagaId": "empty_saga_id",
    "timestamp 0": "bad_timestamp",
    "timestamp in seconds": "bad_timestamp",
    "timestamp in nanoseconds": "bad_timestamp",
    "negative timestamp": "bad_timestamp",
    "long step": "field_too_long",
    "long step, many bytes": "field_too_long",
    "long saga id": "field_too_long",
    "long order id": "field_too_long",
    "empty step": "empty_field",
    "event timestamp 0": "bad_timestamp",
}


def post(tracker: Tracker, path, expect=None, **body):
    answer = tracker.api.request("POST", path, json=body, headers={"X-Operator": "kim"}, timeout=60)
    if expect is not None:
        assert answer.status_code == expect, answer.text
    return answer.json()


def all_letters(tracker, size=50, **filters):
    found, cursor = [], None
    while True:
        page = tracker.api.json(LETTERS, size=size, **filters, **({"cursor": cursor} if cursor else {}))
        found += page["content"]
        cursor = page["nextCursor"]
        if cursor is None:
            return found


def show(tracker, letter_id):
    return tracker.api.json(f"{LETTERS}/{letter_id}")


def letter_id(record):
    return f"{record.partition}-{record.offset}"


def settled(tracker, number, timeout=60):
    """The redrive once it has ended, and what became of its letters by id."""
    wait_until(
        lambda: not tracker.api.json(f"{LETTERS}/redrives/{number}")["running"],
        timeout,
        f"redrive {number} to end",
    )
    return tracker.api.json(f"{LETTERS}/redrives/{number}"), results(tracker, number)


def results(tracker, number):
    found, cursor = [], None
    while True:
        page = tracker.api.json(
            f"{LETTERS}/redrives/{number}/letters", size=70, **({"cursor": cursor} if cursor else {})
        )
        found += page["content"]
        cursor = page["nextCursor"]
        if cursor is None:
            return {one["id"]: one for one in found}


def redrive(tracker, **body):
    asked = post(tracker, f"{LETTERS}/redrive", expect=202, **body)
    return settled(tracker, asked["number"])


def counts(tracker):
    """The account of letters, asked three ways that must agree. They are asked one after the other, so
    the tracker must have read everything that there is."""
    answer = tracker.api.json(f"{LETTERS}/count")
    listed = all_letters(tracker, size=500)
    for state in ("open", "redriven", "discarded"):
        assert answer[state] == sum(letter["state"] == state for letter in listed)
        assert answer[state] == sum(reason[state] for reason in answer["byReason"].values())
    metrics = tracker.api.metrics()
    assert (metrics.value("saga_tracker_dead_letters_total") or 0) == answer["total"] == len(listed)
    assert (metrics.value("saga_tracker_dead_letters_open") or 0) == answer["open"]
    assert (metrics.value("saga_tracker_dead_letters_redriven_total") or 0) == answer["redriven"]
    assert (metrics.value("saga_tracker_dead_letters_discarded") or 0) == answer["discarded"]
    return answer["open"], answer["redriven"], answer["discarded"]


def unreadable(world, rng, fields):
    """An event whose schema id nobody knows: its body is fine."""
    return b"\x00" + UNKNOWN_SCHEMA.to_bytes(4, "big") + world.publisher.encode(fields)[5:]


def schema_id(world):
    return int.from_bytes(world.publisher.encode(workload.valid(random.Random(1)))[1:5], "big")


def record_at(world, position):
    return next(r for r in world.broker.read(world.topic) if r.position == position)


def at(text):
    partition, offset = text.split("@")
    return int(partition), int(offset)


def agree(*trackers):
    """All replicas hold the same, and each holds together."""
    digests = []
    for tracker in trackers:
        tracker.wait_caught_up().wait_decisions_read()
    for tracker in trackers:
        assert tracker.terminate() == 0
        tracker.verify()
        digests.append(tracker.digest())
    assert all(digest == digests[0] for digest in digests)


# --- finding and looking ------------------------------------------------------------


def test_every_poison_is_listed_counted_filtered_and_shown(world, seed):
    rng = random.Random(seed)
    world.publish(seed, 30)
    for _ in range(3):
        world.publish_poison(rng)
    tracker = world.tracker().start().wait_caught_up()
    sent = {
        letter_id(r): (dict(r.headers)["kind"].decode(), r) for r in world.broker.read(world.topic) if r.headers
    }
    listed = all_letters(tracker, size=7)
    assert len(listed) == len(sent) == len({letter["id"] for letter in listed})
    arrivals = [letter["arrivedAt"] for letter in listed]
    assert arrivals == sorted(arrivals, reverse=True)
    for letter in listed:
        kind, record = sent[letter["id"]]
        if kind in REASONS:
            assert letter["reason"] == REASONS[kind], kind
        assert letter["detail"]
        assert letter["bytes"] == len(record.value or b"")
        assert (letter["topic"], letter["state"]) == (world.topic, "open")
    assert counts(tracker) == (len(sent), 0, 0)
    # Filters, each against the list.
    for field, parameter in (("reason", "reason"), ("step", "step"), ("sagaId", "sagaId"), ("eventId", "eventId")):
        values = {letter[field] for letter in listed} - {None}
        assert values, field
        for value in list(values)[:5]:
            expected = [letter for letter in listed if letter[field] == value]
            assert all_letters(tracker, **{parameter: value}) == expected
            assert tracker.api.json(f"{LETTERS}/count", **{parameter: value})["total"] == len(expected)
    middle = listed[len(listed) // 2]["arrivedAt"]
    newer = [letter for letter in listed if letter["arrivedAt"] >= middle]
    assert all_letters(tracker, fromDate=middle) == newer
    assert len(all_letters(tracker, toDate=middle)) + sum(a > middle for a in arrivals) == len(listed)
    groups = tracker.api.json(f"{LETTERS}/groups")["groups"]
    assert {group["name"]: group["total"] for group in groups} == {
        reason: sum(letter["reason"] == reason for letter in listed)
        for reason in {letter["reason"] for letter in listed}
    }
    # Each one as it came.
    for letter in listed:
        kind, record = sent[letter["id"]]
        shown = show(tracker, letter["id"])
        raw = shown["value"] and base64.b64decode(shown["value"]["base64"])
        assert raw == record.value
        assert base64.b64decode(shown["key"]["base64"]) == record.key
        assert [h["name"] for h in shown["headers"]] == ["kind"]
        assert not shown["decoded"]["isEvent"]
        assert shown["decoded"]["defect"]["reason"] == letter["reason"]
        assert [episode["what"] for episode in shown["history"]] == ["arrived"]
        if kind in ("truncated", "unknown status", "timestamp 0", "long order id"):
            assert shown["decoded"]["step"] == "ORDER_CREATED", kind
            assert shown["decoded"]["sagaId"].startswith("poison-")
    for wrong, status in (("999-1", 404), ("0-x", 400), ("nonsense", 400)):
        assert tracker.api.get(f"{LETTERS}/{wrong}").status_code == status
    # The command line shows the same.
    out = tracker.cli("dead-letters", "list", "--all", "--json", "--url", tracker.url)
    assert [json.loads(line) for line in out.stdout.splitlines()] == listed
    file = tracker.directory / "letters.jsonl"
    done = tracker.cli("dead-letters", "export", "--reason", "bad_magic", "--out", file, "--url", tracker.url)
    assert done.returncode == 0, done.stderr
    exported = [json.loads(line) for line in file.read_text().splitlines()]
    assert exported == [show(tracker, letter["id"]) for letter in listed if letter["reason"] == "bad_magic"]
    one = tracker.cli("dead-letters", "show", listed[0]["id"], "--url", tracker.url)
    assert one.returncode == 0
    assert listed[0]["reason"] in one.stdout
    assert tracker.terminate() == 0
    tracker.verify()


# --- redrive ------------------------------------------------------------------------


def test_a_letter_is_fixed_by_editing_its_event_and_comes_back_marked(world, seed):
    rng = random.Random(seed)
    fields = workload.valid(rng, sagaId="order-fixed", recordedAt=0, metadata='{"traceId": "t-1"}')
    world.publisher.send_raw(b"order-fixed", world.publisher.encode(fields), headers=[("traceparent", b"00-1")])
    world.publisher.flush()
    tracker, replica = world.tracker("first").start(), world.tracker("second").start()
    tracker.wait_caught_up()
    [letter] = all_letters(tracker)
    change = {"event": {"recordedAt": "2025-01-01T00:00:05Z", "step": "ORDER_CREATED"}}
    _, told = redrive(tracker, ids=[letter["id"]], dryRun=True, change=change)
    forecast = told[letter["id"]]["forecast"]
    assert (forecast["outcome"], forecast["before"]) == ("APPLIED", None)
    assert (forecast["after"]["status"], forecast["after"]["stepCount"]) == ("STARTED", 1)
    assert world.broker.ends(world.topic) == tracker.broker.ends(world.topic)
    assert len(world.broker.read(world.topic)) == 1, "a dry run publishes nothing"

    status, became = redrive(tracker, ids=[letter["id"]], change=change, reason="clock was at 1970")
    assert (status["published"], status["refused"], status["skipped"]) == (1, 0, 0)
    one = became[letter["id"]]
    assert (one["result"], one["became"]["outcome"]) == ("CAME_BACK", "APPLIED")
    assert tracker.api.saga("order-fixed")["startedAt"] == "2025-01-01T00:00:05Z"
    # Anybody can read in the topic where it came from.
    record = record_at(world, at(one["position"]))
    headers = dict(record.headers)
    assert headers["saga-tracker-origin-topic"].decode() == world.topic
    origin = f"{headers['saga-tracker-origin-partition'].decode()}-{headers['saga-tracker-origin-offset'].decode()}"
    assert origin == letter["id"]
    assert headers["traceparent"] == b"00-1"
    assert record.key == b"order-fixed"
    # The letter keeps its bytes, and says what happened.
    shown = show(tracker, letter["id"])
    assert base64.b64decode(shown["value"]["base64"]) == world.publisher.encode(fields)
    assert shown["state"] == "redriven"
    assert [episode["what"] for episode in shown["history"]] == ["arrived", "returned"]
    assert shown["history"][1]["became"]["outcome"] == "APPLIED"
    assert counts(tracker) == (0, 1, 0)
    # Once is enough.
    status, became = redrive(tracker, ids=[letter["id"]], change=change)
    assert (status["published"], status["skipped"]) == (0, 1)
    replica.wait_caught_up()
    assert show(replica, letter["id"])["state"] == "redriven"
    audit = tracker.api.json("/api/v1/audit")["content"]
    assert any(entry["who"] == "kim" and entry["action"] == "redrive" for entry in audit)
    agree(tracker, replica)


def test_a_letter_is_fixed_with_other_bytes_or_refused_while_it_is_no_event(world, seed):
    rng = random.Random(seed)
    world.publish_poison(rng)
    tracker = world.tracker().start().wait_caught_up()
    letters = {letter["reason"]: letter for letter in all_letters(tracker)}
    tombstone = letters["tombstone"]["id"]
    status, became = redrive(tracker, ids=[tombstone])
    assert (status["published"], status["refused"]) == (0, 1)
    assert "tombstone" in became[tombstone]["detail"]
    value = world.publisher.encode(workload.valid(rng, sagaId="from-bytes"))
    _, became = redrive(tracker, ids=[tombstone], change={"valueBase64": base64.b64encode(value).decode()})
    assert became[tombstone]["became"] == {"outcome": "APPLIED", "sagaId": "from-bytes"}
    paused = letters["unknown_status"]["id"]
    done = tracker.cli(
        "dead-letters", "redrive", paused, "--set", "status=FAILED", "--why", "ticket 7", "--url", tracker.url
    )
    assert done.returncode == 0, done.stderr + done.stdout
    assert "APPLIED" in done.stdout
    assert show(tracker, paused)["state"] == "redriven"
    for body in (
        {},
        {"ids": ["x"]},
        {"ids": [paused], "filter": {}},
        {"filter": {}, "change": {"event": {"status": "FAILED"}}},
        {"filter": {"state": "gone"}},
        {"ids": [paused], "change": {"valueBase64": "!"}},
    ):
        assert tracker.api.request("POST", f"{LETTERS}/redrive", json=body).status_code == 400, body
    agree(tracker)


def test_what_a_dry_run_tells_is_what_then_happens(world, seed):
    """Letters that complete sagas, repeat events, meet each other, and stay no events."""
    rng = random.Random(seed)
    sagas = [f"known-{n}" for n in range(6)]
    start = workload.EPOCH + 1_000_000
    event = workload.event
    for n, saga in enumerate(sagas):
        first = event(rng, saga, "ORDER_CREATION", "ORDER_CREATED", "STARTED", f"o{n}", start)
        world.publisher.send([workload.Message(first)])
        kinds = {
            0: [("ORDER_CONFIRMED", "COMPLETED", 500)],
            1: [("PAYMENT_FAILED", "FAILED", 400), ("COMPENSATION_ORDER", "COMPENSATED", 900)],
            2: [("ORDER_CONFIRMED", "COMPLETED", 300), ("ORDER_CANCELLED", "FAILED", 800)],
            3: [("STOCK_RESERVED", "IN_PROGRESS", -400)],
            4: [],
            5: [("STOCK_RESERVED", "IN_PROGRESS", 10)] * 2,
        }[n]
        for step, status, after in kinds:
            fields = event(rng, saga, "ORDER_CREATION", step, status, f"o{n}", start + after)
            world.publisher.send_raw(saga.encode(), unreadable(world, rng, fields))
        if n == 4:
            # The same event again, and the same id with another body.
            world.publisher.send_raw(saga.encode(), unreadable(world, rng, first))
            world.publisher.send_raw(saga.encode(), unreadable(world, rng, dict(first, step="OTHER")))
    world.publisher.send_raw(b"new", unreadable(world, rng, workload.valid(rng, sagaId="brand-new")))
    world.publisher.send_raw(b"no", b"\x00" + UNKNOWN_SCHEMA.to_bytes(4, "big") + b"\x02junk")
    world.publisher.flush()
    tracker = world.tracker().start().wait_caught_up()
    change = {"schemaId": schema_id(world)}
    filters = {"reason": "unknown_schema"}
    _, told = redrive(tracker, filter=filters, dryRun=True, change=change)
    assert counts(tracker)[1] == 0
    _, became = redrive(tracker, filter=filters, change=change)
    assert set(told) == set(became)
    outcomes = []
    last = {}
    for letter, forecast in ((letter, one["forecast"]) for letter, one in told.items()):
        outcomes.append(forecast["outcome"])
        really = became[letter]
        if forecast["outcome"] == "UNDECODABLE":
            assert really["result"] == "REFUSED"
            continue
        assert really["became"]["outcome"] == forecast["outcome"]
        assert really["became"]["sagaId"] == forecast["sagaId"]
        last[forecast["sagaId"]] = forecast["after"]
    assert {"APPLIED", "DUPLICATE", "CONFLICT", "UNDECODABLE"} <= set(outcomes)
    for saga, after in last.items():
        state = tracker.api.saga(saga)
        assert {
            "status": state["status"],
            "lastStep": state["lastStep"],
            "stepCount": state["stepCount"],
            "anomalyCount": state["anomalyCount"],
        } == after, saga
    agree(tracker)


def bulk(world, seed, sagas=150):
    """Sagas half of whose events are letters; the ids of those."""
    rng = random.Random(seed)
    ids = {}
    for message in workload.messages(seed, sagas):
        fields = message.fields
        if fields["eventId"] and rng.random() < 0.5:
            ids[fields["eventId"]] = fields["sagaId"]
            world.publisher.send_raw(message.key.encode(), unreadable(world, rng, fields))
        else:
            world.publisher.send([message])
    world.publisher.flush()
    return ids


def check_bulk(world, tracker, ids, number):
    status, became = settled(tracker, number, timeout=120)
    assert status["published"] == status["letters"] == len(became)
    outcomes = {one["became"]["outcome"] for one in became.values()}
    assert outcomes <= {"APPLIED", "DUPLICATE", "CONFLICT"}
    tracker.wait_caught_up()
    for event_id, saga in ids.items():
        steps = [step["eventId"] for step in tracker.api.steps(saga)["steps"]]
        assert steps.count(event_id) == 1, (event_id, saga)
    open_letters, redriven, _ = counts(tracker)
    assert (open_letters, redriven) == (0, status["letters"])


@pytest.mark.timeout(900)
def test_a_bulk_redrive_killed_in_the_middle_goes_on(world, seed):
    rng = random.Random(seed)
    ids = bulk(world, seed)
    tracker = world.tracker("killed").start().wait_caught_up()
    asked = post(
        tracker, f"{LETTERS}/redrive", expect=202, filter={}, change={"schemaId": schema_id(world)}, reason="late schema"
    )
    for _ in range(6):
        time.sleep(rng.uniform(0, 0.15))
        tracker.kill9()
        tracker.spawn()
    tracker.wait_ready()
    check_bulk(world, tracker, ids, asked["number"])
    replica = world.tracker("replica").start()
    agree(tracker, replica)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("point", ["redrive.before_publish", "redrive.after_publish", "redrive.after_write"])
@pytest.mark.parametrize("passes", [0, 2])
def test_a_bulk_redrive_aborted_at(world, seed, point, passes):
    if point.encode() not in BINARY.read_bytes():
        pytest.skip(f"{BINARY} was built without --features failpoints")
    ids = bulk(world, seed, sagas=120)
    tracker = world.tracker().start(FAILPOINTS=f"{point}={passes}*off->1*return").wait_caught_up()
    with suppress(OSError):  # it may be gone before it could answer
        post(tracker, f"{LETTERS}/redrive", expect=202, filter={}, change={"schemaId": schema_id(world)})
    assert tracker.wait_exit(60) == -signal.SIGABRT, tracker.tail()
    tracker.start()
    check_bulk(world, tracker, ids, 1)
    published = [r for r in world.broker.read(world.topic) if dict(r.headers).get("saga-tracker-origin-offset")]
    origin = ("saga-tracker-origin-partition", "saga-tracker-origin-offset")
    origins = {tuple(dict(r.headers)[name] for name in origin) for r in published}
    assert len(published) == len(origins), "nothing was published twice"
    agree(tracker)


def test_a_redrive_waits_for_kafka_and_goes_on(make_world, own_broker, seed):
    world = make_world(own_broker)
    ids = bulk(world, seed, sagas=60)
    tracker = world.tracker().start().wait_caught_up()
    own_broker.freeze()
    asked = post(tracker, f"{LETTERS}/redrive", expect=202, filter={}, change={"schemaId": schema_id(world)})
    wait_until(lambda: "the redrive waits" in tracker.tail(200), 60, "the redrive to wait")
    assert tracker.api.json(f"{LETTERS}/redrives/{asked['number']}")["running"]
    own_broker.thaw()
    check_bulk(world, tracker, ids, asked["number"])
    agree(tracker)


def cancel(tracker, number, expect=200):
    return post(tracker, f"{LETTERS}/redrives/{number}/cancel", expect=expect, reason="wrong schema")


def origins(world):
    """Which letters were published again, one entry per record."""
    names = ("saga-tracker-origin-partition", "saga-tracker-origin-offset")
    headers = [dict(record.headers) for record in world.broker.read(world.topic)]
    return ["-".join(found[name].decode() for name in names) for found in headers if names[0] in found]


@pytest.mark.timeout(600)
def test_a_cancelled_redrive_publishes_no_more_and_stays_cancelled(make_world, own_broker, seed):
    if b"redrive.after_write" not in BINARY.read_bytes():
        pytest.skip(f"{BINARY} was built without --features failpoints")
    world = make_world(own_broker)
    ids = bulk(world, seed)
    tracker = world.tracker(SAGA_TRACKER_HEALTH__KAFKA_DOWN_AFTER_MS="2000")
    tracker.start(FAILPOINTS="redrive.after_write=1*off->1*return").wait_caught_up()
    total, change = len(all_letters(tracker, size=500)), {"schemaId": schema_id(world)}
    assert total > 300
    with suppress(OSError):  # it may be gone before it could answer
        post(tracker, f"{LETTERS}/redrive", expect=202, filter={}, change=change)
    assert tracker.wait_exit(60) == -signal.SIGABRT, tracker.tail()
    published = len(origins(world))
    assert 0 < published < total
    # Without a broker it cannot go on before it is cancelled.
    own_broker.freeze()
    tracker.start()
    told = cancel(tracker, 1)
    assert (told["cancelledBy"], told["published"], told["waiting"] + told["left"]) == (
        "kim",
        published,
        total - published,
    )
    own_broker.thaw()
    status, became = settled(tracker, 1)
    assert (status["published"], status["left"], status["waiting"]) == (published, total - published, 0)
    tracker.restart()
    tracker.wait_caught_up()
    again = tracker.cli("dead-letters", "cancel", "1", "--url", tracker.url)
    assert again.returncode == 0, again.stderr
    assert f"{published} published, {total - published} left" in again.stdout
    assert settled(tracker, 1) == (status, became)
    outcomes = [one["result"] for one in became.values()]
    assert (outcomes.count("CAME_BACK"), outcomes.count("LEFT")) == (published, total - published)
    assert len(origins(world)) == published
    assert counts(tracker) == (total - published, published, 0)
    left = {letter for letter, one in became.items() if one["result"] == "LEFT"}
    assert left == {letter["id"] for letter in all_letters(tracker, size=500, state="open")}
    # They are as they were: redriven another time, everything is there once.
    rest, _ = redrive(tracker, filter={"state": "open"}, change=change)
    assert (rest["published"], rest["cancelledAt"]) == (total - published, None)
    refused = cancel(tracker, rest["number"], expect=409)
    assert "ended already" in refused["message"]
    assert "no redrive 99" in cancel(tracker, 99, expect=404)["message"]
    assert tracker.cli("dead-letters", "cancel", rest["number"], "--url", tracker.url).returncode != 0
    assert len(origins(world)) == len(set(origins(world))) == total
    for event_id, saga in ids.items():
        assert [step["eventId"] for step in tracker.api.steps(saga)["steps"]].count(event_id) == 1
    entries = tracker.api.json("/api/v1/audit", action="cancel-redrive")["content"]
    assert [(e["who"], e["target"], e["result"]) for e in entries[-1:]] == [("kim", "redrive 1", "DONE")]
    agree(tracker)


# --- discard ------------------------------------------------------------------------


def test_a_discard_needs_a_reason_and_is_there_on_every_replica(world, seed):
    rng = random.Random(seed)
    world.publish(seed, 20)
    world.publish_poison(rng)
    first, second = world.tracker("first").start(), world.tracker("second").start()
    first.wait_caught_up()
    letters = all_letters(first)
    for body in ({"filter": {}}, {"filter": {}, "reason": " "}, {"reason": "x"}):
        assert first.api.request("POST", f"{LETTERS}/discard", json=body).status_code == 400, body
    told = post(first, f"{LETTERS}/discard", expect=200, filter={"reason": "bad_timestamp"}, reason="test", dryRun=True)
    assert told["discarded"] == sum(letter["reason"] == "bad_timestamp" for letter in letters)
    assert counts(first) == (len(letters), 0, 0)
    done = post(first, f"{LETTERS}/discard", expect=200, filter={"reason": "bad_timestamp"}, reason="load test of May")
    assert done["discarded"] == told["discarded"]
    assert [one["id"] for one in done["results"]] == [one["id"] for one in told["results"]]
    assert counts(first) == (len(letters) - done["discarded"], 0, done["discarded"])
    for one in done["results"]:
        shown = show(first, one["id"])
        assert shown["state"] == "discarded"
        assert shown["history"][-1] | {"at": None} == {
            "at": None,
            "what": "discarded",
            "by": "kim",
            "reason": "load test of May",
        }
    ids = [one["id"] for one in done["results"]]
    again = post(first, f"{LETTERS}/discard", expect=200, ids=ids, reason="again")
    assert (again["discarded"], again["skipped"]) == (0, len(ids))
    status, _ = redrive(first, ids=ids)
    assert (status["published"], status["skipped"]) == (0, len(ids))
    cli = first.cli("dead-letters", "discard", "--reason", "tombstone", "--why", "never needed", "--url", first.url)
    assert cli.returncode == 0, cli.stderr
    second.wait_caught_up().wait_decisions_read()
    assert counts(second) == counts(first)
    assert all_letters(second) == all_letters(first)
    agree(first, second)
    # A replica that starts from nothing reads the same decisions.
    third = world.tracker("third").start().wait_caught_up()
    first.start()
    agree(first, third)


def test_nothing_is_discarded_while_kafka_is_away(make_world, own_broker, seed):
    world = make_world(own_broker)
    world.publish_poison(random.Random(seed))
    tracker = world.tracker().start().wait_caught_up()
    before = counts(tracker)
    own_broker.freeze()
    answer = tracker.api.request("POST", f"{LETTERS}/discard", json={"filter": {}, "reason": "x"}, timeout=60)
    assert answer.status_code == 503, answer.text
    assert counts(tracker) == before
    own_broker.thaw()


# --- replay by event id -------------------------------------------------------------


def test_events_are_replayed_by_their_ids(world, seed):
    rng = random.Random(seed)
    applied = workload.valid(rng, sagaId="applied")
    late = workload.valid(rng, sagaId="late")
    broken = workload.valid(rng, sagaId="broken", recordedAt=0)
    wider = json.loads(json.dumps(SCHEMA))
    wider["fields"].append({"name": "since", "type": "int"})
    world.publisher.send([workload.Message(applied)])
    world.publisher.send_raw(b"broken", world.publisher.encode(broken))
    world.publisher.send_raw(b"late", world.publisher.encode_as(wider, late | {"since": 3}))
    world.publisher.flush()
    # Without the registry, what was written with a wider schema has bytes too many.
    tracker = world.tracker(registry_url=None).start().wait_caught_up()
    assert {letter["reason"] for letter in all_letters(tracker)} == {"trailing_bytes", "bad_timestamp"}
    path = "/internal/v1/sagas/replay"
    ids = [applied["eventId"], broken["eventId"], "no-such-event", late["eventId"]]
    answer = post(tracker, path, expect=200, eventIds=ids, dryRun=True)
    assert [one["status"] for one in answer["results"]] == ["SUCCESS", "FAILED", "NOT_FOUND", "FAILED"]
    tracker.environment["SCHEMA_REGISTRY_URL"] = world.registry.address
    tracker.restart()
    tracker.wait_caught_up()
    told = post(tracker, path, expect=200, eventIds=ids, dryRun=True)
    assert [one["status"] for one in told["results"]] == ["SUCCESS", "FAILED", "NOT_FOUND", "SUCCESS"]
    assert "would be applied" in told["results"][3]["message"]
    answer = post(tracker, path, expect=200, eventIds=ids)
    assert (answer["requested"], answer["successful"], answer["failed"]) == (4, 2, 2)
    assert [one["eventId"] for one in answer["results"]] == ids
    assert [one["status"] for one in answer["results"]] == ["SUCCESS", "FAILED", "NOT_FOUND", "SUCCESS"]
    assert "already applied" in answer["results"][0]["message"]
    assert tracker.api.saga("late")["status"] == "STARTED"
    # Fixed by hand, it is found as redriven.
    [letter] = all_letters(tracker, eventId=broken["eventId"])
    redrive(tracker, ids=[letter["id"]], change={"event": {"recordedAt": "2025-01-01T00:00:00Z"}})
    answer = post(tracker, path, expect=200, eventIds=[broken["eventId"]])
    assert answer["results"][0]["status"] == "SUCCESS", answer
    assert "redriven before" in answer["results"][0]["message"]
    for body in ({}, {"eventIds": []}, {"eventIds": [""]}, {"eventIds": "x"}, {"eventIds": ["x"], "sagaIds": ["s"] * 1001}):
        assert tracker.api.request("POST", path, json=body).status_code == 400, body
    # A log that is too long is not read for it; where the caller says in which saga, it need not be.
    tracker.environment["SAGA_TRACKER_DEAD_LETTERS__REPLAY_EVENTS"] = "1"
    tracker.restart()
    tracker.wait_caught_up()
    refused = post(tracker, path, expect=409, eventIds=[applied["eventId"]])
    assert "sagaIds" in refused["message"]
    told = post(tracker, path, expect=200, eventIds=[applied["eventId"]], sagaIds=["applied"])
    assert told["results"][0]["status"] == "SUCCESS"
    agree(tracker)


def test_headers_that_anybody_can_write_settle_no_letter_and_operators_events_are_not_redriven(world, seed):
    rng = random.Random(seed)
    broken = workload.valid(rng, sagaId="broken", recordedAt=0)
    world.publisher.send_raw(b"broken", world.publisher.encode(broken))
    world.publisher.flush()
    tracker = world.tracker().start().wait_caught_up()
    [letter] = all_letters(tracker)
    partition, offset = letter["id"].split("-")
    headers = [
        ("saga-tracker-origin-topic", world.topic.encode()),
        ("saga-tracker-origin-partition", partition.encode()),
        ("saga-tracker-origin-offset", offset.encode()),
    ]
    forged = world.publisher.encode(workload.valid(rng, sagaId="forged"))
    world.publisher.send_raw(b"forged", forged, headers=headers)
    world.publisher.flush()
    tracker.wait_caught_up()
    assert show(tracker, letter["id"])["state"] == "open"
    assert counts(tracker) == (1, 0, 0)
    reserved = {"ids": [letter["id"]], "change": {"event": {"step": "OPERATOR_STATUS_CHANGE"}}}
    assert "change.event.step" in post(tracker, f"{LETTERS}/redrive", expect=400, **reserved)["message"]
    as_bytes = world.publisher.encode(workload.valid(rng, step="OPERATOR_STATUS_CHANGE"))
    value = base64.b64encode(as_bytes).decode()
    _, became = redrive(tracker, ids=[letter["id"]], change={"valueBase64": value})
    assert became[letter["id"]]["result"] == "REFUSED"
    # What a replica of ours changes is announced, and counts everywhere.
    redrive(tracker, ids=[letter["id"]], change={"event": {"recordedAt": "2025-01-01T00:00:00Z"}})
    assert counts(tracker) == (0, 1, 0)
    agree(tracker, world.tracker("other").start())


# --- the topic again ----------------------------------------------------------------


def replayed(tracker, **body):
    post(tracker, "/internal/v1/replay", expect=202, **body)
    wait_until(lambda: not tracker.api.json("/internal/v1/replay")["running"], 60, "the replay to end")
    return tracker.api.json("/internal/v1/replay")


def test_the_topic_is_read_again_beside_consuming_and_changes_nothing(world, seed):
    rng = random.Random(seed)
    world.publish(seed, 400)
    world.publish_poison(rng)
    tracker = world.tracker().start().wait_caught_up()
    before = tracker.api.json("/internal/v1/digest")
    ends = world.broker.ends(world.topic)
    done = replayed(tracker)
    total = sum(ends.values())
    assert (done["total"], done["read"], done["known"], done["filled"]) == (total, total, total, 0)
    assert done["error"] is None
    assert tracker.api.json("/internal/v1/digest") == before
    assert replayed(tracker, partition=1)["read"] == ends[1]
    assert replayed(tracker, fromOffset=100)["read"] == sum(max(0, end - 100) for end in ends.values())
    stamps = sorted(r.timestamp for r in world.broker.read(world.topic))
    at = stamps[len(stamps) // 2]
    iso = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at // 1000)) + f".{at % 1000:03d}Z"
    assert 0 < replayed(tracker, fromTime=iso)["read"] < total
    # While events stream in.
    world.publish(seed + 1, 200)
    post(tracker, "/internal/v1/replay", expect=202)
    world.publish(seed + 2, 200)
    wait_until(lambda: not tracker.api.json("/internal/v1/replay")["running"], 60, "the replay to end")
    cli = tracker.cli("replay", "--partition", "0", "--json", "--url", tracker.url)
    assert cli.returncode == 0, cli.stderr
    assert json.loads(cli.stdout)["filled"] == 0
    for body in ({"fromOffset": -1}, {"fromOffset": 1, "fromTime": "2025-01-01"}, {"fromTime": "soon"}):
        assert tracker.api.request("POST", "/internal/v1/replay", json=body).status_code == 400, body
    tracker.wait_caught_up()
    checks.everything(tracker.api, world.truth(), sample=100, seed=seed)
    agree(tracker, world.tracker("other").start())


def made_again(world, partitions, records):
    """The topic is deleted and made anew with these records: false if the broker still refused some as of the old one."""
    world.broker.delete_topic(world.topic)
    world.broker.create_topic(world.topic, partitions)
    again = Producer(world.broker.client | {"linger.ms": 5})
    for record in records:
        again.produce(
            world.topic,
            record.value,
            record.key,
            partition=record.partition,
            timestamp=record.timestamp,
            headers=record.headers,
        )
        again.poll(0)
    assert again.flush(60) == 0
    return world.broker.read(world.topic) == records


def read_over_a_gap(world, seed, *trackers):
    """The trackers read the topic, but for records that the broker did not have then and has again."""
    rng = random.Random(seed)
    world.publish(seed, 120)
    for tracker in trackers:
        tracker.start().wait_caught_up()
        assert tracker.terminate() == 0
    begin = world.broker.ends(world.topic)
    world.publish(seed + 1, 120)
    world.publish_poison(rng)
    end = world.broker.ends(world.topic)
    world.publish(seed + 2, 60)
    records = world.broker.read(world.topic)
    cut = [TopicPartition(world.topic, partition, offset) for partition, offset in end.items()]
    for future in world.broker.admin.delete_records(cut).values():
        future.result(30)
    for tracker in trackers:
        tracker.start().wait_caught_up()
        assert tracker.terminate() == 0
    wait_until(lambda: made_again(world, len(end), records), 120, "the same records at the same offsets")
    return {partition: end[partition] - begin[partition] for partition in end}


@pytest.mark.timeout(900)
@pytest.mark.parametrize("passes", [0, 1])
@pytest.mark.parametrize("point", ["fill.before_write", "fill.after_write"])
def test_a_replay_aborted_at(world, seed, point, passes):
    if point.encode() not in BINARY.read_bytes():
        pytest.skip(f"{BINARY} was built without --features failpoints")
    steady, shaken = world.tracker("steady"), world.tracker("shaken")
    missing = read_over_a_gap(world, seed, steady, shaken)
    truth = world.truth()
    for tracker in (steady, shaken):
        tracker.start(**({"FAILPOINTS": f"{point}={passes}*off->1*return"} if tracker is shaken else {}))
        tracker.wait_caught_up()
        assert len(all_letters(tracker)) < len(truth.dead_letters)
    # Each partition is a write of its own.
    for partition in sorted(missing)[:passes]:
        assert replayed(shaken, partition=partition)["filled"] == missing[partition]
    with suppress(OSError):  # it may be gone before it could answer
        post(shaken, "/internal/v1/replay", partition=passes)
    assert shaken.wait_exit(60) == -signal.SIGABRT, shaken.tail()
    written = passes + (point == "fill.after_write")
    left = sum(missing[partition] for partition in sorted(missing)[written:])
    shaken.start().wait_caught_up()
    assert replayed(shaken)["filled"] == left
    assert replayed(steady)["filled"] == sum(missing.values())
    # Nobody can tell any more that anything was missing.
    whole = world.tracker("whole").start().wait_caught_up()
    for tracker in (steady, shaken):
        assert replayed(tracker)["filled"] == 0
        checks.everything(tracker.api, truth, sample=100, seed=seed)
        assert counts(tracker) == counts(whole) == (len(truth.dead_letters), 0, 0)
    agree(whole, steady, shaken)


# --- letters of others --------------------------------------------------------------


def test_letters_that_others_wrote_are_taken_in_when_asked_for_and_ours_are_not_doubled(world, seed):
    rng = random.Random(seed)
    world.publish_poison(rng)
    tracker = world.tracker(SAGA_TRACKER_KAFKA__CONSUME_DEAD_LETTERS="true").start().wait_caught_up()
    own = len(all_letters(tracker))
    wait_until(lambda: len(world.broker.read(world.dlt)) == own, 30, "our letters on the topic")
    other = Publisher(world.broker, world.registry, world.dlt)
    value = world.publisher.encode(workload.valid(rng, sagaId="from-elsewhere"))
    headers = [
        ("kafka_dlt-original-topic", world.topic.encode()),
        ("kafka_dlt-exception-message", b"database was down"),
    ]
    other.send_raw(b"from-elsewhere", value, partition=0, headers=headers)
    other.flush()
    wait_until(lambda: len(all_letters(tracker)) == own + 1, 30, "the letter of the other service")
    [letter] = all_letters(tracker, reason="foreign")
    assert letter["id"] == f"dlt-0-{own}"
    assert (letter["topic"], letter["detail"]) == (world.dlt, "database was down")
    assert letter["sagaId"] == "from-elsewhere"
    assert show(tracker, letter["id"])["decoded"]["isEvent"]
    _, became = redrive(tracker, ids=[letter["id"]])
    assert became[letter["id"]]["became"] == {"outcome": "APPLIED", "sagaId": "from-elsewhere"}
    assert show(tracker, letter["id"])["state"] == "redriven"
    assert counts(tracker) == (own, 1, 0)
    tracker.kill9()
    tracker.start().wait_caught_up()
    assert counts(tracker) == (own, 1, 0)
    replica = world.tracker("replica", SAGA_TRACKER_KAFKA__CONSUME_DEAD_LETTERS="true").start()
    replica.wait_caught_up().wait_decisions_read()
    wait_until(lambda: len(all_letters(replica)) == own + 1, 60, "the replica to read the letter of the other service")
    assert counts(replica) == (own, 1, 0)
    agree(tracker, replica)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("passes", [0, 1, 4])
def test_letters_of_others_aborted_before_they_are_written(world, seed, passes):
    point = "foreign.before_write"
    if point.encode() not in BINARY.read_bytes():
        pytest.skip(f"{BINARY} was built without --features failpoints")
    rng = random.Random(seed)
    world.publish_poison(rng)
    taking = {"SAGA_TRACKER_KAFKA__CONSUME_DEAD_LETTERS": "true"}
    steady = world.tracker("steady", **taking).start().wait_caught_up()
    own = len(all_letters(steady))
    shaken = world.tracker("shaken", SAGA_TRACKER_KAFKA__PUBLISH_DEAD_LETTERS="false", **taking)
    shaken.spawn(FAILPOINTS=f"{point}={passes}*off->1*return")
    other = Publisher(world.broker, world.registry, world.dlt)
    sent = 0

    def send():
        nonlocal sent
        value = world.publisher.encode(workload.valid(rng, sagaId=f"from-elsewhere-{sent}"))
        other.send_raw(b"k", value, partition=0, headers=[("kafka_dlt-original-topic", world.topic.encode())])
        other.flush()
        sent += 1
        return not shaken.alive

    # Written in one go or in several: keep something coming until it dies.
    wait_until(send, 60, "the tracker to abort", interval=0.3)
    assert shaken.wait_exit(60) == -signal.SIGABRT, shaken.tail()
    shaken.start().wait_caught_up()
    for tracker in (steady, shaken):
        wait_until(lambda t=tracker: len(all_letters(t, reason="foreign", size=500)) == sent, 60, "all letters")
        assert counts(tracker) == (own + sent, 0, 0)
    assert all_letters(shaken, size=500) == all_letters(steady, size=500)
    agree(steady, shaken)
