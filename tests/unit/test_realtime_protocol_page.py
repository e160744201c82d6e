"""The reference page of the protocol and the code say the same, event by event and example by example."""

import inspect
import json
import re
from pathlib import Path
from typing import Any

import pytest

from sessions.realtime import client_events, limits
from sessions.realtime.client_events import CLIENT_EVENTS, parse_text
from sessions.realtime.limits import CloseCode
from sessions.realtime.server_events import SERVER_EVENTS
from tests.unit.realtime_judge import judge
from tests.unit.test_realtime_outbound import BEYOND_THE_STANDARD, everything

PAGE = Path(inspect.getfile(client_events)).with_name("PROTOCOL.md").read_text(encoding="utf-8")
_SECTION = re.compile(r"^### `([^`]+)` `(\w+)`\n\n(.+?)\n\n```json\n(.+?)\n```$", re.MULTILINE)
FROM_CLIENT, FROM_SERVER = (
    {name: (code_name, json.loads(example)) for name, code_name, _, example in _SECTION.findall(part)}
    for part in PAGE.split("## From the client")[1].split("## From the server")
)
SENT: dict[str, Any] = {event["type"]: event for asked in (True, False) for event in everything(speaks_nova=asked)}


def test_every_client_event_is_on_the_page_with_its_class() -> None:
    on_page = {name: code_name for name, (code_name, _) in FROM_CLIENT.items()}

    assert on_page == {name: model.__name__ for name, model in CLIENT_EVENTS.items()}


def test_every_server_event_is_on_the_page_with_its_builder() -> None:
    on_page = {name: code_name for name, (code_name, _) in FROM_SERVER.items()}

    assert on_page == {name: build.__name__ for name, build in SERVER_EVENTS.items()}


def test_every_section_was_read() -> None:
    assert len(re.findall(r"^### ", PAGE, re.MULTILINE)) == len(FROM_CLIENT) + len(FROM_SERVER)


@pytest.mark.parametrize("name", FROM_CLIENT)
def test_a_clients_example_parses_to_its_class_and_shows_every_field(name: str) -> None:
    code_name, example = FROM_CLIENT[name]

    event = parse_text(json.dumps(example))

    assert type(event).__name__ == code_name
    assert set(type(event).model_fields) - {"nova"} == set(example)


@pytest.mark.parametrize("name", FROM_SERVER)
def test_a_servers_example_has_the_fields_that_are_sent(name: str) -> None:
    _, example = FROM_SERVER[name]

    assert _shape(example) == _shape(SENT[name])
    if not name.startswith(BEYOND_THE_STANDARD):
        judge(example)


def _shape(value: Any) -> Any:
    return {key: _shape(part) for key, part in value.items()} if isinstance(value, dict) else None


def test_every_close_code_is_on_the_page() -> None:
    table = PAGE.split("## Close codes")[1].split("## ")[0]

    assert {int(code) for code in re.findall(r"^\| (\d{4}) ", table, re.MULTILINE)} == set(map(int, CloseCode))


@pytest.mark.parametrize(
    "words",
    [
        f"{limits.MESSAGE_LIMIT_BYTES // 2**20} MiB",
        f"{limits.SESSION_UPDATE_LIMIT_BYTES // 1024} KiB",
        f"{limits.CONTROL_LIMIT_BYTES // 1024} KiB",
        f"{limits.AUDIO_BURST_SECONDS:.0f} s at once, then {limits.AUDIO_SPEED_LIMIT} times",
        f"{limits.INBOUND_BURST_BYTES // 2**20} MiB at once",
        f"{limits.BAD_MESSAGES_LIMIT} within {limits.BAD_MESSAGES_WINDOW_SECONDS:.0f} s",
    ],
)
def test_the_limits_on_the_page_are_the_codes(words: str) -> None:
    assert words in PAGE
