"""State is a function of the topic: replicas agree, whatever happened to each of them."""

import random

import pytest

import checks
import oracle as meaning
import workload
from servers import wait_until

pytestmark = pytest.mark.tracker


def consumed(tracker):
    progress = tracker.api.progress()
    return sum(p["next"] for p in progress.values()) if progress else -1


@pytest.mark.timeout(1200)
def test_a_replica_killed_again_and_again_has_the_same_digest(world, seed):
    rng = random.Random(seed)
    steady = world.tracker("steady", KAFKA_MAX_POLL_RECORDS="1000").spawn()
    shaken = world.tracker("shaken", KAFKA_MAX_POLL_RECORDS="37")
    for cycle in range(12):
        world.publish(seed + cycle, 150)
        if cycle % 4 == 0:
            world.publish_poison(rng)
        shaken.spawn()
        before = wait_until(lambda: consumed(shaken) + 1, 60, "the shaken replica to answer") - 1
        end = sum(world.broker.ends(world.topic).values())
        goal = min(end, before + rng.randrange(1, 600))
        wait_until(lambda goal=goal: consumed(shaken) >= goal, 60, f"{goal} records consumed", interval=0.005)
        shaken.kill9()
    shaken.start()
    # A third one comes late and reads all of it in one go.
    late = world.tracker("late", KAFKA_MAX_POLL_RECORDS="5000").start()
    truth = world.truth()
    digests = []
    for tracker in (steady, shaken, late):
        tracker.wait_caught_up()
        checks.everything(tracker.api, truth, sample=200)
        assert tracker.terminate() == 0
        tracker.verify()
        digests.append(tracker.digest())
    assert digests[0] == digests[1] == digests[2]
    # Rebuilt projections are still the same state.
    assert late.cli("rebuild", "--data-dir", late.data).returncode == 0
    assert late.digest() == digests[0]


def test_the_digest_tells_different_states_apart(world, seed):
    world.publish(seed, 50)
    tracker = world.tracker().start().wait_caught_up()
    tracker.terminate()
    before = tracker.digest()
    world.publish(seed + 1, 1)
    tracker.start().wait_caught_up()
    tracker.terminate()
    assert tracker.digest() != before


FAMILIES = ("saga_tracker_sagas_entered_total", "saga_tracker_saga_duration_seconds")


def in_order(seed, sagas):
    """Messages of which none changes what an earlier one made of its saga: each comes behind those before it."""
    kept, latest = [], {}
    for message in sorted(workload.messages(seed, sagas), key=lambda message: message.fields["recordedAt"]):
        at = message.fields["recordedAt"]
        if at > latest.get(message.key, 0):
            latest[message.key] = at
            kept.append(workload.Message(message.fields))
    return kept


def became(truth):
    """By type and status: how often sagas entered it; how many ended in it, and milliseconds until they first did."""
    entered, ended = {}, {}
    for saga in truth.sagas.values():
        statuses = [meaning.fold(saga.timeline[: n + 1]).status for n in range(len(saga.timeline))]
        for n, status in enumerate(statuses):
            if n and statuses[n - 1] == status:
                continue
            of = (saga.saga_type, status)
            entered[of] = entered.get(of, 0) + 1
            if status in ("COMPLETED", "FAILED", "COMPENSATED") and status not in statuses[:n]:
                count, millis = ended.get(of, (0, 0))
                ended[of] = (count + 1, millis + saga.timeline[n].recorded_at - saga.started_at)
    return entered, ended


def told(tracker):
    """Every sample of what became of sagas."""
    samples = [s for s in tracker.api.metrics().samples if s.name.startswith(FAMILIES)]
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for s in samples}


@pytest.mark.timeout(600)
def test_replicas_tell_alike_what_became_of_sagas_and_how_long_it_took(world, seed):
    """Where nothing was revised: a counter never falls, and so one that was told of a failure too early stays ahead."""
    steady = world.tracker("steady", KAFKA_MAX_POLL_RECORDS="1000").start()
    shaken = world.tracker("shaken", KAFKA_MAX_POLL_RECORDS="37").start()
    messages = in_order(seed, 400)
    world.publisher.send(messages[: len(messages) // 2]).flush()
    wait_until(lambda: consumed(shaken) > 50, 60, "some of it to be read")
    shaken.kill9()
    world.publisher.send(messages[len(messages) // 2 :]).flush()
    shaken.start()
    for tracker in (steady, shaken):
        tracker.wait_caught_up()
    late = world.tracker("late", KAFKA_MAX_POLL_RECORDS="5000").start().wait_caught_up()
    entered, ended = became(world.truth())
    assert len(entered) == 10 and len(ended) == 6
    for tracker in (steady, shaken, late):
        value = tracker.api.metrics().value
        for (saga_type, status), count in entered.items():
            assert value(FAMILIES[0], saga_type=saga_type, status=status) == count, (saga_type, status)
        for (saga_type, outcome), (count, millis) in ended.items():
            of = {"saga_type": saga_type, "outcome": outcome}
            assert value(f"{FAMILIES[1]}_count", **of) == count, of
            assert value(f"{FAMILIES[1]}_sum", **of) == pytest.approx(millis / 1000), of
    samples = told(steady)
    assert len(samples) > 10 + 3 * 6
    assert told(shaken) == told(late) == samples
    # Nor does a rebuild change any of it.
    assert shaken.terminate() == 0
    assert shaken.cli("rebuild", "--data-dir", shaken.data).returncode == 0
    shaken.start().wait_caught_up()
    assert told(shaken) == samples
