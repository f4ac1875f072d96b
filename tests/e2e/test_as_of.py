"""One saga at any moment: as of an event time, and as it was known at an arrival time."""

import json
import random
from datetime import UTC, datetime
from urllib.parse import quote

import pytest

import checks
import oracle
import retention_setup
import workload

pytestmark = pytest.mark.tracker

# Arrival times are given by the tests.
BY_PRODUCER = {"message.timestamp.type": "CreateTime"}
HOUR = 3_600_000


def text(at):
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def path(saga_id, what=""):
    return f"/api/v1/sagas/{quote(saga_id, safe='')}{what}"


def clocks(as_of=None, known_at=None):
    given = {"asOf": as_of, "knownAt": known_at}
    return {name: text(at) for name, at in given.items() if at is not None}


def send(world, rng, begun, messages, pause):
    """Each arrives some time after the one before."""
    now = begun
    for message in messages:
        now += rng.randrange(pause)
        partition = rng.randrange(3) if message.partition is None else message.partition
        value = world.publisher.encode(message.fields)
        world.publisher.send_raw(message.key.encode(), value, partition, timestamp=now)
    world.publisher.flush()


def one(rng, step, status, at, **metadata):
    fields = workload.event(rng, "s", "ORDER_CREATION", step, status, "ORD-1", at)
    return fields | {"metadata": json.dumps(metadata)} if metadata else fields


def test_a_late_event_vanishes_as_it_was_known_before(make_world, broker, seed):
    world = make_world(broker, **BY_PRODUCER)
    rng, t = random.Random(seed), workload.EPOCH
    late = one(rng, "PAYMENT_FAILED", "FAILED", t + 2_000, failureReason="CARD_DECLINED")
    for fields, arrived in [
        (one(rng, "ORDER_CREATED", "STARTED", t), t + 10),
        (one(rng, "STOCK_RESERVED", "IN_PROGRESS", t + 1_000), t + 1_010),
        (one(rng, "COMPENSATION_STOCK", "COMPENSATED", t + 3_000), t + 3_010),
        (late, t + HOUR),
        (late, t + HOUR + 5),
    ]:
        world.publisher.send_raw(b"s", world.publisher.encode(fields), 0, timestamp=arrived)
    world.publisher.flush()
    tracker = world.tracker().start().wait_caught_up()

    def cli(*arguments):
        done = tracker.cli(*arguments, "--url", tracker.url)
        assert done.returncode == 0, done.stderr
        return done.stdout

    now = json.loads(cli("get", "s", "--json"))
    assert (now["stepCount"], now["failedStep"], now["duplicates"]) == (4, "PAYMENT_FAILED", 1)
    assert now["failureReason"] == "CARD_DECLINED"
    before = json.loads(cli("get", "s", "--json", "--known-at", text(t + HOUR - 1)))
    assert (before["stepCount"], before["failedStep"], before["duplicates"]) == (3, None, 0)
    assert before["cursor"]["0"] == 5
    assert "PAYMENT_FAILED" in cli("steps", "s")
    assert "PAYMENT_FAILED" not in cli("steps", "s", "--known-at", text(t + HOUR - 1))
    then = json.loads(cli("get", "s", "--json", "--as-of", text(t + 2_500)))
    assert (then["currentStatus"], then["statusSince"]) == ("FAILED", "2025-01-01T00:00:02Z")
    believed = tracker.api.json(path("s"), **clocks(t + 2_500, t + HOUR - 1))
    assert believed["currentStatus"] == "IN_PROGRESS"

    states = tracker.api.json(path("s", "/history"))["states"]
    assert [(s["status"], s["durationMillis"]) for s in states] == [
        ("STARTED", 1_000),
        ("IN_PROGRESS", 1_000),
        ("FAILED", 1_000),
        ("COMPENSATED", None),
    ]
    assert states[2]["cause"]["lateMillis"] == HOUR - 3_010
    assert [event["duplicate"] for event in states[2]["remarkable"]] == [True]
    told = cli("history", "s")
    assert "late by 3596.990 s" in told and "duplicate" in told
    difference = tracker.api.json(path("s", "/diff"), fromKnownAt=text(t + HOUR - 1))
    assert [event["step"] for event in difference["to"]["onlyHere"]] == ["PAYMENT_FAILED"]
    assert difference["from"]["onlyHereCount"] == 0
    assert {"stepCount", "failedStep", "failureReason"} <= {field["field"] for field in difference["fields"]}
    assert "CARD_DECLINED" in cli("diff", "s", "--from-known-at", text(t + HOUR - 1))
    gone = tracker.api.get(path("s"), **clocks(known_at=t + 9))
    assert gone.status_code == 404
    assert "it began at 2025-01-01T00:00:00Z" in gone.json()["message"]


def statuses(saga):
    """Each change of status, with the time of the event that made it."""
    found = []
    for number in range(1, len(saga.timeline) + 1):
        status = oracle.fold(saga.timeline[:number]).status
        if not found or found[-1][0] != status:
            found.append((status, saga.timeline[number - 1].recorded_at))
    return found


def same_at(api, truth, saga_id, as_of, known_at, **more):
    """Whether the saga had begun."""
    given = clocks(as_of, known_at) | more
    wanted = truth.at(saga_id, as_of, known_at)
    if wanted is None:
        for what in ("", "/steps", "/history"):
            assert api.get(path(saga_id, what), **given).status_code == 404, (saga_id, given)
        return False
    answer = api.json(path(saga_id), include="steps", **given)
    checks.same_saga(answer, wanted)
    assert (answer["duplicates"], answer["conflicts"]) == (wanted.duplicates, wanted.conflicts), (saga_id, given)
    checks.same_steps(answer, wanted)
    checks.same_steps(api.json(path(saga_id, "/steps"), **given), wanted)
    states = api.json(path(saga_id, "/history"), **given)["states"]
    got = [(state["status"], checks.millis(state["from"])) for state in states]
    assert got == statuses(wanted), (saga_id, given)
    assert got[-1][1] == checks.millis(answer["statusSince"])
    return True


def edges(truth, saga_id):
    """Around each event: event times, and arrival times."""
    events = truth.deliveries[saga_id]
    around = [-1, 0, 1]
    happened = [None] + [e.recorded_at + by for e in events for by in around]
    arrived = [None] + [truth.arrived[e.position] + by for e in events for by in around]
    return happened, arrived


@pytest.mark.timeout(600)
def test_every_saga_at_any_moment_is_what_its_records_make_it(make_world, broker, seed):
    world = make_world(broker, **BY_PRODUCER)
    rng = random.Random(seed)
    messages = workload.messages(seed, 120, awkward=True)
    send(world, rng, workload.EPOCH + 40 * workload.DAY, messages, pause=500)
    truth = world.truth()
    tracker = world.tracker().start().wait_caught_up()
    begun = set()
    for saga_id in sorted(truth.sagas):
        happened, arrived = edges(truth, saga_id)
        for _ in range(4):
            begun.add(same_at(tracker.api, truth, saga_id, rng.choice(happened), rng.choice(arrived)))
    assert begun == {True, False}
    # The same from a store that was made anew, and after a restart.
    tracker.terminate()
    assert tracker.cli("rebuild", "--data-dir", tracker.data).returncode == 0
    tracker.start().wait_caught_up()
    for saga_id in sorted(truth.sagas)[::5]:
        happened, arrived = edges(truth, saga_id)
        same_at(tracker.api, truth, saga_id, rng.choice(happened), rng.choice(arrived))


@pytest.mark.timeout(600)
def test_a_purged_saga_is_told_at_any_moment_from_the_archive(make_world, broker, seed, tmp_path):
    world = make_world(broker, **BY_PRODUCER)
    rng = random.Random(seed)
    send(world, rng, workload.EPOCH + 40 * workload.DAY, workload.messages(seed, 60), pause=500)
    # Retention goes by the topic's time, which five records in a row move on by a week at most.
    later = workload.Message(workload.valid(rng, sagaId="later", recordedAt=workload.EPOCH + 400 * workload.DAY))
    for partition in range(3):
        for _ in range(300):
            value = world.publisher.encode(later.fields)
            at = workload.EPOCH + 400 * workload.DAY
            world.publisher.send_raw(b"later", value, partition, timestamp=at)
    world.publisher.flush()
    truth = world.truth()
    due = retention_setup.due(truth)
    settings = retention_setup.SETTINGS | retention_setup.archive(tmp_path / "objects")
    tracker = world.tracker(**settings).start().wait_caught_up()
    retention_setup.wait_gone(tracker, len(due))
    for saga_id in sorted(due)[::3]:
        assert tracker.api.get(path(saga_id), **clocks(known_at=workload.EPOCH)).status_code == 404
        happened, arrived = edges(truth, saga_id)
        for _ in range(3):
            same_at(tracker.api, truth, saga_id, rng.choice(happened), rng.choice(arrived), archive="true")
        told = tracker.api.json(path(saga_id, "/diff"), archive="true", fromKnownAt=text(workload.EPOCH))
        assert told["from"]["saga"] is None
        assert told["to"]["onlyHereCount"] == len(truth.sagas[saga_id].timeline)
