"""Figures to tables: percentiles, goals beside them, and a header that says on what they were measured."""

import os
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import psutil

MIB = 1024 * 1024
LOOPS, LOOP_STEPS = 15, 200_000
PACKAGES = ("celery", "kombu", "redis", "gevent", "daphne", "channels", "boto3", "amazon-transcribe", "pillow")


def percentile(values: Sequence[float], percent: float) -> float:
    """Between neighbours by distance; of one value it is that value."""
    ordered = sorted(values)
    place = (len(ordered) - 1) * percent / 100
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


@dataclass
class Table:
    title: str
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]] = field(default_factory=list)

    def add(self, *cells: object) -> None:
        self.rows.append(tuple(_shown(cell) for cell in cells))

    def add_spread(self, name: str, values: Sequence[float], goal: str = "") -> None:
        """Median, p95, worst and count of milliseconds; for a table made by `spread_table`."""
        if values:
            self.add(name, percentile(values, 50), percentile(values, 95), max(values), str(len(values)), goal)
        else:
            self.add(name, "none", "", "", "0", goal)

    def text(self) -> str:
        lines = [self.columns, *self.rows]
        widths = [max(len(line[n]) for line in lines) for n in range(len(self.columns))]
        shown = [_line(line, widths) for line in lines]
        return "\n".join(["", self.title, "-" * len(shown[0]), shown[0], *shown[1:]])


def spread_table(title: str) -> Table:
    return Table(title, ("ms", "p50", "p95", "max", "n", "goal"))


def header() -> str:
    memory_mib = psutil.virtual_memory().total / MIB
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return "\n".join(
        [
            f"Nova Realtime benchmarks; providers are emulated, their waits taken off; load average now {load}",
            f"{os.cpu_count()} x {_processor()}, {memory_mib:.0f} MiB, {platform.system()} {platform.release()}",
            f"Python {platform.python_version()}, {packages}",
        ]
    )


def load_note() -> str:
    """What else the machine did: a shared one is at times three times slower, which the fixed loop shows."""
    load = f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    return f"({load}, a fixed loop takes {percentile([_fixed_loop_ms() for _ in range(LOOPS)], 50):.0f} ms)"


def _fixed_loop_ms() -> float:
    started_at, total = time.perf_counter(), 0
    for number in range(LOOP_STEPS):
        total += number * number
    return (time.perf_counter() - started_at) * 1_000


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "processor")


def _line(cells: tuple[str, ...], widths: list[int]) -> str:
    """The first column to the left, figures to the right."""
    figures = (cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True))
    return "  ".join([cells[0].ljust(widths[0]), *figures])


def _shown(cell: object) -> str:
    return f"{cell:.1f}" if isinstance(cell, float) else str(cell)
