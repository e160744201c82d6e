"""A client loses its connection and comes back to the same web process: nothing missing, nothing twice."""

import asyncio
from functools import partial
from typing import Any

import pytest

from tests.house import House
from tests.journeys.client import call_api, tell_script, wait_until
from tests.journeys.conftest import CALLER_KEY
from tests.journeys.returning import Returning, return_to

QUIET: dict[str, Any] = {"properties": {"llm": {"greeting": ""}}}
TEXT = "One two three four five six. Seven eight nine ten eleven. Twelve thirteen fourteen."
QUESTION = "Count, please."
BREAKS = 20


async def began(house: House) -> Returning:
    reply = {"match": {"last_user_text": QUESTION}, "deltas": [f"{word} " for word in TEXT.split()], "token_ms": 20}
    await tell_script(house, bedrock=[{**reply, "times": 1_000}])
    return await return_to(house, key=CALLER_KEY, **QUIET)


def whole(returning: Returning) -> tuple[object, list[list[str]]]:
    return returning.gaps(), list(returning.replies().values())


@pytest.fixture
def undisturbed_sound(house: House) -> bytes:
    """What the answer sounds like when nothing breaks."""

    async def ask() -> bytes:
        returning = await began(house)
        response = await returning.client.ask(QUESTION)
        await returning.leave()
        return returning.sound_of(response.output[0].id)

    return asyncio.run(ask())


def test_cl_01_twenty_breaks_in_one_answer_lose_no_event_and_no_sample(house: House, undisturbed_sound: bytes) -> None:
    async def talk() -> Returning:
        returning = await began(house)
        await returning.client.type_text(QUESTION)
        for number in range(BREAKS):
            await returning.client.wait_for("response.created")
            sounds = len(returning.client.of("response.output_audio.delta"))
            await wait_until(partial(_has_more, returning, sounds), "more of the answer or its end")
            await returning.lose()
            if number == 0:
                await asyncio.sleep(2.5)
            resumed = await returning.resume()
            assert resumed.event.recovered
        await returning.client.wait_for("response.done")
        await returning.leave()
        return returning

    returning = asyncio.run(talk())
    response = returning.client.of("response.done")[0].event.response
    assert whole(returning) == ([], [["completed"]])
    assert response.output[0].content[0].transcript == TEXT
    assert returning.sound_of(response.output[0].id) == undisturbed_sound


async def _has_more(returning: Returning, sounds: int) -> bool:
    client = returning.client
    return len(client.of("response.output_audio.delta")) > sounds or bool(client.of("response.done"))


async def test_a_second_socket_of_the_same_client_takes_over_a_line_that_only_seems_alive(house: House) -> None:
    returning = await began(house)
    await returning.client.type_text(QUESTION)
    await returning.client.wait_for("response.output_audio.delta")
    await returning.resume()
    await returning.client.wait_for("response.done")
    assert whole(returning) == ([], [["completed"]])
    assert returning.closes == [4409]
    await returning.leave()


@pytest.mark.parametrize(
    ("wish", "reason"),
    [
        ({"seq": -1}, "bad_resume"),
        ({"seq": 100_000, "told": 100_000}, "bad_resume"),
        ({"epoch": "of another time"}, "unknown_epoch"),
    ],
)
async def test_cl_12_a_wish_that_cannot_be_granted_begins_anew_with_the_whole_talk(
    house: House, wish: dict[str, Any], reason: str
) -> None:
    returning = await began(house)
    await returning.client.ask(QUESTION)
    await returning.lose()
    before = returning.client.now
    resumed = (await returning.resume(**wish)).event
    await returning.client.ask(QUESTION)
    codes = returning.client.fault_codes(before)
    await returning.leave()
    assert (resumed.recovered, resumed.reason) == (False, reason)
    assert [item.role for item in resumed.items] == ["user", "assistant"]
    assert resumed.items[1].content[0].transcript == TEXT
    assert codes == (["bad_resume"] if reason == "bad_resume" else [])
    assert returning.gaps() == []
    call = (await asyncio.to_thread(house.aws.journal, service="bedrock", full=True))[-1]
    assert TEXT in str(call), "the model was not told what had been said before"


async def test_a_client_that_says_good_bye_is_not_waited_for(house: House) -> None:
    returning = await began(house)
    await returning.client.ask(QUESTION)
    await returning.leave()
    resumed = (await returning.resume()).event
    assert not resumed.recovered
    await returning.leave()


async def test_a_session_that_was_stopped_meanwhile_is_over(house: House) -> None:
    returning = await began(house)
    await returning.lose()
    _, listed = await call_api(house, "list", {}, key=CALLER_KEY)
    mine = next(each for each in listed["data"] if each["session_id"] == returning.session_id)
    await call_api(house, "stop", {"channel_name": mine["channelName"]}, key=CALLER_KEY)
    await returning.open(returning.wish())
    assert await returning.client.wait_closed() == 4410
