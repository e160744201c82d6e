"""Owns the emulator as a child process for tests and benchmarks: start, script, journal, stop."""

import json
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Self

from tests.aws_emulator.server import Addresses

Json = dict[str, Any]

_ROOT = Path(__file__).resolve().parents[2]
_START_SECONDS = 60
_STOP_SECONDS = 5
_POLL_SECONDS = 0.01


class EmulatorError(RuntimeError):
    """The emulator did not start, refused a script, or did not see what was waited for."""


class EmulatorProcess:
    """`with EmulatorProcess() as aws:` — the process ends with the block or with its parent."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._addresses: Addresses | None = None

    def start(self) -> Self:
        with TemporaryDirectory(prefix="aws-emulator-ready-") as folder:
            ready_file = Path(folder) / "ready.json"
            command = [sys.executable, "-m", "tests.aws_emulator", "--ready-file", str(ready_file)]
            self._process = subprocess.Popen([*command, "--end-with-stdin"], cwd=_ROOT, stdin=subprocess.PIPE)
            self._addresses = self._wait_ready(ready_file)
        return self

    def stop(self) -> None:
        if self._process is None:
            return
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def addresses(self) -> Addresses:
        if self._addresses is None:
            raise EmulatorError("the emulator has not been started")
        return self._addresses

    @property
    def pid(self) -> int:
        if self._process is None:
            raise EmulatorError("the emulator is not running")
        return self._process.pid

    def env(self) -> dict[str, str]:
        return self.addresses.env()

    def script(self, **update: Any) -> None:
        """Fields of ScriptUpdate: bedrock, polly, transcribe, texts, defaults, settings."""
        self._request("POST", "/_script", json.dumps(update).encode())

    def reset(self) -> None:
        self._request("POST", "/_reset", b"")

    def journal(self, *, full: bool = False, **wanted: str | int | bool) -> list[Json]:
        """Calls in the order they came; `full` adds request, events and chunks. See README for filters."""
        query = urllib.parse.urlencode({**wanted, "full": int(full)})
        calls: list[Json] = json.loads(self._request("GET", f"/_journal?{query}"))
        return calls

    def call(self, call_id: int) -> Json:
        found: Json = json.loads(self._request("GET", f"/_journal/{call_id}"))
        return found

    def audio(self, call_id: int) -> bytes:
        return self._request("GET", f"/_journal/{call_id}/audio")

    def wait_for_calls(
        self, count: int, timeout_seconds: float = 10, *, full: bool = False, **wanted: str | int | bool
    ) -> list[Json]:
        """Polls until at least `count` calls fit, e.g. service="bedrock", open=False."""
        deadline = time.monotonic() + timeout_seconds
        while True:
            calls = self.journal(full=full, **wanted)
            if len(calls) >= count:
                return calls
            if time.monotonic() > deadline:
                seen = [(call["service"], call["outcome"]) for call in self.journal()]
                raise EmulatorError(f"{len(calls)} of {count} calls with {wanted}; the journal has {seen}")
            time.sleep(_POLL_SECONDS)

    def _request(self, method: str, path: str, body: bytes | None = None) -> bytes:
        request = urllib.request.Request(self.addresses.http + path, body, method=method)
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                answer: bytes = response.read()
                return answer
        except urllib.error.HTTPError as error:
            raise EmulatorError(f"{path}: {error.read().decode()}") from error

    def _wait_ready(self, ready_file: Path) -> Addresses:
        deadline = time.monotonic() + _START_SECONDS
        while not ready_file.exists():
            if self._process is None or self._process.poll() is not None:
                raise EmulatorError("the emulator ended before it was ready; its output says why")
            if time.monotonic() > deadline:
                self.stop()
                raise EmulatorError(f"the emulator was not ready within {_START_SECONDS} s")
            time.sleep(_POLL_SECONDS)
        known = json.loads(ready_file.read_text())
        return Addresses(known["http"], known["transcribe_https"], known["transcribe_wss"], known["ca"])
