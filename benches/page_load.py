"""What is published for the measurements of the page: a shop's last week, one saga of very many events, dead letters,
and a little traffic for as long as something is measured."""

import random
import threading
import time
from datetime import UTC, datetime

import workload
from producer import SCHEMA

DAYS = 7
SEED = 7
# The longest flow takes ten minutes: no saga ends in the future.
QUIET = workload.DAY // 24
# Sagas whose events are mixed with each other.
TOGETHER = 2_000
ROUNDS_OF_POISON = 20
SERVICES = ("order", "product", "payment", "delivery", "notification")


def now():
    return int(time.time() * 1000)


def instant_before(sagas, of_all):
    """When the last so many of all the sagas began to begin."""
    millis = now() - QUIET - int(DAYS * workload.DAY * min(sagas / of_all, 1))
    return datetime.fromtimestamp(millis / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def publish_sagas(publisher, sagas):
    """Sagas that began within the last days, with retries; the number of events."""
    rng = random.Random(SEED)
    epoch = now() - DAYS * workload.DAY - QUIET
    sent = 0
    for first in range(0, sagas, TOGETHER):
        events = []
        for n in range(first, min(first + TOGETHER, sagas)):
            one = workload.saga(rng, f"ORD-{n}", f"order-{n // 2}", DAYS, epoch)
            events += one + workload.retries(rng, one)
        rng.shuffle(events)
        publisher.send(workload.Message(fields) for fields in events)
        sent += len(events)
    publisher.flush(600)
    return sent


def publish_poison(publisher):
    """Dead letters of every kind that is small."""
    rng = random.Random(SEED)
    for _ in range(ROUNDS_OF_POISON):
        for _, key, value in workload.poison(rng, publisher.encode, publisher.encode_as, SCHEMA):
            publisher.send_raw(key, value)
    publisher.flush()


def publish_long_saga(publisher, saga_id, events):
    """One saga with so many deliveries: what a batch looks like that works for half a day and rests twice. A hundredth
    arrives late, a hundredth twice, and a fiftieth failed."""
    rng = random.Random(SEED)
    own = events - events // 100
    at = now() - workload.DAY
    step = workload.DAY // 4 / own
    messages, late = [], []
    for n in range(own):
        at += rng.expovariate(1 / step)
        if n in (own // 3, own // 2):
            at += workload.DAY // 5
        service = SERVICES[n % len(SERVICES)]
        status = "FAILED" if rng.random() < 0.02 else "STARTED" if n == 0 else "IN_PROGRESS"
        event = _part_of_batch(rng, saga_id, service, n, status, int(at))
        if rng.random() < 0.01:
            late.append(event)
            continue
        messages.append(event)
        if len(late) > 20:
            messages.append(late.pop(0))
    messages += late
    again = [dict(messages[rng.randrange(len(messages))]) for _ in range(events - own)]
    publisher.send(workload.Message(fields) for fields in messages + again).flush(600)


def _part_of_batch(rng, saga_id, service, number, status, at):
    step = f"{service.upper()}_PART_{number % 8}" if number else "ORDER_CREATED"
    known = workload.metadata(rng, service, at)
    return workload.event(rng, saga_id, "ORDER_CREATION", step, status, "order-of-many", at, known)


class Traffic:
    """So many sagas a second while the block runs, as they happen: nothing of the page stands still."""

    def __init__(self, publisher, per_second):
        self._publisher = publisher
        self._pause = 1 / per_second
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()
        self._publisher.flush()

    def _run(self):
        rng = random.Random(SEED + 1)
        number = 0
        while not self._over.wait(self._pause):
            number += 1
            events = workload.saga(rng, f"NOW-{number}", f"order-of-now-{number}", 1, now() - workload.DAY)
            moved = now() - events[-1]["recordedAt"]
            for event in events:
                event["recordedAt"] += moved
                event["eventTimestamp"] += moved
            self._publisher.send(workload.Message(fields) for fields in events)
