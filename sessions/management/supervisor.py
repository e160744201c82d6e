"""Keeps the processes of one machine alive: starts them, forwards their lines, starts again what dies, ends all of them."""

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from workers.errors import NovaError

DEATHS_ALLOWED = 4
DEATHS_WINDOW_SECONDS = 60.0
STOP_SECONDS = 10.0
READY_SECONDS = 90.0
LOOK_SECONDS = 0.2
LAST_LINES = 12

_PR_SET_PDEATHSIG = 1


class GivenUpError(NovaError):
    """A process keeps dying or does not become ready; the text is one line that says what to do."""

    code = "process_failed"


@dataclass(frozen=True, slots=True)
class Program:
    """`ready_line`: the process is ready when a line of its output holds this."""

    name: str
    command: list[str]
    environment: dict[str, str]
    ready_line: str


@dataclass(slots=True)
class _Child:
    program: Program
    process: "subprocess.Popen[str]"
    ready: threading.Event = field(default_factory=threading.Event)
    last_lines: deque[str] = field(default_factory=lambda: deque(maxlen=LAST_LINES))


def _end_with_parent() -> None:
    """In the child: the kernel ends it when its parent dies, however that happens (Linux only; elsewhere no effect)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


class Supervisor:
    """Used by one thread; `say` prints a line for the person in front of it."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._children: dict[str, _Child] = {}
        self._deaths: dict[str, deque[float]] = {}

    def start(self, program: Program) -> None:
        """Start and return at once."""
        process = subprocess.Popen(
            program.command,
            env=program.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
            preexec_fn=_end_with_parent,
        )
        child = _Child(program, process)
        self._children[program.name] = child
        threading.Thread(target=self._forward, args=(child,), name=program.name, daemon=True).start()

    def wait_until_ready(self) -> None:
        """Raises GivenUpError; a process that dies meanwhile is started again as later."""
        deadline = time.monotonic() + READY_SECONDS
        while waiting := [name for name, child in self._children.items() if not child.ready.is_set()]:
            self.revive()
            if time.monotonic() > deadline:
                raise GivenUpError(f"{', '.join(waiting)} did not become ready within {READY_SECONDS:.0f} s")
            time.sleep(LOOK_SECONDS)

    def revive(self) -> None:
        """Start again what has died. Raises GivenUpError for a process that keeps dying."""
        for child in list(self._children.values()):
            code = child.process.poll()
            if code is not None:
                self._count_death(child, code)
                self._say(f"{child.program.name} ended with code {code}; it is started again")
                self.start(child.program)

    def stop(self) -> None:
        """End every process that was started, the last first; what does not go in 10 s is killed."""
        children = [child for child in reversed(self._children.values()) if child.process.poll() is None]
        for child in children:
            _signal_group(child.process.pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        for child in children:
            try:
                child.process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                _signal_group(child.process.pid, signal.SIGKILL)
                child.process.wait()
        self._children.clear()

    def _count_death(self, child: _Child, code: int) -> None:
        name = child.program.name
        deaths = self._deaths.setdefault(name, deque())
        now = time.monotonic()
        deaths.append(now)
        while deaths[0] < now - DEATHS_WINDOW_SECONDS:
            deaths.popleft()
        if len(deaths) > DEATHS_ALLOWED:
            last = next((line for line in reversed(child.last_lines) if line.strip()), "it said nothing")
            raise GivenUpError(f"{name} keeps ending (code {code}); its last line: {last}")

    def _forward(self, child: _Child) -> None:
        assert child.process.stdout is not None
        for line in child.process.stdout:
            text = line.rstrip("\n")
            child.last_lines.append(text)
            if child.program.ready_line in text:
                child.ready.set()
            self._say(f"[{child.program.name}] {text}")


def _signal_group(pid: int, number: int) -> None:
    try:
        os.killpg(pid, number)
    except ProcessLookupError:
        return
