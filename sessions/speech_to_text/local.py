"""The local ear: pocketsphinx in one child process that serves all streams of this web process; English only."""

import asyncio
import contextlib
import os
import sys
from collections import deque
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import structlog

import sessions
from sessions.live.resampling import StreamResampler
from sessions.settings import WebSettings
from sessions.speech_to_text.contract import ListeningOptions, Transcript
from sessions.speech_to_text.local_frames import HEADER, RATE_HZ, Frame, FrameKind, json_frame, unpack_header
from workers.errors import ProviderError, ProviderRefusedError, ProviderTimeoutError, ProviderUnavailableError

_log = structlog.get_logger(__name__)

_PACKAGE_ROOT: Final = str(Path(sessions.__file__).resolve().parents[1])
_OPEN_LIMIT_SECONDS: Final = 5.0
_START_LIMIT_SECONDS: Final = 30.0
_SEND_LIMIT_SECONDS: Final = 5.0
_END_LIMIT_SECONDS: Final = 2.0
_MAX_WAITING_TRANSCRIPTS: Final = 256


class LocalRecogniser:
    """`grammar` (JSGF) narrows what can be heard to known phrases; without it the wheel's English model is used."""

    def __init__(self, settings: WebSettings, *, grammar: str | None = None) -> None:
        self._grammar = grammar
        self._starting: asyncio.Task[_Child] | None = None
        self._last_stream_id = 0

    @property
    def stream_life(self) -> None:
        return None

    async def prepare(self) -> None:
        await self._running_child()

    async def open(self, options: ListeningOptions) -> "LocalStream":
        if options.language.partition("-")[0].lower() != "en":
            raise ProviderRefusedError(
                f"the local recogniser understands English only, not {options.language}; "
                "choose Amazon Transcribe (NOVA_SPEECH_TO_TEXT=aws) for other languages"
            )
        child = await self._running_child()
        self._last_stream_id += 1
        stream = LocalStream(child, self._last_stream_id, options.sample_rate_hz)
        child.add(self._last_stream_id, stream)
        await child.write(Frame(FrameKind.OPEN, self._last_stream_id))
        return stream

    async def close(self) -> None:
        starting, self._starting = self._starting, None
        if starting is None:
            return
        with contextlib.suppress(ProviderError):
            await (await starting).end()

    async def _running_child(self) -> "_Child":
        """One start for all who wait; it goes on when a caller gives up, so that the next one finds it ready."""
        if self._starting is not None and _is_lost(self._starting):
            _log.warning("recogniser_restarted")
            self._starting = None
        if self._starting is None:
            self._starting = asyncio.create_task(_start_child(self._grammar))
        try:
            async with asyncio.timeout(_OPEN_LIMIT_SECONDS):
                return await asyncio.shield(self._starting)
        except TimeoutError as error:
            raise ProviderTimeoutError("the local recogniser is still loading its model") from error


class LocalStream:
    """Made by LocalRecogniser.open."""

    def __init__(self, child: "_Child", stream_id: int, rate_hz: int) -> None:
        self._child = child
        self._stream_id = stream_id
        self._resampler = StreamResampler(rate_hz, RATE_HZ)
        self._waiting: deque[Transcript] = deque(maxlen=_MAX_WAITING_TRANSCRIPTS)
        self._arrived = asyncio.Event()
        self._is_over = False
        self._is_finishing = False
        self._failure: ProviderError | None = None

    async def send(self, pcm: bytes) -> None:
        self._check_open()
        resampled = self._resampler.process(pcm)
        if resampled:
            await self._child.write(Frame(FrameKind.AUDIO, self._stream_id, resampled))

    async def finish(self) -> None:
        if self._is_finishing or self._is_over:
            return
        self._is_finishing = True
        rest = self._resampler.flush()
        if rest:
            await self._child.write(Frame(FrameKind.AUDIO, self._stream_id, rest))
        await self._child.write(Frame(FrameKind.FINISH, self._stream_id))

    async def transcripts(self) -> AsyncIterator[Transcript]:
        while True:
            while self._waiting:
                yield self._waiting.popleft()
            if self._failure is not None:
                raise self._failure
            if self._is_over:
                return
            self._arrived.clear()
            await self._arrived.wait()

    async def close(self) -> None:
        if self._is_over:
            return
        self.end(None)
        self._child.remove(self._stream_id)
        with contextlib.suppress(ProviderError):
            await self._child.write(Frame(FrameKind.CLOSE, self._stream_id))

    def take(self, transcript: Transcript) -> None:
        """From the child. When nobody reads, the oldest transcripts are lost first."""
        self._waiting.append(transcript)
        self._arrived.set()

    def end(self, failure: ProviderError | None) -> None:
        self._failure = self._failure or failure
        self._is_over = True
        self._arrived.set()

    def _check_open(self) -> None:
        if self._failure is not None:
            raise self._failure
        if self._is_over or self._is_finishing:
            raise ProviderUnavailableError("the stream to the local recogniser is closed", retriable=False)


class _Child:
    """The running process, the streams it serves, and the one task that reads from it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._streams: dict[int, LocalStream] = {}
        self._is_lost = False
        self._reading: asyncio.Task[None] | None = None

    @property
    def is_dead(self) -> bool:
        return self._is_lost or self._process.returncode is not None

    def add(self, stream_id: int, stream: LocalStream) -> None:
        self._streams[stream_id] = stream

    def remove(self, stream_id: int) -> None:
        self._streams.pop(stream_id, None)

    async def prepare(self, grammar: str | None) -> None:
        await self.write(json_frame(FrameKind.CONFIGURE, 0, grammar=grammar))
        ready = await self._next_frame()
        if ready is None or ready.kind != FrameKind.READY:
            raise ProviderUnavailableError("the local recogniser's process ended while it started")
        self._reading = asyncio.create_task(self._read())

    async def write(self, frame: Frame) -> None:
        pipe = self._process.stdin
        if self.is_dead or pipe is None:
            raise _lost()
        try:
            pipe.write(frame.pack())
            async with asyncio.timeout(_SEND_LIMIT_SECONDS):
                await pipe.drain()
        except (BrokenPipeError, ConnectionResetError) as error:
            raise _lost() from error
        except TimeoutError as error:
            raise ProviderTimeoutError("the local recogniser takes no more audio") from error

    async def end(self) -> None:
        """Closing its input ends the process; it is killed when it does not go."""
        self._is_lost = True
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            async with asyncio.timeout(_END_LIMIT_SECONDS):
                await self._process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()
        if self._reading is not None:
            await self._reading

    async def _read(self) -> None:
        while (frame := await self._next_frame()) is not None:
            self._deliver(frame)
        self._is_lost = True
        for stream in self._streams.values():
            stream.end(_lost())
        self._streams.clear()

    async def _next_frame(self) -> Frame | None:
        """None when the process has gone."""
        pipe = self._process.stdout
        if pipe is None:
            return None
        try:
            kind, stream_id, length = unpack_header(await pipe.readexactly(HEADER.size))
            return Frame(kind, stream_id, await pipe.readexactly(length))
        except (asyncio.IncompleteReadError, ConnectionResetError, ValueError):
            return None

    def _deliver(self, frame: Frame) -> None:
        stream = self._streams.get(frame.stream_id)
        if stream is None:
            return
        if frame.kind == FrameKind.HEARD:
            stream.take(_transcript(frame))
        elif frame.kind == FrameKind.DROPPED:
            _log.warning("recogniser_lags", **frame.json())
        elif frame.kind == FrameKind.FINISHED:
            self.remove(frame.stream_id)
            stream.end(None)


async def _start_child(grammar: str | None) -> _Child:
    search_path = os.pathsep.join(filter(None, (_PACKAGE_ROOT, os.environ.get("PYTHONPATH"))))
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "sessions.speech_to_text.recogniser_process",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": search_path},
    )
    child = _Child(process)
    try:
        async with asyncio.timeout(_START_LIMIT_SECONDS):
            await child.prepare(grammar)
    except TimeoutError as error:
        await child.end()
        raise ProviderTimeoutError("the local recogniser did not start in time") from error
    except BaseException:
        await child.end()
        raise
    return child


def _is_lost(starting: asyncio.Task[_Child]) -> bool:
    if not starting.done():
        return False
    return starting.cancelled() or starting.exception() is not None or starting.result().is_dead


def _transcript(frame: Frame) -> Transcript:
    """The decoder may still change any word of a partial, so only a final has stable text."""
    heard = frame.json()
    return Transcript(
        segment_id=f"{frame.stream_id}-{heard['segment']}",
        text=heard["text"],
        is_final=heard["is_final"],
        stable_text=heard["text"] if heard["is_final"] else "",
        start_ms=heard["start_ms"],
        end_ms=heard["end_ms"],
    )


def _lost() -> ProviderUnavailableError:
    return ProviderUnavailableError("the local recogniser's process has ended; a new stream starts it again")
