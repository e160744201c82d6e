"""A session's words over many streams, on virtual time: broken, replaced, stuck, slow and refused ones lose no word."""

import asyncio
import random
from collections.abc import Coroutine
from typing import Any

import pytest

from sessions.speech_to_text.contract import StreamLife
from sessions.speech_to_text.steady_recognition import REPLAY_MS
from tests.unit.steady_talk import ScriptedEar, StreamPlan, Talk, quiet, say, words
from tests.virtual_time import run_virtually
from workers.errors import ProviderRefusedError, ProviderThrottledError, ProviderUnavailableError

TOLD_WITHIN_SECONDS = 2.5


def virtually(talk: Coroutine[Any, Any, None]) -> None:
    run_virtually(talk)


def test_tr_02_a_stream_that_dies_at_any_of_60_points_loses_and_doubles_no_word() -> None:
    text = words(12) + words(9, 14)
    sound = quiet(300) + say(text[:12]) + quiet(700) + say(text[12:]) + quiet(900)
    chosen = random.Random(20)

    async def talk_with_cuts(cuts_ms: list[float]) -> None:
        ear = ScriptedEar([StreamPlan(fails_at_ms=cut_ms) for cut_ms in cuts_ms])
        async with Talk(ear) as talk:
            await talk.speak(sound)
            await talk.until_said(text)
            assert talk.told.failures == []
            talk.told.assert_clock_is_monotone()
        for broken, next_one in zip(ear.streams, ear.streams[1:], strict=False):
            assert broken.broke_at is not None
            assert next_one.opened_at - broken.broke_at <= 2
        assert ear.open_now == 0

    async def all_talks() -> None:
        await asyncio.gather(*(talk_with_cuts([chosen.uniform(50, 5_500)]) for _ in range(60)))

    virtually(all_talks())


def test_a_second_break_while_the_first_is_mended_loses_no_word_either() -> None:
    text = words(20)

    async def scene() -> None:
        async with Talk(ScriptedEar([StreamPlan(2_000), StreamPlan(2_600), StreamPlan(400)])) as talk:
            await talk.speak(say(text) + quiet(900))
            await talk.until_said(text)

    virtually(scene())


def test_tr_04_five_rotations_at_a_pause_lose_and_double_no_word() -> None:
    """A long talk with a phrase every 18 seconds, and streams that may live for 68."""
    phrases = [words(5, first) for first in range(0, 24 * 7, 7)]
    ear = ScriptedEar(life=StreamLife(55, 68))

    async def scene() -> None:
        async with Talk(ear) as talk:
            for phrase in phrases:
                await talk.speak(quiet(900) + say(phrase) + quiet(900))
                talk.told.wants_silence = True
                await asyncio.sleep(15)
            await talk.until_said([word for phrase in phrases for word in phrase])
            talk.told.assert_clock_is_monotone()
            assert talk.told.losses == []

    virtually(scene())
    ages = [after.opened_at - before.opened_at for before, after in zip(ear.streams, ear.streams[1:], strict=False)]
    assert len(ages) >= 5
    assert all(55 <= age < 65 for age in ages)
    assert ear.most_open == 2, "the next stream is open before the old one is finished"


@pytest.mark.parametrize("seed", range(4))
def test_tr_04_without_a_pause_the_stream_is_replaced_at_the_latest_in_mid_speech(seed: int) -> None:
    text = words(150, seed)
    latest = 8 + random.Random(seed).random()
    ear = ScriptedEar(life=StreamLife(3, latest))

    async def scene() -> None:
        async with Talk(ear) as talk:
            await talk.speak(say(text) + quiet(900))
            await talk.until_said(text)
            talk.told.assert_clock_is_monotone()

    virtually(scene())
    assert len(ear.streams) >= 4
    assert all(len(stream.pcm) / 32_000 < latest + REPLAY_MS / 1_000 + 1 for stream in ear.streams)


def test_tr_04_an_old_stream_that_never_says_its_last_word_is_left_after_3_s() -> None:
    text = words(60)
    ear = ScriptedEar([StreamPlan(never_ends=True)], StreamLife(2, 5))

    async def scene() -> None:
        async with Talk(ear) as talk:
            await talk.speak(say(text) + quiet(900))
            await talk.until_said(text)
            assert talk.told.failures == []

    virtually(scene())
    assert len(ear.streams) >= 2


def test_tr_04_when_no_second_place_is_free_the_old_stream_ends_first_and_no_word_is_lost() -> None:
    text = words(60)
    busy = ProviderThrottledError("full", code="stt_busy")
    ear = ScriptedEar([StreamPlan(), StreamPlan(open_error=busy)], StreamLife(2, 5))

    async def scene() -> None:
        async with Talk(ear) as talk:
            await talk.speak(say(text) + quiet(900))
            await talk.until_said(text)
            assert talk.told.failures == []

    virtually(scene())
    assert len(ear.streams) >= 2


def test_tr_05_a_stream_that_hears_nothing_in_15_s_of_speech_is_opened_again_once_and_then_told_of() -> None:
    ear = ScriptedEar([StreamPlan(is_deaf=True), StreamPlan(is_deaf=True)])
    text = words(200)

    async def scene() -> None:
        async with Talk(ear) as talk:
            await talk.speak(say(text) + quiet(900))
            await asyncio.sleep(1)
            assert talk.told.codes == ["stt_stalled"]
            assert talk.told.failures[0][1].retriable
            assert talk.told.failures[0][0] == pytest.approx(30, abs=4)
            said = talk.told.text.split()[1:]
            assert said == text[-len(said) :], "but for the word in which the kept sound begins"
            assert len(said) * 0.2 > 10 + REPLAY_MS / 1_000 - 4, "the sound that was kept is heard too"

    virtually(scene())
    assert [stream.opened_at for stream in ear.streams] == pytest.approx([0, 15, 30], abs=3)


def test_tr_05_silence_is_no_stall_and_neither_is_a_word_now_and_then() -> None:
    ear = ScriptedEar()

    async def scene() -> None:
        async with Talk(ear) as talk:
            for first in range(3):
                await talk.speak(say(words(30, first)) + quiet(30_000))
            assert talk.told.failures == []

    virtually(scene())
    assert len(ear.streams) == 1


def test_tr_11_while_the_handshake_takes_its_time_all_sound_is_kept() -> None:
    ear = ScriptedEar([StreamPlan(open_seconds=5)])
    text = words(40)
    sound = say(text) + quiet(900)

    async def scene() -> None:
        async with Talk(ear) as talk:
            await talk.speak(sound)
            await talk.until_said(text)

    virtually(scene())
    assert bytes(ear.streams[0].pcm) == sound


def test_tr_11_two_openings_that_time_out_lose_no_sound_either() -> None:
    slow = StreamPlan(open_seconds=5, open_error=ProviderUnavailableError("too slow"))
    ear = ScriptedEar([slow, slow])
    text = words(80)

    async def scene() -> None:
        async with Talk(ear) as talk:
            await talk.speak(say(text) + quiet(900))
            await talk.until_said(text)

    virtually(scene())


def test_whoever_waits_for_an_opening_that_hangs_is_told_within_two_and_a_half_seconds() -> None:
    async def scene() -> None:
        async with Talk(ScriptedEar([StreamPlan(open_seconds=5)])) as talk:
            await talk.speak(say(words(30)))
            assert talk.told.codes == ["stt_slow"]
            at, error = talk.told.failures[0]
            assert at <= TOLD_WITHIN_SECONDS
            assert error.retriable

    virtually(scene())


def test_a_refusal_is_told_once_and_never_tried_again() -> None:
    ear = ScriptedEar([StreamPlan(open_error=ProviderRefusedError("no such language"))])

    async def scene() -> None:
        async with Talk(ear) as talk:
            await talk.speak(say(words(30)))
            assert talk.told.codes == ["provider_refused"]

    virtually(scene())
    assert len(ear.tries_at) == 1


def test_words_older_than_the_kept_sound_are_final_when_their_stream_breaks() -> None:
    """Nobody pauses for 20 s: the beginning of the segment can be heard by no other stream."""
    text = words(100)

    async def scene() -> None:
        async with Talk(ScriptedEar([StreamPlan(fails_at_ms=17_000)])) as talk:
            await talk.speak(say(text) + quiet(900))
            await talk.until_said(text)
            talk.told.assert_clock_is_monotone()

    virtually(scene())


def test_streams_that_break_in_hours_of_silence_are_nobodys_concern() -> None:
    ear = ScriptedEar([StreamPlan(fails_at_ms=25_000) for _ in range(4)])

    async def scene() -> None:
        async with Talk(ear) as talk:
            await talk.speak(quiet(100_000))
            assert talk.told.failures == []

    virtually(scene())
    assert len(ear.streams) >= 5


def test_a_client_that_is_silent_for_long_costs_no_stream_and_is_heard_again_from_its_first_word() -> None:
    ear = ScriptedEar()
    text = words(4) + words(4, 8)

    async def scene() -> None:
        async with Talk(ear) as talk:
            await talk.speak(say(text[:4]) + quiet(900))
            await asyncio.sleep(60)
            assert ear.open_now == 0
            await talk.speak(say(text[4:]) + quiet(900))
            await talk.until_said(text)
            talk.told.assert_clock_is_monotone()
            assert talk.told.finals[1].start_ms == pytest.approx(1_700, abs=60)

    virtually(scene())
    assert len(ear.streams) == 2


def test_cleared_sound_brings_no_words_from_this_stream_nor_from_the_next() -> None:
    async def scene() -> None:
        async with Talk(ScriptedEar([StreamPlan(fails_at_ms=2_200)])) as talk:
            await talk.speak(say(words(5)))
            talk.listening.forget()
            await talk.speak(quiet(700) + say(words(3, 10)) + quiet(900))
            await talk.until_said(words(3, 10))

    virtually(scene())
