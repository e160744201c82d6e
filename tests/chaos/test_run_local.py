"""`manage.py run_local` keeps its children alive: one that is killed comes back and works."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from sessions.management.redis_server import free_port
from tests.house import Process

WAIT_SECONDS = 30.0


@contextmanager
def run_local(folder: Path) -> Iterator[Process]:
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("NOVA_", "AWS_"))}
    inherited.pop("REDIS_URL", None)
    own = {
        "NOVA_AUTH": "open",
        "NOVA_PROVIDERS": "local",
        "DATABASE_URL": f"sqlite:///{folder}/nova.sqlite3",
        "DJANGO_SETTINGS_MODULE": "nova_site.settings",
        "PORT": str(free_port()),
        "HOST": "127.0.0.1",
    }
    process = Process("run_local", [sys.executable, "manage.py", "run_local"], {**inherited, **own}, folder)
    process.start()
    try:
        yield process
    finally:
        process.stop()


def child_of(process: Process, word: str, *, other_than: int = 0) -> psutil.Process:
    """The direct child whose command line holds `word`; one that is just being started has none for a moment."""
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        for child in psutil.Process(process.pid).children():
            if child.pid != other_than and any(word in part for part in command_line(child)):
                return child
        time.sleep(0.02)
    raise AssertionError(f"no child runs {word!r}: {process.log()[-2000:]}")


def command_line(child: psutil.Process) -> list[str]:
    try:
        return list(child.cmdline())
    except psutil.Error:
        return []


@pytest.mark.parametrize(("name", "word"), [("talking", "reply,speech"), ("redis", "redis-server")])
def test_a_killed_child_is_started_again_and_the_log_says_so(tmp_path: Path, name: str, word: str) -> None:
    with run_local(tmp_path) as process:
        process.wait_for_log("Nova Realtime is ready")
        child = child_of(process, word)
        child.send_signal(signal.SIGKILL)
        process.wait_for_log("it is started again")
        said = next(line for line in process.log().splitlines() if "it is started again" in line)
        assert said.startswith(name)
        assert child_of(process, word, other_than=child.pid).is_running()


def test_stopping_it_ends_every_process_it_started(tmp_path: Path) -> None:
    with run_local(tmp_path) as process:
        process.wait_for_log("Nova Realtime is ready")
        family = psutil.Process(process.pid).children(recursive=True)
        assert len(family) >= 4
        process.stop()
        assert psutil.wait_procs(family, timeout=10)[1] == []
