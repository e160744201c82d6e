"""`manage.py run_local` keeps its children alive: one that is killed comes back and works."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from sessions.management.redis_server import free_port
from tests.house import Process


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


def child_of(process: Process, word: str) -> psutil.Process:
    """The direct child whose command line holds `word`."""
    children = psutil.Process(process.pid).children()
    found = [child for child in children if any(word in part for part in child.cmdline())]
    assert len(found) == 1, [child.cmdline() for child in children]
    return found[0]


@pytest.mark.parametrize(("name", "word"), [("talking", "reply,speech"), ("redis", "redis-server")])
def test_a_killed_child_is_started_again_and_the_log_says_so(tmp_path: Path, name: str, word: str) -> None:
    with run_local(tmp_path) as process:
        process.wait_for_log("Nova Realtime is ready")
        child = child_of(process, word)
        child.send_signal(signal.SIGKILL)
        process.wait_for_log("it is started again")
        said = next(line for line in process.log().splitlines() if "it is started again" in line)
        assert said.startswith(name)
        assert child_of(process, word).pid != child.pid


def test_stopping_it_ends_every_process_it_started(tmp_path: Path) -> None:
    with run_local(tmp_path) as process:
        process.wait_for_log("Nova Realtime is ready")
        family = psutil.Process(process.pid).children(recursive=True)
        assert len(family) >= 4
        process.stop()
        assert psutil.wait_procs(family, timeout=10)[1] == []
