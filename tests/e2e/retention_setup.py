"""What retention tests share: settings under which everything that is over is due, and waiting for it."""

import json
from urllib.parse import quote

from servers import wait_until

OVER = ("COMPLETED", "FAILED", "COMPENSATED")

# The workload's events are of January 2025; whoever is not over then stays for a hundred years.
SETTINGS = {
    "SAGA_TRACKER_RETENTION__ENABLED": "true",
    "SAGA_TRACKER_RETENTION__FINISHED_DAYS": "90",
    "SAGA_TRACKER_RETENTION__UNFINISHED_DAYS": "36500",
    "SAGA_TRACKER_RETENTION__QUIET_HOURS": "0",
    "SAGA_TRACKER_RETENTION__PAUSE_SECONDS": "1",
    "SAGA_TRACKER_RETENTION__BATCH_SAGAS": "40",
    "SAGA_TRACKER_RETENTION__SAGAS_PER_SECOND": "100000",
}
FAIL_POINTS = [
    "ops.before_write",
    "ops.after_write",
    "purge.before_write",
    "purge.after_write",
    "retention.before_cursor",
    "retention.after_publish",
]
ARCHIVE_FAIL_POINTS = ["retention.before_upload", "retention.after_upload"]


def archive(directory):
    """Settings that archive into a folder."""
    directory.mkdir(parents=True, exist_ok=True)
    return {
        "SAGA_TRACKER_RETENTION__ARCHIVE": "true",
        "SAGA_TRACKER_OBJECTS__URL": f"file://{directory}",
    }


def due(truth, kept=()):
    return {saga.saga_id for saga in truth.sagas.values() if saga.status in OVER and saga.saga_id not in kept}


def gone(tracker):
    return tracker.api.metrics().value("saga_tracker_purged_sagas")


def wait_gone(tracker, count, timeout=120):
    wait_until(lambda: gone(tracker) == count, timeout, f"{count} sagas to be gone; {gone(tracker)} are")
    wait_until(lambda: tracker.api.json("/api/v1/retention")["pendingDecisions"] == 0, 60, "all decisions to be done")


def purged(tracker, saga_id):
    return tracker.api.json("/api/v1/purged/" + quote(saga_id, safe=""))


def asked(tracker, saga_id, steps=False, **params):
    return tracker.api.get(f"/api/v1/sagas/{quote(saga_id, safe='')}{'/steps' if steps else ''}", **params)


def command(tracker, *arguments):
    """A CLI command that asks the running tracker; its JSON."""
    done = tracker.cli(*arguments, "--json", "--url", tracker.url)
    assert done.returncode == 0, (arguments, done.stdout, done.stderr)
    return json.loads(done.stdout)


def same_digests(*trackers):
    digests = []
    for tracker in trackers:
        assert tracker.terminate() == 0, tracker.tail()
        tracker.verify()
        digests.append(tracker.digest())
    assert all(digest == digests[0] for digest in digests), digests
    return digests[0]


def objects(tracker):
    """Every object of the archive, page by page."""
    found, cursor = [], []
    while True:
        page = command(tracker, "archive", "list", "--size", "50", *cursor)
        found += page["content"]
        if page["nextCursor"] is None:
            return found
        cursor = ["--cursor", str(page["nextCursor"])]
