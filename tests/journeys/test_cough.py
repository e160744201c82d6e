"""A cough is no interruption: the speech is held, goes on, and not one sample of it is lost or doubled."""

from typing import NamedTuple

import pytest

from tests.house import House
from tests.journeys.client import Client, connect_socket, tell_script
from tests.journeys.conftest import Play
from tests.journeys.sounds import silence, speech

MS_PER_CHARACTER = 40
STORY = (
    "This is the first sentence of a story. The second one is a little longer than the first. It ends with the third."
)
COUGH_MS = 350


class Told(NamedTuple):
    client: Client
    sound: bytes


async def _tell(house: House, *, coughs: bool) -> Told:
    await tell_script(
        house,
        bedrock=[{"text": STORY}],
        defaults={
            "polly": {"ms_per_character": MS_PER_CHARACTER},
            "transcribe": {"min_speech_ms": 60_000},
        },
    )
    async with connect_socket(house) as client:
        await client.type_text("Tell me a story.")
        await client.wait_for("response.output_audio.delta")
        if coughs:
            await client.append(silence(200))
            await client.speak(speech(COUGH_MS, seed=7), silence_ms=3_500)
        await client.wait_for("response.done")
        return Told(client, client.audio())


@pytest.fixture(scope="module")
def undisturbed(play: Play) -> Told:
    done: Told = play(lambda house: _tell(house, coughs=False))
    return done


@pytest.fixture(scope="module")
def coughed(play: Play) -> Told:
    done: Told = play(lambda house: _tell(house, coughs=True))
    return done


def test_the_speech_is_held_and_goes_on(coughed: Told) -> None:
    assert [heard.event.held for heard in coughed.client.of("nova.hold")] == [True, False]
    assert coughed.client.of("nova.flush") == []


def test_no_sample_is_lost_or_doubled(coughed: Told, undisturbed: Told) -> None:
    assert coughed.sound == undisturbed.sound
    assert len(undisturbed.sound) > 0


def test_the_reply_is_completed_with_every_word(coughed: Told) -> None:
    assert [heard.event.response.status for heard in coughed.client.of("response.done")] == ["completed"]
    assert coughed.client.said() == [STORY]


def test_nobody_is_answered(coughed: Told) -> None:
    assert len(coughed.client.of("response.created")) == 1
    assert coughed.client.captions() == []
