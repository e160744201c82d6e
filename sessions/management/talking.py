"""One conversation from a recording through the real socket: paces the microphone, shows a picture, collects the answer."""

import asyncio
import contextlib
import json
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from sessions.management.talking_door import open_socket
from sessions.management.talking_line import RefusedError, TalkingLine
from sessions.management.talking_notes import OUTPUT_RATE_HZ, Event, Say, TalkNotes
from sessions.management.talking_sound import SAMPLE_BYTES, Recording, last_voice_seconds
from sessions.realtime.binary import pack
from workers.errors import NovaError

CHUNK_MS = 100
GREETING_WAIT_SECONDS = 0.7
START_SECONDS = 15.0
FRAME_SECONDS = 1.0
LOOK_SECONDS = 0.05


class NoAnswerError(NovaError):
    code = "no_answer"


@dataclass(frozen=True, slots=True)
class TalkWish:
    """`picture` holds the bytes of a JPEG, PNG or WebP, shown like a camera that does not move.

    `properties` override those of the graph's nodes; they need a graph's name.
    """

    url: str
    recording: Recording
    key: str | None = None
    graph_name: str | None = None
    picture: bytes | None = None
    properties: dict[str, Any] | None = None


async def hold_talk(wish: TalkWish, say: Say) -> TalkNotes:
    """Returns when the reply is complete. Raises CannotConnectError, RefusedError or NoAnswerError."""
    async with open_socket(wish.url, wish.key, wish.graph_name, say, wish.properties) as line:
        return await _Talk(line, wish, say).hold()


class _Talk:
    def __init__(self, line: TalkingLine, wish: TalkWish, say: Say) -> None:
        self._line = line
        self._wish = wish
        self._opened_at = time.monotonic()
        self._notes = TalkNotes(say)
        self._news = asyncio.Event()
        self._is_updated = False
        self._is_recording_over = False

    def _now(self) -> float:
        return time.monotonic() - self._opened_at

    async def hold(self) -> TalkNotes:
        reader = asyncio.create_task(self._read())
        try:
            await self._until(self._is_begun(), reader)
            speaker = asyncio.create_task(self._speak())
            watcher = asyncio.create_task(self._show_picture())
            try:
                await self._until(self._is_over(), reader, speaker, watcher)
            finally:
                await _end(speaker, watcher)
        finally:
            await _end(reader)
        self._check_answer()
        return self._notes

    async def _until(self, goal: Coroutine[None, None, None], *others: "asyncio.Task[None]") -> None:
        """Wait for the goal; a fault of one of the tasks beside it ends the wait."""
        aim = asyncio.create_task(goal)
        waiting: set[asyncio.Task[None]] = {aim, *others}
        try:
            while not aim.done():
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
        finally:
            await _end(aim)

    # --- from the server ----------------------------------------------------------------------------------------------

    async def _read(self) -> None:
        while True:
            event, payload = await self._line.receive()
            self._is_updated = self._is_updated or event.get("type") == "session.updated"
            self._notes.take(event, payload, self._now())
            self._news.set()

    async def _is_begun(self) -> None:
        """The session is started and knows our rates, and a greeting, where the graph has one, was played to its end."""
        formats = {
            "input": {"format": {"type": "audio/pcm", "rate": self._wish.recording.rate_hz}},
            "output": {"format": {"type": "audio/pcm", "rate": OUTPUT_RATE_HZ}},
        }
        await self._send({"type": "session.update", "session": {"type": "realtime", "audio": formats}})
        try:
            async with asyncio.timeout(START_SECONDS):
                await self._reach(lambda: self._is_updated and self._notes.is_started)
        except TimeoutError as error:
            reason = self._notes.fault or f"no agent came within {START_SECONDS:.0f} s"
            raise RefusedError(f"the session did not start: {reason}") from error
        await asyncio.sleep(GREETING_WAIT_SECONDS)
        await self._reach(lambda: not self._notes.is_busy and self._now() >= self._notes.playing_until)

    async def _is_over(self) -> None:
        """The recording was sent and answered, or nothing has come for so long that nothing will."""

        def is_over() -> bool:
            now = self._now()
            return self._is_recording_over and (self._notes.is_settled(now) or self._notes.is_hopeless(now))

        await self._reach(is_over)

    async def _reach(self, is_reached: Callable[[], bool]) -> None:
        while not is_reached():
            self._news.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._news.wait()

    def _check_answer(self) -> None:
        failed = next((answer for answer in self._notes.answers if answer.status == "failed"), None)
        if failed is not None:
            raise NoAnswerError(f"the answer failed: {failed.fault}")
        if not self._notes.has_answer:
            raise NoAnswerError(
                f"there was no answer: {self._notes.fault or 'nothing of the recording was understood'}"
            )

    # --- to the server ------------------------------------------------------------------------------------------------

    async def _speak(self) -> None:
        """At the pace of a microphone; after the recording comes silence until the talk is over."""
        recording = self._wish.recording
        size = recording.rate_hz * CHUNK_MS // 1_000 * SAMPLE_BYTES
        begun_at = self._now()
        self._notes.voice_ended_at = begun_at + last_voice_seconds(recording)
        sent = 0
        while True:
            chunk = recording.pcm[sent * size : (sent + 1) * size]
            self._is_recording_over = self._is_recording_over or not chunk
            await self._line.send(pack({"type": "input_audio_buffer.append"}, chunk.ljust(size, b"\0")))
            sent += 1
            await asyncio.sleep(max(0.0, begun_at + sent * CHUNK_MS / 1_000 - self._now()))

    async def _show_picture(self) -> None:
        picture = self._wish.picture
        while picture is not None:
            await self._line.send(pack({"type": "input_video_buffer.append", "source": "camera"}, picture))
            await asyncio.sleep(FRAME_SECONDS)
        await asyncio.Event().wait()

    async def _send(self, event: Event) -> None:
        await self._line.send(json.dumps(event))


async def _end(*tasks: "asyncio.Task[None]") -> None:
    for task in tasks:
        task.cancel()
    for task in tasks:
        with contextlib.suppress(asyncio.CancelledError, NovaError):
            await task
