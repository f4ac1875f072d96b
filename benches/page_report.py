"""The table of the page's section in RESULTS.md, and where it is kept."""

import os
import subprocess
import sys
import time
from pathlib import Path

from servers import ROOT

RESULTS = ROOT / "benches" / "RESULTS.md"
SECTION = "Page"


class Report:
    """What was found, in order: what a target is set for, the views, and further figures."""

    def __init__(self, command, program):
        self._head = f"`{command}`, {_day()}, commit {_commit()}, {_machine()}; {program}."
        self._targets, self._views, self._figures = [], [], []

    def at_most(self, name, value, target, unit, detail):
        self._target(name, value, f"≤ {target:,} {unit}", value <= target, detail)

    def at_least(self, name, value, target, unit, detail):
        self._target(name, value, f"≥ {target:,} {unit}", value >= target, detail)

    def _target(self, name, value, target, reached, detail):
        shown = f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"
        row = f"| {name} | {shown} | {target} | {'yes' if reached else '**no**'} | {detail} |"
        self._add(self._targets, row)

    def view(self, view):
        times, cheap = view.times, view.cheap
        cells = [
            view.name,
            f"{times.median:.1f}",
            f"{times.p99:.1f}",
            f"{times.median / cheap.median:.1f}",
            f"{times.p99 / cheap.p99:.1f}",
            f"{times.processor_each:.1f}",
            f"{view.html / 1000:.1f}",
            f"{view.plain / 1000:.0f}",
            f"{view.assets / 1000:.1f}",
        ]
        self._add(self._views, f"| {' | '.join(cells)} |")

    def figure(self, name, value):
        self._add(self._figures, f"| {name} | {value} |")

    def _add(self, rows, row):
        rows.append(row)
        print(row, file=sys.stderr, flush=True)

    def text(self):
        parts = [f"## {SECTION}", self._head]
        for head, rows in (
            ("| number | measured | target | reached | of |", self._targets),
            (
                "| view | p50, ms | p99, ms | p50 ÷ cheap | p99 ÷ cheap | processor, ms | HTML gzipped, kB | HTML, kB "
                "| assets gzipped, kB |",
                self._views,
            ),
            ("| figure | measured |", self._figures),
        ):
            if not rows:
                continue
            columns = head.count(" | ") + 1
            parts.append("\n".join([head, "|" + "---|" * columns, *rows]))
        return "\n\n".join(parts)

    def keep(self):
        """Puts the section where the old one is; what was written below its tables by hand goes."""
        before, _, rest = RESULTS.read_text().partition(f"## {SECTION}\n")
        _, _, after = rest.partition("\n## ")
        parts = [before.rstrip(), self.text(), f"## {after.rstrip()}" if after else ""]
        RESULTS.write_text("\n\n".join(part for part in parts if part) + "\n")


def load():
    """How many processes want to run, on average of a minute, for each processor."""
    return f"{os.getloadavg()[0]:.1f} on {os.cpu_count()}"


def _day():
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())


def _commit():
    return _said("git", "-C", str(ROOT), "describe", "--always", "--dirty")


def _machine():
    model = next((line for line in _lines("/proc/cpuinfo") if line.startswith("model name")), ": unknown processor")
    memory = next(line for line in _lines("/proc/meminfo") if line.startswith("MemTotal:"))
    gib = -(-int(memory.split()[1]) // (1 << 20))
    return f"{model.partition(': ')[2]}, {os.cpu_count()} cores, {gib} GiB, {_said('uname', '-sr')}"


def _lines(path):
    return Path(path).read_text().splitlines()


def _said(*command):
    return subprocess.run(command, capture_output=True, text=True).stdout.strip()
