"""What is purged can be found again: by the tracker, by DuckDB, and for good by a restore."""

import duckdb
import pytest

import checks
import retention_setup
from retention_setup import SETTINGS

pytestmark = pytest.mark.tracker


def paged(tracker, saga_id, size):
    """All steps of a saga that only the archive has, page by page."""
    steps, after = [], {}
    while True:
        page = retention_setup.asked(tracker, saga_id, steps=True, archive="true", size=size, **after).json()
        assert len(page["steps"]) <= size
        steps += page["steps"]
        if "next" not in page:
            return steps
        after = {"after": page["next"]}


@pytest.mark.timeout(900)
def test_purged_sagas_are_read_listed_and_brought_back_from_the_archive(world, seed, tmp_path):
    world.publish(seed, 200)
    truth = world.truth()
    expected = retention_setup.due(truth)
    folder = tmp_path / "objects"
    archived = retention_setup.archive(folder)
    first = world.tracker("first", **(SETTINGS | archived)).start()
    # A replica that decides nothing, and reads the same archive.
    second = world.tracker("second", SAGA_TRACKER_OBJECTS__URL=f"file://{folder}").start()
    for tracker in (first, second):
        tracker.wait_caught_up()
        retention_setup.wait_gone(tracker, len(expected))

    for tracker in (first, second):
        for saga_id in sorted(expected)[::9]:
            assert retention_setup.asked(tracker, saga_id).status_code == 404
            saga = retention_setup.asked(tracker, saga_id, archive="true").json()
            assert saga.pop("archived") is True
            checks.same_saga(saga, truth.sagas[saga_id])
            whole = retention_setup.asked(tracker, saga_id, steps=True, archive="true").json()
            checks.same_steps(whole, truth.sagas[saga_id])
            assert paged(tracker, saga_id, size=2) == whole["steps"]
            assert retention_setup.purged(tracker, saga_id)["archived"]
    assert retention_setup.asked(first, "never seen", archive="true").status_code == 404
    assert retention_setup.asked(first, sorted(expected)[0], archive="maybe").status_code == 400

    objects = retention_setup.objects(first)
    assert sum(each["sagas"] for each in objects) == len(expected)
    assert objects == retention_setup.objects(second)

    # Anybody's tools.
    glob = f"{folder}/archive/*/*/*.parquet"
    rows = f"read_parquet('{glob}', hive_partitioning = true)"
    count = duckdb.execute(f"SELECT count(DISTINCT saga_id), count(*) FROM {rows}").fetchall()[0]
    assert count == (len(expected), sum(each["events"] for each in objects))
    by_type = dict(duckdb.execute(f"SELECT saga_type, count(DISTINCT saga_id) FROM {rows} GROUP BY 1").fetchall())
    told = {}
    for saga_id in expected:
        told[truth.sagas[saga_id].saga_type] = told.get(truth.sagas[saga_id].saga_type, 0) + 1
    assert by_type == told
    some = truth.sagas[sorted(expected)[5]]
    timeline = duckdb.execute(
        f"SELECT number, event_id, step, status, epoch_ms(recorded_at), saga_status FROM {rows} "
        "WHERE saga_id = ? AND number IS NOT NULL ORDER BY number",
        [some.saga_id],
    ).fetchall()
    assert timeline == [
        (number, e.event_id, e.step, e.status, e.recorded_at, some.status) for number, e in enumerate(some.timeline, 1)
    ]

    # Back, on every replica, and it stays: retention counts anew.
    back = sorted(expected)[5]
    restored = retention_setup.command(first, "archive", "restore", back, "--reason", "case 9")
    assert restored["events"] >= len(truth.sagas[back].timeline)
    for tracker in (first, second):
        retention_setup.wait_gone(tracker, len(expected) - 1)
        checks.same_saga(retention_setup.asked(tracker, back).json(), truth.sagas[back])
        checks.same_steps(retention_setup.asked(tracker, back, steps=True).json(), truth.sagas[back])
        assert retention_setup.purged(tracker, back)["restoredAt"]
    twice = first.cli("archive", "restore", back, "--reason", "again", "--url", first.url)
    assert twice.returncode == 2 and "is not purged" in twice.stderr
    unknown = first.cli("archive", "restore", "never seen", "--reason", "x", "--url", first.url)
    assert unknown.returncode == 1
    acts = [each["action"] for each in first.api.json("/api/v1/audit")["content"]]
    assert acts.count("restore-saga") == 3
    retention_setup.same_digests(first, second)


def test_an_archive_that_cannot_be_written_keeps_everything(world, seed, tmp_path):
    world.publish(seed, 40)
    folder = tmp_path / "objects"
    settings = SETTINGS | retention_setup.archive(folder)
    (folder / "archive").write_text("a file where the folder should be")
    tracker = world.tracker(**settings).start().wait_caught_up()
    checks.every_saga(tracker.api, world.truth())
    assert retention_setup.gone(tracker) == 0
    (folder / "archive").unlink()
    retention_setup.wait_gone(tracker, len(retention_setup.due(world.truth())))


def test_a_damaged_object_is_reported_never_shown(world, seed, tmp_path):
    world.publish(seed, 40)
    folder = tmp_path / "objects"
    tracker = world.tracker(**(SETTINGS | retention_setup.archive(folder))).start().wait_caught_up()
    expected = retention_setup.due(world.truth())
    retention_setup.wait_gone(tracker, len(expected))
    for file in folder.rglob("*.parquet"):
        content = bytearray(file.read_bytes())
        content[: len(content) // 2] = bytes(len(content) // 2)
        file.write_bytes(content)
    for saga_id in sorted(expected)[:5]:
        answer = retention_setup.asked(tracker, saga_id, archive="true")
        assert answer.status_code == 500, answer.text
        done = tracker.cli("archive", "restore", saga_id, "--reason", "x", "--url", tracker.url)
        assert done.returncode == 4
        assert retention_setup.asked(tracker, saga_id).status_code == 404


def test_an_object_that_was_changed_in_the_bucket_is_refused_by_its_name(world, seed, tmp_path):
    world.publish(seed, 60)
    expected = retention_setup.due(world.truth())
    folder = tmp_path / "objects"
    tracker = world.tracker(**(SETTINGS | retention_setup.archive(folder))).start().wait_caught_up()
    retention_setup.wait_gone(tracker, len(expected))
    changed = retention_setup.objects(tracker)[0]
    file = folder / changed["name"]
    # In the first column of the first row group: whoever looks for another saga never comes by there.
    content = bytearray(file.read_bytes())
    content[9] ^= 1
    file.write_bytes(content)
    answers = {}
    for saga_id in sorted(expected):
        for steps in (False, True):
            answers[saga_id, steps] = retention_setup.asked(tracker, saga_id, steps=steps, archive="true")
    refused = {key: answer for key, answer in answers.items() if answer.status_code != 200}
    assert len(refused) == 2 * changed["sagas"]
    for answer in refused.values():
        message = answer.json()["message"]
        assert answer.status_code == 500 and changed["name"] in message and "BLAKE3" in message, answer.text
    saga_id = next(iter(refused))[0]
    done = tracker.cli("archive", "restore", saga_id, "--reason", "x", "--url", tracker.url)
    assert done.returncode != 0 and changed["name"] in done.stderr, done
    assert retention_setup.gone(tracker) == len(expected)


def test_objects_in_a_folder_are_their_owners_alone(world, seed, tmp_path):
    """What producers wrote is in them: archive, snapshots, and the store itself."""
    world.publish(seed, 40)
    folder = tmp_path / "objects"
    tracker = world.tracker(**(SETTINGS | retention_setup.archive(folder))).start().wait_caught_up()
    retention_setup.wait_gone(tracker, len(retention_setup.due(world.truth())))
    retention_setup.command(tracker, "snapshot", "create")
    assert list(folder.rglob("*.parquet")) and list(folder.glob("snapshots/**/*"))
    assert tracker.terminate() == 0
    written = [*folder.rglob("*"), tracker.data, *tracker.data.rglob("*")]
    modes = {path: path.stat().st_mode & 0o777 for path in written}
    assert {path: mode for path, mode in modes.items() if mode != (0o700 if path.is_dir() else 0o600)} == {}
