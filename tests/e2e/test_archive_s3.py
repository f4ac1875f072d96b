"""The archive on a real S3 server: what a search costs, and what faults of the server cannot do."""

import random
import uuid

import pytest

import checks
import retention_setup
from objects import KEY, SECRET, S3, Wire
from retention_setup import SETTINGS
from servers import wait_until

pytestmark = pytest.mark.tracker

BUCKET = "saga-archive"


@pytest.fixture(scope="module")
def s3(tmp_path_factory):
    with S3(tmp_path_factory.mktemp("s3")) as server:
        server.bucket(BUCKET)
        yield server


@pytest.fixture
def wire(s3):
    with Wire(s3) as made:
        yield made


@pytest.fixture
def prefix():
    return uuid.uuid4().hex[:8]


def settings(prefix, endpoint, secret=SECRET):
    return SETTINGS | {
        "SAGA_TRACKER_RETENTION__ARCHIVE": "true",
        "SAGA_TRACKER_OBJECTS__URL": f"s3://{BUCKET}/{prefix}",
        "SAGA_TRACKER_OBJECTS__ENDPOINT": endpoint,
        "SAGA_TRACKER_OBJECTS__ALLOW_HTTP": "true",
        "SAGA_TRACKER_OBJECTS__ACCESS_KEY": KEY,
        "SAGA_TRACKER_OBJECTS__SECRET_KEY": secret,
        "SAGA_TRACKER_OBJECTS__TIMEOUT_SECONDS": "2",
    }


def archived(s3, prefix):
    """name → size, as the bucket says."""
    keys = s3.bucket(BUCKET).keys(f"{prefix}/archive/")
    return {key.removeprefix(f"{prefix}/"): size for key, size in keys.items()}


@pytest.mark.timeout(600)
def test_a_search_by_id_costs_a_few_reads(world, seed, s3, wire, prefix):
    world.publish(seed, 150)
    truth = world.truth()
    expected = retention_setup.due(truth)
    tracker = world.tracker(**settings(prefix, wire.endpoint)).start().wait_caught_up()
    retention_setup.wait_gone(tracker, len(expected))
    for saga_id in sorted(expected)[::11]:
        wire.forget()
        saga = retention_setup.asked(tracker, saga_id, archive="true").json()
        checks.same_saga(saga, truth.sagas[saga_id])
        reads = wire.count("GET", ".parquet")
        assert 1 <= reads <= 3, reads
        assert len(wire.seen) == reads, "nothing but reads of one object"
    # Without asking for it, the archive costs nothing.
    wire.forget()
    assert retention_setup.asked(tracker, sorted(expected)[0]).status_code == 404
    assert not wire.seen


@pytest.mark.timeout(600)
def test_faults_of_the_server_delay_and_lose_nothing(world, seed, s3, wire, prefix):
    rng = random.Random(seed)
    world.publish(seed, 60)
    truth = world.truth()
    expected = retention_setup.due(truth)
    wire.fault = lambda request: rng.choice([None, None, None, "500", "503", "reset", "truncate", "lost"])
    shaken = world.tracker("shaken", **settings(prefix, wire.endpoint)).start().wait_caught_up()
    steady = world.tracker("steady").start().wait_caught_up()
    wait_until(lambda: retention_setup.gone(shaken) >= min(5, len(expected)), 240, "some to go in spite of the faults")
    wire.fault = lambda request: None
    for tracker in (shaken, steady):
        retention_setup.wait_gone(tracker, len(expected), timeout=240)
    objects = retention_setup.objects(shaken)
    stored = archived(s3, prefix)
    for each in objects:
        assert stored[each["name"]] == each["size"]
    for saga_id in sorted(expected)[::7]:
        checks.same_saga(retention_setup.asked(shaken, saga_id, archive="true").json(), truth.sagas[saga_id])
    retention_setup.same_digests(shaken, steady)


@pytest.mark.timeout(600)
def test_refused_credentials_keep_everything(world, seed, s3, prefix):
    world.publish(seed, 30)
    truth = world.truth()
    tracker = world.tracker(**settings(prefix, s3.endpoint, secret="wrong")).start().wait_caught_up()
    wait_until(lambda: "refuses us" in tracker.tail(400), 60, "the refusal to be logged")
    assert retention_setup.gone(tracker) == 0
    checks.every_saga(tracker.api, truth)
    assert archived(s3, prefix) == {}
    assert tracker.terminate() == 0
    tracker.environment |= settings(prefix, s3.endpoint)
    tracker.start()
    retention_setup.wait_gone(tracker, len(retention_setup.due(truth)))
