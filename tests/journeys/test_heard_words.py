"""Who is cut off was heard word by word: the next request holds the words whose sound was played, by Polly's marks."""

import json
from typing import Any

import pytest

from tests.house import House
from tests.journeys.client import Client, connect_socket, see_calls, tell_script, wait_until

MS_PER_CHARACTER = 40
# Cleaned for the ear: the marks count bytes of a text without the stars and without the address's tail.
SENT = "The **Café Zoë** at https://www.example.org/menu/today is open until late tonight."
SPOKEN = "The Café Zoë at example.org is open until late tonight."
SENTENCES = 2


def _words_by(played_ms: float) -> str:
    """Up to the beginning of the word that was sounding."""
    starts = [at for at in range(1, len(SPOKEN)) if SPOKEN[at - 1] == " " and at * MS_PER_CHARACTER <= played_ms]
    return SPOKEN[: starts[-1]].rstrip() if starts else ""


async def _marks_told(house: House) -> int:
    """Entries with word marks on the output streams, of every talk in this house."""
    with house.redis() as client:
        names: Any = list(client.scan_iter("nova:output:*"))
        entries: Any = [fields for name in names for _, fields in client.xrange(name)]
    return sum(json.loads(fields[b"body"])["kind"] == "word_marks" for fields in entries)


async def _hear(client: Client, played_ms: int) -> None:
    """A spoken answer, of which the client says that it has played so much."""
    await client.type_text("Where can I eat?")
    started = await client.wait_for("response.output_audio.delta")
    await client.wait_heard_ms(played_ms)
    await client.send(
        "output_audio_buffer.progress", item_id=started.event.item_id, content_index=0, audio_end_ms=played_ms
    )


def _remembered(request: Any) -> str:
    answers = [message for message in request["messages"] if message["role"] == "assistant"]
    return " ".join(part["text"] for message in answers for part in message["content"])


@pytest.mark.parametrize("played_ms", [300, 900, 1_250])
async def test_the_next_request_holds_exactly_the_words_that_were_played(house: House, played_ms: int) -> None:
    await tell_script(
        house,
        bedrock=[{"text": f"{SENT} And more is to be said."}, {"text": "Yes."}],
        defaults={"polly": {"ms_per_character": MS_PER_CHARACTER}},
    )
    told_before = await _marks_told(house)

    async def marks_were_told() -> bool:
        return await _marks_told(house) >= told_before + SENTENCES

    async with connect_socket(house) as client:
        await _hear(client, played_ms)
        await wait_until(marks_were_told, "the word marks of both sentences")
        await client.send("response.cancel")
        await client.wait_for("response.done")
        await client.ask("And now?")
        request = (await see_calls(house, "bedrock", 2))[1]["request"]
    cleaned = _remembered(request).replace("**", "").replace("https://www.example.org/menu/today", "example.org")
    assert cleaned == _words_by(played_ms)


async def test_word_marks_that_fail_disturb_no_speech(house: House) -> None:
    refused = {"times": 9, "error": {"type": "ServiceFailureException"}}
    await tell_script(house, bedrock=[{"text": SENT}], polly_marks=[refused])
    async with connect_socket(house) as client:
        response = await client.ask("Where can I eat?")
        await see_calls(house, "polly_marks", 1, ended=True)
    assert (response.status, client.said(), client.fault_codes()) == ("completed", [SENT], [])


async def test_po_01_a_reply_of_many_sentences_is_spoken_whole_and_in_order_by_an_account_of_two_calls_a_second(
    house: House,
) -> None:
    sentences = [f"This is sentence number {number} of five." for number in range(5)]
    settings = {"polly_requests_per_second": 2}
    voice = {"polly": {"ms_per_character": 10}}
    await tell_script(house, bedrock=[{"text": " ".join(sentences)}], defaults=voice, settings=settings)
    async with connect_socket(house) as client:
        response = await client.ask("Speak.")
    assert (response.status, client.said()) == ("completed", [" ".join(sentences)])
    assert len(client.audio()) == sum(map(len, sentences)) * 10 * client.rate_hz // 1_000 * 2
