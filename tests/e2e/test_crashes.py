"""kill -9 at any moment, and between any two writes: nothing lost, nothing twice."""

import os
import random
import signal
import time
from contextlib import suppress

import pytest

import checks
import retention_setup
import workload
from servers import wait_until
from tracker import BINARY, FAIL_POINTS, has_fail_points

pytestmark = pytest.mark.tracker

CYCLES = int(os.environ.get("SAGA_TRACKER_KILL_CYCLES", "50"))
SAGAS_PER_CYCLE = int(os.environ.get("SAGA_TRACKER_KILL_SAGAS", "120"))


def total(tracker, field):
    progress = tracker.api.progress()
    return sum(p[field] for p in progress.values()) if progress else -1


def wait_for_total(tracker, field, goal):
    wait_until(lambda: total(tracker, field) >= goal, 60, f"{field} to pass {goal}", interval=0.002)


def check_after_the_storm(world, tracker, seed):
    tracker.start().wait_caught_up()
    truth = world.truth()
    checks.everything(tracker.api, truth, sample=200, seed=seed)
    checks.dead_letters(world.broker, world.dlt, world.topic, truth, exactly_once=False)
    assert tracker.terminate() == 0
    tracker.verify()
    return truth


@pytest.mark.timeout(1800)
def test_killed_at_random_moments_under_load(world, seed):
    print(f"seed {seed}, {CYCLES} cycles")
    rng = random.Random(seed)
    # Small batches: many writes, so many moments between two of them.
    tracker = world.tracker(KAFKA_MAX_POLL_RECORDS="50")
    moments = {"starting": 0, "ingesting": 0, "caught up": 0}
    for cycle in range(CYCLES):
        world.publish(seed * 1000 + cycle, SAGAS_PER_CYCLE)
        if cycle % 5 == 0:
            world.publish_poison(rng)
        tracker.spawn()
        moment = rng.choices(list(moments), [3, 6, 1])[0]
        moments[moment] += 1
        if moment == "starting":
            time.sleep(rng.uniform(0, 0.3))
        elif moment == "ingesting":
            before = wait_until(lambda: total(tracker, "next") + 1, 60, "the tracker to answer") - 1
            end = sum(world.broker.ends(world.topic).values())
            goal = min(before + rng.randrange(1, 400), end)
            wait_for_total(tracker, rng.choice(["next", "projected"]), goal)
            time.sleep(rng.uniform(0, 0.02))
        else:
            tracker.wait_caught_up()
        assert tracker.alive, f"cycle {cycle}: gone before it was killed\n{tracker.tail()}"
        tracker.kill9()
        if cycle % 10 == 9:
            tracker.verify()
    print(moments)
    truth = check_after_the_storm(world, tracker, seed)
    assert truth.duplicates > 0
    assert truth.dead_letters


@pytest.mark.timeout(1800)
def test_killed_while_live_events_stream_in(world, seed):
    """Producers keep sending while the tracker dies and returns."""
    rng = random.Random(seed)
    tracker = world.tracker()
    for cycle in range(max(5, CYCLES // 5)):
        tracker.spawn()
        messages = workload.messages(seed * 100 + cycle, 200)
        kill_at = rng.randrange(len(messages))
        world.publisher.send(messages[:kill_at])
        wait_until(lambda: total(tracker, "next") > 0 or not tracker.alive, 60, "first progress")
        world.publisher.send(messages[kill_at:])
        tracker.kill9()
    world.publisher.flush()
    check_after_the_storm(world, tracker, seed)


# --- between any two writes ---------------------------------------------------------


@pytest.fixture
def fail_points():
    if not has_fail_points():
        if os.environ.get("SAGA_TRACKER_REQUIRE_FAILPOINTS") == "1":
            pytest.fail(f"{BINARY} was built without --features failpoints")
        pytest.skip(f"{BINARY} was built without --features failpoints")


def exits_within(tracker, seconds):
    with suppress(AssertionError):
        wait_until(lambda: not tracker.alive, seconds, "the tracker to exit")
    return not tracker.alive


def wait_aborted(tracker):
    assert tracker.wait_exit(60) == -signal.SIGABRT, tracker.tail()


@pytest.mark.parametrize("passes", [0, 1, 5])
@pytest.mark.parametrize("point", [p for p in FAIL_POINTS if not p.startswith("rebuild")])
def test_aborted_at(world, seed, fail_points, point, passes):
    rng = random.Random(seed)
    world.publish(seed, 150)
    world.publish_poison(rng)
    world.publish(seed + 1, 150)
    tracker = world.tracker(KAFKA_MAX_POLL_RECORDS="40")
    tracker.spawn(FAILPOINTS=f"{point}={passes}*off->1*return")
    # Not every point is passed five times by one backlog: keep something coming.
    for more in range(2, 40):
        if exits_within(tracker, 1):
            break
        world.publish(seed + more, 20)
        world.publish_poison(rng)
    wait_aborted(tracker)
    check_after_the_storm(world, tracker, seed)


@pytest.mark.parametrize("point", [p for p in FAIL_POINTS if not p.startswith("rebuild")])
def test_aborted_again_and_again_at(world, seed, fail_points, point):
    """A crash during the recovery from a crash, five times over."""
    rng = random.Random(seed)
    tracker = world.tracker(KAFKA_MAX_POLL_RECORDS="40")
    for cycle in range(5):
        world.publish(seed + cycle, 100)
        world.publish_poison(rng)
        tracker.spawn(FAILPOINTS=f"{point}=1*return")
        wait_aborted(tracker)
    check_after_the_storm(world, tracker, seed)


@pytest.mark.parametrize("point", ["rebuild.before_switch", "rebuild.after_switch"])
def test_offline_rebuild_aborted_at(world, seed, fail_points, point):
    world.publish(seed, 300)
    tracker = world.tracker().start().wait_caught_up()
    tracker.terminate()
    before = tracker.digest()
    done = tracker.cli("rebuild", "--data-dir", tracker.data, FAILPOINTS=f"{point}=1*return")
    assert done.returncode == -signal.SIGABRT, (done.stdout, done.stderr)
    tracker.verify()
    assert tracker.digest() == before
    again = tracker.cli("rebuild", "--data-dir", tracker.data)
    assert again.returncode == 0, again.stderr
    assert tracker.digest() == before
    world.publish(seed + 1, 100)
    check_after_the_storm(world, tracker, seed)


@pytest.mark.parametrize("point", ["rebuild.before_switch", "rebuild.after_switch"])
def test_online_rebuild_aborted_at(world, seed, fail_points, point):
    world.publish(seed, 300)
    tracker = world.tracker().start(FAILPOINTS=f"{point}=1*return").wait_caught_up()
    with suppress(OSError):  # it may be gone before it could answer
        tracker.api.request("POST", "/internal/v1/rebuild")
    wait_aborted(tracker)
    world.publish(seed + 1, 100)
    check_after_the_storm(world, tracker, seed)


# --- between any two writes of operators' decisions ----------------------------------


def decide(tracker, path, **body):
    """None when the tracker is gone before it could answer."""
    with suppress(OSError):
        return tracker.api.request("POST", path, json=body | {"reason": "case 1"}, timeout=60)


@pytest.mark.parametrize("passes", [0, 2])
@pytest.mark.parametrize("point", ["ops.before_write", "ops.after_write"])
def test_a_decision_is_applied_once_when_the_tracker_is_aborted_at(world, seed, fail_points, point, passes):
    world.publish(seed, 40)
    world.publish_poison(random.Random(seed))
    sagas = sorted(world.truth().sagas)
    decisions = [
        ("/api/v1/holds", {"sagaId": sagas[0]}),
        ("/api/v1/dead-letters/discard", {"filter": {"reason": "bad_timestamp"}}),
        ("/api/v1/holds", {"query": {"status": "FAILED"}}),
        ("/api/v1/holds/0/lift", {}),
        ("/api/v1/dead-letters/discard", {"filter": {"reason": "tombstone"}}),
    ]
    steady = world.tracker("steady").start().wait_caught_up()
    shaken = world.tracker("shaken").start(FAILPOINTS=f"{point}={passes}*off->1*return").wait_caught_up()
    # Asked of the one that dies: what it has published by then stands, and nobody may repeat it.
    asked = 0
    while shaken.alive:
        path, body = decisions[asked]
        answer = decide(shaken, path, **body)
        asked += 1
        if asked <= passes:
            assert answer.status_code in (200, 201), answer.text
        else:
            wait_aborted(shaken)
    assert asked == passes + 1
    read = f"{asked} decisions to be read"
    wait_until(lambda: steady.api.json("/internal/v1/progress")["ops"]["next"] == asked, 30, read)
    for path, body in decisions[asked:]:
        assert decide(steady, path, **body).status_code in (200, 201)
    shaken.start().wait_caught_up()
    for tracker in (steady, shaken):

        def done(tracker=tracker):
            return tracker.api.json("/internal/v1/progress")["ops"]["next"] == len(decisions)

        wait_until(done, 60, "all decisions to be read")
        counted = tracker.api.metrics()
        assert counted.value("saga_tracker_decisions_total") == len(decisions)
        assert counted.value("saga_tracker_decisions_total", outcome="applied") == len(decisions)
        assert [hold["active"] for hold in tracker.api.json("/api/v1/holds")["content"]].count(False) == 1
        counts = tracker.api.json("/api/v1/dead-letters/count")
        assert counts["discarded"] == sum(
            each["discarded"] for name, each in counts["byReason"].items() if name in ("bad_timestamp", "tombstone")
        )
        assert all(counts["byReason"][name]["open"] == 0 for name in ("bad_timestamp", "tombstone"))
    assert world.broker.ends(f"{world.topic}.ops") == {0: len(decisions)}
    retention_setup.same_digests(steady, shaken)


# --- rebuild ------------------------------------------------------------------------


def test_offline_rebuild_changes_nothing(world, seed):
    world.publish(seed, 500)
    world.publish_poison(random.Random(seed))
    tracker = world.tracker().start().wait_caught_up()
    tracker.terminate()
    before = tracker.digest()
    done = tracker.cli("rebuild", "--data-dir", tracker.data)
    assert done.returncode == 0, done.stderr
    assert tracker.digest() == before
    check_after_the_storm(world, tracker, seed)


def test_online_rebuild_serves_the_old_state_until_the_switch(world, seed):
    world.publish(seed, 2000)
    tracker = world.tracker().start().wait_caught_up()
    truth = world.truth()
    before = tracker.api.json("/internal/v1/rebuild")["generation"]
    answer = tracker.api.request("POST", "/internal/v1/rebuild")
    assert answer.status_code in (200, 202), answer.text
    ids = sorted(truth.sagas)
    asked = 0

    def finished():
        nonlocal asked
        # All the while every answer is whole.
        saga_id = ids[asked % len(ids)]
        checks.same_saga(tracker.api.saga(saga_id), truth.sagas[saga_id])
        assert tracker.api.search(size=1)["page"]["totalElements"] == len(ids)
        asked += 1
        rebuild = tracker.api.json("/internal/v1/rebuild")
        return None if rebuild["running"] else rebuild

    rebuild = wait_until(finished, 120, "the rebuild to finish", interval=0)
    assert rebuild["error"] is None
    assert rebuild["generation"] != before
    assert rebuild["done"] == sum(len(s.timeline) for s in truth.sagas.values()) + truth.duplicates
    world.publish(seed + 1, 200)
    tracker.wait_caught_up()
    checks.everything(tracker.api, world.truth(), sample=300)
    assert tracker.terminate() == 0
    tracker.verify()
