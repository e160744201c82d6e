"""How long the admin's pages take with 100,000 turns, on SQLite and on PostgreSQL, and how many queries they ask."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

from tests.benchmarks.report import Table, load_note, percentile
from tests.house import ROOT
from tests.postgres import find_binaries, running_postgres

TURNS = 100_000
GOAL_MS = 1_000
LIMIT_SECONDS = 900


def measure() -> Iterator[Table]:
    with tempfile.TemporaryDirectory(prefix="nova-bench-") as folder:
        yield _measured("SQLite", f"sqlite:///{folder}/bench.sqlite3")
    binaries = find_binaries()
    if binaries is not None:
        with running_postgres(binaries) as postgres:
            yield _measured("PostgreSQL", postgres.url)


def _measured(name: str, url: str) -> Table:
    title = f"Admin with {TURNS:,} turns on {name} {load_note()}"
    table = Table(title, ("ms", "p50", "max", "queries", "KiB", "goal"))
    for page in _read_pages(url):
        times = page["times_ms"]
        size = f"{page['bytes'] / 1024:.0f}"
        table.add(page["name"], percentile(times, 50), max(times), str(page["queries"]), size, f"<= {GOAL_MS}")
    return table


def _read_pages(url: str) -> list[dict[str, Any]]:
    """In a process of its own: Django is set up once, for one database."""
    environment = {
        **os.environ,
        "DATABASE_URL": url,
        "DJANGO_SETTINGS_MODULE": "tests.django_settings",
        "NOVA_LOG_LEVEL": "ERROR",
    }
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.admin_reader", str(TURNS)],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        timeout=LIMIT_SECONDS,
        check=True,
    )
    pages: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return pages
