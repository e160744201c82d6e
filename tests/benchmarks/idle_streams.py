"""CPU of 50 open Transcribe streams, in a process of its own; run as a module it is that process."""

import asyncio
import json
import os
import subprocess
import sys
import time
from typing import Literal

import psutil

from nova_site.env import environment
from nova_site.wiring import build_web_settings
from sessions.speech_to_text.aws_transcribe import AwsTranscribe
from sessions.speech_to_text.contract import ListeningOptions, SpeechToTextStream
from tests.aws_emulator.process import EmulatorProcess
from tests.benchmarks.report import Table, load_note

STREAMS = 50
SECONDS = 20.0
CHUNK_SECONDS = 0.1
RATE_HZ = 16_000
LIMIT_SECONDS = 90
TRANSPORTS: tuple[Literal["websocket", "http2"], ...] = ("websocket", "http2")


def measure() -> Table:
    title = f"{STREAMS} Transcribe streams for {SECONDS:.0f} s {load_note()}"
    table = Table(
        title, ("transport", "open, kept alive: % of a core", "100 ms of silence each 100 ms: %", "RSS MiB", "goal")
    )
    with EmulatorProcess() as aws:
        aws.script(settings={"keep_audio": False})
        for transport in TRANSPORTS:
            figures = _child(aws, transport)
            table.add(transport, figures["idle_percent"], figures["silence_percent"], figures["rss_mib"], "<= 10 idle")
    return table


def _child(aws: EmulatorProcess, transport: str) -> dict[str, float]:
    own = {"NOVA_TRANSCRIBE_TRANSPORT": transport, "NOVA_API_KEYS": "", "DJANGO_SECRET_KEY": "bench-only-" * 5}
    own |= {"NOVA_TRANSCRIBE_STREAMS_QUOTA": "1000"}
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.idle_streams"],
        env={**os.environ, **aws.env(), **own},
        stdout=subprocess.PIPE,
        check=True,
        timeout=LIMIT_SECONDS,
    )
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])  # log lines may stand before it
    return figures


async def _measure_here() -> dict[str, float]:
    ear = AwsTranscribe(build_web_settings(environment()))
    streams: list[SpeechToTextStream] = [
        await ear.open(ListeningOptions("en-US", RATE_HZ, f"bench-{number}")) for number in range(STREAMS)
    ]
    readers = [asyncio.create_task(_read(stream)) for stream in streams]
    idle = await _percent(asyncio.sleep(SECONDS))
    silence = await _percent(_send_silence(streams))
    for reader in readers:
        reader.cancel()
    await asyncio.gather(*readers, return_exceptions=True)
    await asyncio.gather(*(stream.close() for stream in streams))
    await ear.close()
    return {"idle_percent": idle, "silence_percent": silence, "rss_mib": psutil.Process().memory_info().rss / 1024**2}


async def _read(stream: SpeechToTextStream) -> None:
    async for _ in stream.transcripts():
        pass


async def _send_silence(streams: list[SpeechToTextStream]) -> None:
    silence = bytes(int(RATE_HZ * CHUNK_SECONDS) * 2)
    due = time.monotonic()
    until = due + SECONDS
    while due < until:
        for stream in streams:
            await stream.send(silence)
        due += CHUNK_SECONDS
        await asyncio.sleep(max(0.0, due - time.monotonic()))


async def _percent(work: "object") -> float:
    assert asyncio.iscoroutine(work)
    started_at, before_seconds = time.monotonic(), time.process_time()
    await work
    return (time.process_time() - before_seconds) / (time.monotonic() - started_at) * 100


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_measure_here())))
