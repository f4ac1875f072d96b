"""What a screen reader is told of a view, as text, beside the one that is kept in tests/page/trees.

Ids, times, counts and bytes differ from run to run and are named by their kind; of many rows the first are enough.
"""

import difflib
import os
import re

from servers import ROOT

KEPT = ROOT / "tests" / "page" / "trees"
RENEW = os.environ.get("SAGA_TRACKER_RENEW_TREES") == "1"
ROWS = 3

INSTANT = r"\d{4}-\d\d-\d\d[T ]\d\d(?::|%3A)\d\d(?:(?::|%3A)\d\d(?:\.\d+)?)?(?:Z| ?(?:[+-]|%2B)\d\d(?::|%3A)\d\d)?"
# In this order: the later ones would eat what the earlier ones name.
KINDS = [
    (r"\bcursor=[\w.~%-]+", "cursor=CURSOR"),
    (INSTANT, "TIME"),
    (r"\b\d\d:\d\d:\d\d(?:\.\d+)?(?: [+-]\d\d:\d\d)?", "TIME"),
    (r"\b[a-z][a-z-]+\.[0-9a-f]{8}\b", "TOPIC"),
    (r"(?:/[\w.-]+)+/tracker/data\b", "PLACE"),
    (r"\b(?:saga|ORD)-\d+-\d+\b", "ID"),
    (r"\bpoison-[0-9a-f…]+", "ID"),
    (r"\b[0-9a-f]{8}…[0-9a-f]{8}\b", "ID"),
    (r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "ID"),
    (r"\b[0-9a-f]{16,}\b", "ID"),
    (r"(?<!level=)(?<![%\w])\d[\d,]*(?:\.\d+)?", "N"),
    (r"\bN (?:ms|s|m|h|d)\b(?: N (?:ms|s|m|h|d)\b)*", "DURATION"),
]
BYTES = re.compile(r"""( *)- '?row "[0-9a-f]{6} """)
ROW = re.compile(r" *- '?row\b")


def problems(name, language, tree):
    """How the tree of a view differs from the kept one; with SAGA_TRACKER_RENEW_TREES=1 it is kept instead."""
    place = KEPT / f"{name.replace(' ', '_')}.{language}.yml"
    told = "\n".join(_without_many_rows(map(_named, tree.splitlines()))) + "\n"
    if RENEW:
        place.parent.mkdir(exist_ok=True)
        place.write_text(told)
    kept = place.read_text() if place.exists() else ""
    sides = kept.splitlines(), told.splitlines(), str(place.relative_to(ROOT)), "told"
    difference = list(difflib.unified_diff(*sides, lineterm=""))
    return ["the accessibility tree is another one:\n" + "\n".join(difference[:60])] if difference else []


def _named(line):
    if found := BYTES.match(line):
        return f'{found[1]}- row "BYTES"'
    for pattern, kind in KINDS:
        line = re.sub(pattern, kind, line)
    return line


def _without_many_rows(lines):
    """Leaves out what lies within bytes, and the rows of a table behind the first few."""
    rows = {}
    skipping = None
    for line in lines:
        depth = len(line) - len(line.lstrip())
        if skipping is not None and depth > skipping:
            continue
        skipping = None
        rows = {of: many for of, many in rows.items() if of <= depth}
        if ROW.match(line):
            rows[depth] = rows.get(depth, 0) + 1
            if rows[depth] > ROWS:
                if rows[depth] == ROWS + 1:
                    yield f"{' ' * depth}- text: more rows"
                skipping = depth
                continue
            if line.endswith('"BYTES"'):
                skipping = depth
        yield line
