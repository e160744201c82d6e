"""How a command finds the `make run` beside it: a locked file in .run with the settings that this run has chosen.

Imports the standard library alone: it is read before any other setting.
"""

import contextlib
import fcntl
import json
import os
from collections.abc import Mapping
from pathlib import Path

PREFIX, SUFFIX = "running-", ".json"
VARIABLES = ("PORT", "REDIS_URL", "DATABASE_URL")
DEFAULT_PORT = "8000"
Chosen = Mapping[str, str]


class RunningFile:
    """Held as long as the run lives; the lock goes with its process, however that ends. The addresses may hold passwords."""

    def __init__(self, folder: Path, chosen: Chosen) -> None:
        """Raises BlockingIOError when another living run on this port holds it."""
        self._path = folder / f"{PREFIX}{chosen['PORT']}{SUFFIX}"
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        self._file = os.fdopen(descriptor, "r+")
        fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._file.truncate()
        json.dump({name: chosen.get(name, "") for name in VARIABLES}, self._file)
        self._file.flush()

    def close(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()
        self._file.close()


def settings_of_run(folder: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """What the environment leaves open and the run beside us has chosen.

    Whatever the environment does set must be the same there: else it means another system. Of several runs it is the one
    on the default port.
    """
    runs = [chosen for chosen in _living(folder) if _is_meant(chosen, environment)]
    if len(runs) > 1:
        runs = [chosen for chosen in runs if chosen["PORT"] == DEFAULT_PORT]
    if not runs:
        return {}
    return {name: value for name, value in runs[0].items() if value and not environment.get(name)}


def _is_meant(chosen: Chosen, environment: Mapping[str, str]) -> bool:
    return all(environment[name] == chosen[name] for name in VARIABLES if environment.get(name))


def _living(folder: Path) -> list[dict[str, str]]:
    found = (_read(path) for path in sorted(folder.glob(f"{PREFIX}*{SUFFIX}")))
    return [chosen for chosen in found if chosen is not None]


def _read(path: Path) -> dict[str, str] | None:
    """None of a dead run, and of a file that another user has put there."""
    try:
        with path.open() as file:
            if os.fstat(file.fileno()).st_uid != os.getuid() or not _is_locked(file.fileno()):
                return None
            content = json.load(file)
    except (OSError, ValueError):
        return None
    return {name: str(content.get(name, "")) for name in VARIABLES}


def _is_locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False
