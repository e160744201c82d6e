"""Scripted spoken turns of many sessions, and what of their delay was the providers' and what our own."""

import asyncio
import random
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from tests.benchmarks.speaker import Microphone, Reply, Speaker, open_speaker
from tests.house import House

CHUNK_MS = 100
VOICE_MS = 500
SENTENCE_MS = 400
TURN_SECONDS = 30.0
PAUSE_SECONDS = (0.6, 1.6)
FIRST_TOKEN_MS, TOKEN_MS, FIRST_BYTE_MS = 200, 10, 100
WORDS = "question number {number} please"
FIRST_SENTENCE = "About {words} here it is."
ANSWER = FIRST_SENTENCE.format(words="{last_text}") + " That was all."


@dataclass(frozen=True, slots=True)
class Timed:
    """The steps of one turn on the machine's clock, in milliseconds."""

    words: str
    final_ms: float
    model_asked_ms: float
    sentence_sent_ms: float
    speech_asked_ms: float
    speech_sent_ms: float
    heard_ms: float

    @property
    def legs(self) -> tuple[float, float, float]:
        """Final to Bedrock, sentence to Polly, Polly's first byte to the client's."""
        return (
            self.model_asked_ms - self.final_ms,
            self.speech_asked_ms - self.sentence_sent_ms,
            self.heard_ms - self.speech_sent_ms,
        )

    @property
    def added_ms(self) -> float:
        return sum(self.legs)


def script(house: House, turns: int) -> None:
    """Peers' waits: 200 ms to the first token, 100 tokens a second, 100 ms to Polly's first byte."""
    house.aws.reset()
    house.aws.script(
        texts=[WORDS.format(number=number) for number in range(turns)],
        defaults={
            "bedrock": {"text": ANSWER, "first_token_ms": FIRST_TOKEN_MS, "token_ms": TOKEN_MS},
            "polly": {"first_byte_ms": FIRST_BYTE_MS, "pace": 20, "duration_ms": SENTENCE_MS},
        },
        settings={"keep_audio": False},
    )


async def one_turn(speaker: Speaker) -> Reply:
    speaker.speak()
    async with asyncio.timeout(TURN_SECONDS):
        reply = await speaker.next_reply()
        await reply.is_done.wait()
    return reply


async def hold_talks(house: House, sessions: int, turns: int) -> tuple[list[Reply], int]:
    """Each session's first turn is warm-up and left out. Returns the replies and how many turns failed."""
    microphone = Microphone.of(CHUNK_MS, VOICE_MS)
    async with AsyncExitStack() as stack:
        speakers = []
        for _ in range(sessions):
            speakers.append(await stack.enter_async_context(open_speaker(house, microphone)))
        outcomes = await asyncio.gather(*(_talk(speaker, turns) for speaker in speakers))
    replies = [reply for outcome in outcomes for reply in outcome]
    return replies, sessions * turns - len(replies)


async def _talk(speaker: Speaker, turns: int) -> list[Reply]:
    good: list[Reply] = []
    for number in range(turns + 1):
        await asyncio.sleep(random.uniform(*PAUSE_SECONDS))
        try:
            reply = await one_turn(speaker)
        except TimeoutError:
            continue
        if number and reply.status == "completed" and reply.first_audio_ms:
            good.append(reply)
    return good


def join_with_journal(house: House, replies: list[Reply]) -> list[Timed]:
    """By the words of each turn, which are different for all turns."""
    finals = {u["text"]: u["final_sent_ms"] for call in _calls(house, "transcribe") for u in _utterances(call)}
    models = {call["facts"]["last_user_text"]: call for call in _calls(house, "bedrock")}
    speech: dict[str, Any] = {}
    for call in _calls(house, "polly"):
        speech.setdefault(call["facts"]["text"], call)
    timed = []
    for reply in replies:
        said = speech.get(FIRST_SENTENCE.format(words=reply.words))
        if said is not None and reply.words in finals and reply.words in models:
            timed.append(_timed(reply, finals[reply.words], models[reply.words], said))
    return timed


def _timed(reply: Reply, final_ms: float, model: Any, said: Any) -> Timed:
    first_sound = next(event for event in said["events"] if event["type"] == "speech")
    return Timed(
        words=reply.words,
        final_ms=final_ms,
        model_asked_ms=model["opened_ms"],
        sentence_sent_ms=_decided_ms(model, said["facts"]["text"]),
        speech_asked_ms=said["opened_ms"],
        speech_sent_ms=first_sound["ms"],
        heard_ms=reply.first_audio_ms,
    )


def _decided_ms(model: Any, sentence: str) -> float:
    """When the delta left that brings the character after the sentence: before it nobody can know that it has ended."""
    written = ""
    for event in model["events"]:
        written += event.get("text", "")
        if len(written) > len(sentence):
            return float(event["ms"])
    raise ValueError(f"the model never wrote more than {sentence!r}")


def _calls(house: House, service: str) -> list[Any]:
    return house.aws.journal(service=service, full=True)


def _utterances(call: Any) -> list[Any]:
    found: list[Any] = call["facts"].get("utterances", [])
    return found
