"""The gate rows of Transcribe (TR) on the wire: a session's ears against the emulator, over both transports."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import pytest

from sessions.settings import WebSettings
from sessions.speech_to_text import aws_transcribe, aws_transcribe_stream
from sessions.speech_to_text.aws_transcribe import AwsTranscribe
from sessions.speech_to_text.steady_recognition import RecognitionLimits
from tests.aws_emulator.process import EmulatorProcess
from tests.contracts.emulated_aws import aws_settings, web_settings
from tests.unit.steady_talk import RATE_HZ, VOCABULARY, Talk, quiet, say, words
from tests.unit.transcribe_on_emulator import (  # noqa: F401 - fixtures are found by their names
    Transport,
    aws,
    running_aws,
    transport,
)

# ruff: noqa: F811

TEXT = words(7) + words(5, 9)
SOUND = quiet(200) + say(TEXT[:7]) + quiet(500) + say(TEXT[7:]) + quiet(700)
FINAL_MS = 250
QUOTA_SECONDS = 2.5
TRANSPORTS: tuple[Transport, ...] = ("websocket", "http2")
HEARS: dict[str, Any] = {"transcribe": {"vocabulary": VOCABULARY, "final_ms": FINAL_MS}}


@pytest.fixture
def told_by_tones(aws: EmulatorProcess) -> EmulatorProcess:
    aws.script(defaults=HEARS)
    return aws


@pytest.fixture
async def making(aws: EmulatorProcess) -> AsyncIterator["Making"]:
    async with AsyncExitStack() as stack:
        yield Making(web_settings(aws_settings(aws)), stack)


class Making:
    """Makes ears that are closed when the test ends."""

    def __init__(self, settings: WebSettings, stack: AsyncExitStack) -> None:
        self._settings = settings
        self._stack = stack

    def ear(self, transport: Transport, **settings: Any) -> AwsTranscribe:
        ear = AwsTranscribe(replace(self._settings, transcribe_transport=transport, **settings))
        self._stack.push_async_callback(ear.close)
        return ear


async def calls(aws: EmulatorProcess, **wanted: Any) -> list[dict[str, Any]]:
    return await asyncio.to_thread(lambda: aws.journal(service="transcribe", **wanted))


def most_open(found: list[dict[str, Any]]) -> int:
    """At one time, of streams that were not refused."""
    opened = [(call["opened_ms"], 1) for call in found if call["status"] == 200]
    closed = [(call["closed_ms"], -1) for call in found if call["status"] == 200 and call["closed_ms"]]
    now = most = 0
    for _, step in sorted(opened + closed):
        now += step
        most = max(most, now)
    return most


async def hear_all(aws: EmulatorProcess, ear: AwsTranscribe, talks: int) -> None:
    """Everybody's first stream is open before the first one dies: each takes the plan that was made for it, and an heir."""

    async with AsyncExitStack() as stack:
        speaking = [await stack.enter_async_context(Talk(ear)) for _ in range(talks)]
        for talk in speaking:
            talk.listening.hear(quiet(40))
        await asyncio.to_thread(lambda: aws.wait_for_calls(talks, service="transcribe"))
        for talk in speaking:
            talk.listening.hear(SOUND)
        await asyncio.gather(*(talk.until_said(TEXT) for talk in speaking))
        # A stream may die after its last word was told: its heir opens while the talk goes on.
        await asyncio.to_thread(lambda: aws.wait_for_calls(2 * talks, service="transcribe"))
        for talk in speaking:
            talk.told.assert_clock_is_monotone()
            assert talk.told.failures == []


async def test_tr_01_after_a_pause_longer_than_the_idle_limit_the_first_words_are_heard(
    told_by_tones: EmulatorProcess, making: Making, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aws_transcribe_stream, "KEEP_ALIVE_SECONDS", 0.25)
    told_by_tones.script(settings={"transcribe_idle_seconds": 1})

    async def one(transport: Transport) -> None:
        async with Talk(making.ear(transport)) as talk:
            await talk.speak(say(TEXT[:2]) + quiet(500))
            await asyncio.sleep(1.8)
            await talk.speak(say(TEXT[2:5]) + quiet(500))
            await talk.until_said(TEXT[:5])
            assert (talk.told.failures, talk.told.losses) == ([], [])

    await asyncio.gather(*(one(transport) for transport in TRANSPORTS))
    for call in await calls(told_by_tones):
        heard = await asyncio.to_thread(told_by_tones.audio, call["id"])
        assert say(TEXT[2:5])[:RATE_HZ] in heard, "the first 500 ms after the pause, bit by bit"
    assert len(await calls(told_by_tones)) == 2


@pytest.mark.parametrize(
    ("transport", "kinds"),
    [
        ("websocket", ["reset", "cut", "goaway", "end", "reset_stream"]),
        # awscrt keeps a half-closed stream open until its body ends and tells nobody: there a clean end is a stall.
        ("http2", ["reset", "cut", "goaway", "reset_stream"]),
    ],
)
async def test_tr_02_twenty_streams_that_die_at_random_points_lose_and_double_no_word(
    told_by_tones: EmulatorProcess, making: Making, transport: Transport, kinds: list[str]
) -> None:
    chosen = random.Random(2)
    length_ms = len(SOUND) / 32
    faults = [{"at_audio_ms": chosen.uniform(100, length_ms - 300), "kind": kinds[n % len(kinds)]} for n in range(20)]
    told_by_tones.script(transcribe=[{"faults": [fault]} for fault in faults])
    await hear_all(told_by_tones, making.ear(transport), 20)
    assert len(await calls(told_by_tones)) == 40


async def test_tr_03_below_the_quota_all_are_served_in_turn_and_who_waits_is_told_within_two_and_a_half_seconds(
    told_by_tones: EmulatorProcess, making: Making, redis_url: str
) -> None:
    """Two web processes share the places of one account: a quota of three, five sessions."""
    told_by_tones.script(settings={"transcribe_streams": 3})
    ears = [making.ear("websocket", redis_url=redis_url, transcribe_streams_quota=3) for _ in range(2)]
    async with AsyncExitStack() as stack:
        talks = [await stack.enter_async_context(Talk(ears[number % 2])) for number in range(5)]
        began = asyncio.get_running_loop().time()
        for talk in talks:
            talk.listening.hear(SOUND)
        await talks[4].until(lambda _: sum(bool(talk.told.failures) for talk in talks) == 3)
        waiting = [talk for talk in talks if talk.told.failures]
        for talk in waiting:
            ((at, error),) = talk.told.failures
            assert (error.code, error.retriable) == ("stt_busy", True)
            assert at - began <= QUOTA_SECONDS
        served = [talk for talk in talks if talk not in waiting]
        for talk in served:
            await talk.until_said(TEXT)
            await talk.listening.close()

        async def wait_for_turn(talk: Talk) -> None:
            await talk.until_said(TEXT)
            await talk.listening.close()

        await asyncio.gather(*(wait_for_turn(talk) for talk in waiting))
    found = await calls(told_by_tones)
    assert most_open(found) <= 2
    assert [call["outcome"] for call in found if call["outcome"] == "refused"] == []


async def test_tr_03_a_quota_that_others_use_up_is_asked_three_times_at_most_before_a_rest(
    told_by_tones: EmulatorProcess, making: Making
) -> None:
    told_by_tones.script(settings={"transcribe_streams": 1})

    async def one(transport: Transport) -> None:
        async with Talk(making.ear(transport)) as first, Talk(making.ear(transport)) as second:
            first.listening.hear(SOUND)
            await first.until(lambda told: bool(told.heard))
            began = asyncio.get_running_loop().time()
            second.listening.hear(SOUND)
            await second.until(lambda told: bool(told.failures))
            ((at, error),) = second.told.failures
            assert (error.code, error.retriable) == ("stt_busy", True)
            assert at - began <= QUOTA_SECONDS
            assert len(await calls(told_by_tones, outcome="refused", transport=transport)) <= 3

    await asyncio.gather(*(one(transport) for transport in TRANSPORTS))


async def test_a_dead_process_frees_its_places(
    told_by_tones: EmulatorProcess, making: Making, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sessions.speech_to_text.stream_admission.LEASE_MS", 500)
    ears = [making.ear("websocket", redis_url=redis_url, transcribe_streams_quota=2) for _ in range(2)]
    place = await ears[0]._admission.take()
    renewing = ears[0]._admission._renewing
    assert renewing is not None
    renewing.cancel()
    (await ears[1]._admission.take()).release()
    place.release()


async def test_without_redis_a_process_keeps_below_the_quota_by_itself(
    told_by_tones: EmulatorProcess, making: Making
) -> None:
    ear = making.ear("websocket", transcribe_streams_quota=2)
    async with Talk(ear) as first, Talk(ear) as second:
        first.listening.hear(SOUND)
        await first.until(lambda told: bool(told.heard))
        second.listening.hear(SOUND)
        await second.until(lambda told: told.codes == ["stt_busy"])
        await first.until_said(TEXT)
        await first.listening.close()
        await second.until_said(TEXT)
    assert most_open(await calls(told_by_tones)) == 1


async def test_tr_04_rotation_before_the_cap_loses_no_word(
    told_by_tones: EmulatorProcess, making: Making, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aws_transcribe, "LATEST_SECONDS", 1.6)
    told_by_tones.script(settings={"transcribe_stream_seconds": 2})
    phrases = [words(2, first) for first in range(0, 12, 2)]
    text = [word for phrase in phrases for word in phrase]

    async def one(transport: Transport) -> None:
        async with Talk(
            making.ear(transport, transcribe_rotate_seconds=0.5), RecognitionLimits(pause_seconds=0.15)
        ) as talk:
            for phrase in phrases:
                await talk.speak(say(phrase) + quiet(600))
            await talk.until_said(text)
            talk.told.assert_clock_is_monotone()
            assert talk.told.failures == []

    await asyncio.gather(*(one(transport) for transport in TRANSPORTS))
    found = await calls(told_by_tones)
    assert len(found) >= 2 * 6
    assert [call["error_type"] for call in found if call["error_type"]] == [], "no stream reached the cap"


async def test_tr_04_without_a_pause_the_stream_is_replaced_shortly_before_the_cap(
    told_by_tones: EmulatorProcess, making: Making, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aws_transcribe, "LATEST_SECONDS", 1.0)
    told_by_tones.script(settings={"transcribe_stream_seconds": 1.7})
    text = words(12)

    async def one(transport: Transport) -> None:
        async with Talk(making.ear(transport, transcribe_rotate_seconds=0.3)) as talk:
            await talk.speak(say(text) + quiet(500))
            await talk.until_said(text)
            assert talk.told.failures == []

    await asyncio.gather(*(one(transport) for transport in TRANSPORTS))
    assert [call["error_type"] for call in await calls(told_by_tones) if call["error_type"]] == []


async def test_tr_05_a_stream_that_hears_nothing_of_speech_is_opened_again_and_then_told_of(
    told_by_tones: EmulatorProcess, making: Making
) -> None:
    told_by_tones.script(transcribe=[{"faults": [{"at_audio_ms": 0, "kind": "silence"}], "times": 4}])
    text = words(20)

    async def one(transport: Transport) -> None:
        async with Talk(making.ear(transport), RecognitionLimits(stall_speech_seconds=1)) as talk:
            talk.listening.hear(quiet(40))
            await asyncio.to_thread(lambda: told_by_tones.wait_for_calls(2, service="transcribe"))
            talk.listening.hear(say(text) + quiet(700))
            await talk.until(lambda told: told.text.endswith(text[-1]))
            assert talk.told.codes == ["stt_stalled"]
            assert talk.told.text.split() == text, "the sound of the deaf streams was kept"

    await asyncio.gather(*(one(transport) for transport in TRANSPORTS))
    assert len(await calls(told_by_tones)) == 6


async def test_tr_07_a_frame_that_cannot_be_read_costs_no_word(
    told_by_tones: EmulatorProcess, making: Making, transport: Transport
) -> None:
    kinds = ["bad_crc", "garbage"]
    told_by_tones.script(
        transcribe=[{"faults": [{"at_audio_ms": 150 + 270 * n, "kind": kinds[n % 2]}]} for n in range(10)]
    )
    await hear_all(told_by_tones, making.ear(transport), 10)
    assert len(await calls(told_by_tones)) == 20


@pytest.mark.parametrize("is_known", [True, False], ids=["expired", "deleted"])
async def test_tr_08_a_stream_is_opened_again_with_fresh_credentials(
    told_by_tones: EmulatorProcess,
    making: Making,
    transport: Transport,
    is_known: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    old, fresh = "AKIAOLDOLDOLDOLDOLD0", told_by_tones.env()["AWS_ACCESS_KEY_ID"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", old)
    told_by_tones.script(
        settings={"accept_unknown_keys": True}, transcribe=[{"faults": [{"at_audio_ms": 1_500, "kind": "reset"}]}]
    )
    async with Talk(making.ear(transport)) as talk:
        talk.listening.hear(SOUND)
        await talk.until(lambda told: bool(told.heard))
        told_by_tones.script(settings={"accept_unknown_keys": False, "expired_keys": [old] if is_known else []})
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", fresh)
        await talk.until_said(TEXT)
        assert talk.told.failures == []
    found = await calls(told_by_tones)
    assert (found[0]["access_key_id"], found[-1]["access_key_id"]) == (old, fresh)
    assert found[-1]["opened_ms"] - found[0]["closed_ms"] <= 2_000


@pytest.mark.parametrize(("language", "rate_hz", "expected_calls"), [("xx-XX", RATE_HZ, 1), ("en-US", 4_000, 0)])
async def test_tr_09_a_wrong_language_or_rate_is_told_of_and_not_tried_again(
    told_by_tones: EmulatorProcess,
    making: Making,
    transport: Transport,
    language: str,
    rate_hz: int,
    expected_calls: int,
) -> None:
    async with Talk(making.ear(transport), language=language, rate_hz=rate_hz) as talk:
        talk.listening.hear(SOUND)
        await talk.until(lambda told: bool(told.failures))
        await asyncio.sleep(0.5)
        ((_, error),) = talk.told.failures
        assert (error.code, error.retriable) == ("provider_refused", False)
    assert len(await calls(told_by_tones)) == expected_calls


async def test_tr_10_fifty_starts_at_once_are_spread_below_the_rate_and_nobody_notices(
    told_by_tones: EmulatorProcess, making: Making, redis_url: str
) -> None:
    told_by_tones.script(settings={"transcribe_starts_per_second": 25, "keep_audio": False})
    ears = [
        making.ear("websocket", redis_url=redis_url, transcribe_streams_quota=100, transcribe_starts_per_second=24)
        for _ in range(2)
    ]

    async def one(number: int) -> list[str]:
        async with Talk(ears[number % 2]) as talk:
            talk.listening.hear(say(words(2, number % 20)) + quiet(500))
            await talk.until_said(words(2, number % 20))
            return talk.told.codes

    codes = await asyncio.gather(*(one(number) for number in range(50)))
    assert [told for told in codes if "stt_busy" in told] == []
    assert [call["outcome"] for call in await calls(told_by_tones) if call["outcome"] == "refused"] == []


async def test_tr_11_a_slow_handshake_keeps_all_sound(told_by_tones: EmulatorProcess, making: Making) -> None:
    told_by_tones.script(transcribe=[{"handshake_ms": 1_200, "times": 2}])
    sound = say(TEXT[:7]) + quiet(600)

    async def one(transport: Transport) -> None:
        async with Talk(making.ear(transport)) as talk:
            await talk.speak(sound)
            await talk.until_said(TEXT[:7])
            assert talk.told.failures == []

    await asyncio.gather(*(one(transport) for transport in TRANSPORTS))
    found = await calls(told_by_tones)
    assert [await asyncio.to_thread(told_by_tones.audio, call["id"]) for call in found] == [sound, sound]
