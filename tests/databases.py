"""Databases for tests of rows: SQLite in a file or PostgreSQL, put in the place of the test run's own for a while."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.db import connections
from django.db.utils import ConnectionHandler
from pytest_django import DjangoDbBlocker

from nova_site.databases import database_settings

ALIAS = "default"


@contextmanager
def used_database(url: str, blocker: DjangoDbBlocker, *, is_migrated: bool = True, **options: Any) -> Iterator[None]:
    """Every thread that connects meanwhile reaches this one; the run's own is back afterwards. `options` are the driver's."""
    ours: Any = connections[ALIAS]
    old = connections.settings
    found = database_settings(url, Path.cwd(), 8)
    found["OPTIONS"].update(options)
    with blocker.unblock():
        del connections[ALIAS]
        connections.settings = ConnectionHandler({ALIAS: found}).settings
        try:
            if is_migrated:
                call_command("migrate", verbosity=0)
            yield
        finally:
            _close()
            connections.settings = old
            connections[ALIAS] = ours


def _close() -> None:
    connection: Any = connections[ALIAS]
    connection.close()
    if connection.vendor == "postgresql":
        connection.close_pool()
