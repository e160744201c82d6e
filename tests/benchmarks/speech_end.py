"""What a listener waits: from the end of the user's speech to the first speech byte, with and without speculation."""

import asyncio
import random
from contextlib import AsyncExitStack

from tests.benchmarks.report import Table, load_note, spread_table
from tests.benchmarks.speaker import Microphone, Speaker, open_speaker
from tests.benchmarks.turns import one_turn
from tests.house import House

TURNS = 15
CHUNK_MS = 20
VOICE_MS = 1_000
END_SILENCE_MS = 500
FINAL_MS, STABLE_MS, PARTIAL_MS = 800, 150, 150
FIRST_TOKEN_MS, TOKEN_MS, FIRST_BYTE_MS = 200, 10, 80
PAUSE_SECONDS = (0.5, 1.0)
TEXT = "please tell me the time of day in Paris"
ANSWER = "It is noon there. The sun is high."
GOAL = f"p50 <= {END_SILENCE_MS + 40}"


def measure(house: House) -> Table:
    """The emulator's final transcript comes 800 ms after speech, so that its tail, model and synthesis can be hidden."""
    table = spread_table(f"speech end -> first speech byte, {CHUNK_MS} ms chunks {load_note()}")
    for name, is_on, goal in (("with speculation (default)", True, GOAL), ("without", False, "")):
        _script(house)
        table.add_spread(name, asyncio.run(_talk(house, {"turns": {"speculation": is_on}})), goal)
    return table


def _script(house: House) -> None:
    house.aws.reset()
    house.aws.script(
        defaults={
            "bedrock": {"text": ANSWER, "first_token_ms": FIRST_TOKEN_MS, "token_ms": TOKEN_MS},
            "polly": {"first_byte_ms": FIRST_BYTE_MS, "pace": 20, "duration_ms": 400},
            "transcribe": {"text": TEXT, "final_ms": FINAL_MS, "stable_ms": STABLE_MS, "ms_per_word": PARTIAL_MS},
        },
        settings={"keep_audio": False},
    )


async def _talk(house: House, properties: dict[str, object]) -> list[float]:
    async with AsyncExitStack() as stack:
        speaker = await stack.enter_async_context(open_speaker(house, Microphone.of(CHUNK_MS, VOICE_MS), properties))
        waits_ms = [await _one_wait(speaker) for _ in range(TURNS + 1)]
    return waits_ms[1:]


async def _one_wait(speaker: Speaker) -> float:
    await asyncio.sleep(random.uniform(*PAUSE_SECONDS))
    reply = await one_turn(speaker)
    return reply.first_audio_ms - (speaker.voice_began_ms + VOICE_MS)
