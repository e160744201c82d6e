"""Owns the record of every call the emulator received; judges nothing and never talks to a socket."""

import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Literal

Json = dict[str, Any]
Outcome = Literal["open", "completed", "refused", "client_closed", "fault"]

MAX_CALLS = 5_000
MAX_EVENTS_PER_CALL = 20_000
MAX_AUDIO_BYTES_PER_CALL = 64 * 1024 * 1024


def now_ms() -> float:
    """The machine-wide monotonic clock: other processes may compare with their own time.monotonic()."""
    return time.monotonic() * 1000


@dataclass(eq=False)
class Call:
    id: int
    service: str
    operation: str
    transport: str
    client_port: int
    opened_ms: float
    client_pid: int | None = None
    access_key_id: str | None = None
    outcome: Outcome = "open"
    status: int | None = None
    error_type: str | None = None
    error_message: str | None = None
    closed_ms: float | None = None
    parameters: Json = field(default_factory=dict)
    facts: Json = field(default_factory=dict)
    request: Any = None
    events: list[Json] = field(default_factory=list)
    chunks: list[tuple[float, int]] = field(default_factory=list)
    last_audio_ms: float | None = None
    chunk_bytes_min: int = 0
    chunk_bytes_max: int = 0
    audio: bytearray = field(default_factory=bytearray)

    @property
    def is_open(self) -> bool:
        return self.closed_ms is None

    def sent(self, event_type: str, **details: Any) -> None:
        if len(self.events) < MAX_EVENTS_PER_CALL:
            self.events.append({"ms": now_ms(), "type": event_type, **details})

    def received_audio(self, chunk: bytes, keep: bool) -> None:
        size = len(chunk)
        self.chunk_bytes_min = min(size, self.chunk_bytes_min or size)
        self.chunk_bytes_max = max(size, self.chunk_bytes_max)
        self.last_audio_ms = now_ms()
        if len(self.chunks) < MAX_EVENTS_PER_CALL:
            self.chunks.append((self.last_audio_ms, size))
        if keep and len(self.audio) + size <= MAX_AUDIO_BYTES_PER_CALL:
            self.audio += chunk
        else:
            self.facts["audio_dropped_bytes"] = self.facts.get("audio_dropped_bytes", 0) + size

    def refused(self, status: int, error_type: str, message: str) -> None:
        self.status, self.error_type, self.error_message = status, error_type, message
        self.close("refused")

    def close(self, outcome: Outcome) -> None:
        """Only the first close counts, so a fault is not overwritten by the socket's end that follows it."""
        if self.closed_ms is None:
            self.outcome, self.closed_ms = outcome, now_ms()

    def summary(self) -> Json:
        return {
            "id": self.id,
            "service": self.service,
            "operation": self.operation,
            "transport": self.transport,
            "client_port": self.client_port,
            "client_pid": self.client_pid,
            "access_key_id": self.access_key_id,
            "outcome": self.outcome,
            "client_closed_early": self.outcome == "client_closed",
            "status": self.status,
            "error_type": self.error_type,
            "error_message": self.error_message,
            "opened_ms": self.opened_ms,
            "closed_ms": self.closed_ms,
            "parameters": self.parameters,
            "facts": self.facts | self._audio_facts(),
        }

    def full(self) -> Json:
        return self.summary() | {"request": self.request, "events": self.events, "chunks": self.chunks}

    def _audio_facts(self) -> Json:
        if not self.chunks:
            return {}
        return {
            "chunks": len(self.chunks),
            "chunk_bytes_min": self.chunk_bytes_min,
            "chunk_bytes_max": self.chunk_bytes_max,
            "first_audio_ms": self.chunks[0][0],
            "last_audio_ms": self.last_audio_ms,
        }


class Journal:
    """The newest MAX_CALLS calls in the order they came."""

    def __init__(self) -> None:
        self._calls: deque[Call] = deque(maxlen=MAX_CALLS)
        self._ids = count(1)

    def open(self, service: str, operation: str, transport: str, client_port: int) -> Call:
        call = Call(next(self._ids), service, operation, transport, client_port, now_ms())
        self._calls.append(call)
        return call

    def __iter__(self) -> Iterator[Call]:
        return iter(self._calls)

    def get(self, call_id: int) -> Call | None:
        return next((call for call in self._calls if call.id == call_id), None)

    def select(self, **wanted: str | int | bool) -> list[Call]:
        """Calls whose summary, parameters or facts hold every wanted value; `since` means id greater than."""
        since = int(wanted.pop("since", 0))
        is_open = wanted.pop("open", None)
        return [
            call
            for call in self._calls
            if call.id > since
            and (is_open is None or call.is_open == _truth(is_open))
            and (not wanted or _holds(call, wanted))
        ]

    def clear(self) -> None:
        self._calls.clear()


def _truth(value: str | int | bool) -> bool:
    return str(value).lower() in ("1", "true", "yes")


def _holds(call: Call, wanted: dict[str, str | int | bool]) -> bool:
    summary = call.summary()
    flat = {**summary["facts"], **summary["parameters"], **summary}
    return all(name in flat and str(flat[name]).lower() == str(value).lower() for name, value in wanted.items())
