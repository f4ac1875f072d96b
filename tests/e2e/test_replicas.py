"""State is a function of the topic: replicas agree, whatever happened to each of them."""

import random

import pytest

import checks
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
