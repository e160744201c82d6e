"""What pictures add to a turn's delay: the same spoken turns with a moving camera and without one."""

import asyncio
import contextlib
import io
import json
import time
from collections.abc import Iterator
from contextlib import asynccontextmanager
from itertools import cycle
from typing import Any

from PIL import Image

from tests.benchmarks.report import Table, load_note, percentile, spread_table
from tests.benchmarks.speaker import Microphone, Reply, Speaker, open_speaker
from tests.benchmarks.turns import CHUNK_MS, VOICE_MS, Timed, join_with_journal, one_turn, script
from tests.house import House

TURNS = 25
PAUSE_SECONDS = 1.5
FRAMES_PER_SECOND = 4
SCENES = 12
LEGS = ("final -> Bedrock request", "sentence sent -> Polly request", "Polly byte -> client byte")


def measure(house: House) -> Table:
    """Each turn shows the newest of several scenes, and a mosaic of the ones before."""
    table = spread_table(f"a turn's delay with pictures and without, one session {load_note()}")
    medians: dict[bool, float] = {}
    for has_pictures in (False, True):
        timed, pictures = _talk(house, has_pictures)
        name = f"with a camera, {pictures:.1f} pictures a request" if has_pictures else "without pictures"
        added = [turn.added_ms for turn in timed]
        table.add_spread(f"added latency {name}", added)
        for number, leg in enumerate(LEGS):
            table.add_spread(f"  {leg}", [turn.legs[number] for turn in timed])
        medians[has_pictures] = percentile(added, 50) if added else float("nan")
    table.add("added by pictures, at the median", medians[True] - medians[False], "", "", "", "<= 10")
    return table


def _talk(house: House, has_pictures: bool) -> tuple[list[Timed], float]:
    script(house, TURNS * 3)
    replies = asyncio.run(_hold_talk(house, has_pictures))
    calls = house.aws.journal(service="bedrock", full=True)
    pictures = [len(call["facts"]["images"]) for call in calls] or [0]
    return join_with_journal(house, replies), sum(pictures) / len(pictures)


async def _hold_talk(house: House, has_pictures: bool) -> list[Reply]:
    """The first turn is warm-up and left out."""
    good: list[Reply] = []
    async with open_speaker(house, Microphone.of(CHUNK_MS, VOICE_MS)) as speaker, _camera(speaker, has_pictures):
        for number in range(TURNS + 1):
            await asyncio.sleep(PAUSE_SECONDS)
            with contextlib.suppress(TimeoutError):
                reply = await one_turn(speaker)
                if number and reply.status == "completed" and reply.first_audio_ms:
                    good.append(reply)
    return good


@asynccontextmanager
async def _camera(speaker: Speaker, is_on: bool) -> Any:
    task = asyncio.create_task(_show(speaker)) if is_on else None
    try:
        yield
    finally:
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def _show(speaker: Speaker) -> None:
    for frame in cycle(list(_scenes())):
        header = {"type": "input_video_buffer.append", "source": "camera", "captured_at_ms": int(time.time() * 1_000)}
        packed = json.dumps(header).encode()
        await speaker.send(len(packed).to_bytes(2, "big") + packed + frame)
        await asyncio.sleep(1 / FRAMES_PER_SECOND)


def _scenes() -> Iterator[bytes]:
    """Gradients that turn: each is another scene, and about as heavy as a camera's picture."""
    ground = Image.radial_gradient("L").resize((1_280, 720))
    for number in range(SCENES):
        turned = ground.rotate(number * 30, translate=(number * 97 % 600 - 300, number * 61 % 300 - 150))
        written = io.BytesIO()
        Image.merge("RGB", (turned, ground, turned.transpose(Image.Transpose.FLIP_LEFT_RIGHT))).save(written, "JPEG")
        yield written.getvalue()
