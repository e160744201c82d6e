"""The recogniser's own process: audio frames on standard input, transcripts on standard output.

Decoding holds Python's lock for up to 100 ms, so it must never run in the web process. The process ends when its
standard input closes, which the parent's death does by itself.
"""

import logging
import os
import signal
import sys
import threading
from collections import deque
from typing import BinaryIO, Final

from sessions.speech_to_text.local_decoding import DecoderPool, Hearing
from sessions.speech_to_text.local_frames import (
    HEADER,
    RATE_HZ,
    Frame,
    FrameKind,
    json_frame,
    unpack_header,
)

_MAX_WAITING_BYTES: Final = 30 * RATE_HZ * 2
_SLICE_BYTES: Final = RATE_HZ * 2 // 5


class _Stream:
    """Audio that waits to be decoded: the newest 30 s. Guarded by the desk's lock; `hearing` is the decoder's."""

    def __init__(self, hearing: Hearing) -> None:
        self.hearing = hearing
        self.is_finishing = False
        self.is_closed = False
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._dropped_bytes = 0

    @property
    def has_work(self) -> bool:
        return bool(self._waiting) or self.is_finishing or self.is_closed

    def add(self, pcm: bytes) -> None:
        self._waiting.append(pcm)
        self._waiting_bytes += len(pcm)
        while self._waiting_bytes > _MAX_WAITING_BYTES:
            oldest = self._waiting.popleft()
            self._waiting_bytes -= len(oldest)
            self._dropped_bytes += len(oldest)

    def take(self) -> tuple[bytes, int]:
        """At most 200 ms of audio, and the milliseconds that were dropped before it."""
        taken: list[bytes] = []
        taken_bytes = 0
        while self._waiting and taken_bytes < _SLICE_BYTES:
            taken.append(self._waiting.popleft())
            taken_bytes += len(taken[-1])
        self._waiting_bytes -= taken_bytes
        dropped_ms, self._dropped_bytes = self._dropped_bytes * 1_000 // (RATE_HZ * 2), 0
        return b"".join(taken), dropped_ms


class _Desk:
    """Between the thread that reads frames and the one that decodes, which serves the streams in turn."""

    def __init__(self, pool: DecoderPool, output: BinaryIO) -> None:
        self._pool = pool
        self._output = output
        self._streams: dict[int, _Stream] = {}
        self._changed = threading.Condition()
        self._is_over = False

    def read(self, source: BinaryIO) -> None:
        """Runs in its own thread until the input ends."""
        while len(header := source.read(HEADER.size)) == HEADER.size:
            kind, stream_id, length = unpack_header(header)
            self._handle(Frame(kind, stream_id, source.read(length)))
        with self._changed:
            self._is_over = True
            self._changed.notify()

    def _handle(self, frame: Frame) -> None:
        with self._changed:
            stream = self._streams.get(frame.stream_id)
            if frame.kind == FrameKind.OPEN:
                self._streams[frame.stream_id] = _Stream(Hearing(self._pool))
            elif stream is not None and frame.kind == FrameKind.AUDIO:
                stream.add(frame.payload)
            elif stream is not None and frame.kind == FrameKind.FINISH:
                stream.is_finishing = True
            elif stream is not None and frame.kind == FrameKind.CLOSE:
                stream.is_closed = True
            self._changed.notify()

    def decode(self) -> None:
        """Runs until the input has ended."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._is_over or self._with_work())
                if self._is_over:
                    return
                busy = self._with_work()
            for stream_id, stream in busy:
                self._serve(stream_id, stream)

    def _with_work(self) -> list[tuple[int, _Stream]]:
        return [(stream_id, stream) for stream_id, stream in self._streams.items() if stream.has_work]

    def _serve(self, stream_id: int, stream: _Stream) -> None:
        if stream.is_closed:
            self._forget(stream_id)
            stream.hearing.abandon()
            return
        with self._changed:
            pcm, dropped_ms = stream.take()
            is_last = stream.is_finishing and not pcm
        if dropped_ms:
            stream.hearing.skip(dropped_ms)
            self._send(json_frame(FrameKind.DROPPED, stream_id, dropped_ms=dropped_ms))
        for heard in stream.hearing.finish() if is_last else stream.hearing.hear(pcm):
            self._send(json_frame(FrameKind.HEARD, stream_id, **heard))
        if is_last:
            self._forget(stream_id)
            self._send(Frame(FrameKind.FINISHED, stream_id))

    def _forget(self, stream_id: int) -> None:
        with self._changed:
            self._streams.pop(stream_id, None)

    def _send(self, frame: Frame) -> None:
        self._output.write(frame.pack())
        self._output.flush()


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the whole group; the parent ends this process
    source, output = sys.stdin.buffer, sys.stdout.buffer
    _, _, length = unpack_header(source.read(HEADER.size))
    configuration = Frame(FrameKind.CONFIGURE, 0, source.read(length)).json()
    desk = _Desk(DecoderPool(configuration["grammar"]), output)
    output.write(Frame(FrameKind.READY).pack())
    output.flush()
    threading.Thread(target=desk.read, args=(source,), daemon=True).start()
    try:
        desk.decode()
    except Exception:  # process border: the parent shows on its own standard error why its ear was lost
        logging.getLogger(__name__).exception("recogniser_failed")
        os._exit(1)  # the reading thread sits in a read that an ordinary exit would wait for


if __name__ == "__main__":
    main()
