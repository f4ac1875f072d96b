"""Sagas go when they are due, everywhere alike, and never when somebody holds them."""

import json
import os
import signal
import time

import pytest

import checks
import retention_setup
from retention_setup import SETTINGS
from servers import wait_until
from tracker import BINARY
from workload import EPOCH, Message, event

pytestmark = pytest.mark.tracker


def has(point):
    return point.encode() in BINARY.read_bytes()


@pytest.fixture
def fail_points():
    if not has("purge.before_write"):
        if os.environ.get("SAGA_TRACKER_REQUIRE_FAILPOINTS") == "1":
            pytest.fail(f"{BINARY} was built without --features failpoints")
        pytest.skip(f"{BINARY} was built without --features failpoints")


def late_event(rng_seed, saga):
    import random

    rng = random.Random(rng_seed)
    return Message(
        event(rng, saga.saga_id, saga.saga_type, "ORDER_TIMEOUT", "FAILED", saga.order_id, EPOCH + 40 * 86_400_000)
    )


@pytest.mark.timeout(900)
def test_sagas_go_when_due_on_every_replica_and_late_events_make_no_new_ones(world, seed):
    world.publish(seed, 250)
    truth = world.truth()
    first = world.tracker("first", KAFKA_MAX_POLL_RECORDS="100").start().wait_caught_up()
    second = world.tracker("second", KAFKA_MAX_POLL_RECORDS="37").start().wait_caught_up()

    # Two holds, before anything may go.
    over = sorted(retention_setup.due(truth))
    held, of_order = over[0], truth.sagas[over[-1]].order_id
    one = retention_setup.command(first, "hold", "add", "--saga", held, "--reason", "case 1")
    two = retention_setup.command(first, "hold", "add", "--order", of_order, "--reason", "case 2")
    assert one["active"] and two["orderId"] == of_order
    kept = {held} | {s.saga_id for s in truth.sagas.values() if s.order_id == of_order}
    wait_until(lambda: len(second.api.json("/api/v1/holds")["content"]) == 2, 60, "the holds on the other replica")

    before = first.api.metrics()
    expected = retention_setup.due(truth, kept)
    assert first.terminate() == 0
    first.environment |= SETTINGS
    first.environment["SAGA_TRACKER_RETENTION__ENABLED"] = "false"
    first.start()
    plan = retention_setup.command(first, "retention", "--dry-run")
    assert sum(rule["sagas"] for rule in plan["rules"]) == len(expected)
    assert sum(rule["held"] for rule in plan["rules"]) == len(retention_setup.due(truth)) - len(expected)
    assert retention_setup.gone(first) == 0

    assert first.terminate() == 0
    first.start(SAGA_TRACKER_RETENTION__ENABLED="true")
    for tracker in (first, second):
        retention_setup.wait_gone(tracker, len(expected))
        for saga_id in sorted(truth.sagas)[::7]:
            answer = retention_setup.asked(tracker, saga_id)
            if saga_id in expected:
                assert answer.status_code == 404 and "was purged at" in answer.json()["message"]
                assert retention_setup.asked(tracker, saga_id, steps=True).status_code == 404
                record = retention_setup.purged(tracker, saga_id)
                assert record["stepCount"] == len(truth.sagas[saga_id].timeline)
                assert record["status"] == truth.sagas[saga_id].status
                assert "90 days" in record["rule"] and not record["archived"]
            else:
                checks.same_saga(answer.json(), truth.sagas[saga_id])
        after = tracker.api.metrics()
        # What only grows stays; what is there now shrinks.
        for name in ("saga_failed_total", "saga_compensated_total", "saga_events_processed_total"):
            assert (after.value(name) or 0) == (before.value(name) or 0), name
        assert after.value("saga_active_total") == len(truth.sagas) - len(expected)
        assert tracker.api.search()["page"]["totalElements"] == len(truth.sagas) - len(expected)

    # Late events: seen as such, also after a rebuild.
    victims = sorted(expected)[:3]
    world.publisher.send([late_event(seed + n, truth.sagas[saga_id]) for n, saga_id in enumerate(victims)]).flush()
    done = retention_setup.command(second, "rebuild")
    assert done["error"] is None
    for tracker in (first, second):
        tracker.wait_caught_up()
        assert tracker.api.metrics().value("saga_tracker_late_events_total") == 3
        for saga_id in victims:
            answer = retention_setup.asked(tracker, saga_id)
            assert answer.status_code == 404 and "1 deliveries came after" in answer.json()["message"]
            assert [late["step"] for late in retention_setup.purged(tracker, saga_id)["late"]] == ["ORDER_TIMEOUT"]

    # A hold that is lifted holds no longer.
    retention_setup.command(first, "hold", "lift", one["id"], "--reason", "closed")
    again = first.cli("hold", "lift", one["id"], "--reason", "closed", "--url", first.url)
    assert again.returncode == 2 and "lifted already" in again.stderr
    for tracker in (first, second):
        retention_setup.wait_gone(tracker, len(expected | ({held} - {s for s in kept if s != held})))
    assert retention_setup.asked(first, over[-1]).status_code == 200
    digest = retention_setup.same_digests(first, second)

    # A third replica that reads it all later agrees, and so does a rebuild.
    third = world.tracker("third").start().wait_caught_up()
    retention_setup.wait_gone(third, len(expected) + 1)
    assert third.terminate() == 0
    third.verify()
    assert third.digest() == digest
    assert third.cli("rebuild", "--data-dir", third.data).returncode == 0
    assert third.digest() == digest


@pytest.mark.timeout(900)
@pytest.mark.parametrize("point", retention_setup.FAIL_POINTS + retention_setup.ARCHIVE_FAIL_POINTS)
def test_killed_in_the_middle_of_a_purge(world, seed, fail_points, tmp_path, point):
    world.publish(seed, 120)
    truth = world.truth()
    expected = retention_setup.due(truth)
    archived = retention_setup.archive(tmp_path / "objects")
    steady = world.tracker("steady").start().wait_caught_up()
    shaken = world.tracker("shaken").start().wait_caught_up()
    assert shaken.terminate() == 0
    shaken.environment |= SETTINGS | archived
    for passes in (0, 1):
        shaken.spawn(FAILPOINTS=f"{point}={passes}*off->1*return")
        assert shaken.wait_exit(60) == -signal.SIGABRT, shaken.tail()
    shaken.start()
    for tracker in (shaken, steady):
        retention_setup.wait_gone(tracker, len(expected))
    # Every object belongs to a decision, and is there; nothing was archived twice.
    objects = retention_setup.objects(shaken)
    assert sum(each["sagas"] for each in objects) >= len(expected)
    files = {str(f.relative_to(tmp_path / "objects")) for f in (tmp_path / "objects").rglob("*.parquet")}
    assert files == {each["name"] for each in objects}
    retention_setup.same_digests(shaken, steady)


@pytest.mark.timeout(600)
def test_a_digest_after_a_kill_in_a_purge_is_of_no_half(world, seed, fail_points):
    world.publish(seed, 400)
    steady = world.tracker("steady").start().wait_caught_up()
    shaken = world.tracker("shaken").start().wait_caught_up()
    assert shaken.terminate() == 0
    shaken.environment |= SETTINGS | {"SAGA_TRACKER_RETENTION__BATCH_SAGAS": "1000"}
    # Sagas go some at a time.
    shaken.spawn(FAILPOINTS="purge.before_write=1*off->1*return")
    assert shaken.wait_exit(60) == -signal.SIGABRT, shaken.tail()
    steady.wait_decisions_read()
    wait_until(lambda: steady.api.json("/api/v1/retention")["pendingDecisions"] == 0, 60, "all decisions to be done")
    assert steady.terminate() == 0
    told = [json.loads(shaken.cli("digest", "--json", "--data-dir", shaken.data).stdout)["finished"] for _ in range(2)]
    assert told[0] is not None and told[1] is None, told
    assert shaken.digest() == steady.digest()
    for tracker in (shaken, steady):
        tracker.verify()


@pytest.mark.timeout(900)
def test_a_purge_and_a_rebuild_at_once_and_the_room_comes_back(world, seed):
    for batch in range(4):
        world.publish(seed + batch, 500)
    truth = world.truth()
    expected = retention_setup.due(truth)
    tracker = world.tracker("busy", **(SETTINGS | {"SAGA_TRACKER_RETENTION__ENABLED": "false"})).start().wait_caught_up()
    assert tracker.terminate() == 0
    size = sum(f.stat().st_size for f in tracker.data.iterdir())
    tracker.spawn(SAGA_TRACKER_RETENTION__ENABLED="true")
    tracker.wait_ready()
    for _ in range(3):
        retention_setup.command(tracker, "rebuild")
    retention_setup.wait_gone(tracker, len(expected))
    assert tracker.terminate() == 0
    tracker.verify()
    left = sum(f.stat().st_size for f in tracker.data.iterdir())
    print(f"{len(truth.sagas)} sagas, {size} bytes; {len(expected)} purged, {left} bytes")


def test_what_arrived_lately_stays(world, seed):
    world.publish(seed, 30)
    quiet = SETTINGS | {"SAGA_TRACKER_RETENTION__QUIET_HOURS": "1"}
    begun = time.time()
    tracker = world.tracker(**quiet).start().wait_caught_up()
    plan = wait_until(
        lambda: (p := tracker.api.json("/api/v1/retention"))["lastSweep"] and p, 60, "a search for due sagas"
    )
    assert sum(rule["sagas"] for rule in plan["rules"]) == 0
    due = len(retention_setup.due(world.truth()))
    for name in ("recentlyActive", "restless"):
        assert sum(rule[name] for rule in plan["rules"]) == due, name
    assert retention_setup.gone(tracker) == 0
    assert plan["problem"] is None

    def of_retention(name, **labels):
        return tracker.api.metrics().value(f"saga_tracker_retention_{name}", **labels)

    wait_until(lambda: of_retention("due_sagas") == due, 30, "a search that saw all of them")
    assert begun <= of_retention("last_sweep_timestamp_seconds") <= time.time()
    # No search began before the tracker did.
    took = of_retention("last_sweep_duration_seconds")
    assert 0 < took <= time.time() - begun
    assert of_retention("sweeps_total", result="success") >= 1
    assert of_retention("sweeps_total", result="failure") == of_retention("last_error_timestamp_seconds") == 0
    assert of_retention("pending_decisions") == of_retention("stopped") == 0


def test_a_search_that_does_not_end_well_is_told(world, seed, tmp_path):
    world.publish(seed, 30)
    objects = tmp_path / "objects"
    archived = retention_setup.archive(objects)
    tracker = world.tracker(**SETTINGS, **archived).start()
    retention_setup.wait_gone(tracker, len(retention_setup.due(world.truth())))
    # Nobody can write there any more.
    objects.rename(tmp_path / "moved")
    objects.write_text("no folder")
    begun = time.time()
    world.publish(seed + 1, 30)

    def problem():
        return tracker.api.json("/api/v1/retention")["problem"]

    wait_until(problem, 60, "the problem to be told")
    told = tracker.api.metrics()
    assert told.value("saga_tracker_retention_sweeps_total", result="failure") >= 1
    assert told.value("saga_tracker_retention_last_error_timestamp_seconds") >= begun
    assert problem() in tracker.cli("retention", "--url", tracker.url).stdout
    objects.unlink()
    (tmp_path / "moved").rename(objects)
    retention_setup.wait_gone(tracker, len(retention_setup.due(world.truth())))
    wait_until(lambda: problem() is None, 60, "the problem to be over")
