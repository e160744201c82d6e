"""The newest events of one session, kept for a client that comes back; bounded in number and bytes, sends nothing."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice

EVENTS_LIMIT = 2_000
TEXT_LIMIT_BYTES = 512 * 1_024
SOUND_LIMIT_BYTES = 320 * 1_024
"""All of it, its sound as base64, fits into what one socket may leave unread."""


@dataclass(frozen=True, slots=True)
class Sound:
    """What an event of sound brought: of this item, up to here. Without `pcm` its bytes are gone."""

    item_id: str
    start_ms: float
    end_ms: float
    pcm: bytes | None = None


@dataclass(frozen=True, slots=True)
class ToldEvent:
    """`text` is the event as JSON, without its bytes."""

    seq: int
    text: str
    sound: Sound | None = None


class Backlog:
    """Numbers rise by one; `first_seq` is the oldest that is still whole. `take_unsaved` gives each event once."""

    def __init__(self, events: tuple[ToldEvent, ...] = (), last_seq: int = 0) -> None:
        self._events: deque[ToldEvent] = deque(events)
        self._text_bytes = sum(len(told.text) for told in events)
        self._sounding: deque[int] = deque()
        self._sound_bytes = 0
        self._unsaved = 0
        self.last_seq = last_seq

    def __len__(self) -> int:
        return len(self._events)

    @property
    def first_seq(self) -> int:
        return self._events[0].seq if self._events else self.last_seq + 1

    def add(self, told: ToldEvent) -> None:
        self._events.append(told)
        self.last_seq = told.seq
        self._text_bytes += len(told.text)
        self._unsaved += 1
        if told.sound is not None and told.sound.pcm is not None:
            self._sounding.append(told.seq)
            self._sound_bytes += len(told.sound.pcm)
        while len(self._events) > EVENTS_LIMIT or self._text_bytes > TEXT_LIMIT_BYTES:
            self._drop_oldest()
        while self._sound_bytes > SOUND_LIMIT_BYTES:
            self._mute_oldest()

    def since(self, seq: int) -> Iterator[ToldEvent]:
        return islice(self._events, max(0, seq + 1 - self.first_seq), None)

    def sounded_ms(self, seq: int) -> float | None:
        """Where the sound begins that a client at `seq` has not had; None when it has had all."""
        return next((told.sound.start_ms for told in self.since(seq) if told.sound is not None), None)

    def take_unsaved(self) -> list[ToldEvent]:
        start = max(0, len(self._events) - self._unsaved)
        self._unsaved = 0
        return list(islice(self._events, start, None))

    def take_all(self) -> list[ToldEvent]:
        self._unsaved = 0
        return list(self._events)

    def _drop_oldest(self) -> None:
        oldest = self._events[0]
        if self._sounding and self._sounding[0] == oldest.seq:
            self._mute_oldest()
        self._events.popleft()
        self._text_bytes -= len(oldest.text)
        self._unsaved = min(self._unsaved, len(self._events))

    def _mute_oldest(self) -> None:
        """The event stays, without its bytes."""
        index = self._sounding.popleft() - self.first_seq
        told = self._events[index]
        if told.sound is not None and told.sound.pcm is not None:
            self._sound_bytes -= len(told.sound.pcm)
            self._events[index] = replace(told, sound=replace(told.sound, pcm=None))
