"""Memory of the web and worker processes with no session and with 25 that have each talked."""

import asyncio
from contextlib import AsyncExitStack

import psutil

from tests.benchmarks.report import MIB, Table
from tests.benchmarks.speaker import Microphone, open_speaker
from tests.benchmarks.turns import CHUNK_MS, VOICE_MS, one_turn, script
from tests.house import House

SESSIONS = 25
TURNS = 2


def measure() -> Table:
    """On a house of its own: what earlier sessions left behind would count as nothing used."""
    with House("aws") as house:
        before = _rss_mib(house)
        script(house, SESSIONS * (TURNS + 1))
        during = asyncio.run(_with_sessions(house))
    table = Table("memory (RSS)", ("MiB", "no session", f"{SESSIONS} sessions", "a session", "goal"))
    goals = {"web": "150 + 1 a session", "talking worker": "200 + 1 a reply", "vision worker (both)": "200"}
    for name, goal in goals.items():
        table.add(name, before[name], during[name], (during[name] - before[name]) / SESSIONS, goal)
    return table


async def _with_sessions(house: House) -> dict[str, float]:
    microphone = Microphone.of(CHUNK_MS, VOICE_MS)
    async with AsyncExitStack() as stack:
        speakers = [await stack.enter_async_context(open_speaker(house, microphone)) for _ in range(SESSIONS)]
        for _ in range(TURNS):
            await asyncio.gather(*(one_turn(speaker) for speaker in speakers), return_exceptions=True)
        return _rss_mib(house)


def _rss_mib(house: House) -> dict[str, float]:
    seeing = psutil.Process(house.seer.pid)
    return {
        "web": _rss_of(psutil.Process(house.webs[0].pid)),
        "talking worker": _rss_of(psutil.Process(house.talker.pid)),
        "vision worker (both)": _rss_of(seeing) + sum(_rss_of(child) for child in seeing.children()),
    }


def _rss_of(process: psutil.Process) -> float:
    return float(process.memory_info().rss / MIB)
