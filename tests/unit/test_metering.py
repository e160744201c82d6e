"""What a session's calls are counted as: replies that were heard, cut off, thrown away; speech, word times and streams."""

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest

from sessions.live.metering import Meter
from sessions.live.usage import AWS, FREE, LOCAL, Providers, Usage
from sessions.speech_to_text.contract import ListeningOptions, StreamLife, Transcript
from tests.unit.reply_scene import SESSION, Desk
from workers.language_model.contract import ModelOptions, StoredMessage, TextPart
from workers.prices import BUILT_IN
from workers.streams.messages import (
    Address,
    InterruptEntry,
    ReplyRequest,
    ReplyWritten,
    SentenceWritten,
    SpeechFinished,
    SpeechMade,
    SpeechRequest,
    TaskBeat,
    WordMarks,
    WorkFailed,
)
from workers.text_to_speech.contract import VoiceOptions

MODEL = "us.amazon.nova-pro-v1:0"
VOICE = VoiceOptions("Ruth", "generative", "en-US")
ASKED = (StoredMessage("user", (TextPart("What time is it? " * 20),)),)


class Metered:
    def __init__(self, provider: str = AWS) -> None:
        self.time_ms = 0.0
        self.meter = Meter(BUILT_IN, Providers(provider, provider, provider), self._now, self._epoch, lambda _: None)
        self.meter.hearing.prefix = "sess.1"
        self.desk = self.meter.desk(Desk())

    def _now(self) -> float:
        return self.time_ms

    def _epoch(self) -> int:
        return int(self.time_ms) + 1_000

    def ask(self, reply_id: str = "resp_1", attempt: int = 0, *, is_told: bool = True) -> None:
        address = Address(*SESSION, f"{reply_id}.{attempt}", "out")
        request = ReplyRequest(address, "Be brief.", ASKED, ModelOptions(MODEL), opening_voice=VOICE)
        self.desk.request_reply(request, None, lambda _: None)
        if is_told:
            self.meter.reply_started(reply_id)

    def say(self, index: int, text: str, work_id: str = "resp_1.0") -> None:
        request = SpeechRequest(Address(*SESSION, work_id, "out"), index, text, VOICE)
        self.desk.request_speech(request, lambda _: None)

    def drop(self, work_id: str = "resp_1.0") -> None:
        self.desk.interrupt(InterruptEntry(*SESSION, work_id))

    def collected(self, after_ms: float = 0.0, *, is_last: bool = False) -> list[Usage]:
        self.time_ms += after_ms
        return self.meter.collect(is_last=is_last)


def written(work_id: str = "resp_1.0", reason: str = "end_turn", **fields: Any) -> ReplyWritten:
    tokens = {"input_tokens": 1_000, "output_tokens": 100, **fields}
    return ReplyWritten(*SESSION, work_id, 1, reason, model_id=MODEL, **tokens)


def finished(index: int, characters: int, work_id: str = "resp_1.0") -> SpeechFinished:
    return SpeechFinished(*SESSION, work_id, index, 1, characters, 80.0, "generative", characters)


# --- the language model -------------------------------------------------------------------------------------------------


def test_a_reply_costs_what_the_worker_says_and_the_estimate_stands_beside() -> None:
    talk = Metered()
    talk.ask()
    talk.meter.take(written(cached_input_tokens=500, picture_tokens=800))
    (use,) = talk.collected()
    assert (use.input_tokens, use.output_tokens, use.cached_input_tokens, use.picture_tokens) == (1_000, 100, 500, 800)
    assert use.cost_usd == Decimal("0.00122")
    assert (use.purpose, use.reply_id, use.is_estimated, use.price_version) == (
        "talk",
        "resp_1",
        False,
        BUILT_IN.version,
    )
    assert Decimal(0) < use.estimated_usd < use.cost_usd
    assert talk.collected() == []


def test_a_cancelled_reply_costs_what_its_worker_tells_afterwards() -> None:
    talk = Metered()
    talk.ask()
    talk.drop()
    assert talk.collected(100) == []
    talk.meter.take(written(reason="cancelled", is_usage_estimated=True))
    (use,) = talk.collected(100)
    assert (use.input_tokens, use.is_estimated, use.purpose) == (1_000, True, "talk")


def test_a_cancelled_reply_whose_worker_says_nothing_is_estimated_and_corrected_when_it_does() -> None:
    talk = Metered()
    talk.ask()
    talk.meter.take(SentenceWritten(*SESSION, "resp_1.0", 0, "It is noon. " * 4))
    talk.drop()
    (use,) = [each for each in talk.collected(3_000) if each.service == "language_model"]
    assert use.is_estimated
    assert use.input_tokens > 50
    assert use.output_tokens == 12
    before = talk.meter.total_usd
    talk.meter.take(written(reason="cancelled"))
    (corrected,) = talk.collected(100)
    assert (corrected.usage_id, corrected.input_tokens, corrected.is_estimated) == (use.usage_id, 1_000, False)
    assert talk.meter.total_usd - before == corrected.cost_usd - use.cost_usd


def test_a_dropped_speculation_is_counted_apart() -> None:
    talk = Metered()
    talk.ask(is_told=False)
    talk.meter.take(written())
    talk.meter.take(finished(0, 26))
    assert talk.collected(1_000) == []
    talk.drop()
    assert {use.purpose for use in talk.collected()} == {"speculation"}


def test_a_speculation_that_was_kept_is_talk() -> None:
    talk = Metered()
    talk.ask(is_told=False)
    talk.meter.take(written())
    assert talk.collected(1_000) == []
    talk.meter.reply_started("resp_1")
    assert [use.purpose for use in talk.collected()] == ["talk"]


def test_the_agents_own_question_is_counted_apart() -> None:
    talk = Metered()
    talk.ask("side_1", is_told=False)
    talk.meter.take(written("side_1.0"))
    assert [use.purpose for use in talk.collected()] == ["aside"]


@pytest.mark.parametrize("has_begun", [False, True])
def test_a_call_that_failed_before_its_first_word_costs_nothing(has_begun: bool) -> None:
    talk = Metered()
    talk.ask()
    talk.meter.take(TaskBeat(*SESSION, "resp_1.0"))
    if has_begun:
        talk.meter.take(SentenceWritten(*SESSION, "resp_1.0", 0, "It is"))
    talk.meter.take(WorkFailed(*SESSION, "resp_1.0", "reply", "model_stalled", True, "late"))
    found = [use.purpose for use in talk.collected() if use.service == "language_model"]
    assert found == (["retry"] if has_begun else [])


def test_a_call_that_never_ran_costs_nothing() -> None:
    talk = Metered()
    talk.ask()
    talk.drop()
    assert talk.collected(5_000) == []
    assert talk.meter.total_usd == 0


def test_a_running_reply_is_estimated_before_anyone_has_said_what_it_costs() -> None:
    talk = Metered()
    talk.ask()
    talk.meter.take(TaskBeat(*SESSION, "resp_1.0"))
    assert Decimal("0.00005") < talk.meter.total_usd < Decimal("0.0002")


# --- speech ---------------------------------------------------------------------------------------------------------------


def test_speech_costs_the_characters_that_were_billed_and_those_asked_for_word_times() -> None:
    talk = Metered()
    talk.ask()
    talk.say(1, "Anything else?")
    talk.meter.take(finished(0, 11))
    talk.meter.take(finished(1, 14))
    talk.meter.take(WordMarks(*SESSION, "resp_1.0", 1, (), billed_characters=14))
    (use,) = talk.collected()
    assert (use.characters, use.word_mark_characters, use.model) == (25, 14, "generative")
    assert use.cost_usd == Decimal(39) * 30 / 1_000_000


def test_sentences_of_one_reply_are_added_up_and_told_again() -> None:
    talk = Metered()
    talk.ask()
    talk.meter.take(finished(0, 11))
    (first,) = talk.collected()
    talk.meter.take(finished(1, 14))
    (second,) = talk.collected()
    assert (second.usage_id, second.characters) == (first.usage_id, 25)
    assert talk.meter.total_usd == second.cost_usd


def test_an_interrupted_sentence_is_paid_for_whole() -> None:
    talk = Metered()
    talk.ask()
    talk.say(1, "Anything else?")
    talk.meter.take(SpeechMade(*SESSION, "resp_1.0", 1, 0, 16_000, b"\0\0"))
    talk.drop()
    (use,) = talk.collected(3_000)
    assert (use.service, use.characters, use.is_estimated) == ("text_to_speech", 14, True)
    talk.meter.take(finished(1, 14))
    assert talk.collected(100) == []


def test_a_kept_phrase_costs_nothing() -> None:
    talk = Metered()
    talk.say(0, "Hello!")
    talk.meter.take(SpeechFinished(*SESSION, "resp_1.0", 0, 1, 6, 1.0, "generative", 0))
    assert talk.collected(5_000, is_last=True) == []


def test_at_the_end_of_the_session_all_that_ran_is_counted() -> None:
    talk = Metered()
    talk.ask()
    talk.meter.take(SentenceWritten(*SESSION, "resp_1.0", 0, "It is noon."))
    talk.meter.take(SpeechMade(*SESSION, "resp_1.0", 0, 0, 16_000, b"\0\0"))
    assert {use.service for use in talk.collected(is_last=True)} == {"language_model", "text_to_speech"}


def test_what_runs_here_has_quantities_and_no_price() -> None:
    talk = Metered(LOCAL)
    talk.ask()
    talk.meter.take(written())
    talk.meter.take(SpeechFinished(*SESSION, "resp_1.0", 0, 1, 11))
    assert [(use.cost_usd, use.input_tokens + use.characters) for use in talk.collected()] == [
        (FREE, 1_000),
        (FREE, 11),
    ]


# --- hearing --------------------------------------------------------------------------------------------------------------


class Ear:
    """Streams that take everything and hear nothing; `own_seconds` of silence is added by the last one itself."""

    stream_life: StreamLife | None = None

    def __init__(self, own_seconds: float | None = None) -> None:
        self.own_seconds = own_seconds

    async def prepare(self) -> None:
        pass

    async def open(self, options: ListeningOptions) -> "Stream":
        return Stream() if self.own_seconds is None else CountingStream(self.own_seconds)

    async def close(self) -> None:
        pass


class Stream:
    async def send(self, pcm: bytes) -> None:
        pass

    async def finish(self) -> None:
        pass

    async def transcripts(self) -> AsyncIterator[Transcript]:
        heard: tuple[Transcript, ...] = ()
        for transcript in heard:
            yield transcript

    async def close(self) -> None:
        pass


class CountingStream(Stream):
    def __init__(self, given_seconds: float) -> None:
        self.given_seconds = given_seconds


OPTIONS = ListeningOptions("en-US", 16_000, SESSION[0])
SECOND = bytes(32_000)


@pytest.mark.parametrize(("seconds", "billed"), [(5, 15), (20, 20)])
async def test_a_stream_is_billed_for_its_sound_and_fifteen_seconds_at_least(seconds: int, billed: int) -> None:
    talk = Metered()
    stream = await talk.meter.hearing.metered(Ear()).open(OPTIONS)
    for _ in range(seconds):
        await stream.send(SECOND)
    assert talk.collected() == []
    await stream.close()
    (use,) = talk.collected()
    assert (use.seconds, use.billed_seconds, use.is_estimated) == (seconds, billed, False)
    assert use.cost_usd == talk.meter.total_usd == billed * Decimal("0.024") / 60


async def test_an_open_stream_is_told_of_once_a_minute_under_its_own_name() -> None:
    talk = Metered()
    stream = await talk.meter.hearing.metered(Ear()).open(OPTIONS)
    for _ in range(60):
        await stream.send(SECOND)
    (first,) = talk.collected(60_000)
    assert (first.usage_id, first.seconds, first.is_estimated) == ("sess.1:hearing:1", 60.0, True)
    await stream.send(SECOND)
    assert talk.collected(30_000) == []
    await stream.close()
    (last,) = talk.collected()
    assert (last.usage_id, last.seconds) == (first.usage_id, 61.0)


async def test_silence_that_a_stream_adds_itself_is_billed() -> None:
    talk = Metered()
    stream = await talk.meter.hearing.metered(Ear(own_seconds=40.0)).open(OPTIONS)
    await stream.send(SECOND)
    await stream.close()
    assert [use.billed_seconds for use in talk.collected()] == [40]


async def test_a_stream_without_sound_costs_nothing() -> None:
    talk = Metered()
    stream = await talk.meter.hearing.metered(Ear()).open(OPTIONS)
    await stream.close()
    assert talk.collected() == []
