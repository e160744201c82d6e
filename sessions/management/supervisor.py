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

DEATHS_ALLOWED = 3
DEATHS_BEFORE_READY_ALLOWED = 2
"""In a row, of a process that was never ready: it cannot start at all, and trying again costs seconds each time."""
LONG_LIFE_SECONDS = 60.0
STOP_SECONDS = 10.0
READY_SECONDS = 90.0
LOOK_SECONDS = 0.1
LAST_LINES = 12
LAST_LINES_WAIT_SECONDS = 1.0

_PR_SET_PDEATHSIG = 1
# Loaded here because nothing may be imported between fork and exec: another thread could hold the import lock.
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


class GivenUpError(NovaError):
    """A process keeps dying or does not become ready; the text is one line that says what to do."""

    code = "process_failed"


@dataclass(frozen=True, slots=True)
class Program:
    """`ready_line`: the process is ready when a line of its output holds this. `outlives`: the others end before it.

    `is_shown`: its lines are passed on; else only the last of them is, when it keeps dying.
    """

    name: str
    command: list[str]
    environment: dict[str, str]
    ready_line: str
    outlives: bool = False
    is_shown: bool = True


@dataclass(slots=True)
class _Child:
    program: Program
    process: "subprocess.Popen[str]"
    started_at: float = field(default_factory=time.monotonic)
    ready: threading.Event = field(default_factory=threading.Event)
    last_lines: deque[str] = field(default_factory=lambda: deque(maxlen=LAST_LINES))
    reader: threading.Thread | None = None


def _end_with_parent() -> None:
    """In the child: the kernel ends it when its parent dies, however that happens (Linux only; elsewhere no effect)."""
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


class Supervisor:
    """Used by one thread. `say` prints a line of the named process, or with no name one of ours; from any thread."""

    def __init__(self, say: Callable[[str, str], None]) -> None:
        self._say = say
        self._children: dict[str, _Child] = {}
        self._deaths: dict[str, int] = {}
        self._were_ready: set[str] = set()

    def start(self, program: Program) -> None:
        """Start and return at once. Raises GivenUpError when there is no such program."""
        try:
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
        except OSError as error:
            raise GivenUpError(f"{program.name} cannot be started: {error}") from error
        child = _Child(program, process)
        self._children[program.name] = child
        child.reader = threading.Thread(target=self._forward, args=(child,), name=program.name, daemon=True)
        child.reader.start()

    def wait_until_ready(self) -> None:
        """Raises GivenUpError; a process that dies meanwhile is started again as later."""
        while waiting := [child for child in self._children.values() if not child.ready.is_set()]:
            self.revive()
            for child in waiting:
                if time.monotonic() > child.started_at + READY_SECONDS:
                    raise GivenUpError(f"{child.program.name} did not become ready within {READY_SECONDS:.0f} s")
            time.sleep(LOOK_SECONDS)

    def revive(self) -> None:
        """Start again what has died. Raises GivenUpError for a process that keeps dying."""
        for child in list(self._children.values()):
            code = child.process.poll()
            if code is not None:
                _signal_group(child.process.pid, signal.SIGKILL)
                self._count_death(child, code)
                self._say("", f"{child.program.name} ended with code {code}; it is started again")
                self.start(child.program)

    def keep_alive(self) -> None:
        """Start again what dies, until KeyboardInterrupt or GivenUpError."""
        while True:
            self.revive()
            time.sleep(LOOK_SECONDS)

    def stop(self) -> None:
        """End every process that was started; one that does not go in 10 s, or at a second Ctrl-C, is killed."""
        try:
            for outlives in (False, True):
                self._stop_gently([child for child in self._children.values() if child.program.outlives is outlives])
        except KeyboardInterrupt:
            self._say("", "killing what is left ...")
        finally:
            for child in self._children.values():
                _signal_group(child.process.pid, signal.SIGKILL)
                child.process.wait()
            self._children.clear()

    def _stop_gently(self, children: list[_Child]) -> None:
        for child in children:
            if child.process.poll() is None:
                child.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        for child in children:
            try:
                child.process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                self._say("", f"{child.program.name} has not ended within {STOP_SECONDS:.0f} s; it is killed")
                _signal_group(child.process.pid, signal.SIGKILL)

    def _count_death(self, child: _Child, code: int) -> None:
        """Deaths in a row; a process that was ready and lived long has made up for those before."""
        name = child.program.name
        if child.reader is not None:
            child.reader.join(LAST_LINES_WAIT_SECONDS)
        if child.ready.is_set():
            self._were_ready.add(name)
            if time.monotonic() - child.started_at > LONG_LIFE_SECONDS:
                self._deaths[name] = 0
        self._deaths[name] = self._deaths.get(name, 0) + 1
        if self._deaths[name] > (DEATHS_ALLOWED if name in self._were_ready else DEATHS_BEFORE_READY_ALLOWED):
            raise GivenUpError(f"{name} keeps dying (code {code}); its last line: {_last_line(child)}")

    def _forward(self, child: _Child) -> None:
        assert child.process.stdout is not None
        for line in child.process.stdout:
            text = line.rstrip()
            child.last_lines.append(text)
            if child.program.ready_line in text:
                child.ready.set()
            if text and child.program.is_shown:
                self._say(child.program.name, text)


def _last_line(child: _Child) -> str:
    return next((line.strip() for line in reversed(child.last_lines) if line.strip()), "it said nothing")


def _signal_group(pid: int, number: int) -> None:
    """The child and what it has started itself, which may live on after it."""
    try:
        os.killpg(pid, number)
    except ProcessLookupError:
        return


def interrupt_on_signals() -> None:
    """Ctrl-C counts even where a shell started us with it ignored; a lost terminal does not under nohup."""
    signal.signal(signal.SIGINT, _interrupt)
    signal.signal(signal.SIGTERM, _interrupt)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, _interrupt)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
