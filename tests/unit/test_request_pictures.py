"""How kept frames enter a request: found or left out, in order, each behind a line that says when it was seen."""

import threading
from collections.abc import Iterator

import pytest
import redis

from tests.contracts.language_model_suite import red_jpeg
from workers.language_model.contract import (
    FrameCell,
    FramePart,
    FrameSource,
    ModelMessage,
    ModelOptions,
    ModelRequest,
    PicturePart,
    StoredMessage,
    StoredPart,
    TextPart,
)
from workers.language_model.nova_wire import converse_arguments
from workers.language_model.token_estimate import estimated_picture_tokens
from workers.request_pictures import FilledMessages, fill_in
from workers.streams import keys
from workers.streams.kept_pictures import keep
from workers.streams.redis_clients import command_client

JPEG = red_jpeg()
START_MS = 1_000_000


@pytest.fixture
def client(redis_url: str) -> Iterator["redis.Redis"]:
    with command_client(redis_url) as client:
        yield client


def put(client: "redis.Redis", frame_id: str, data: bytes = JPEG) -> None:
    keep(client, "sess", frame_id, data, kind="stream", life_seconds=60)


def seen(frame_id: str, second: int, source: FrameSource = "camera", cells: tuple[FrameCell, ...] = ()) -> FramePart:
    return FramePart(keys.kept_frame(frame_id), source, START_MS + second * 1_000, cells)


def user(*parts: StoredPart) -> StoredMessage:
    return StoredMessage("user", parts)


def filled(client: "redis.Redis", *messages: StoredMessage, wait_seconds: float = 0.0) -> FilledMessages:
    return fill_in(messages, client, START_MS, wait_seconds=wait_seconds)


def captions(messages: tuple[ModelMessage, ...]) -> list[str]:
    return [part.caption for message in messages for part in message.parts if isinstance(part, PicturePart)]


def test_each_picture_says_whose_and_when_and_which_is_the_newest(client: "redis.Redis") -> None:
    for name in "abc":
        put(client, name)
    found = filled(client, user(seen("a", 12), seen("b", 65), seen("c", 60, "screen"), TextPart("What is it?")))
    assert captions(found.messages) == [
        "[The user's camera at 0:12]",
        "[The user's camera at 1:05, newest]",
        "[The user's screen at 1:00, newest]",
    ]
    assert (found.pictures, found.picture_bytes) == (3, 3 * len(JPEG))


def test_a_mosaic_tells_the_times_of_its_cells_and_their_sources_when_they_differ(client: "redis.Redis") -> None:
    put(client, "m")
    camera, screen = FrameCell("camera", START_MS + 5_000), FrameCell("screen", START_MS + 61_000)
    alone = filled(client, user(seen("m", 61, cells=(camera, FrameCell("camera", START_MS)))))
    assert captions(alone.messages) == ["[Earlier pictures in one, oldest first, row by row: 0:05, 0:00]"]
    mixed = filled(client, user(seen("m", 61, cells=(camera, screen))))
    assert captions(mixed.messages) == ["[Earlier pictures in one, oldest first, row by row: camera 0:05, screen 1:01]"]


def test_a_picture_the_user_sent_has_no_time(client: "redis.Redis") -> None:
    put(client, "u")
    assert captions(filled(client, user(seen("u", 0, "upload"))).messages) == ["[A picture the user sent]"]


def test_without_a_clock_times_count_from_the_oldest_picture(client: "redis.Redis") -> None:
    put(client, "a")
    put(client, "b")
    found = fill_in((user(seen("a", 100), seen("b", 107)),), client, 0, wait_seconds=0)
    assert captions(found.messages) == ["[The user's camera at 0:00]", "[The user's camera at 0:07, newest]"]


def test_what_is_gone_is_left_out_and_not_counted(client: "redis.Redis") -> None:
    put(client, "b")
    found = filled(client, user(seen("gone", 1), TextPart("then")), user(seen("b", 2), TextPart("now")))
    assert [len(message.parts) for message in found.messages] == [1, 2]
    assert found.pictures == 1


def test_a_frame_of_the_last_message_that_is_still_with_the_worker_is_waited_for(client: "redis.Redis") -> None:
    later = threading.Timer(0.03, put, (client, "late"))
    later.start()
    found = filled(client, user(seen("late", 1)), wait_seconds=10)
    later.join()
    assert found.pictures == 1


def test_an_older_message_is_not_waited_for(client: "redis.Redis") -> None:
    put(client, "now")
    found = filled(client, user(seen("gone", 1)), user(seen("now", 2)), wait_seconds=3_600)
    assert found.pictures == 1


def test_on_the_wire_a_caption_stands_right_before_its_picture_and_the_words_come_last(client: "redis.Redis") -> None:
    put(client, "a")
    put(client, "b")
    messages = filled(client, user(TextPart("And now?"), seen("a", 1), seen("b", 2))).messages
    sent = converse_arguments(ModelRequest("", messages, ModelOptions("us.amazon.nova-lite-v1:0")))
    kinds = [next(iter(block)) for block in sent["messages"][0]["content"]]
    assert kinds == ["text", "image", "text", "image", "text"]
    assert sent["messages"][0]["content"][2] == {"text": "[The user's camera at 0:02, newest]"}


@pytest.mark.parametrize(
    ("model", "tokens"),
    [
        ("us.amazon.nova-micro-v1:0", 0),
        ("us.amazon.nova-2-lite-v1:0", 5 * 230),
        ("us.amazon.nova-lite-v1:0", 8 * 858),
    ],
)
def test_the_estimate_counts_what_the_model_takes(model: str, tokens: int) -> None:
    pictures = tuple(PicturePart(JPEG, "jpeg", "camera", number) for number in range(8))
    request = ModelRequest("", (ModelMessage("user", pictures),), ModelOptions(model))
    assert estimated_picture_tokens(request) == tokens
