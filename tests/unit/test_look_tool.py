"""The `look` tool: what it takes, and how the newest kept picture comes to stand beside its answer."""

from collections.abc import Iterator
from typing import Any

import pytest
import redis

from workers.errors import BadInputError
from workers.language_model.contract import PicturePart, ToolResultPart, ToolUse
from workers.looking import NOTHING_SHOWN, Looking
from workers.streams import kept_pictures
from workers.streams.messages import OutputEntry, ToolReturned
from workers.tool_answers import ToolAnswers
from workers.tools.catalog import run_tool, tool_specs

IDS = ("sess", 1, "resp_1.0")
JPEG = b"\xff\xd8\xff picture"


@pytest.fixture
def client(redis_url: str) -> Iterator["redis.Redis"]:
    client = redis.Redis.from_url(redis_url)
    yield client
    client.close()


def keep(client: "redis.Redis", frame_id: str, source: Any, captured_at_ms: int, data: bytes = JPEG) -> None:
    kind: Any = "stream"
    assert kept_pictures.keep(
        client, "sess", frame_id, data, kind=kind, life_seconds=60, source=source, captured_at_ms=captured_at_ms
    )


def looks(client: "redis.Redis", **arguments: Any) -> tuple[list[Any], ToolReturned]:
    told: list[OutputEntry] = []
    looking = Looking(client, "sess", 1_000, ("camera", "screen"))
    answers = ToolAnswers(tool_specs(["look"]), (), run_tool, told.append, IDS, looking)
    parts = answers.answer(ToolUse("t1", "look", arguments))
    returned = told[-1]
    assert isinstance(returned, ToolReturned)
    return list(parts), returned


def test_the_newest_picture_stands_beside_the_answer(client: "redis.Redis") -> None:
    keep(client, "f1", "camera", 5_000)
    keep(client, "f2", "camera", 66_000, JPEG + b"2")
    (result, picture), returned = looks(client)
    assert isinstance(result, ToolResultPart)
    assert isinstance(picture, PicturePart)
    assert (picture.data, picture.captured_at_ms) == (JPEG + b"2", 66_000)
    assert "1:05" in result.content
    assert (returned.frame_id, returned.content) == ("f2", "Looked at the camera at 1:05.")


def test_it_looks_where_it_was_told_to(client: "redis.Redis") -> None:
    keep(client, "f1", "screen", 5_000, JPEG + b"screen")
    keep(client, "f2", "camera", 6_000)
    (_, picture), _ = looks(client, source="screen")
    assert picture.data == JPEG + b"screen"


def test_a_frame_like_the_one_before_shows_that_ones_picture(client: "redis.Redis") -> None:
    keep(client, "f1", "camera", 5_000)
    kept_pictures.stand_in(client, "sess", "f2", "f1", life_seconds=60, source="camera", captured_at_ms=9_000)
    (_, picture), returned = looks(client)
    assert (picture.data, picture.captured_at_ms) == (JPEG, 9_000)
    assert returned.frame_id == "f1"


def test_where_nothing_is_shown_the_model_is_told_so(client: "redis.Redis") -> None:
    (result,), returned = looks(client)
    assert result.content == NOTHING_SHOWN
    assert returned.frame_id == ""
    kept_pictures.forget_session(client, "sess")
    assert looks(client)[0][0].content == NOTHING_SHOWN


@pytest.mark.parametrize(("arguments", "field"), [({"source": "moon"}, "source"), ({"zoom": 2}, "zoom")])
def test_what_it_does_not_take_is_refused_by_name(arguments: dict[str, Any], field: str) -> None:
    with pytest.raises(BadInputError) as caught:
        run_tool("look", arguments)
    assert caught.value.field == field
