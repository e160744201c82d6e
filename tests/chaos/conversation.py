"""A typed conversation for chaos: an answer to break off, what the client hears of the fault, and the turn after it."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.house import House
from tests.journeys.client import Client, Heard

EVENT_SECONDS = 2.5
NEXT_TURN_SECONDS = 8.0

STORY = "Tell me the long story."
QUESTION = "Are you still there?"
ANSWER = "Yes, I am still here."

_BEGINNING = "Once upon a time there was a small house. It stood beside a wide river. "
_WORD_MS = 100
_WORDS = 150


@dataclass(frozen=True, slots=True)
class Fault:
    """When it struck, and how many events the client had then."""

    at: float
    position: int


def script_answers(house: House) -> None:
    """The story is still being written 15 s later; the question is answered at once."""
    story = [_BEGINNING, *("and then it went on " for _ in range(_WORDS)), "until its end."]
    house.aws.script(
        bedrock=[
            {"match": {"last_user_text": STORY}, "deltas": story, "token_ms": _WORD_MS, "times": 1_000},
            {"match": {"last_user_text": "still there"}, "text": ANSWER, "times": 1_000},
        ]
    )


async def begin_story(client: Client) -> None:
    """Returns in mid-answer: the first speech has come, the model still writes."""
    start = len(client.events)
    await client.type_text(STORY)
    await client.wait_for("response.output_audio.delta", after=start)


async def strike(client: Client, fault: Callable[[], None]) -> Fault:
    """`fault` runs on a thread; the clock starts just before it."""
    struck = Fault(time.monotonic(), len(client.events))
    await asyncio.to_thread(fault)
    return struck


async def hear_of_fault(client: Client, fault: Fault) -> float:
    """Seconds from the fault to the first error or failed end; returns when the reply has ended."""
    done = await client.wait_for("response.done", after=fault.position)
    told = [heard for heard in client.events[fault.position :] if _tells_fault(heard)]
    assert told, f"the reply ended as {done.event.response.status} without a word about the fault"
    return told[0].at - fault.at


async def ask_again(client: Client) -> Heard:
    """The next turn's end; an answer takes however long it takes, the caller judges the time."""
    start = len(client.events)
    await client.type_text(QUESTION)
    return await client.wait_for("response.done", after=start, seconds=30)


def spoken(done: Any) -> str:
    """The words of a response.done event."""
    contents = [content for item in done.response.output for content in item.content]
    return " ".join(content.transcript or "" for content in contents)


def _tells_fault(heard: Heard) -> bool:
    return heard.type == "error" or (heard.type == "response.done" and heard.event.response.status == "failed")
