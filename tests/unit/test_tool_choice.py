"""`tool_choice` from the client's event to what the model is asked: auto, none, required, or one function by name."""

from typing import Any

import pytest

from sessions.live.config import ToolChoice
from sessions.live.history import History
from sessions.live.planning import SessionIdentity, make_plan
from sessions.live.reply_plan import ReplyPlan
from sessions.live.transport import ReplyOptions
from sessions.live.watching.look import Look
from sessions.realtime.client_events import ClientEventError
from sessions.realtime.session_wire import session_to_wire
from tests.local_speech import SETTINGS
from tests.unit.realtime_double import session_config
from tests.unit.test_realtime_inbound import Door
from workers.language_model.contract import (
    ModelMessage,
    ModelOptions,
    ModelRequest,
    TextPart,
    ToolSpec,
    ToolUse,
)
from workers.language_model.local import LocalResponder
from workers.language_model.nova_wire import converse_arguments

SCHEMA = {"type": "object", "properties": {}}
CLOCK = ToolSpec("current_time", "The time", SCHEMA)
OPEN_DOOR = ToolSpec("open_door", "Opens the door", SCHEMA, runs_at="client")
BOTH = (CLOCK, OPEN_DOOR)
NAMED = {"type": "function", "name": "open_door"}


def plan(choice: ToolChoice | None = None, *, session: ToolChoice | None = None) -> ReplyPlan:
    config = session_config(tools=BOTH, tool_choice=session or ToolChoice())
    identity = SessionIdentity("room", 1, "e1", "sess")
    return make_plan(identity, config, History(), ReplyOptions(tool_choice=choice), None, None, Look())


def offered(made: ReplyPlan) -> tuple[list[str], bool]:
    return [tool.name for tool in made.tools], made.options.must_use_tool


@pytest.mark.parametrize(
    ("choice", "names", "must"),
    [
        (None, ["current_time", "open_door"], False),
        (ToolChoice("auto"), ["current_time", "open_door"], False),
        (ToolChoice("none"), [], False),
        (ToolChoice("required"), ["current_time", "open_door"], True),
        (ToolChoice("function", "open_door"), ["open_door"], True),
    ],
)
def test_the_choice_says_which_tools_the_model_is_told_of_and_whether_it_must_call_one(
    choice: ToolChoice | None, names: list[str], must: bool
) -> None:
    assert offered(plan(choice)) == (names, must)
    assert offered(plan(session=choice)) == (names, must)


def test_a_replys_own_choice_wins_over_the_sessions() -> None:
    made = plan(ToolChoice("none"), session=ToolChoice("required"))
    assert offered(made) == ([], False)


@pytest.mark.parametrize(("must", "expected"), [(False, None), (True, {"any": {}})])
def test_nova_is_told_by_any_since_it_refuses_a_tool_by_name(must: bool, expected: Any) -> None:
    said = (ModelMessage("user", (TextPart("Hi"),)),)
    request = ModelRequest("", said, ModelOptions("us.amazon.nova-pro-v1:0", must_use_tool=must), BOTH)
    assert converse_arguments(request)["toolConfig"].get("toolChoice") == expected


def test_without_tools_nova_is_told_of_no_choice() -> None:
    said = (ModelMessage("user", (TextPart("Hi"),)),)
    request = ModelRequest("", said, ModelOptions("us.amazon.nova-pro-v1:0", must_use_tool=True))
    assert "toolConfig" not in converse_arguments(request)


def test_the_local_mind_calls_a_tool_when_it_must() -> None:
    said = (ModelMessage("user", (TextPart("Good morning."),)),)
    request = ModelRequest("", said, ModelOptions("local", must_use_tool=True), (OPEN_DOOR,))
    first = next(LocalResponder(SETTINGS).stream(request))
    assert isinstance(first, ToolUse)
    assert first.name == "open_door"


@pytest.mark.parametrize(
    ("sent", "choice"),
    [
        ("auto", ToolChoice("auto")),
        ("none", ToolChoice("none")),
        ("required", ToolChoice("required")),
        (NAMED, ToolChoice("function", "open_door")),
        (None, None),
    ],
)
def test_every_choice_of_the_protocol_is_read_in_both_events(sent: Any, choice: ToolChoice | None) -> None:
    assert Door(tools=BOTH).changes(tool_choice=sent).tool_choice == choice
    assert Door(tools=BOTH).options(tool_choice=sent).tool_choice == choice


@pytest.mark.parametrize("sent", ["sometimes", 7, {"type": "mcp", "server_label": "x"}, {"type": "function"}])
def test_an_unknown_choice_is_refused_by_name(sent: Any) -> None:
    for event_type, place in (("session.update", "session"), ("response.create", "response")):
        with pytest.raises(ClientEventError) as caught:
            Door(tools=BOTH).take(event_type, **{place: {"tool_choice": sent}})
        assert caught.value.field is not None
        assert caught.value.field.startswith(f"{place}.tool_choice")


def test_a_function_that_is_not_there_is_refused_by_name() -> None:
    wanted = {"type": "function", "name": "close_door"}
    refused = ("invalid_value", "session.tool_choice.name")
    assert Door(tools=BOTH).refused("session.update", session={"tool_choice": wanted}) == refused
    refused = ("invalid_value", "response.tool_choice.name")
    assert Door(tools=BOTH).refused("response.create", response={"tool_choice": wanted}) == refused


def test_a_choice_that_needs_a_function_is_refused_where_there_is_none() -> None:
    refused = ("invalid_value", "session.tool_choice")
    assert Door().refused("session.update", session={"tool_choice": "required"}) == refused


def test_functions_may_come_with_the_choice_that_names_them() -> None:
    tool = {"type": "function", "name": "close_door"}
    changes = Door().changes(tools=[tool], tool_choice=tool)
    assert changes.tool_choice == ToolChoice("function", "close_door")


@pytest.mark.parametrize(
    ("choice", "shown"), [(ToolChoice("required"), "required"), (ToolChoice("function", "open_door"), NAMED)]
)
def test_the_session_shows_the_choice_in_force(choice: ToolChoice, shown: Any) -> None:
    assert session_to_wire("s", session_config(tools=BOTH, tool_choice=choice))["tool_choice"] == shown
