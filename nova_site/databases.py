"""How Django is told of the database: SQLite that writers share, or PostgreSQL behind a pool that bounds connections."""

from pathlib import Path
from typing import Any

import dj_database_url

SQLITE = "django.db.backends.sqlite3"
CONNECT_SECONDS = 3
POOL_WAIT_SECONDS = 3
IDLE_SECONDS = 300


def database_settings(url: str, base_folder: Path, pool_size: int) -> dict[str, Any]:
    """Under ASGI many threads come and go: a connection of their own that lives on with each would never be given back."""
    found: dict[str, Any] = dict(dj_database_url.parse(url, conn_max_age=0))
    if found["ENGINE"] == SQLITE:
        return {**found, "NAME": _sqlite_name(str(found["NAME"]), base_folder), "OPTIONS": _sqlite_options()}
    pool = {"min_size": 0, "max_size": pool_size, "timeout": POOL_WAIT_SECONDS, "max_idle": IDLE_SECONDS}
    return {**found, "OPTIONS": {**found.get("OPTIONS", {}), "connect_timeout": CONNECT_SECONDS, "pool": pool}}


def _sqlite_name(name: str, base_folder: Path) -> str:
    return str(base_folder / name) if name and not name.startswith((":", "/", "file:")) else name


def _sqlite_options() -> dict[str, Any]:
    """In WAL readers never wait for the writer; a transaction takes the write lock at its beginning, not in its middle."""
    return {
        "transaction_mode": "IMMEDIATE",
        "timeout": 5,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
