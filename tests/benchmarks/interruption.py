"""Interruption: how long the old speech goes on after the user's voice, or the client, has taken the floor."""

import asyncio
import random

from tests.benchmarks.report import Table, load_note, spread_table
from tests.benchmarks.speaker import Microphone, Reply, Speaker, now_ms, open_speaker
from tests.house import House

ROUNDS = 25
CHUNK_MS = 20
VOICE_MS = 600
LIMIT_SECONDS = 20.0
STORM_REPLIES, STORM_STEP_SECONDS = 20, 0.1
TALKS_SECONDS = (0.7, 1.3)
STORY = [f"This is part {number} of a story that has no end. " for number in range(200)]
LEAST: dict[str, object] = {"turns": {"interrupt_voice_ms": 20}}


def measure(house: House) -> list[Table]:
    """Speech is paced at most 2 s ahead, so while it runs chunks leave steadily and a late one would be seen."""
    return [asyncio.run(_by_voice(house)), asyncio.run(_by_client(house)), asyncio.run(_storm(house))]


def _script(house: House) -> None:
    house.aws.reset()
    house.aws.script(
        defaults={
            "bedrock": {"deltas": STORY, "token_ms": 50},
            "polly": {"pace": 20, "first_byte_ms": 20},
            "transcribe": {"partials": False, "text": "please tell me a story"},
        },
        settings={"keep_audio": False},
    )


async def _by_voice(house: House) -> Table:
    _script(house)
    bytes_ms, flush_ms, decided_bytes_ms, decided_flush_ms = [], [], [], []
    async with open_speaker(house, Microphone.of(CHUNK_MS, VOICE_MS), LEAST) as speaker:
        reply = await _story(speaker)
        for _ in range(ROUNDS):
            speaker.speak()
            async with asyncio.timeout(LIMIT_SECONDS):
                await reply.is_done.wait()
            flush_ms.append(reply.flushed_ms - speaker.voice_began_ms)
            bytes_ms.append(max(0.0, reply.last_audio_ms - speaker.voice_began_ms))
            decided_bytes_ms.append(max(0.0, reply.last_audio_ms - speaker.speech_started_ms))
            decided_flush_ms.append(max(0.0, reply.flushed_ms - speaker.speech_started_ms))
            reply = await _talking(speaker)
    table = spread_table(f"interruption by voice, minimum settings, {CHUNK_MS} ms chunks {load_note()}")
    table.add_spread("first voiced sample -> last speech byte", bytes_ms, "p95 <= 60")
    table.add_spread("first voiced sample -> flush event", flush_ms)
    table.add_spread("speech_started at client -> last speech byte", decided_bytes_ms, "p95 <= 50")
    table.add_spread("speech_started at client -> flush event", decided_flush_ms, "p95 <= 20")
    return table


async def _by_client(house: House) -> Table:
    _script(house)
    bytes_ms, flush_ms = [], []
    async with open_speaker(house, Microphone.of(CHUNK_MS, VOICE_MS)) as speaker:
        for _ in range(ROUNDS):
            reply = await _story(speaker)
            cancelled_ms = await speaker.cancel()
            async with asyncio.timeout(LIMIT_SECONDS):
                await reply.is_done.wait()
            flush_ms.append(reply.flushed_ms - cancelled_ms)
            bytes_ms.append(max(0.0, reply.last_audio_ms - cancelled_ms))
    table = spread_table(f"interruption by response.cancel, sent by the client {load_note()}")
    table.add_spread("cancel sent -> last speech byte", bytes_ms, "p95 <= 50")
    table.add_spread("cancel sent -> flush event", flush_ms, "p95 <= 20")
    return table


async def _storm(house: House) -> Table:
    """Twenty replies asked for and cut off within 2 s, then one that is let be."""
    _script(house)
    bytes_ms, ends_ms = [], []
    async with open_speaker(house, Microphone.of(CHUNK_MS, VOICE_MS)) as speaker, asyncio.timeout(2 * LIMIT_SECONDS):
        for _ in range(STORM_REPLIES):
            began = asyncio.get_running_loop().time()
            reply = await speaker.ask("Tell me a story.")
            await asyncio.sleep(max(0.0, began + STORM_STEP_SECONDS - asyncio.get_running_loop().time()))
            cancelled_ms = await speaker.cancel()
            await reply.is_done.wait()
            ends_ms.append(now_ms() - cancelled_ms)
            bytes_ms.append(max(0.0, reply.last_audio_ms - cancelled_ms))
        asked_ms = now_ms()
        last = await speaker.ask("Tell me a story.")
        await last.has_sound.wait()
        open_calls = sum(call["opened_ms"] < asked_ms for call in house.aws.journal(service="bedrock", open=True))
    table = spread_table(
        f"storm: {STORM_REPLIES} replies cut off {STORM_STEP_SECONDS * 1_000:.0f} ms apart {load_note()}"
    )
    table.add_spread("cancel sent -> last speech byte", bytes_ms, "p95 <= 50")
    table.add_spread("cancel sent -> response.done", ends_ms)
    table.add_spread("the reply after it: asked -> first sound", [last.first_audio_ms - asked_ms])
    table.add("model calls of the storm still open then", str(open_calls), "", "", "1", "0")
    return table


async def _story(speaker: Speaker) -> Reply:
    speaker.speak()
    return await _talking(speaker)


async def _talking(speaker: Speaker) -> Reply:
    """The next reply, after it has sounded for about a second."""
    async with asyncio.timeout(LIMIT_SECONDS):
        reply = await speaker.next_reply()
        await reply.has_sound.wait()
    await asyncio.sleep(random.uniform(*TALKS_SECONDS))
    return reply
