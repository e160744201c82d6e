"""Ten thousand random histories and odd tools, through the emulator's own rules of a Converse request."""

import base64
import copy
import random
from typing import Any

import pytest

from tests.aws_emulator.bedrock_checks import check_request, request_facts
from tests.contracts.language_model_suite import red_jpeg
from workers.language_model.contract import (
    ModelMessage,
    ModelOptions,
    ModelPart,
    ModelRequest,
    PicturePart,
    TextPart,
    ToolResultPart,
    ToolSpec,
    ToolUsePart,
)
from workers.language_model.nova_tools import ToolNames, nova_schema, wire_id, wire_name
from workers.language_model.nova_wire import converse_arguments

MODELS = (
    *("us.amazon.nova-pro-v1:0", "us.amazon.nova-2-lite-v1:0", "us.amazon.nova-micro-v1:0"),
    *("us.amazon.nova-lite-v1:0", "us.amazon.nova-premier-v1:0", "us.amazon.nova-2-pro-v1:0"),
)
JPEG = red_jpeg()
JPEG_TEXT = base64.b64encode(JPEG).decode()
TEXTS = ("hello", "", " ", "\n\t", "good day", "。", "(nothing)", "\u200b")
IDS = ("t1", "t2", "call 1/ü", "", "x" * 80)
NAMES = ("current_time", "get-weather", "getWeather", "天气", "1st", "_")
ANY_SCHEMA = {"type": "object", "properties": {"a": {"$ref": "#/$defs/A"}}, "$defs": {"A": {"type": "string"}}}
TOOLS = tuple(ToolSpec(name, "", ANY_SCHEMA) for name in NAMES)


def history(chance: random.Random) -> tuple[ModelMessage, ...]:
    return tuple(
        ModelMessage(chance.choice(("user", "assistant")), tuple(part(chance) for _ in range(chance.randrange(5))))
        for _ in range(chance.randrange(9))
    )


def part(chance: random.Random) -> ModelPart:
    tool_use_id = chance.choice(IDS)
    return chance.choice(
        (
            TextPart(chance.choice(TEXTS)),
            PicturePart(JPEG, "jpeg", "camera", 1, chance.choice(("", "[The user's camera at 0:01]"))),
            ToolUsePart(tool_use_id, chance.choice(NAMES), {}),
            ToolResultPart(tool_use_id, chance.choice(TEXTS)),
        )
    )


def check(request: ModelRequest) -> dict[str, Any]:
    """What boto3 would send, without its copying of bytes; raises the emulator's refusal."""
    sent = converse_arguments(request)
    for message in sent["messages"]:
        for block in message["content"]:
            if "image" in block:
                block["image"]["source"]["bytes"] = JPEG_TEXT
    facts = request_facts(sent, sent["modelId"])
    check_request(sent, sent["modelId"], facts, "amazon")
    return facts


def test_br_08_no_random_history_is_refused() -> None:
    chance = random.Random(8)
    for _ in range(10_000):
        tools = TOOLS if chance.random() < 0.5 else ()
        facts = check(ModelRequest("Be brief.", history(chance), ModelOptions(chance.choice(MODELS)), tools))
        assert facts["max_tokens_set"]


def test_br_08_of_more_than_twenty_pictures_the_newest_are_sent() -> None:
    turns = tuple(
        ModelMessage("user", (PicturePart(JPEG, "jpeg", "camera", n), TextPart(f"turn {n}"))) for n in range(25)
    )
    assert len(check(ModelRequest("", turns, ModelOptions(MODELS[0])))["images"]) == 20


def test_br_08_a_use_without_its_result_and_an_assistants_picture_are_left_out() -> None:
    turns = (
        ModelMessage("user", (TextPart("time?"),)),
        ModelMessage("assistant", (ToolUsePart("t1", "current_time", {}), PicturePart(JPEG, "jpeg", "camera", 1))),
    )
    assert check(ModelRequest("", turns, ModelOptions(MODELS[0]), TOOLS))["images"] == []


# --- tools on the wire ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "wire"),
    [
        ("current_time", "current_time"),
        ("get-weather", "get_weather"),
        ("getWeather", "get_weather"),
        ("1st", "t_1st"),
        ("天气", "t___"),
        ("A" * 99, "a" * 64),
    ],
)
def test_a_name_begins_with_a_letter_and_has_small_letters_digits_and_low_lines(name: str, wire: str) -> None:
    assert wire_name(name) == wire


def test_two_tools_never_share_a_name_on_the_wire() -> None:
    names = ToolNames.of(tuple(ToolSpec(name, "", {}) for name in ("get-weather", "getWeather", "get_weather")))
    assert sorted(names.by_wire_name) == ["get_weather", "get_weather_2", "get_weather_3"]
    assert names.original(names.wire("getWeather")) == "getWeather"


def test_an_odd_id_is_replaced_by_the_same_one_in_use_and_result() -> None:
    assert wire_id("tooluse_aB-1") == "tooluse_aB-1"
    assert wire_id("call 1") == wire_id("call 1") != wire_id("call 2")


def test_a_property_called_definitions_stays() -> None:
    schema = {"properties": {"definitions": {"type": "string"}}, "required": ["definitions"]}
    assert nova_schema(schema)["properties"] == {"definitions": {"type": "string"}}


def test_a_schema_that_multiplies_is_cut_off() -> None:
    node: dict[str, Any] = {"properties": {str(n): {"$ref": "#/$defs/N"} for n in range(10)}}
    whole = nova_schema({"properties": copy.deepcopy(node["properties"]), "$defs": {"N": node}})
    assert len(str(whole)) < 1_000_000
    assert "$ref" not in str(whole)


@pytest.mark.parametrize("schema", [{}, {"type": "string"}, {"properties": []}, {"required": "all"}, {"$ref": "#"}])
def test_any_schema_becomes_one_of_an_object(schema: dict[str, Any]) -> None:
    check(ModelRequest("", (), ModelOptions(MODELS[0]), (ToolSpec("odd", "", schema),)))
