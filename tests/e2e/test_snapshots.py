"""Snapshots to a real S3 server and back: whatever happens on the way, state is a function of the topic."""

import json
import os
import random
import shutil
import signal
import uuid

import pytest
from confluent_kafka import TopicPartition

import checks
from objects import KEY, SECRET, S3, Wire
from servers import wait_until
from tracker import BINARY

pytestmark = pytest.mark.tracker

UPLOAD_POINTS = [
    "snapshot.copied",
    "snapshot.before_file",
    "snapshot.after_file",
    "snapshot.before_manifest",
    "snapshot.before_pointer",
    "snapshot.done",
]
RESTORE_POINTS = [
    "restore.before_file",
    "restore.fetched",
    "restore.before_move",
    "restore.between_moves",
    "restore.moved",
]
BUCKET = "saga-tracker"


@pytest.fixture(scope="module")
def s3(tmp_path_factory):
    with S3(tmp_path_factory.mktemp("s3")) as server:
        server.bucket(BUCKET)
        yield server


@pytest.fixture
def wire(s3):
    with Wire(s3) as made:
        yield made


class Place:
    """Where the snapshots of one test go."""

    def __init__(self, s3):
        self.prefix = uuid.uuid4().hex[:8]
        self.bucket = s3.bucket(BUCKET)
        self.s3 = s3

    def settings(self, endpoint=None, **more):
        return {
            "SAGA_TRACKER_OBJECTS__URL": f"s3://{BUCKET}/{self.prefix}",
            "SAGA_TRACKER_OBJECTS__ENDPOINT": endpoint or self.s3.endpoint,
            "SAGA_TRACKER_OBJECTS__ALLOW_HTTP": "true",
            "SAGA_TRACKER_OBJECTS__ACCESS_KEY": KEY,
            "SAGA_TRACKER_OBJECTS__SECRET_KEY": SECRET,
            "SAGA_TRACKER_SNAPSHOT__MIB_PER_SECOND": "0",
        } | more

    def keys(self, folder):
        return self.bucket.keys(f"{self.prefix}/snapshots/{folder}/")

    def manifest(self, snapshot):
        return self.bucket.manifest(self.prefix, snapshot)


@pytest.fixture
def place(s3):
    return Place(s3)


@pytest.fixture
def fail_points():
    if b"snapshot.before_manifest" not in BINARY.read_bytes():
        if os.environ.get("SAGA_TRACKER_REQUIRE_FAILPOINTS") == "1":
            pytest.fail(f"{BINARY} was built without --features failpoints")
        pytest.skip(f"{BINARY} was built without --features failpoints")


def snapshot(tracker, timeout=120):
    """Makes one in the running server, as a backup job does; what it says."""
    done = tracker.cli("snapshot", "create", "--url", tracker.url, "--json", timeout=timeout)
    assert done.returncode == 0, (done.stdout, done.stderr, tracker.tail())
    return json.loads(done.stdout)


def restore(tracker, *arguments, expect=0, **environment):
    done = tracker.cli("restore", "--json", *arguments, **environment)
    assert done.returncode == expect, (done.returncode, done.stdout, done.stderr)
    return done


def lose(tracker):
    """The disk is gone."""
    tracker.kill9()
    shutil.rmtree(tracker.data)


def verify_ok(tracker, *arguments):
    done = tracker.cli("snapshot", "verify", "--json", *arguments)
    assert done.returncode == 0, (done.stdout, done.stderr)
    return json.loads(done.stdout)


def acts(tracker):
    """What the audit log says was done, newest first."""
    return [(entry["action"], entry["result"]) for entry in tracker.api.json("/api/v1/audit")["content"]]


def same_as_never_stopped(world, tracker, truth_sample=200):
    """Digest and answers equal those of a tracker that read all of the topic in one go."""
    tracker.wait_caught_up()
    checks.everything(tracker.api, world.truth(), sample=truth_sample)
    assert tracker.terminate() == 0
    tracker.verify()
    steady = world.tracker(f"steady-{uuid.uuid4().hex[:6]}").start().wait_caught_up()
    assert steady.terminate() == 0
    assert tracker.digest() == steady.digest()


# --- the way there and back -----------------------------------------------------------


def test_a_store_is_restored_and_resumes(world, place, seed):
    world.publish(seed, 400)
    world.publish_poison(random.Random(seed))
    tracker = world.tracker(**place.settings()).start().wait_caught_up()
    before = tracker.api.json("/internal/v1/digest")
    made = snapshot(tracker)
    world.publish(seed + 1, 200)
    tracker.wait_caught_up()
    assert acts(tracker) == [("create-snapshot", "DONE"), ("create-snapshot", "BEGUN")]
    lose(tracker)

    done = json.loads(restore(tracker).stdout)
    assert (done["id"], done["restored"], done["missing"]) == (made["id"], True, [])
    assert dict(done["next"]) == {int(p): n for p, n in before["at"].items()}
    assert tracker.digest()[0] == before["total"]
    tracker.start()
    # What was done to the lost store until the snapshot, and the restore, are on record.
    restored = [entry for entry in acts(tracker) if entry[0] in ("create-snapshot", "restore")]
    assert restored == [("restore", "DONE"), ("create-snapshot", "BEGUN")] or restored == [("restore", "DONE")]
    same_as_never_stopped(world, tracker)


@pytest.mark.timeout(1800)
def test_lost_and_restored_again_and_again_while_events_stream_in(world, place, seed):
    """Random work, snapshot, kill -9, restore, resume: promise 4."""
    rng = random.Random(seed)
    tracker = world.tracker(KAFKA_MAX_POLL_RECORDS="200", **place.settings())
    tracker.start()
    taken = []
    for cycle in range(8):
        world.publish(seed + cycle, rng.randrange(100, 500))
        if cycle % 3 == 0:
            world.publish_poison(rng)
        if rng.random() < 0.7:
            tracker.wait_ready()
        # In the middle of consumption, mostly.
        taken.append(snapshot(tracker)["id"])
        world.publish(seed + 100 + cycle, rng.randrange(0, 200))
        if rng.random() < 0.3:
            assert tracker.terminate() == 0
            shutil.rmtree(tracker.data)
        else:
            lose(tracker)
        chosen = rng.choice([[], [], ["--snapshot", rng.choice(taken)]])
        restore(tracker, *chosen)
        if rng.random() < 0.5:
            tracker.verify()
        tracker.start()
    verified = verify_ok(tracker, "--all")
    assert sorted(verified["snapshots"]) == sorted(taken)
    same_as_never_stopped(world, tracker)


def test_the_snapshot_of_a_time_is_restored(world, place, seed):
    tracker = world.tracker(**place.settings())
    world.publish(seed, 100)
    tracker.start().wait_caught_up()
    first, digest = snapshot(tracker), tracker.api.json("/internal/v1/digest")["total"]
    world.publish(seed + 1, 100)
    tracker.wait_caught_up()
    second = snapshot(tracker)
    listed = json.loads(tracker.cli("snapshot", "list", "--json").stdout)
    assert [one["id"] for one in listed] == [first["id"], second["id"]]
    answered = tracker.api.json("/internal/v1/snapshots", limit=1)["snapshots"]
    assert [one["id"] for one in answered] == [second["id"]]
    lose(tracker)
    restore(tracker, "--at", listed[0]["created_at"], "--skip-broker")
    assert tracker.digest()[0] == digest
    done = restore(tracker, expect=2)
    assert "not empty" in done.stderr
    nothing = tracker.cli("restore", "--at", "2020-01-01T00:00:00Z", "--data-dir", tracker.directory / "other")
    assert nothing.returncode == 1, nothing.stderr


def test_the_first_scheduled_snapshot_is_made_at_once_and_metrics_say_so(world, place, seed):
    world.publish(seed, 50)
    tracker = world.tracker(SAGA_TRACKER_SNAPSHOT__INTERVAL_MINUTES="60", **place.settings()).start()
    wait_until(lambda: tracker.api.metrics().value("saga_tracker_snapshots_total", result="success") == 1, 60, "it")
    metrics = tracker.api.metrics()
    assert metrics.value("saga_tracker_snapshots_total", trigger="schedule", result="success") == 1
    assert tracker.api.json("/internal/v1/snapshots/status")["last"]["trigger"] == "schedule"
    # Nobody did it.
    assert acts(tracker) == []
    made_at = metrics.value("saga_tracker_snapshot_last_success_timestamp_seconds")
    assert metrics.value("saga_tracker_snapshot_last_size_bytes") > 0
    assert metrics.value("saga_tracker_snapshot_running") in (0, 1)
    # After a restart it is remembered by the object store, and the next is not due yet.
    tracker.restart()
    found = wait_until(
        lambda: tracker.api.metrics().value("saga_tracker_snapshot_last_success_timestamp_seconds"), 60, "the last one"
    )
    assert abs(found - made_at) < 60
    assert tracker.api.metrics().value("saga_tracker_snapshots_total", result="success") == 0


def test_what_is_sent_is_hardly_more_than_new_tables(world, place, wire, seed):
    tracker = world.tracker(**place.settings(wire.endpoint)).start()
    known, rounds = set(), []
    for cycle in range(4):
        world.publish(seed + cycle, 6000)
        tracker.wait_caught_up()
        wire.forget()
        made = snapshot(tracker)
        # What went over the wire, as the wire counts it: tables, manifest, pointer, everything.
        sent = wire.sent_bytes
        files = place.manifest(made["id"])["files"]
        new = sum(f["size"] for f in files if f["name"].endswith(".sst") and f["hash"] not in known)
        known |= {f["hash"] for f in files}
        rounds.append((sent, new))
    print(rounds, [round(sent / new, 3) for sent, new in rounds])
    assert all(new > 1_000_000 for _, new in rounds), rounds
    assert all(sent <= 1.1 * new for sent, new in rounds), rounds


# --- crashes --------------------------------------------------------------------------


@pytest.mark.parametrize("point", UPLOAD_POINTS)
def test_killed_while_a_snapshot_is_made(world, place, wire, seed, fail_points, point):
    world.publish(seed, 1500)
    passes = 5 if point.endswith("_file") else 0
    tracker = world.tracker(**place.settings(wire.endpoint))
    tracker.start(FAILPOINTS=f"{point}={passes}*off->1*return").wait_caught_up()
    tracker.cli("snapshot", "create", "--url", tracker.url)
    assert tracker.wait_exit(60) == -signal.SIGABRT, tracker.tail()
    complete = point in ("snapshot.before_pointer", "snapshot.done")
    assert len(place.keys("manifests")) == int(complete)
    there = place.keys("files")
    nothing_sent = point == "snapshot.copied" or (point == "snapshot.before_file" and passes == 0)
    assert bool(there) != nothing_sent

    # What is there already is not sent again.
    tracker.start().wait_caught_up()
    assert not (tracker.data / "checkpoint").exists()
    wire.forget()
    made = snapshot(tracker)
    put_again = [key for key in there if wire.count("PUT", key.rsplit("/", 1)[-1])]
    assert not put_again
    verify_ok(tracker, "--all")
    assert json.loads(place.bucket.get(f"{place.prefix}/snapshots/latest.json"))["snapshot"] == made["id"]
    lose(tracker)
    restore(tracker)
    tracker.start()
    same_as_never_stopped(world, tracker)


@pytest.mark.parametrize("point", RESTORE_POINTS)
def test_killed_while_restoring(world, place, wire, seed, fail_points, point):
    world.publish(seed, 800)
    tracker = world.tracker(**place.settings(wire.endpoint)).start().wait_caught_up()
    snapshot(tracker)
    before = tracker.api.json("/internal/v1/digest")["total"]
    lose(tracker)
    passes = 4 if point in ("restore.before_file", "restore.between_moves") else 0
    restore(tracker, expect=-signal.SIGABRT, FAILPOINTS=f"{point}={passes}*off->1*return")
    if point == "restore.moved":
        # All is in place: it is a store, and tidies up when it starts.
        tracker.start().wait_caught_up()
        assert not (tracker.data / "restore.partial").exists()
    else:
        # Nothing half is ever served.
        tracker.spawn()
        assert tracker.wait_exit(30) != 0
        assert "restore" in tracker.tail()
        wire.forget()
        done = json.loads(restore(tracker).stdout)
        assert done["kept_files"] >= (passes if point == "restore.before_file" else done["files"])
        assert tracker.digest()[0] == before
        tracker.start()
    same_as_never_stopped(world, tracker)


# --- a wire that misbehaves -------------------------------------------------------------


@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", ["500", "503", "reset", "truncate", "lost", "hang"])
def test_faults_of_the_object_store_are_ridden_out(world, place, wire, seed, kind):
    rng = random.Random(seed)
    share = 0.05 if kind == "hang" else 0.2
    world.publish(seed, 600)
    patience = {"SAGA_TRACKER_OBJECTS__TIMEOUT_SECONDS": "2"}
    tracker = world.tracker(**place.settings(wire.endpoint, **patience)).start().wait_caught_up()
    wire.fault = lambda request: kind if rng.random() < share else None
    snapshot(tracker, timeout=300)
    verify_ok(tracker)
    wire.fault = lambda request: None
    verify_ok(tracker, "--all")
    lose(tracker)
    wire.fault = lambda request: kind if rng.random() < share else None
    restore(tracker)
    wire.fault = lambda request: None
    tracker.start()
    same_as_never_stopped(world, tracker)


def test_a_snapshot_of_a_rebuild_in_mid_air(world, place, seed):
    """Tables that are built aside are not in the write-ahead log: a copy holds some of them."""
    world.publish(seed, 3000)
    tracker = world.tracker(**place.settings()).start().wait_caught_up()
    for cycle in range(3):
        world.publish(seed + 1 + cycle, 100)
        assert tracker.api.request("POST", "/internal/v1/rebuild").status_code == 202
        snapshot(tracker)
        lose(tracker)
        restore(tracker)
        tracker.verify()
        tracker.start()
    same_as_never_stopped(world, tracker)


def test_an_object_store_that_is_away_does_not_touch_consumption(world, place, wire, seed):
    world.publish(seed, 100)
    quick = {"SAGA_TRACKER_OBJECTS__RETRIES": "0", "SAGA_TRACKER_OBJECTS__TIMEOUT_SECONDS": "1"}
    tracker = world.tracker(**place.settings(wire.endpoint, **quick)).start().wait_caught_up()
    wire.fault = lambda request: "500"
    assert tracker.api.request("POST", "/internal/v1/snapshots").status_code == 202
    again = tracker.api.request("POST", "/internal/v1/snapshots")
    assert again.status_code == 409, again.text
    world.publish(seed + 1, 100)
    tracker.wait_caught_up()
    status = wait_until(
        lambda: (s := tracker.api.json("/internal/v1/snapshots/status"))["failure"] and s, 120, "it to give up"
    )
    assert status["last"] is None
    assert place.prefix in status["failure"]["message"]
    assert status["failure"]["trigger"] == "request"
    assert tracker.api.metrics().value("saga_tracker_snapshots_total", trigger="request", result="failure") == 1
    wire.fault = lambda request: None
    snapshot(tracker)
    assert tracker.api.json("/internal/v1/snapshots/status")["failure"] is None


@pytest.mark.parametrize(
    ("change", "code", "told"),
    [
        ({"SAGA_TRACKER_OBJECTS__SECRET_KEY": "wrong"}, 4, "objects.secret_key"),
        ({"SAGA_TRACKER_OBJECTS__ACCESS_KEY": "nobody"}, 4, "objects.access_key"),
        ({"SAGA_TRACKER_OBJECTS__URL": "s3://no-such-bucket/x"}, 4, "objects.url"),
        ({"SAGA_TRACKER_OBJECTS__ENDPOINT": "http://127.0.0.1:9"}, 3, "objects.endpoint"),
        ({"SAGA_TRACKER_OBJECTS__ALLOW_HTTP": "false"}, 2, "objects.allow_http"),
        ({"SAGA_TRACKER_OBJECTS__URL": ""}, 2, "objects"),
    ],
)
def test_a_refusal_names_the_option_at_fault(world, place, change, code, told):
    quick = {"SAGA_TRACKER_OBJECTS__RETRIES": "1", "SAGA_TRACKER_OBJECTS__CONNECT_TIMEOUT_SECONDS": "1"}
    if change.get("SAGA_TRACKER_OBJECTS__URL") == "":
        change = change | {"SAGA_TRACKER_OBJECTS__ACCESS_KEY": "", "SAGA_TRACKER_OBJECTS__SECRET_KEY": ""}
    tracker = world.tracker(**place.settings(), **quick)
    for command in (["snapshot", "list"], ["snapshot", "verify"], ["snapshot", "prune"], ["restore", "--skip-broker"]):
        done = tracker.cli(*command, **change)
        assert done.returncode == code, (command, done.returncode, done.stderr)
        assert told in done.stderr, (command, done.stderr)
        assert SECRET not in done.stderr
    assert not tracker.data.exists() or not any(tracker.data.iterdir())


def test_damage_in_the_object_store_is_found_and_never_restored(world, place, seed):
    world.publish(seed, 200)
    tracker = world.tracker(**place.settings()).start().wait_caught_up()
    made = snapshot(tracker)
    lose(tracker)
    name = f"{place.prefix}/snapshots/files/"
    victim = max((f for f in place.manifest(made["id"])["files"]), key=lambda f: f["size"])
    whole = place.bucket.get(name + victim["hash"])
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    for damaged in (bytes(flipped), whole[:-1], b""):
        place.bucket.put(name + victim["hash"], damaged)
        done = tracker.cli("snapshot", "verify", "--json")
        assert done.returncode == 1, done.stderr
        assert victim["hash"] in json.loads(done.stdout)["damage"][0]
        restore(tracker, expect=1)
    place.bucket.delete(name + victim["hash"])
    assert tracker.cli("snapshot", "verify").returncode == 1
    place.bucket.put(name + victim["hash"], whole)
    # The damaged file of the earlier tries is fetched anew, the others are not.
    done = json.loads(restore(tracker).stdout)
    assert done["kept_files"] + done["fetched_files"] == done["files"]
    tracker.start()
    same_as_never_stopped(world, tracker)


# --- old snapshots, and what the topic no longer holds ------------------------------------


def test_pruning_keeps_what_kept_snapshots_need(world, place, seed):
    policy = {"SAGA_TRACKER_SNAPSHOT__KEEP_LAST": "2", "SAGA_TRACKER_SNAPSHOT__GRACE_SECONDS": "20"}
    tracker = world.tracker(**place.settings(), **policy).start()
    made = []
    for cycle in range(5):
        world.publish(seed + cycle, 300)
        tracker.wait_caught_up()
        made.append(snapshot(tracker)["id"])
    # The server lets go of old ones after each snapshot, but deletes nothing within the grace.
    assert [one["id"] for one in json.loads(tracker.cli("snapshot", "list", "--json").stdout)] == made[-2:]
    would = json.loads(tracker.cli("snapshot", "prune", "--dry-run", "--json").stdout)
    assert would["kept"] == made[-2:]
    assert would["waiting_files"] + would["deleted_files"] > 0
    before = len(place.keys("files"))

    def pruned():
        done = tracker.cli("snapshot", "prune", "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)["waiting_files"] == 0

    wait_until(pruned, 90, "the grace to end", interval=2)
    assert not place.keys("retired")
    needed = {f["hash"] for one in made[-2:] for f in place.manifest(one)["files"]}
    assert {key.rsplit("/", 1)[-1] for key in place.keys("files")} == needed
    assert len(needed) < before
    verify_ok(tracker, "--all")
    lose(tracker)
    restore(tracker, "--snapshot", made[-2])
    tracker.start()
    same_as_never_stopped(world, tracker)


def test_what_the_topic_no_longer_holds_is_told_before_and_recorded_after(world, place, seed):
    world.publish(seed, 300)
    tracker = world.tracker(**place.settings()).start().wait_caught_up()
    snapshot(tracker)
    ends = world.broker.ends(world.topic)
    world.publish(seed + 1, 300)
    later = world.broker.ends(world.topic)
    lose(tracker)
    victim = max(ends, key=lambda p: later[p] - ends[p])
    gone_to = ends[victim] + (later[victim] - ends[victim]) // 2
    result = world.broker.admin.delete_records([TopicPartition(world.topic, victim, gone_to)])
    for future in result.values():
        future.result(30)

    done = restore(tracker, expect=1)
    missing = json.loads(done.stdout)["missing"]
    assert len(missing) == 1
    assert f"partition {victim}: offsets {ends[victim]} to {gone_to - 1} ({gone_to - ends[victim]} records)" in missing[0]
    assert not tracker.data.exists() or not any(tracker.data.iterdir())

    restore(tracker, "--accept-gap")
    tracker.start().wait_caught_up()
    metrics = tracker.api.metrics()
    assert metrics.value("saga_tracker_offset_gaps_total", kind="expired") == 1
    assert metrics.value("saga_tracker_offsets_lost_total") == gone_to - ends[victim]
    assert tracker.terminate() == 0
    tracker.verify()


def test_a_topic_that_ends_before_the_snapshot_is_refused(world, make_world, broker, place, seed):
    world.publish(seed, 100)
    tracker = world.tracker(**place.settings()).start().wait_caught_up()
    snapshot(tracker)
    lose(tracker)
    world.broker.delete_topic(world.topic)
    world.broker.create_topic(world.topic, 3)
    done = restore(tracker, "--accept-gap", expect=1)
    assert "not the topic that the snapshot was filled from" in done.stdout
    assert not tracker.data.exists() or not any(tracker.data.iterdir())
