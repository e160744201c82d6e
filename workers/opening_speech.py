"""The first sentence's way from a reply to its waiting speech task: by hand where both run in one process, else over Redis."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import redis

from workers.streams import keys
from workers.streams.codec import to_json
from workers.streams.handover import put_request
from workers.streams.messages import ReplyRequest, SentenceWritten, SpeechRequest
from workers.streams.output_writer import add_output, written_together

NOTHING = b""
"""Handed to a waiting task that is not needed."""
TOLD_SECONDS = 2.0


class Meeting:
    """Where one reply and its speech task meet when they run in the same process; used by their two greenlets."""

    def __init__(self) -> None:
        self._request: SpeechRequest | None = None
        self._is_closed = False
        self._is_awaited = False
        self._has_come = threading.Event()
        self._is_told = threading.Event()

    def is_joined(self) -> bool:
        """The speech task joins; False when the sentence has already gone to Redis."""
        self._is_awaited = not self._is_closed
        return self._is_awaited

    def wait(self, seconds: float) -> SpeechRequest | None:
        """None: nothing came in time, or there is nothing to say."""
        self._has_come.wait(seconds)
        return self._request

    def give(self, request: SpeechRequest | None) -> bool:
        """False when the speech task is not here: it will look in Redis."""
        self._is_closed = True
        if not self._is_awaited:
            self._is_told.set()
            return False
        self._request = request
        self._has_come.set()
        return True

    def tell(self) -> None:
        """The sentence is on the output stream, so its sound may follow."""
        self._is_told.set()

    def wait_until_told(self) -> None:
        self._is_told.wait(TOLD_SECONDS)


class Meetings:
    """One per worker process."""

    def __init__(self) -> None:
        self._open: dict[str, Meeting] = {}

    @contextmanager
    def opened(self, reply_id: str) -> Iterator[Meeting]:
        meeting = self._open[reply_id] = Meeting()
        try:
            yield meeting
        finally:
            meeting.tell()
            del self._open[reply_id]

    def find(self, reply_id: str) -> Meeting | None:
        return self._open.get(reply_id)


class OpeningSpeech:
    """The reply's end. Used by one greenlet."""

    def __init__(self, client: "redis.Redis", request: ReplyRequest, meeting: Meeting) -> None:
        self._client = client
        self._address = request.address
        self._voice = request.opening_voice
        self._is_awaited = request.opening_voice is not None
        self._meeting = meeting

    def write_first(self, entry: SentenceWritten) -> None:
        """The sentence goes to its speech task and to the web process at once; no speech leaves before it.
        Raises StreamsUnavailableError."""
        with written_together(self._client) as pipeline:
            add_output(pipeline, self._address.output_stream, entry)
            if self._is_awaited and self._voice is not None:
                self._put(pipeline, SpeechRequest(self._address, 0, entry.text, self._voice))
        self._meeting.tell()

    def withdraw(self) -> None:
        """There is no first sentence: the waiting task may end."""
        if self._is_awaited:
            with written_together(self._client) as pipeline:
                self._put(pipeline, None)

    def _put(self, pipeline: Any, request: SpeechRequest | None) -> None:
        self._is_awaited = False
        if not self._meeting.give(request):
            body = to_json(request) if request is not None else NOTHING
            put_request(pipeline, keys.speech_request(self._address.reply_id, 0), body)
