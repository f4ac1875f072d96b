"""Start, stop, start again: bounded, without forgetting and without double counting."""

import threading

import pytest

import checks
import workload
from servers import wait_until

pytestmark = pytest.mark.tracker


def test_sigterm_drains_commits_and_exits_in_time(world, seed):
    world.publish(seed, 2000)
    tracker = world.tracker()
    tracker.spawn()
    wait_until(lambda: any(p["next"] > 0 for p in (tracker.api.progress() or {}).values()), 60, "work in hand")
    # It bounds itself; the machine may be busy.
    assert tracker.terminate(timeout=60) == 0, tracker.tail()
    tracker.verify()
    committed = world.broker.committed(world.group, world.topic)
    tracker.start().wait_caught_up()
    checks.everything(tracker.api, world.truth(), sample=300)
    # What was committed is what the store had: never past the end, never negative.
    ends = world.broker.ends(world.topic)
    assert all(0 <= committed[p] <= ends[p] for p in ends), (committed, ends)


def test_offsets_are_committed_for_lag_tools(world, seed):
    world.publish(seed, 200)
    tracker = world.tracker().start().wait_caught_up()
    tracker.terminate()
    assert world.broker.committed(world.group, world.topic) == world.broker.ends(world.topic)


def test_sigterm_while_clients_are_connected(world, seed):
    world.publish(seed, 200)
    tracker = world.tracker().start().wait_caught_up()
    failures, stop = [], threading.Event()

    def client():
        while not stop.is_set():
            try:
                answer = tracker.api.get("/api/v1/sagas", size=100)
                if answer.status_code not in (200, 503):
                    failures.append(answer.status_code)
            except OSError:
                return

    clients = [threading.Thread(target=client) for _ in range(4)]
    for one in clients:
        one.start()
    assert tracker.terminate(timeout=20) == 0
    stop.set()
    for one in clients:
        one.join(10)
    assert not failures


def test_counters_survive_restarts(world, seed):
    world.publish(seed, 300)
    tracker = world.tracker().start().wait_caught_up()
    for restart in (tracker.restart, lambda: (tracker.kill9(), tracker.start()), tracker.restart):
        restart()
        tracker.wait_caught_up()
        checks.counters(tracker.api, world.truth())
    world.publish(seed + 1, 100)
    tracker.wait_caught_up()
    checks.counters(tracker.api, world.truth())


def test_late_events_and_retries_after_a_restart(world, seed):
    """Duplicates are found against the store, not against the process's memory."""
    messages = workload.messages(seed, 300)
    world.publisher.send(messages[::2]).flush()
    tracker = world.tracker().start().wait_caught_up()
    tracker.restart()
    world.publisher.send(messages[1::2]).send(messages[::7]).flush()
    tracker.wait_caught_up()
    truth = world.truth()
    assert truth.duplicates > len(messages) // 8
    checks.everything(tracker.api, truth)


def test_an_empty_topic_is_a_healthy_one(world):
    tracker = world.tracker().start().wait_caught_up()
    checks.same_page(tracker.api.search(), [], 0, 20)
    checks.statistics_of_nothing(tracker.api.statistics())
    status, body = tracker.api.health()
    assert (status, body["status"]) == (200, "UP")
    assert {"db", "kafka", "diskSpace"} <= set(body["components"])
    assert {c["status"] for c in body["components"].values()} == {"UP"}


def test_a_second_process_cannot_open_the_same_store(world):
    tracker = world.tracker().start()
    rival = world.tracker("rival", SAGA_TRACKER_DATA_DIR=str(tracker.data))
    rival.spawn()
    assert rival.wait_exit(30) != 0
    assert "lock" in rival.tail().lower() or "in use" in rival.tail().lower(), rival.tail()
    assert tracker.alive


def test_no_lag_and_readiness_mean_that_answers_show_everything(world, seed):
    """Also on a start with a backlog: what is fetched, read or stored and not folded is lag."""
    world.publish(seed, 3_000)
    expected = len({record.key for record in world.broker.read(world.topic)})
    # Small batches: there is always something between two of the stages.
    tracker = world.tracker(KAFKA_MAX_POLL_RECORDS="20").spawn()

    def shown():
        return tracker.api.json("/api/v1/sagas", size=1)["page"]["totalElements"]

    def caught_up():
        assert tracker.alive, tracker.tail()
        status, body = tracker.api.health("readiness")
        if body is None:
            return False
        # Asked for in this order: a lag of 0 means nothing before the ends are known.
        progress = tracker.api.progress()
        known = bool(progress) and all(partition["end"] is not None for partition in progress.values())
        lag = tracker.api.metrics().value("saga_tracker_consumer_lag")
        if status == 200 or (known and lag == 0):
            assert shown() == expected, f"readiness {status}, lag {lag}"
        return status == 200 and lag == 0

    wait_until(caught_up, 120, "the end", interval=0.005)
