"""Fixtures: one broker and one registry for the session, names of its own per test."""

import importlib
import os
import re
import shutil
import uuid
from contextlib import ExitStack
from pathlib import Path

import pytest

import workload
from oracle import Oracle
from producer import SCHEMA, Publisher
from servers import Broker, Registry
from tracker import BINARY, Tracker

pytest_plugins = ["page_setup"]

SEED = int(os.environ.get("SAGA_TRACKER_TEST_SEED", "20250107"))


def pytest_report_header():
    return f"saga-tracker: {BINARY}, seed {SEED} (SAGA_TRACKER_TEST_SEED)"


@pytest.fixture(scope="session")
def broker(tmp_path_factory):
    with Broker(tmp_path_factory.mktemp("kafka")) as server:
        yield server


@pytest.fixture(scope="session")
def registry(tmp_path_factory):
    with Registry(tmp_path_factory.mktemp("registry")) as server:
        yield server


class World:
    """The topics of one test and everything that is connected to them."""

    open = []

    def __init__(self, broker, registry, directory, name, partitions=3, dlt_bytes=10_485_760, **config):
        self.broker, self.registry, self.directory = broker, registry, directory
        self.name = f"{name}.{uuid.uuid4().hex[:8]}"
        self.topic, self.dlt, self.group = self.name, f"{self.name}.dlt", f"{self.name}-group"
        broker.create_topic(self.topic, partitions, **config)
        broker.create_topic(self.dlt, 1, **{"max.message.bytes": str(dlt_bytes)})
        self.publisher = Publisher(broker, registry, self.topic)
        self.trackers = []
        World.open.append(self)

    def tracker(self, name="tracker", registry_url="", **environment):
        """A tracker with a store of its own; the session's registry unless told otherwise."""
        url = self.registry.address if registry_url == "" else registry_url
        tracker = Tracker(self.directory / name, self.broker, url, self.topic, self.dlt, self.group, **environment)
        self.trackers.append(tracker)
        return tracker

    def publish(self, seed, sagas, **options):
        self.publisher.send(workload.messages(seed, sagas, **options)).flush()

    def publish_poison(self, rng, large=False):
        """Sends every kind of poison and returns the kinds."""
        before = self.broker.ends(self.topic)
        publisher = self.publisher
        letters = workload.poison(rng, publisher.encode, publisher.encode_as, SCHEMA)
        if large:
            letters += workload.large_poison(rng, publisher.encode)
        for kind, key, value in letters:
            publisher.send_raw(key, value, partition=rng.randrange(len(before)), headers=[("kind", kind.encode())])
        publisher.flush()
        return {kind for kind, _, _ in letters}

    def truth(self):
        """The oracle's view of what is in the topic now."""
        return Oracle(self.broker.read(self.topic), self.publisher.schema_of)

    def close(self):
        # The others go even if one does not.
        with ExitStack() as last:
            last.callback(World.open.remove, self)
            for tracker in self.trackers:
                last.callback(tracker.kill9)


@pytest.fixture
def seed(request):
    """A number that differs per test and repeats with SAGA_TRACKER_TEST_SEED."""
    return SEED + sum(request.node.nodeid.encode())


@pytest.fixture
def make_world(request, registry, tmp_path):
    """For tests that need a broker of their own, or other partitions."""
    with ExitStack() as last:

        def make(broker, **options):
            made = World(broker, registry, tmp_path, _topic_name(request), **options)
            last.callback(made.close)
            return made

        yield make


@pytest.fixture
def world(make_world, broker):
    return make_world(broker)


@pytest.fixture(scope="module")
def module_world(request, broker, registry, tmp_path_factory):
    """One world for all tests of a module that only read."""
    name = request.module.__name__
    made = World(broker, registry, tmp_path_factory.mktemp(name), name.replace("_", "-"))
    yield made
    made.close()


@pytest.fixture(scope="session")
def pm4py():
    """Takes seconds to import."""
    return importlib.import_module("pm4py")


@pytest.fixture
def own_broker(tmp_path):
    """A broker that a test may stop, freeze and kill."""
    # Stopping continues what is frozen.
    with Broker(tmp_path / "own-kafka") as server:
        yield server


def _topic_name(request):
    return re.sub(r"[^A-Za-z0-9]+", "-", request.node.name)[:60].strip("-")


def pytest_runtest_setup(item):
    if item.get_closest_marker("tracker") and not BINARY.exists():
        # Not a skip: a suite that silently tests nothing is worse than a red one.
        if os.environ.get("SAGA_TRACKER_BIN_OPTIONAL") == "1":
            pytest.skip(f"{BINARY} does not exist")
        pytest.fail(f"{BINARY} does not exist; build it, or set SAGA_TRACKER_BIN")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.failed:
        for tracker in (t for world in World.open for t in world.trackers):
            report.sections.append((f"end of {tracker.log}", tracker.tail(60)))
    return report


@pytest.fixture(autouse=True)
def _tidy(request, tmp_path):
    """Stores of passing tests are large and of no further interest."""
    yield
    for data in Path(tmp_path).glob("**/data"):
        if os.environ.get("SAGA_TRACKER_KEEP_DATA") != "1" and (data.parent / "tracker.log").exists():
            shutil.rmtree(data, ignore_errors=True)
