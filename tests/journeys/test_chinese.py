"""A Chinese turn: the wishes of `start` reach the services as they were written, and Chinese marks end sentences."""

from typing import NamedTuple

import pytest

from tests.house import House
from tests.journeys.client import (
    Client,
    Json,
    connect,
    generate_ticket,
    see_calls,
    start_channel,
    tell_script,
)
from tests.journeys.conftest import CALLER_KEY, Play
from tests.journeys.sounds import rms, speech

PROPERTIES = {"tts": {"voice": "Zhiyu", "lang_code": "cmn-CN", "engine": "neural"}, "stt": {"lang_code": "zh-CN"}}
QUESTION = "今天北京的天气怎么样？"
PIECES = ["今天北京的天气非常好，", "适合出去走一走。", "要不要我给你推荐几个好玩的地方，", "比如说颐和园？"]
LEAST_RMS = 0.05


class Talk(NamedTuple):
    client: Client
    transcribe: list[Json]
    bedrock: list[Json]
    polly: list[Json]


async def _talk_chinese(house: House) -> Talk:
    answer = "".join(PIECES)
    await tell_script(house, texts=[QUESTION], bedrock=[{"text": answer}], defaults={"polly": {"ms_per_character": 40}})
    channel_name, ticket = await generate_ticket(house, key=CALLER_KEY)
    graph_name = "va_nova_multimodal_aws"
    await start_channel(house, channel_name, key=CALLER_KEY, graph_name=graph_name, properties=PROPERTIES)
    async with connect(house, key=ticket) as client:
        greeting = await client.wait_for("response.done")
        await client.speak(speech(1_000))
        await client.wait_for("response.done", after=client.events.index(greeting) + 1)
        calls = [await see_calls(house, service) for service in ("transcribe", "bedrock", "polly")]
    return Talk(client, *calls)


@pytest.fixture(scope="module")
def talk(play: Play) -> Talk:
    held: Talk = play(_talk_chinese)
    return held


def test_transcribe_listens_for_chinese(talk: Talk) -> None:
    assert [call["parameters"]["language-code"] for call in talk.transcribe] == ["zh-CN"]


@pytest.mark.parametrize(("name", "value"), [("VoiceId", "Zhiyu"), ("Engine", "neural"), ("LanguageCode", "cmn-CN")])
def test_polly_is_asked_for_exactly_the_wished_voice(talk: Talk, name: str, value: str) -> None:
    assert {call["parameters"][name] for call in talk.polly} == {value}


def test_no_call_was_refused_and_tried_otherwise(talk: Talk) -> None:
    assert {call["outcome"] for call in [*talk.polly, *talk.bedrock]} == {"completed"}


def test_the_agent_greets_in_chinese(talk: Talk) -> None:
    greeting = talk.client.said()[0]
    assert any("\u4e00" <= character <= "\u9fff" for character in greeting)
    assert talk.polly[0]["facts"]["text"] == greeting


def test_the_chinese_question_is_captioned_and_reaches_the_model(talk: Talk) -> None:
    assert talk.client.captions() == [QUESTION]
    assert talk.bedrock[0]["facts"]["last_user_text"] == QUESTION


def test_full_stops_question_marks_and_commas_cut_the_answer_for_speech(talk: Talk) -> None:
    # Two sentences are asked for ahead, so that their calls may overtake one another on the way.
    assert sorted(call["facts"]["text"] for call in talk.polly[1:]) == sorted(PIECES)
    assert talk.client.said()[1] == "".join(PIECES)


def test_the_chinese_answer_is_captioned_without_added_spaces_and_heard(talk: Talk) -> None:
    assert talk.client.said()[1] == "".join(PIECES)
    assert rms(talk.client.audio()) > LEAST_RMS
