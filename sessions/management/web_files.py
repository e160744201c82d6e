"""How `manage.py drain` finds the web processes of its machine and hears when they have drained: one locked file each."""

import contextlib
import fcntl
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO

SERVING, DRAINED = "serving", "drained"


def _prefix(port: int) -> str:
    return f"nova-web-{port}-"


class WebFile:
    """Held by a web process as long as it lives; the lock goes with the process, however that ends."""

    def __init__(self, port: int) -> None:
        self._path = Path(tempfile.gettempdir()) / f"{_prefix(port)}{os.getpid()}"
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        self._file: IO[str] = os.fdopen(descriptor, "r+")
        fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self.say(SERVING)

    def say(self, state: str) -> None:
        self._file.seek(0)
        self._file.truncate()
        self._file.write(state)
        self._file.flush()

    def close(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()
        self._file.close()


@dataclass(frozen=True, slots=True)
class FoundWeb:
    pid: int
    path: Path

    @property
    def is_alive(self) -> bool:
        """Whoever holds the lock lives, whatever else has the number of a dead process by now."""
        try:
            with self.path.open() as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except FileNotFoundError:
            return False
        return False

    @property
    def is_drained(self) -> bool:
        try:
            return self.path.read_text() == DRAINED
        except FileNotFoundError:
            return True


def find_webs(port: int) -> list[FoundWeb]:
    """The living web processes on this port; files of dead ones are removed."""
    found = []
    for path in sorted(Path(tempfile.gettempdir()).glob(f"{_prefix(port)}*")):
        number = path.name.removeprefix(_prefix(port))
        if not number.isdigit() or path.is_symlink() or path.stat().st_uid != os.getuid():
            continue
        web = FoundWeb(int(number), path)
        if web.is_alive:
            found.append(web)
        else:
            path.unlink(missing_ok=True)
    return found
