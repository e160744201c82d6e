"""The supervisor of one machine's processes, with small children that do one thing."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from sessions.management.redis_server import find_redis_server
from sessions.management.supervisor import (
    DEATHS_ALLOWED,
    DEATHS_BEFORE_READY_ALLOWED,
    GivenUpError,
    Program,
    Supervisor,
)
from workers.errors import ConfigurationError

WAIT_SECONDS = 30.0
READY_AND_STAY = "import time; print('ready', flush=True); time.sleep(1000)"


class Said:
    """Collects what the supervisor says, from any thread."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def __call__(self, name: str, line: str) -> None:
        self.lines.append((name, line))

    def has(self, name: str, line: str) -> bool:
        return (name, line) in self.lines


def program(name: str, code: str, *, outlives: bool = False, is_shown: bool = True) -> Program:
    return Program(name, [sys.executable, "-c", code], dict(os.environ), "ready", outlives, is_shown)


def wait_until(is_true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not is_true():
        assert time.monotonic() < deadline, "the state was not reached"
        time.sleep(0.02)


STRANGERS: set[int] = set()


@pytest.fixture(autouse=True)
def strangers() -> Iterator[None]:
    """What other fixtures of the run have started, a Redis for example, is not the supervisor's."""
    STRANGERS.update(child.pid for child in psutil.Process().children())
    yield
    STRANGERS.clear()


def children() -> list[psutil.Process]:
    return [
        child
        for child in psutil.Process().children()
        if child.pid not in STRANGERS and child.status() != psutil.STATUS_ZOMBIE
    ]


def only_child(word: str) -> psutil.Process:
    found = [child for child in children() if any(word in part for part in child.cmdline())]
    assert len(found) == 1, found
    return found[0]


@pytest.fixture
def said() -> Said:
    return Said()


@pytest.fixture
def supervisor(said: Said) -> Iterator[Supervisor]:
    supervisor = Supervisor(said)
    yield supervisor
    supervisor.stop()


def test_a_process_is_ready_when_it_says_its_line(supervisor: Supervisor, said: Said) -> None:
    supervisor.start(program("one", READY_AND_STAY))
    supervisor.wait_until_ready()
    assert said.lines == [("one", "ready")]


def test_the_lines_of_a_hidden_process_are_not_passed_on(supervisor: Supervisor, said: Said) -> None:
    supervisor.start(program("one", READY_AND_STAY, is_shown=False))
    supervisor.wait_until_ready()
    assert said.lines == []


def test_a_killed_process_is_started_again_and_that_is_said(supervisor: Supervisor, said: Said) -> None:
    supervisor.start(program("one", READY_AND_STAY + " # killed"))
    supervisor.wait_until_ready()
    first = only_child("# killed")
    first.kill()
    wait_until(lambda: first.status() == psutil.STATUS_ZOMBIE)
    supervisor.wait_until_ready()
    supervisor.revive()
    supervisor.wait_until_ready()
    assert only_child("# killed").pid != first.pid
    assert said.has("", "one ended with code -9; it is started again")


def test_what_a_dead_process_has_started_itself_is_ended_before_the_next(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    pid_file = tmp_path / "grandchild"
    code = (
        "import subprocess, sys, time, pathlib;"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(1000)']);"
        f"pathlib.Path({str(pid_file)!r}).write_text(str(child.pid));"
        "print('ready', flush=True); time.sleep(1000) # with a child"
    )
    supervisor.start(program("one", code))
    supervisor.wait_until_ready()
    grandchild = psutil.Process(int(pid_file.read_text()))
    first = only_child("# with a child")
    first.kill()
    wait_until(lambda: first.status() == psutil.STATUS_ZOMBIE)
    supervisor.revive()
    wait_until(lambda: not grandchild.is_running() or grandchild.status() == psutil.STATUS_ZOMBIE)


def test_a_process_that_keeps_dying_is_given_up_with_its_last_line(supervisor: Supervisor, said: Said) -> None:
    supervisor.start(program("one", "print('the disk is full'); raise SystemExit(3)"))
    with pytest.raises(GivenUpError, match=r"one keeps dying \(code 3\); its last line: the disk is full"):
        supervisor.wait_until_ready()
    assert said.lines.count(("", "one ended with code 3; it is started again")) == DEATHS_BEFORE_READY_ALLOWED


def test_a_process_that_is_ready_and_dies_each_time_is_given_up_too(supervisor: Supervisor, said: Said) -> None:
    supervisor.start(program("one", "print('ready', flush=True); raise SystemExit(3)"))
    with pytest.raises(GivenUpError, match="one keeps dying"):
        wait_until(lambda: bool(supervisor.revive()))  # type: ignore[func-returns-value]
    assert said.lines.count(("", "one ended with code 3; it is started again")) == DEATHS_ALLOWED


def test_a_hidden_process_that_keeps_dying_still_tells_its_last_line(supervisor: Supervisor) -> None:
    supervisor.start(program("one", "raise SystemExit('no room')", is_shown=False))
    with pytest.raises(GivenUpError, match="its last line: no room"):
        supervisor.wait_until_ready()


def test_a_process_that_says_nothing_and_dies_is_given_up_too(supervisor: Supervisor) -> None:
    supervisor.start(program("one", "raise SystemExit(1)"))
    with pytest.raises(GivenUpError, match="it said nothing"):
        supervisor.wait_until_ready()


def test_deaths_after_a_long_life_are_not_counted_together(
    supervisor: Supervisor, said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sessions.management.supervisor.LONG_LIFE_SECONDS", 0.0)
    supervisor.start(program("one", READY_AND_STAY + " # again"))
    for _ in range(DEATHS_ALLOWED + 2):
        supervisor.wait_until_ready()
        child = only_child("# again")
        child.kill()
        wait_until(lambda child=child: child.status() == psutil.STATUS_ZOMBIE)  # type: ignore[misc]
        supervisor.revive()
    supervisor.wait_until_ready()


def test_a_process_that_never_gets_ready_is_given_up(supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sessions.management.supervisor.READY_SECONDS", 0.3)
    supervisor.start(program("one", "import time; time.sleep(1000)"))
    with pytest.raises(GivenUpError, match="one did not become ready"):
        supervisor.wait_until_ready()


def test_a_program_that_is_not_there_is_given_up_at_once(supervisor: Supervisor) -> None:
    with pytest.raises(GivenUpError, match=r"one cannot be started: .*no-such-program"):
        supervisor.start(Program("one", ["no-such-program"], dict(os.environ), "ready"))


def test_stopping_ends_all_and_what_outlives_the_others_last(supervisor: Supervisor, tmp_path: Path) -> None:
    order = tmp_path / "order"

    def ending(name: str) -> str:
        return (
            "import signal, sys, time\n"
            "def end(*_):\n"
            f"    open({str(order)!r}, 'a').write({name!r} + ' ')\n"
            "    sys.exit(0)\n"
            "signal.signal(signal.SIGTERM, end)\n"
            "print('ready', flush=True)\n"
            "time.sleep(1000)"
        )

    supervisor.start(program("ground", ending("ground"), outlives=True))
    supervisor.start(program("house", ending("house")))
    supervisor.wait_until_ready()
    family = children()
    supervisor.stop()
    assert order.read_text().split() == ["house", "ground"]
    assert psutil.wait_procs(family, timeout=WAIT_SECONDS)[1] == []


def test_a_process_that_does_not_go_is_killed(
    supervisor: Supervisor, said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sessions.management.supervisor.STOP_SECONDS", 0.2)
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(999)"
    supervisor.start(program("one", deaf))
    supervisor.wait_until_ready()
    family = children()
    supervisor.stop()
    assert psutil.wait_procs(family, timeout=WAIT_SECONDS)[1] == []
    assert any("has not ended within" in line for _, line in said.lines)


def test_a_second_ctrl_c_kills_what_is_left(
    supervisor: Supervisor, said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    def press_again(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    supervisor.start(program("one", READY_AND_STAY))
    supervisor.wait_until_ready()
    family = children()
    monkeypatch.setattr(Supervisor, "_stop_gently", press_again)
    supervisor.stop()
    assert psutil.wait_procs(family, timeout=WAIT_SECONDS)[1] == []
    assert said.has("", "killing what is left ...")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with their parent")
def test_children_end_when_their_supervisor_is_killed(tmp_path: Path) -> None:
    pid_file = tmp_path / "child"
    code = f"""
import os, pathlib, sys, time
from sessions.management.redis_server import find_redis_server
from sessions.management.supervisor import Program, Supervisor
supervisor = Supervisor(lambda name, line: None)
supervisor.start(Program("one", [sys.executable, "-c", {READY_AND_STAY!r}], dict(os.environ), "ready"))
supervisor.wait_until_ready()
pathlib.Path({str(pid_file)!r}).write_text(str(supervisor._children["one"].process.pid))
print("ready", flush=True)
time.sleep(1000)
"""
    outer_said = Said()
    outer = Supervisor(outer_said)
    outer.start(program("outer", code))
    try:
        outer.wait_until_ready()
        inner = psutil.Process(int(pid_file.read_text()))
        only_child("pathlib.Path").kill()
        psutil.wait_procs([inner], timeout=WAIT_SECONDS)
        assert not inner.is_running() or inner.status() == psutil.STATUS_ZOMBIE
    finally:
        outer.stop()


def test_without_any_redis_server_one_line_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sessions.management.redis_server.shutil.which", lambda _: None)
    monkeypatch.setattr("sessions.management.redis_server.find_spec", lambda _: None)
    with pytest.raises(ConfigurationError, match=r"no redis-server found: install it .* or set REDIS_URL"):
        find_redis_server()
