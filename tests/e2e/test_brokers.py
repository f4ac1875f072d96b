"""Kafka goes away, comes back, grows, and lies: nothing is lost and nothing is mixed."""

import random

import signal

import pytest
from confluent_kafka import TopicPartition

import checks
import workload
from producer import Publisher
from servers import wait_until

pytestmark = pytest.mark.tracker

# How long a broker may be away before health says so is configurable.
DOWN_AFTER_MS = 5_000
DOWN_WITHIN = 120


def kafka_health(tracker):
    status, body = tracker.api.health()
    return (status, body["components"]["kafka"]["status"]) if body else (status, None)


def wait_kafka(tracker, expected):
    wait_until(lambda: kafka_health(tracker) == expected, DOWN_WITHIN, f"health {expected}", interval=0.2)


def everything_still_answers(tracker, truth):
    """Queries need no broker."""
    checks.every_saga(tracker.api, truth, sample=20)
    checks.same_page(tracker.api.search(), truth.search(), 0, 20)


def test_a_frozen_broker_is_ridden_out(make_world, own_broker, seed):
    world = make_world(own_broker)
    world.publish(seed, 300)
    patience = {"SAGA_TRACKER_HEALTH__KAFKA_DOWN_AFTER_MS": str(DOWN_AFTER_MS)}
    tracker = world.tracker(**patience).start().wait_caught_up()
    truth = world.truth()
    own_broker.freeze()
    wait_kafka(tracker, (503, "DOWN"))
    # Restarting it would not bring the broker back: it is alive all the same.
    assert tracker.api.health("liveness")[0] == 200
    everything_still_answers(tracker, truth)
    own_broker.thaw()
    wait_kafka(tracker, (200, "UP"))
    world.publish(seed + 1, 300)
    tracker.wait_caught_up()
    checks.everything(tracker.api, world.truth(), sample=200)


def test_a_killed_broker_is_ridden_out(make_world, own_broker, seed):
    world = make_world(own_broker)
    world.publish(seed, 300)
    world.publish_poison(random.Random(seed))
    tracker = world.tracker().start().wait_caught_up()
    truth = world.truth()
    for cycle in range(2):
        own_broker.kill()
        everything_still_answers(tracker, truth)
        own_broker.start()
        world.publish(seed + 1 + cycle, 200)
        world.publish_poison(random.Random(seed + cycle))
        tracker.wait_caught_up()
        truth = world.truth()
    checks.everything(tracker.api, truth, sample=200)
    wait_until(lambda: sum(world.broker.ends(world.dlt).values()) >= len(truth.dead_letters), 60, "dead letters")
    checks.dead_letters(world.broker, world.dlt, world.topic, truth, exactly_once=False)
    assert tracker.terminate() == 0
    tracker.verify()


def test_stopping_without_a_broker_is_still_bounded(make_world, own_broker, seed):
    world = make_world(own_broker)
    world.publish(seed, 100)
    tracker = world.tracker().start().wait_caught_up()
    truth = world.truth()
    own_broker.kill()
    assert tracker.terminate(timeout=30) == 0, tracker.tail()
    tracker.verify()
    own_broker.start()
    tracker.start().wait_caught_up()
    checks.everything(tracker.api, truth, sample=50)


def test_started_before_the_broker(make_world, own_broker, seed):
    world = make_world(own_broker)
    world.publish(seed, 100)
    truth = world.truth()
    own_broker.kill()
    tracker = world.tracker().spawn()
    wait_until(lambda: tracker.api.health("liveness")[0] == 200, 60, "the API to answer")
    assert tracker.alive
    own_broker.start()
    tracker.wait_ready(120)
    tracker.wait_caught_up()
    checks.everything(tracker.api, truth, sample=50)


def test_new_partitions_are_read_from_their_beginning(make_world, broker, seed):
    world = make_world(broker, partitions=1)
    world.publish(seed, 200, partitions=1)
    tracker = world.tracker().start().wait_caught_up()
    world.broker.grow_topic(world.topic, 4)
    # The old producer would learn of the new partitions minutes later.
    world.publisher = Publisher(world.broker, world.registry, world.topic)
    messages = workload.messages(seed + 1, 200, partitions=4)
    for number, message in enumerate(messages):
        world.publisher.send_raw(message.key.encode(), world.publisher.encode(message.fields), number % 4)
    world.publisher.flush()
    tracker.wait_caught_up()
    truth = world.truth()
    assert {e.position[0] for s in truth.sagas.values() for e in s.timeline} == {0, 1, 2, 3}
    checks.everything(tracker.api, truth)
    tracker.restart()
    tracker.wait_caught_up()
    checks.everything(tracker.api, truth, sample=50)


def refuses_to_mix(tracker):
    """It exits with an error, or says DOWN; either way the log says what to do."""
    if not tracker.alive:
        return tracker.process.returncode != 0
    status, body = tracker.api.health()
    return status == 503 and body is not None and body["components"]["kafka"]["status"] == "DOWN"


def recreate(world):
    world.broker.delete_topic(world.topic)
    world.broker.create_topic(world.topic, 3)
    # The old producer's sequence numbers belong to the old topic.
    world.publisher = Publisher(world.broker, world.registry, world.topic)


def test_a_topic_created_again_is_not_mixed_in_at_start(world, seed):
    world.publish(seed, 300)
    tracker = world.tracker().start().wait_caught_up()
    tracker.terminate()
    before = tracker.digest()
    recreate(world)
    world.publish(seed + 1, 20)
    tracker.spawn()
    wait_until(lambda: refuses_to_mix(tracker), DOWN_WITHIN, "the tracker to refuse", interval=0.2)
    assert world.topic in tracker.tail(200), "the message does not name the topic"
    if tracker.alive:
        tracker.terminate()
    assert tracker.digest() == before, "the store was touched"


def test_a_topic_created_again_is_not_mixed_in_while_running(world, seed):
    world.publish(seed, 300)
    tracker = world.tracker().start().wait_caught_up()
    truth = world.truth()
    recreate(world)
    world.publish(seed + 1, 20)
    wait_until(lambda: refuses_to_mix(tracker), DOWN_WITHIN, "the tracker to refuse", interval=0.2)
    if tracker.alive:
        everything_still_answers(tracker, truth)
        tracker.terminate()
    tracker.verify()
    # Only the old topic's events are in the store.
    offline = tracker.digest()
    fresh = world.tracker("fresh").start().wait_caught_up()
    fresh.terminate()
    assert fresh.digest() != offline


def test_records_deleted_before_they_were_read_are_an_alarm(world, seed):
    """Retention overtook the tracker: a gap the broker explains, and nobody may miss."""
    world.publish(seed, 100)
    tracker = world.tracker().start().wait_caught_up()
    tracker.terminate()
    world.publish(seed + 1, 100)
    ends = world.broker.ends(world.topic)
    cut = [TopicPartition(world.topic, p, end) for p, end in ends.items()]
    for future in world.broker.admin.delete_records(cut).values():
        future.result(30)
    world.publish(seed + 2, 100)
    tracker.spawn()
    wait_until(
        lambda: not tracker.alive or "gap" in tracker.tail(500).lower() or "offset" in tracker.tail(500).lower(),
        DOWN_WITHIN,
        "the gap to be reported",
        interval=0.2,
    )
    if tracker.alive:
        wait_until(lambda: counted_gaps(tracker) >= 1, 60, "the gap to be counted")


def test_records_deleted_while_the_tracker_hangs_are_an_alarm_too(world, seed):
    """It runs on and has known where the topic begins: that knowledge is from before the loss."""
    world.publish(seed, 50)
    tracker = world.tracker().start().wait_caught_up()
    tracker.process.send_signal(signal.SIGSTOP)
    world.publish(seed + 1, 100)
    ends = world.broker.ends(world.topic)
    cut = [TopicPartition(world.topic, p, end) for p, end in ends.items()]
    for future in world.broker.admin.delete_records(cut).values():
        future.result(30)
    world.publish(seed + 2, 50)
    tracker.process.send_signal(signal.SIGCONT)
    wait_until(
        lambda: tracker.api.metrics().value("saga_tracker_offset_gaps_total", kind="expired") > 0, 60, "the alarm"
    )
    assert tracker.api.metrics().value("saga_tracker_offsets_lost_total") > 0
    tracker.terminate()
    tracker.verify()


def counted_gaps(tracker):
    return sum(s.value for s in tracker.api.metrics().samples if "gap" in s.name)
