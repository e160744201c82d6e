"""The bytes of a session's pictures in Redis: bounded, led to by those that look alike, gone with the session."""

from collections.abc import Iterator

import pytest
import redis

from workers.streams import keys
from workers.streams.kept_pictures import (
    LIMITS,
    MIB,
    NewestPicture,
    PictureKind,
    forget_session,
    hold_as_cells,
    keep,
    load,
    newest,
    stand_in,
)
from workers.streams.redis_clients import command_client

SESSION = "sess"


@pytest.fixture
def client(redis_url: str) -> Iterator["redis.Redis"]:
    with command_client(redis_url) as client:
        yield client


def put(client: "redis.Redis", number: int, data: bytes = b"jpeg", kind: PictureKind = "stream") -> bool:
    return keep(
        client, SESSION, f"f{number}", data, kind=kind, life_seconds=900, source="camera", captured_at_ms=number
    )


def again(client: "redis.Redis", frame_id: str, previous_id: str) -> str | None:
    return stand_in(client, SESSION, frame_id, previous_id, life_seconds=900, source="camera", captured_at_ms=99)


def there(client: "redis.Redis", count: int = 200) -> list[str]:
    found = load(client, [keys.kept_frame(f"f{number}") for number in range(count)])
    return [f"f{number}" for number in range(count) if keys.kept_frame(f"f{number}") in found]


def weight(client: "redis.Redis") -> int:
    found: list[bytes] = list(client.scan_iter("nova:frame:*"))
    return sum(int(client.strlen(key)) for key in found)


def test_of_what_passes_by_the_newest_stay(client: "redis.Redis") -> None:
    for number in range(60):
        put(client, number)
    assert there(client) == [f"f{number}" for number in range(12, 60)]


@pytest.mark.parametrize("kind", list(LIMITS))
def test_heavy_pictures_are_bounded_by_their_weight(client: "redis.Redis", kind: PictureKind) -> None:
    for number in range(60):
        put(client, number, bytes(300 * 1024), kind)
    most_bytes = LIMITS[kind][1]
    assert most_bytes - 300 * 1024 < weight(client) <= most_bytes


def test_one_kind_does_not_push_out_another(client: "redis.Redis") -> None:
    put(client, 0, kind="uploads")
    for number in range(1, 100):
        put(client, number)
    assert "f0" in there(client)


def test_the_cells_of_a_mosaic_outlive_what_passes_by(client: "redis.Redis") -> None:
    for number in range(3):
        put(client, number)
    hold_as_cells(client, SESSION, ["f0", "f2", "gone"], life_seconds=900)
    for number in range(3, 100):
        put(client, number)
    assert there(client)[:3] == ["f0", "f2", "f52"]


def test_cells_are_bounded_too_and_those_held_again_stay(client: "redis.Redis") -> None:
    for number in range(40):
        put(client, number)
        hold_as_cells(client, SESSION, ["f0", f"f{number}"], life_seconds=900)
    assert there(client) == ["f0", *(f"f{number}" for number in range(17, 40))]


def test_a_frame_that_looks_alike_leads_to_the_picture_and_weighs_next_to_nothing(client: "redis.Redis") -> None:
    put(client, 1, bytes(100_000))
    assert again(client, "f2", "f1") == "f1"
    assert again(client, "f3", "f2") == "f1"
    found = load(client, [keys.kept_frame("f3"), keys.kept_frame("f2"), keys.kept_frame("f1"), keys.kept_frame("f9")])
    assert [len(data) for data in found.values()] == [100_000] * 3
    assert weight(client) < 101_000


def test_a_picture_that_is_seen_again_and_again_is_not_pushed_out(client: "redis.Redis") -> None:
    put(client, 0)
    for number in range(1, 100):
        put(client, number)
        assert again(client, "twin", "f0") == "f0"
    assert "f0" in there(client)


def test_what_is_gone_cannot_be_led_to(client: "redis.Redis") -> None:
    assert again(client, "f2", "f1") is None
    assert load(client, [keys.kept_frame("f2")]) == {}


def test_the_newest_of_a_source_is_known(client: "redis.Redis") -> None:
    assert newest(client, SESSION, "camera") is None
    put(client, 7)
    assert newest(client, SESSION, "camera") == NewestPicture("f7", 7)
    again(client, "f8", "f7")
    assert newest(client, SESSION, "camera") == NewestPicture("f7", 99)
    assert newest(client, SESSION, "screen") is None


def test_nothing_of_a_session_is_left_and_late_work_keeps_nothing(client: "redis.Redis") -> None:
    for number, kind in enumerate(LIMITS):
        put(client, number, kind=kind)
    again(client, "f8", "f0")
    keep(client, "other", "mine", b"x", kind="stream", life_seconds=900)
    forget_session(client, SESSION)
    assert not put(client, 9)
    assert again(client, "f10", "f0") is None
    left = {key.decode() for key in client.scan_iter("nova:*")}
    pointers = {keys.kept_frame("f8")}
    assert left - pointers == {
        keys.session_forgotten(SESSION), keys.kept_frame("mine"), keys.session_pictures("other", "stream"),
    }  # fmt: skip
    assert load(client, pointers) == {}


def test_everything_has_an_end(client: "redis.Redis") -> None:
    put(client, 0)
    again(client, "f1", "f0")
    hold_as_cells(client, SESSION, ["f0"], life_seconds=900)
    forget_session(client, "another")
    assert all(0 < int(client.ttl(key)) <= 900 for key in client.scan_iter("nova:*"))


def test_a_session_of_the_heaviest_pictures_stays_below_17_mib(client: "redis.Redis") -> None:
    for number in range(60):
        for kind in LIMITS:
            keep(client, SESSION, f"{kind}{number}", bytes(300 * 1024), kind=kind, life_seconds=900)
    assert weight(client) <= 17 * MIB
