"""What a search by id costs when the archive holds a year: reads, and milliseconds to look at (`-s` shows them)."""

import random
import statistics
import time

import pytest

import checks
import retention_setup
from clouds import CONTAINER, Azure
from objects import Wire

pytestmark = pytest.mark.tracker


def searched(tracker, truth, ids):
    """Milliseconds per search, sorted; every answer is looked at."""
    took = []
    for saga_id in ids:
        begun = time.perf_counter()
        answer = retention_setup.asked(tracker, saga_id, archive="true")
        took.append((time.perf_counter() - begun) * 1000)
        checks.same_saga(answer.json(), truth.sagas[saga_id])
    return sorted(took)


@pytest.mark.timeout(600)
def test_a_year_of_archive_costs_a_search_by_id_a_few_reads(world, seed, tmp_path):
    world.publish(seed, 400, days=365)
    truth = world.truth()
    expected = sorted(retention_setup.due(truth))
    with Azure(tmp_path / "azure") as cloud, Wire(cloud) as wire:
        objects = cloud.settings() | {
            "SAGA_TRACKER_OBJECTS__URL": f"az://{CONTAINER}/year",
            "SAGA_TRACKER_OBJECTS__ALLOW_HTTP": "true",
            "SAGA_TRACKER_RETENTION__ARCHIVE": "true",
        }
        tracker = world.tracker(**retention_setup.SETTINGS, **objects).start().wait_caught_up()
        retention_setup.wait_gone(tracker, len(expected), timeout=300)
        archived = retention_setup.objects(tracker)
        days = {each["name"].split("/day=")[1].split("/")[0] for each in archived}
        assert len(days) > 200, len(days)
        ids = random.Random(seed).sample(expected, 60)
        took = searched(tracker, truth, ids)

        # The same again, where it is seen.
        assert tracker.terminate() == 0
        tracker.start(SAGA_TRACKER_OBJECTS__ENDPOINT=f"{wire.endpoint}/{cloud.account}")
        reads = []
        for saga_id in ids:
            wire.forget()
            searched(tracker, truth, [saga_id])
            reads.append(len(wire.seen))
        print(
            f"\n{len(expected)} sagas in {len(archived)} objects of {len(days)} days: "
            f"{statistics.median(took):.1f} ms in the middle, {took[len(took) * 95 // 100]:.1f} ms for 95 of 100, "
            f"{took[-1]:.1f} ms at most; at most {max(reads)} reads"
        )
        assert 1 <= min(reads) and max(reads) <= 3, reads
