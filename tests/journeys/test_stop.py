"""The ends of a session: stopped at either web process, superseded, idle; and the tickets that open nothing."""

import asyncio
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import pytest
from django.test import override_settings
from websockets.asyncio.client import connect as open_socket
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from sessions.rtc_tokens.socket_ticket import issue_ticket
from tests.house import API_KEY, House
from tests.journeys.client import (
    WAIT_SECONDS,
    Client,
    Json,
    call_api,
    connect_socket,
    generate_ticket,
    open_services,
    start_channel,
    tell_script,
    wait_until,
)
from tests.journeys.conftest import CALLER_KEY, FOREIGN_KEY, Play
from tests.journeys.sounds import speech

STOP_LIMIT_MS = 2_000
STORY = " ".join(f"This is sentence number {number} of a story that nobody hears to its end." for number in range(40))
LONG_SOUND = {"pace": 1, "duration_ms": 20_000}
"""Of each sentence: none comes to its end by itself while the session is being stopped."""
SILENT = {"llm": {"greeting": ""}}
REFUSED = (401, 403)
EXPIRED_SECONDS = -5
IDLE_SECONDS = 1
LATER_CALLS_SECONDS = 1.0


class Stopped(NamedTuple):
    client: Client
    close_code: int
    asked_ms: float
    answer: tuple[int, Json]
    open_before: list[Json]
    calls: list[Json]
    calls_later: list[Json]
    listed: list[str]


async def _all_services_are_busy(house: House, client: Client) -> list[Json]:
    """A spoken turn is being answered: all three services have a call that is open."""
    await client.speak(speech(800), silence_ms=600)
    await client.wait_for("response.output_audio.delta")
    calls: list[Json] = []

    async def are_busy() -> bool:
        calls[:] = await asyncio.to_thread(house.aws.journal, open=True)
        return {call["service"] for call in calls} == {"transcribe", "bedrock", "polly"}

    await wait_until(are_busy, "an open call of every service")
    return calls


async def _stop(house: House, socket_at: int, stop_at: int) -> Stopped:
    answer = {"text": STORY, "token_ms": 50}
    await tell_script(house, texts=["Tell me a story."], bedrock=[answer], defaults={"polly": LONG_SOUND})
    channel_name, ticket = await generate_ticket(house, key=CALLER_KEY)
    await start_channel(house, channel_name, key=CALLER_KEY, properties=SILENT)
    async with connect_socket(house, key=ticket, web=socket_at) as client:
        still_open = await _all_services_are_busy(house, client)
        asked_ms = time.monotonic() * 1_000
        answered = await call_api(house, "stop", {"channel_name": channel_name}, key=CALLER_KEY, web=stop_at)
        close_code = await client.wait_closed()
        await wait_until(lambda: _is_quiet(house), "the end of every call")
        calls = await asyncio.to_thread(house.aws.journal)
        await asyncio.sleep(LATER_CALLS_SECONDS)  # watching for what must not come
        later = await asyncio.to_thread(house.aws.journal, since=calls[-1]["id"])
    listed = await _listed(house, CALLER_KEY)
    return Stopped(client, close_code, asked_ms, answered, still_open, calls, later, listed)


async def _is_quiet(house: House) -> bool:
    return not await open_services(house)


async def _listed(house: House, key: str) -> list[str]:
    return [item["channelName"] for item in (await call_api(house, "list", {}, key=key))[1]["data"]]


async def _is_gone(house: House, channel_name: str) -> bool:
    return channel_name not in await _listed(house, CALLER_KEY)


@pytest.fixture(scope="module", params=[(0, 0), (0, 1), (1, 0)], ids=["here", "at-the-second", "at-the-first"])
def stopped(play: Play, request: pytest.FixtureRequest) -> Stopped:
    done: Stopped = play(lambda house: _stop(house, *request.param))
    return done


def test_stop_answers_with_success(stopped: Stopped) -> None:
    status, envelope = stopped.answer
    assert (status, envelope["code"]) == (200, "0")


@pytest.mark.parametrize("service", ["transcribe", "bedrock", "polly"])
def test_within_two_seconds_of_stop_nothing_of_the_service_is_open(stopped: Stopped, service: str) -> None:
    ids = {call["id"] for call in stopped.open_before if call["service"] == service}
    closed_ms = [call["closed_ms"] for call in stopped.calls if call["service"] == service]
    assert ids, "nothing was open when stop was called"
    assert max(closed_ms) - stopped.asked_ms <= STOP_LIMIT_MS


def test_the_model_and_the_voice_were_cut_off(stopped: Stopped) -> None:
    ids = {call["id"] for call in stopped.open_before if call["service"] != "transcribe"}
    cut = [call for call in stopped.calls if call["id"] in ids and not _is_of_marks(call)]
    assert [call for call in cut if call["outcome"] != "client_closed"] == []
    assert {call["service"] for call in cut} == {"bedrock", "polly"}


def _is_of_marks(call: Json) -> bool:
    """Times of words come at once: such a call may just have been ending."""
    return bool(call["parameters"].get("OutputFormat") == "json")


def test_nothing_is_asked_of_any_service_after_stop(stopped: Stopped) -> None:
    assert stopped.calls_later == []


def test_the_socket_is_closed_with_4410(stopped: Stopped) -> None:
    assert stopped.close_code == 4410


def test_no_speech_follows_the_stop_for_longer_than_it_may_take(stopped: Stopped) -> None:
    last = stopped.client.of("response.output_audio.delta")[-1]
    assert last.at_ms - stopped.asked_ms <= STOP_LIMIT_MS


def test_a_stopped_channel_is_not_listed(stopped: Stopped) -> None:
    channel = next(h.event.channel_name for h in stopped.client.of("nova.session"))
    assert channel not in stopped.listed


async def test_stopping_twice_and_at_the_other_process_is_fine(house: House) -> None:
    channel_name, _ = await generate_ticket(house, key=CALLER_KEY)
    await start_channel(house, channel_name, key=CALLER_KEY)
    body = {"channel_name": channel_name}
    answers = [await call_api(house, "stop", body, key=CALLER_KEY, web=web) for web in (0, 1, 1)]
    assert [(status, envelope["code"]) for status, envelope in answers] == [(200, "0")] * 3


async def test_a_stopped_channel_can_be_started_again(house: House) -> None:
    channel_name, ticket = await generate_ticket(house, key=CALLER_KEY)
    first = await start_channel(house, channel_name, key=CALLER_KEY)
    await call_api(house, "stop", {"channel_name": channel_name}, key=CALLER_KEY)
    second = await start_channel(house, channel_name, key=CALLER_KEY, web=1, properties=SILENT)
    assert first != second
    async with connect_socket(house, key=ticket) as client:
        assert (await client.ask("Are you there?")).status == "completed"


@pytest.mark.parametrize("second_at", [0, 1])
async def test_a_second_socket_takes_the_channel_and_the_first_is_closed_with_4409(
    house: House, second_at: int
) -> None:
    channel_name, ticket = await generate_ticket(house, key=CALLER_KEY)
    await start_channel(house, channel_name, key=CALLER_KEY, properties=SILENT)
    async with connect_socket(house, key=ticket) as first, connect_socket(house, key=ticket, web=second_at) as second:
        assert await first.wait_closed() == 4409
        assert (await second.ask("Who has the floor?")).status == "completed"
        assert second.close_code is None


async def test_a_session_nobody_is_present_in_ends_by_itself(house: House) -> None:
    channel_name, _ = await generate_ticket(house, key=CALLER_KEY)
    await start_channel(house, channel_name, key=CALLER_KEY, timeout=IDLE_SECONDS)
    await wait_until(lambda: _is_gone(house, channel_name), "the idle session's end")
    status, envelope = await call_api(house, "ping", {"channel_name": channel_name}, key=CALLER_KEY)
    assert (status, envelope["code"]) == (404, "10002")


async def test_an_open_socket_is_presence_enough(house: House) -> None:
    """Measured against a session that started with it and has no socket: when that one ends, this one goes on."""
    watched, ticket = await generate_ticket(house, key=CALLER_KEY)
    alone, _ = await generate_ticket(house, key=CALLER_KEY)
    async with connect_socket(house, key=ticket) as client:
        await start_channel(house, watched, key=CALLER_KEY, timeout=3, properties=SILENT)
        await start_channel(house, alone, key=CALLER_KEY, timeout=3)
        await wait_until(lambda: _is_gone(house, alone), "the idle session's end")
        assert watched in await _listed(house, CALLER_KEY)
        assert (await client.ask("Still there?")).status == "completed"


@contextmanager
def _secret_of(house: House, secret: str | None = None) -> Iterator[None]:
    with override_settings(SECRET_KEY=secret or house.environment["DJANGO_SECRET_KEY"]):
        yield


def _ticket_of_the_house(house: House, life_seconds: int) -> str:
    with _secret_of(house):
        return issue_ticket("tickets", "key:nobody", life_seconds=life_seconds)[0]


def _ticket_of_a_stranger(house: House) -> str:
    with _secret_of(house, "another house's secret " * 3):
        return issue_ticket("tickets", "key:nobody")[0]


def _tampered(house: House) -> str:
    valid = _ticket_of_the_house(house, 600)
    return valid[:8] + ("A" if valid[8] != "A" else "B") + valid[9:]


BAD_SECRETS = {
    "unknown": lambda house: "ek_" + uuid.uuid4().hex,
    "no-key": lambda house: "sk-" + uuid.uuid4().hex,
    "expired": lambda house: _ticket_of_the_house(house, EXPIRED_SECONDS),
    "forged": _ticket_of_a_stranger,
    "tampered": _tampered,
}


@pytest.mark.parametrize("kind", BAD_SECRETS)
async def test_a_bad_secret_is_refused_before_the_socket_is_open(house: House, kind: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with connect_socket(house, key=BAD_SECRETS[kind](house)):
            pass
    assert refused.value.response.status_code in REFUSED


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("unknown", "ticket_forged"),
        ("expired", "ticket_expired"),
        ("forged", "ticket_forged"),
        ("tampered", "ticket_forged"),
    ],
)
async def test_a_browser_with_a_bad_secret_is_told_why_and_closed_with_4401(house: House, kind: str, code: str) -> None:
    names = [Subprotocol("realtime"), Subprotocol(f"openai-insecure-api-key.{BAD_SECRETS[kind](house)}")]
    async with open_socket(house.ws_url + "?model=nova", subprotocols=names) as socket:
        told = await asyncio.wait_for(socket.recv(), WAIT_SECONDS)
        with pytest.raises(ConnectionClosed) as closed:
            await asyncio.wait_for(socket.recv(), WAIT_SECONDS)
    assert f'"{code}"' in str(told)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4401


async def test_a_ticket_opens_no_other_channel_than_its_own(house: House) -> None:
    own, ticket = await generate_ticket(house, key=CALLER_KEY)
    other, _ = await generate_ticket(house, key=CALLER_KEY)
    await start_channel(house, other, key=CALLER_KEY, properties=SILENT)
    with pytest.raises(InvalidStatus) as refused:
        async with connect_socket(house, key=ticket, query=f"&channel_name={other}"):
            pass
    assert refused.value.response.status_code in REFUSED
    async with connect_socket(house, key=ticket, query=f"&channel_name={own}") as client:
        assert client.of("session.created")


async def test_a_key_opens_no_channel_of_another_owner(house: House) -> None:
    """Closed with 4403, exactly as for a channel that does not exist."""
    channel_name, _ = await generate_ticket(house, key=CALLER_KEY)
    await start_channel(house, channel_name, key=CALLER_KEY, properties=SILENT)
    ends = [await _told_and_closed(house, name) for name in (channel_name, "nobody-has-this-channel")]
    assert ends[0][0] == 4403
    assert ends[0] == ends[1]


async def _told_and_closed(house: House, channel_name: str) -> tuple[int | None, str | None]:
    url = f"{house.ws_url}?channel_name={channel_name}"
    headers = {"Authorization": f"Bearer {FOREIGN_KEY}"}
    async with open_socket(url, additional_headers=headers) as socket:
        await asyncio.wait_for(socket.wait_closed(), WAIT_SECONDS)
        return socket.close_code, socket.close_reason


async def test_another_owner_can_neither_stop_nor_ping_nor_see_a_channel(house: House) -> None:
    channel_name, _ = await generate_ticket(house, key=CALLER_KEY)
    await start_channel(house, channel_name, key=CALLER_KEY)
    body = {"channel_name": channel_name}
    answers = [await call_api(house, name, body, key=FOREIGN_KEY) for name in ("stop", "ping")]
    assert [(status, envelope["code"]) for status, envelope in answers] == [(404, "10002")] * 2
    assert channel_name not in await _listed(house, FOREIGN_KEY)
    assert channel_name in await _listed(house, CALLER_KEY)


async def test_a_refused_socket_disturbs_no_session_that_is_open(house: House) -> None:
    async with connect_socket(house, key=API_KEY) as client:
        with pytest.raises(InvalidStatus):
            async with connect_socket(house, key=BAD_SECRETS["forged"](house)):
                pass
        assert (await client.ask("Undisturbed?")).status == "completed"
