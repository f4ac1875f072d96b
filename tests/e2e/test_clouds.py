"""Snapshots and the archive on Azure Blob Storage and Google Cloud Storage: the way there and back."""

import base64
import json
import random
import shutil
import uuid

import pytest

import checks
import retention_setup
import workload
from clouds import CONTAINER, Azure, Google
from servers import wait_until

pytestmark = pytest.mark.tracker

# What is larger is sent in pieces.
PIECE = 8 << 20


@pytest.fixture(scope="module", params=[Azure, Google], ids=["azure", "google"])
def cloud(request, tmp_path_factory):
    with request.param(tmp_path_factory.mktemp(request.param.__name__.lower())) as server:
        yield server


@pytest.fixture
def prefix():
    return uuid.uuid4().hex[:8]


def settings(cloud, prefix):
    return cloud.settings() | {
        "SAGA_TRACKER_OBJECTS__URL": f"{cloud.scheme}://{CONTAINER}/{prefix}",
        "SAGA_TRACKER_OBJECTS__ALLOW_HTTP": "true",
        "SAGA_TRACKER_SNAPSHOT__MIB_PER_SECOND": "0",
    }


def told(tracker, *arguments, **environment):
    """A command's JSON."""
    done = tracker.cli(*arguments, "--json", **environment)
    assert done.returncode == 0, (arguments, done.returncode, done.stdout, done.stderr)
    return json.loads(done.stdout)


def publish_large(world, rng, bytes_):
    """Events that do not become much smaller by compression."""
    each = 200_000
    for number in range(bytes_ // each):
        name = f"large-{number}"
        noise = json.dumps({"noise": base64.b64encode(rng.randbytes(each * 3 // 4)).decode()})
        at = 1_736_000_000_000 + number
        event = workload.event(rng, name, "ORDER_CREATION", "ORDER_CREATED", "STARTED", name, at, noise)
        world.publisher.send_raw(name.encode(), world.publisher.encode(event))
    world.publisher.flush()


def test_snapshots_are_made_checked_let_go_of_and_restored(world, cloud, prefix, seed):
    world.publish(seed, 100)
    publish_large(world, random.Random(seed), PIECE * 3 // 2)
    keep = {"SAGA_TRACKER_SNAPSHOT__KEEP_LAST": "1", "SAGA_TRACKER_SNAPSHOT__KEEP_DAYS": "0"}
    tracker = world.tracker(**settings(cloud, prefix), **keep).start().wait_caught_up()
    first = told(tracker, "snapshot", "create", "--url", tracker.url)
    files = cloud.names(f"{prefix}/snapshots/files/")
    assert max(files.values()) > PIECE, "nothing was sent in pieces"

    # What is there already is not sent again.
    world.publish(seed + 1, 100)
    tracker.wait_caught_up()
    digest = tracker.api.json("/internal/v1/digest")["total"]
    second = told(tracker, "snapshot", "create", "--url", tracker.url)
    # The server lets go of old ones after each snapshot; their files stay for the grace.
    (listed,) = told(tracker, "snapshot", "list")
    assert listed["id"] == second["id"]
    assert listed["sent_bytes"] < listed["bytes"] / 2, listed
    both = cloud.names(f"{prefix}/snapshots/files/")
    assert set(both) > set(files)
    assert told(tracker, "snapshot", "verify", "--all")["snapshots"] == [second["id"]]

    tracker.kill9()
    shutil.rmtree(tracker.data)
    assert told(tracker, "restore")["id"] == second["id"]
    assert tracker.digest()[0] == digest
    tracker.verify()

    def pruned():
        return told(tracker, "snapshot", "prune", SAGA_TRACKER_SNAPSHOT__GRACE_SECONDS="2")["waiting_files"] == 0

    wait_until(pruned, 30, "the grace to end", interval=0.5)
    left = cloud.names(f"{prefix}/snapshots/")
    assert not [name for name in left if first["id"] in name]
    assert set(cloud.names(f"{prefix}/snapshots/files/")) < set(both)
    assert told(tracker, "snapshot", "verify", "--all")["snapshots"] == [second["id"]]


def test_purged_sagas_are_read_from_the_archive(world, cloud, prefix, seed):
    world.publish(seed, 40)
    truth = world.truth()
    expected = retention_setup.due(truth)
    archive = retention_setup.SETTINGS | {"SAGA_TRACKER_RETENTION__ARCHIVE": "true"}
    tracker = world.tracker(**settings(cloud, prefix), **archive).start().wait_caught_up()
    retention_setup.wait_gone(tracker, len(expected))
    assert {each["name"]: each["size"] for each in retention_setup.objects(tracker)} == {
        name.removeprefix(f"{prefix}/"): size for name, size in cloud.names(f"{prefix}/archive/").items()
    }
    for saga_id in sorted(expected)[::7]:
        saga = retention_setup.asked(tracker, saga_id, archive="true").json()
        checks.same_saga(saga, truth.sagas[saga_id])


def test_a_refusal_names_the_option_at_fault(world, cloud, prefix, tmp_path):
    quick = {"SAGA_TRACKER_OBJECTS__RETRIES": "1", "SAGA_TRACKER_OBJECTS__CONNECT_TIMEOUT_SECONDS": "1"}
    tracker = world.tracker(**settings(cloud, prefix), **quick)
    for name, (change, code, option) in cloud.faults(tmp_path).items():
        for command in (["snapshot", "list"], ["restore", "--skip-broker"]):
            done = tracker.cli(*command, **change)
            assert done.returncode == code, (name, command, done.returncode, done.stderr)
            assert option in done.stderr, (name, command, done.stderr)
            assert cloud.secret not in done.stderr
    assert not tracker.data.exists() or not any(tracker.data.iterdir())
