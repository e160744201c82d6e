"""One spoken turn with a picture, which needs every process of a house: web, talking and seeing."""

from typing import NamedTuple

from tests.house import House
from tests.journeys.client import connect, see_calls, tell_script
from tests.journeys.pictures import scene
from tests.journeys.sounds import speech


class SeenTurn(NamedTuple):
    sound: bytes
    said: str
    pictures: list[object]


async def seen_and_spoken(house: House) -> SeenTurn:
    """The emulator's journal and script must be empty before."""
    await tell_script(house, texts=["What do you see?"], bedrock=[{"text": "A grey wall."}])
    async with connect(house) as client:
        await client.show(scene(128))
        await client.speak(speech(800))
        await client.wait_for("response.done")
        [call] = await see_calls(house, "bedrock", 1)
        return SeenTurn(client.audio(), "".join(client.said()), call["facts"]["images"])
